typedef int (*fv_hook)(void *ctx);
