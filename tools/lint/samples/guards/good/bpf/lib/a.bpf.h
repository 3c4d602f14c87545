#ifndef FV_BPF_A_H
#define FV_BPF_A_H
#endif
