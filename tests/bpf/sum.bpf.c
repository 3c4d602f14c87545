// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the sum true that a packet brings along, of all of it but the Ethernet header (CHECKSUM_COMPLETE)?
 * A receiver takes a false one for no sum at all, so nothing else shows it. sums[0]: packets that
 * bring one, sums[1]: those of which it is true. Only TCP and UDP of up to 1 KiB in whole words is
 * looked at: what a bridge has snooped brings a sum of a part of it.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "consts.bpf.h"

#define CHUNK 64
#define CHUNKS 16

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sums SEC(".maps");

static __always_inline void add(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&sums, &which);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline __u16 fold(__u64 sum)
{
	for (int i = 0; i < 4; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline bool is_tcp_or_udp(struct __sk_buff *ctx)
{
	bool ip4 = ctx->protocol == bpf_htons(FV_ETH_P_IP);
	__u32 at = FV_ETH_HLEN +
		   (ip4 ? offsetof(struct iphdr, protocol) : offsetof(struct ipv6hdr, nexthdr));
	__u8 proto = 0;

	return !bpf_skb_load_bytes(ctx, at, &proto, 1) &&
	       (proto == IPPROTO_TCP || proto == IPPROTO_UDP);
}

SEC("tc")
int sum_in(struct __sk_buff *ctx)
{
	__s64 brought = bpf_csum_update(ctx, 0), sum = 0;
	__u32 at = FV_ETH_HLEN, words[CHUNK / 4];

	if (brought < 0 || !is_tcp_or_udp(ctx) || ctx->len > CHUNK * CHUNKS ||
	    (ctx->len - FV_ETH_HLEN) % 4)
		return -1;
	for (int i = 0; i < CHUNKS && at + CHUNK <= ctx->len; i++, at += CHUNK) {
		if (bpf_skb_load_bytes(ctx, at, words, CHUNK))
			return -1;
		sum = bpf_csum_diff(NULL, 0, words, CHUNK, sum);
	}
	for (int i = 0; i < CHUNK / 4 && at + 4 <= ctx->len; i++, at += 4) {
		if (bpf_skb_load_bytes(ctx, at, words, 4))
			return -1;
		sum = bpf_csum_diff(NULL, 0, words, 4, sum);
	}
	if (at != ctx->len)
		return -1;
	add(0);
	/* Zero is written in two ways. */
	if (fold(brought) % 0xffff == fold(sum) % 0xffff)
		add(1);
	return -1;
}

char _license[] SEC("license") = "GPL";
