#ifndef FV_CORE_A_H
#define FV_CORE_A_H
uint32_t fv_a(void);
#endif
