typedef struct fv_a fv_a_t;
