// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs that prove flows, for kernels where they can ask conntrack what the host's NAT
 * does. Elsewhere those of fastveth_tc.bpf.c are taken, which are the same otherwise.
 */
#define FV_NAT
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "to.bpf.h"

/* Egress of a port: what the slow path delivers into the namespace. */
SEC("tc")
int fv_to_ns(struct __sk_buff *ctx)
{
	return fv_to(ctx);
}

/* Egress of an uplink: what leaves the host. */
SEC("tc")
int fv_to_uplink(struct __sk_buff *ctx)
{
	return fv_to_out(ctx);
}

char _license[] SEC("license") = "GPL";
