#include "net/netns.h"
