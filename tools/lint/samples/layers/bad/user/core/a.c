#include "net/rtnl.h"
