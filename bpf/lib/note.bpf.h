/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proof that the kernel's own path delivers a flow. A packet that leaves an attached port gets a
 * note: what it looked like, and where it came from. Whatever then comes out of another attached port
 * with the number of that note, and looks the same but for its Ethernet addresses and a
 * TTL one lower at the most, has passed bridge, routing and firewall: the flow is proven for that port.
 *
 * The number travels in skb->tc_index: it stays with the packet on every way through this
 * host, and nothing on that way reads it unless an administrator made it.
 */
#ifndef FV_BPF_NOTE_H
#define FV_BPF_NOTE_H

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

/*
 * The headers that must come out as they went in: all of layer 3 but TTL and IPv4 checksum, of
 * layer 4 all of TCP (without options) or eight bytes. False: not there, which fv_packet_parse has
 * excluded, but the verifier wants to see it.
 */
static __always_inline bool fv_headers(const struct fv_frame *f, const struct fv_packet *p,
				       __u32 ret[FV_NOTE_WORDS])
{
	const __u32 *w = f->data + FV_ETH_HLEN;

	if (p->family == 4) {
		if ((void *)(w + 7) > f->data_end)
			return false;
		for (int i = 0; i < 7; i++)
			ret[i] = w[i];
		ret[2] &= bpf_htonl(0x00ff0000); /* the protocol, between TTL and checksum */
		if (p->proto == IPPROTO_TCP) {
			if ((void *)(w + 10) > f->data_end)
				return false;
			for (int i = 7; i < 10; i++)
				ret[i] = w[i];
		}
		return true;
	}
	if ((void *)(w + 12) > f->data_end)
		return false;
	for (int i = 0; i < 12; i++)
		ret[i] = w[i];
	ret[1] &= bpf_htonl(0xffffff00); /* the hop limit is last */
	if (p->proto == IPPROTO_TCP) {
		if ((void *)(w + 15) > f->data_end)
			return false;
		for (int i = 12; i < 15; i++)
			ret[i] = w[i];
	}
	return true;
}

/*
 * fv_note_leave - note what this frame looks like. Returns what its tc_index is to be, 0 where
 * there is no note.
 */
static __always_inline __u32 fv_note_leave(const struct fv_frame *f, const struct fv_packet *p,
					   const struct fv_port *port)
{
	__u32 zero = 0, index, id, wire_len = fv_wire_len(f, p->proto, fv_l3_hlen(p));
	__u32 *noted = bpf_map_lookup_elem(&fv_noted, &zero);
	struct fv_note *note;

	if (!noted || !fv_note_mask || !wire_len)
		return 0;
	id = ++*noted;
	index = bpf_get_smp_processor_id() * (fv_note_mask + 1) + (id & fv_note_mask);
	note = bpf_map_lookup_elem(&fv_notes, &index);
	if (!note)
		return 0;
	/* Whoever reads it meanwhile, of a packet that is long gone, sees that. */
	*(volatile __u32 *)&note->id = 0;
	note->iif = port->ifindex;
	note->master = port->master;
	note->len = f->len;
	note->tick = bpf_jiffies64();
	note->wire_len = wire_len;
	note->family = p->family;
	note->ttl = p->ttl;
	note->proto = p->proto;
	note->dscp = p->dscp;
	fv_l2_copy(note->l2, f->data);
	if (!fv_headers(f, p, note->hdr))
		return 0;
	*(volatile __u32 *)&note->id = id | 1U << 31;
	return index + 1;
}

/* Is the packet the noted one, and may it be? */
static __always_inline bool fv_note_fits(const struct fv_note *note, const struct fv_frame *f,
					 const struct fv_packet *p, const struct fv_port *port,
					 __u32 came_by)
{
	__u32 hdr[FV_NOTE_WORDS] = {}, odd = 0;

	if (note->len != f->len || note->family != p->family || note->proto != p->proto ||
	    note->dscp != p->dscp || note->ttl - p->ttl > 1U || note->iif == port->ifindex)
		return false;
	/* As the host's own path knows where it came in: the port, or the bridge that handed it up. */
	if (came_by != note->iif && (!note->master || came_by != note->master))
		return false;
	/* A flooded frame comes out of every port. */
	if (!fv_mac_equal(f->data, port->mac))
		return false;
	if (bpf_jiffies64() - note->tick > 2 * fv_hz || !fv_headers(f, p, hdr))
		return false;
	for (int i = 0; i < 7; i++)
		odd |= hdr[i] ^ note->hdr[i];
	if (p->family == 6)
		for (int i = 7; i < 12; i++)
			odd |= hdr[i] ^ note->hdr[i];
	if (p->proto == IPPROTO_TCP) {
		if (p->family == 4)
			for (int i = 7; i < 10; i++)
				odd |= hdr[i] ^ note->hdr[i];
		else
			for (int i = 12; i < 15; i++)
				odd |= hdr[i] ^ note->hdr[i];
	}
	return !odd;
}

