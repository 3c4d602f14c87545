// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TC programs as the tests of proven flows run them. A test run takes and shows neither
 * tc_index nor, on older kernels, the device that a packet came by, so these are other
 * fields here: cb[3] and cb[4]. The clock is the test's, and what is redirected is written down.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "fastveth/abi.h"

#define MOCK_TC_REDIRECT 7

/* Written by the test. */
volatile __u64 mock_now;
struct fv_flow4_key mock_reused; /* this flow's entry is given to another while it is read */
/* Read by it. */
__u32 mock_redirects, mock_ifindex, mock_outs, mock_host_types, mock_other_types;
__u64 mock_flags;
/* What a device's sum over the packet (CHECKSUM_COMPLETE, which no test run has) would be more by. */
__u64 mock_sum;

static __always_inline long mock_csum_update(struct __sk_buff *ctx, __wsum sum)
{
	mock_sum += (__u32)sum;
	return bpf_csum_update(ctx, sum);
}

/* The kernel takes it for IPv4, whose header makes up for its addresses. */
static __always_inline long mock_l4_csum_replace(struct __sk_buff *ctx, __u32 at, __u64 from,
						 __u64 to, __u64 flags)
{
	if (flags & BPF_F_PSEUDO_HDR)
		mock_sum += ~(__u32)to;
	return bpf_l4_csum_replace(ctx, at, from, to, flags);
}

static __always_inline long mock_redirect_peer(__u32 ifindex, __u64 flags)
{
	mock_redirects++;
	mock_ifindex = ifindex;
	mock_flags = flags;
	return MOCK_TC_REDIRECT;
}

/* Of these redirects, those to the device itself, out of it. */
static __always_inline long mock_redirect(__u32 ifindex, __u64 flags)
{
	mock_outs++;
	return mock_redirect_peer(ifindex, flags);
}

static __always_inline long mock_change_type(struct __sk_buff *ctx, __u32 type)
{
	(void)ctx;
	if (type)
		mock_other_types++;
	else
		mock_host_types++;
	return 0;
}

/* What the kernel may do on another CPU at any time shall happen just before it is looked for. */
#undef barrier
#define barrier()                                                                                  \
	do {                                                                                       \
		struct fv_flow *mock_flow = bpf_map_lookup_elem(&fv_flows4, &mock_reused);         \
                                                                                                   \
		if (mock_flow)                                                                     \
			mock_flow->made++;                                                         \
		asm volatile("" ::: "memory");                                                     \
	} while (0)

#define bpf_csum_update mock_csum_update
#define bpf_l4_csum_replace mock_l4_csum_replace
#define bpf_redirect mock_redirect
#define bpf_redirect_peer mock_redirect_peer
#define bpf_skb_change_type mock_change_type
#define bpf_jiffies64() mock_now
#define tc_index cb[3]
#define ingress_ifindex cb[4]
#include "../../bpf/fastveth_tc.bpf.c"
