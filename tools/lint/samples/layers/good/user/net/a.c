#include <stdio.h>
#include <libmnl/libmnl.h>
#include "core/err.h"
#include "net/a.h"
