// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a test run cannot hand to a TC program by itself, before the program under test:
 *
 *	cb[0]	ethertype of an IP frame shorter than its header, which the kernel refuses; or 0
 *	cb[1]	1: a VLAN tag in metadata, where the kernel has put it when a port's programs run
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} before_next SEC(".maps");

/* What no program under test returns: the call did not come about. */
#define LOST 99

SEC("tc")
int before_run(struct __sk_buff *ctx)
{
	__be16 *ethertype = (void *)(long)ctx->data + 12;

	if ((void *)(ethertype + 1) > (void *)(long)ctx->data_end)
		return LOST;
	if (ctx->cb[0])
		*ethertype = ctx->cb[0];
	if (ctx->cb[1] == 1 && bpf_skb_vlan_push(ctx, bpf_htons(0x8100), 7))
		return LOST;
	bpf_tail_call(ctx, &before_next, 0);
	return LOST;
}

char _license[] SEC("license") = "GPL";
