#include <curl/curl.h>
#include <jansson.h>
#include "core/err.h"
#include "engine/priv.h"
