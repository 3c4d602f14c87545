#include "dp/dp.h"
#include "net/rtnl.h"
