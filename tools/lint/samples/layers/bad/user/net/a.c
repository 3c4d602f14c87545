#include "dp/dp.h"