static __always_inline void fv_flow4_key_of(__u32 iif, const struct fv_packet *p,
					    const struct iphdr *ip, struct fv_flow4_key *ret)
{
	ret->iif = iif;
	ret->saddr = ip->saddr;
	ret->daddr = ip->daddr;
	ret->sport = p->sport;
	ret->dport = p->dport;
	ret->proto = p->proto;
}

static __always_inline void fv_flow6_key_of(__u32 iif, const struct fv_packet *p,
					    const struct ipv6hdr *ip, struct fv_flow6_key *ret)
{
	ret->iif = iif;
	__builtin_memcpy(ret->saddr, &ip->saddr, 16);
	__builtin_memcpy(ret->daddr, &ip->daddr, 16);
	ret->sport = p->sport;
	ret->dport = p->dport;
	ret->proto = p->proto;
}

/* Proven again, the same way? Then only that is written down. */
static __always_inline bool fv_flow_again(struct fv_flow *old, const struct fv_flow *flow)
{
	if (old->oif != flow->oif || old->ttl != flow->ttl || old->dscp != flow->dscp ||
	    old->hops != flow->hops || !fv_l2_equal(old->in_l2, flow->in_l2) ||
	    !fv_l2_equal(old->out_l2, flow->out_l2))
		return false;
	/* With each interval what is long is proven anew: a smaller MTU shows by that. */
	if ((__s64)(flow->proven - old->proven) > fv_hz || flow->len > old->len)
		old->len = flow->len;
	old->proven = flow->proven;
	return true;
}

/*
 * The packet is the noted one: its flow leads to this port.
 * @id: of the note when the comparison began
 */
static __always_inline void fv_prove(const struct fv_note *note, __u32 id,
				     const struct fv_frame *f, const struct fv_packet *p,
				     const struct fv_port *port)
{
	__u32 iif = note->iif;
	struct fv_flow flow = {
		.proven = bpf_jiffies64(),
		.len = note->wire_len,
		.oif = port->ifindex,
		.ttl = note->ttl,
		.dscp = note->dscp,
		.hops = note->ttl - p->ttl,
	};
	struct fv_flow *old;

	flow.since = flow.proven;
	flow.probed = flow.proven;
	fv_l2_copy(flow.in_l2, note->l2);
	/* Written anew meanwhile; what was read may be of both. Nothing is read after this. */
	barrier();
	if (*(volatile const __u32 *)&note->id != id)
		return;
	fv_l2_copy(flow.out_l2, f->data);
	if (p->family == 4) {
		struct iphdr *ip = f->data + FV_ETH_HLEN;
		struct fv_flow4_key key;

		if ((void *)(ip + 1) > f->data_end)
			return;
		fv_flow4_key_of(iif, p, ip, &key);
		old = bpf_map_lookup_elem(&fv_flows4, &key);
		if (!old || !fv_flow_again(old, &flow))
			bpf_map_update_elem(&fv_flows4, &key, &flow, BPF_ANY);
	} else {
		struct ipv6hdr *ip = f->data + FV_ETH_HLEN;
		struct fv_flow6_key key;

		if ((void *)(ip + 1) > f->data_end)
			return;
		fv_flow6_key_of(iif, p, ip, &key);
		old = bpf_map_lookup_elem(&fv_flows6, &key);
		if (!old || !fv_flow_again(old, &flow))
			bpf_map_update_elem(&fv_flows6, &key, &flow, BPF_ANY);
	}
}

/*
 * fv_note_read - a frame with a number comes out of an attached port.
 * @came_by: device that the host received it by
 */
static __always_inline void fv_note_read(__u32 tc_index, const struct fv_frame *f,
					 const struct fv_port *port, __u32 came_by)
{
	__u32 index = tc_index - 1, id;
	struct fv_packet p = {};
	struct fv_note *note = bpf_map_lookup_elem(&fv_notes, &index);

	if (!note || fv_packet_parse(f, &p) != FV_SHORTCUT || p.control)
		return;
	id = *(volatile __u32 *)&note->id;
	if (!id || !fv_note_fits(note, f, &p, port, came_by))
		return;
	fv_prove(note, id, f, &p, port);
}

#endif /* FV_BPF_NOTE_H */
