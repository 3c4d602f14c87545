// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that do nothing, for tools/bench/progcost: what they cost is what
 * the hook and the kernel's clock around it cost. One per hook, because the
 * kernel keeps run time and run count per program.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("tc")
int empty_ingress(struct __sk_buff *skb)
{
	(void)skb;
	return -1 /* next */;
}

SEC("tc")
int empty_egress(struct __sk_buff *skb)
{
	(void)skb;
	return -1 /* next */;
}

SEC("xdp")
int empty_xdp(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
