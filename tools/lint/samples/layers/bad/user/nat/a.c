#include "tests/harness/a.h"
