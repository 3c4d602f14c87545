// SPDX-License-Identifier: GPL-2.0-only
/* The same programs with the kernel's calls for conntrack entries: for kernels that have them. */
#define FV_NAT
#include "mock_flow.bpf.c"
