/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses and ports of a packet, what of them the host's NAT has changed, and the same change
 * made to the packets that follow.
 */
#ifndef FV_BPF_NAT_H
#define FV_BPF_NAT_H

#include "parse.bpf.h"

/*
 * What comes back is proven right after what went forth is. Conntrack may have forgotten the connection:
 * by a packet that goes forth it finds the same addresses again; one that comes back it would take for
 * the host's own, or for a new connection. Only where nothing goes forth it is tried alone.
 */
#define FV_SOFT_BACK (7 * fv_hz / 4)

/* Who talks to whom; an IPv4 address is in the first word, the others are zero. */
struct fv_tuple {
	__be32 saddr[4], daddr[4];
	__be16 sport, dport;
};

/* What a packet's addresses and ports become. */
struct fv_nat {
	struct fv_tuple to;
	__u32 addr_diff, port_diff; /* see struct fv_flow */
};

static __always_inline void fv_tuple_copy(struct fv_tuple *to, const __be32 saddr[4],
					  const __be32 daddr[4], __be16 sport, __be16 dport)
{
	__builtin_memcpy(to->saddr, saddr, 16);
	__builtin_memcpy(to->daddr, daddr, 16);
	to->sport = sport;
	to->dport = dport;
}

static __always_inline void fv_nat_of(const struct fv_flow *flow, struct fv_nat *ret)
{
	fv_tuple_copy(&ret->to, flow->saddr, flow->daddr, flow->sport, flow->dport);
	ret->addr_diff = flow->addr_diff;
	ret->port_diff = flow->port_diff;
}

/* What the change adds to checksums. Both addresses lie together. */
static __always_inline void fv_nat_diff(struct fv_tuple *from, struct fv_flow *flow)
{
	__be32 ports_were = from->sport | (__u32)from->dport << 16;
	__be32 ports_are = flow->sport | (__u32)flow->dport << 16;

	flow->addr_diff = bpf_csum_diff(from->saddr, 32, flow->saddr, 32, 0);
	flow->port_diff = bpf_csum_diff(&ports_were, 4, &ports_are, 4, 0);
}

/* One's complement: the sum of a header whose words have changed by this much. */
static __always_inline __u16 fv_check_by_diff(__u16 check, __u32 diff)
{
	__u32 sum = (__u16)~check;

	sum += (diff & 0xffff) + (diff >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * fv_nat_rewrite - make the change. What fv_packet_parse has seen is there; pointers into the packet
 * are void afterwards. The checksum of layer 4 is the kernel's to mend: only it knows whether that
 * is whole, or but the part that a device will complete. It cannot fail: the headers are
 * writable, as they have been written already.
 */
static __always_inline bool fv_nat_rewrite(struct __sk_buff *ctx, const struct fv_frame *f,
					   __u8 family, __u8 proto, const struct fv_nat *nat)
{
	__u32 check = FV_ETH_HLEN + (proto == IPPROTO_TCP ? offsetof(struct tcphdr, check)
							  : offsetof(struct udphdr, check));
	__u64 udp = proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__be16 *ports;

	if (family == 4) {
		struct iphdr *ip = f->data + FV_ETH_HLEN;

		ports = (void *)(ip + 1);
		if ((void *)(ports + 2) > f->data_end)
			return false;
		ip->saddr = nat->to.saddr[0];
		ip->daddr = nat->to.daddr[0];
		ip->check = fv_check_by_diff(ip->check, nat->addr_diff);
		check += sizeof(*ip);
	} else {
		struct ipv6hdr *ip = f->data + FV_ETH_HLEN;

		ports = (void *)(ip + 1);
		if ((void *)(ports + 2) > f->data_end)
			return false;
		__builtin_memcpy(&ip->saddr, nat->to.saddr, 16);
		__builtin_memcpy(&ip->daddr, nat->to.daddr, 16);
		check += sizeof(*ip);
	}
	ports[0] = nat->to.sport;
	ports[1] = nat->to.dport;
	bpf_l4_csum_replace(ctx, check, 0, nat->addr_diff, BPF_F_PSEUDO_HDR | udp);
	if (nat->port_diff)
		bpf_l4_csum_replace(ctx, check, 0, nat->port_diff, udp);
	/*
	 * Where a device has summed up the whole packet, that call took the change of the checksum
	 * off the sum. In IPv4 that is right: the header's own sum makes up for the addresses. In
	 * IPv6 the addresses do, so it is put back.
	 */
	if (family == 6)
		bpf_csum_update(ctx, nat->addr_diff);
	return true;
}

#endif /* FV_BPF_NAT_H */
