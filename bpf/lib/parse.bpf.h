/* SPDX-License-Identifier: GPL-2.0-only */
/* What of a frame that leaves or enters an attached port can be of a flow, and of which. */
#ifndef FV_BPF_PARSE_H
#define FV_BPF_PARSE_H

#include "decide.bpf.h"

/* A packet that can be of a flow. */
struct fv_packet {
	__u8 family; /* 4 or 6 */
	__u8 proto;
	__u8 ttl;
	__u8 dscp;
	bool control; /* TCP SYN, FIN, RST */
	__be16 sport, dport;
};

static __always_inline bool fv_l2_equal(const __u8 *a, const __u8 *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline void fv_l2_copy(__u8 *to, const __u8 *from)
{
	((__u32 *)to)[0] = ((const __u32 *)from)[0];
	((__u32 *)to)[1] = ((const __u32 *)from)[1];
	((__u32 *)to)[2] = ((const __u32 *)from)[2];
}

static __always_inline __u32 fv_l3_hlen(const struct fv_packet *p)
{
	return p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline int fv_parse_l4(const struct fv_frame *f, void *l4, struct fv_packet *p)
{
	bool echo4 = p->family == 4 && p->proto == IPPROTO_ICMP;
	bool echo6 = p->family == 6 && p->proto == FV_IPPROTO_ICMPV6;

	/* The first eight bytes are there of every protocol that is taken. */
	if (l4 + 8 > f->data_end)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (p->proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > f->data_end)
			return FV_SLOW | FV_SLOW_MALFORMED;
		p->control = tcp->syn | tcp->fin | tcp->rst;
	} else if (echo4 || echo6) {
		struct icmphdr *icmp = l4;

		if (icmp->code ||
		    (echo4 ? icmp->type != FV_ICMP_ECHO && icmp->type != FV_ICMP_ECHOREPLY
			   : icmp->type != FV_ICMP6_ECHO && icmp->type != FV_ICMP6_ECHOREPLY))
			return FV_SLOW | FV_SLOW_PROTOCOL;
		p->sport = icmp->un.echo.id;
		p->dport = icmp->type;
		return FV_SHORTCUT;
	} else if (p->proto != IPPROTO_UDP) {
		return FV_SLOW | FV_SLOW_PROTOCOL;
	}
	p->sport = ((__be16 *)l4)[0];
	p->dport = ((__be16 *)l4)[1];
	return FV_SHORTCUT;
}

static __always_inline int fv_parse_ip4(const struct fv_frame *f, struct fv_packet *p)
{
	struct iphdr *ip = f->data + FV_ETH_HLEN;
	__u32 l3_len = f->len - FV_ETH_HLEN, tot_len;

	if ((void *)(ip + 1) > f->data_end || ip->version != 4 || ip->ihl < 5)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (ip->ihl != 5)
		return FV_SLOW | FV_SLOW_OPTIONS;
	if (ip->frag_off & bpf_htons(FV_IP_MF_OFFSET))
		return FV_SLOW | FV_SLOW_FRAGMENT;
	/* A packet of more than 64 KiB (BIG TCP) has 0 here. */
	tot_len = bpf_ntohs(ip->tot_len);
	if (tot_len != l3_len && (tot_len || l3_len <= 0xffff))
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (ip->ttl <= 1)
		return FV_SLOW | FV_SLOW_TTL;
	p->family = 4;
	p->proto = ip->protocol;
	p->ttl = ip->ttl;
	p->dscp = ip->tos >> 2;
	return fv_parse_l4(f, ip + 1, p);
}

static __always_inline int fv_parse_ip6(const struct fv_frame *f, struct fv_packet *p)
{
	struct ipv6hdr *ip = f->data + FV_ETH_HLEN;
	__u32 l3_len = f->len - FV_ETH_HLEN, payload;

	if ((void *)(ip + 1) > f->data_end || ip->version != 6)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (fv_ip6_extension(ip->nexthdr))
		return FV_SLOW | FV_SLOW_OPTIONS;
	if (ip->nexthdr == FV_NEXTHDR_FRAGMENT)
		return FV_SLOW | FV_SLOW_FRAGMENT;
	payload = bpf_ntohs(ip->payload_len);
	if (payload + sizeof(*ip) != l3_len && (payload || l3_len <= 0xffff + sizeof(*ip)))
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (ip->hop_limit <= 1)
		return FV_SLOW | FV_SLOW_TTL;
	p->family = 6;
	p->proto = ip->nexthdr;
	p->ttl = ip->hop_limit;
	p->dscp = (bpf_ntohl(*(__be32 *)ip) >> 22) & 0x3f;
	return fv_parse_l4(f, ip + 1, p);
}

/* fv_packet_parse - FV_SHORTCUT where the frame can be of a flow, with *p; else FV_SLOW. */
static __always_inline int fv_packet_parse(const struct fv_frame *f, struct fv_packet *p)
{
	struct ethhdr *eth = f->data;

	if ((void *)(eth + 1) > f->data_end)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (f->tagged || fv_eth_proto(eth) == bpf_htons(FV_ETH_P_8021Q) ||
	    fv_eth_proto(eth) == bpf_htons(FV_ETH_P_8021AD))
		return FV_SLOW | FV_SLOW_VLAN;
	if (eth->h_dest[0] & 1)
		return FV_SLOW | FV_SLOW_MULTICAST;
	if (fv_eth_proto(eth) == bpf_htons(FV_ETH_P_IP))
		return fv_parse_ip4(f, p);
	if (fv_eth_proto(eth) == bpf_htons(FV_ETH_P_IPV6))
		return fv_parse_ip6(f, p);
	return FV_SLOW | FV_SLOW_NOT_IP;
}

#endif /* FV_BPF_PARSE_H */
