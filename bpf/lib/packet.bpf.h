/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame as the decision sees it, what it asks of headers, and what a router does to them. */
#ifndef FV_BPF_PACKET_H
#define FV_BPF_PACKET_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "consts.bpf.h"
#include "fastveth/abi.h"

struct fv_frame {
	void *data; /* Ethernet header */
	void *data_end;
	__u32 len;	 /* bytes of the frame, its non-linear part included */
	__u32 gso_size;	 /* payload bytes of a segment; 0: not a GSO packet */
	__u32 tagged;	 /* not 0: VLAN tag in metadata */
	__u32 elsewhere; /* not 0: destination MAC is not the port's own */
};

/*
 * The kernel's struct ethhdr is packed, and a MAC an array of bytes: left to
 * itself the compiler touches each byte alone.
 */
static __always_inline bool fv_mac_equal(const __u8 *a, const __u8 *b)
{
	return *(const __u32 *)a == *(const __u32 *)b &&
	       *(const __u16 *)(a + 4) == *(const __u16 *)(b + 4);
}

static __always_inline __be16 fv_eth_proto(const struct ethhdr *eth)
{
	return *(const __be16 *)((const void *)eth + 12);
}

/* Layer 3 bytes of the largest packet that this frame puts on a wire; 0: cannot tell. */
static __always_inline __u32 fv_wire_len(const struct fv_frame *f, __u8 proto, __u32 l3_hlen)
{
	void *l4 = f->data + FV_ETH_HLEN + l3_hlen;

	if (!f->gso_size)
		return f->len - FV_ETH_HLEN;
	if (proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > f->data_end)
			return 0;
		return f->gso_size + l3_hlen + tcp->doff * 4;
	}
	if (proto == IPPROTO_UDP)
		return f->gso_size + l3_hlen + sizeof(struct udphdr);
	return 0;
}

static __always_inline bool fv_ip6_link_local(const struct in6_addr *a)
{
	return (a->in6_u.u6_addr32[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline bool fv_ip6_unspecified(const struct in6_addr *a)
{
	return !(a->in6_u.u6_addr32[0] | a->in6_u.u6_addr32[1] | a->in6_u.u6_addr32[2] |
		 a->in6_u.u6_addr32[3]);
}

static __always_inline bool fv_ip6_extension(__u8 nexthdr)
{
	return nexthdr == FV_NEXTHDR_HOPOPTS || nexthdr == FV_NEXTHDR_ROUTING ||
	       nexthdr == FV_NEXTHDR_DSTOPTS || nexthdr == FV_NEXTHDR_MOBILITY ||
	       nexthdr == IPPROTO_AH;
}

static __always_inline void fv_new_macs(struct ethhdr *eth, const struct fv_endpoint *ep)
{
	/* Both addresses lie together, there as here. */
	((__u32 *)eth)[0] = ((const __u32 *)ep->mac)[0];
	((__u32 *)eth)[1] = ((const __u32 *)ep->mac)[1];
	((__u32 *)eth)[2] = ((const __u32 *)ep->mac)[2];
}

static __always_inline void fv_less_ttl(struct iphdr *ip)
{
	__u32 check = ip->check;

	check += bpf_htons(0x0100);
	ip->check = check + (check >= 0xffff);
	ip->ttl--;
}

/*
 * fv_forward - what a router does to the packet: new Ethernet addresses, TTL
 * one lower. Call it after FV_SHORTCUT only: header sizes have been checked then,
 * but the verifier wants to see it again. The IPv4 header's sum stays the same, so a
 * checksum over the packet that a device computed stays true; packets that come from a
 * namespace carry none over their IPv6 header.
 */
static __always_inline bool fv_forward(const struct fv_frame *f, const struct fv_endpoint *ep)
{
	struct ethhdr *eth = f->data;

	if ((void *)eth + FV_ETH_HLEN + sizeof(struct iphdr) > f->data_end)
		return false;
	if (fv_eth_proto(eth) == bpf_htons(FV_ETH_P_IP))
		fv_less_ttl((void *)(eth + 1));
	else
		((struct ipv6hdr *)(eth + 1))->hop_limit--;
	fv_new_macs(eth, ep);
	return true;
}

/* The same for a packet that fv_plain took. */
static __always_inline void fv_forward_plain(const struct fv_frame *f, const struct fv_endpoint *ep)
{
	struct ethhdr *eth = f->data;

	fv_less_ttl((void *)(eth + 1));
	fv_new_macs(eth, ep);
}

#endif /* FV_BPF_PACKET_H */
