#ifndef FV_CORE_A_H
#define FV_CORE_A_H
#endif
