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

#include "parse.bpf.h"

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
	struct fv_noted *noted = bpf_map_lookup_elem(&fv_noted, &zero);
	struct fv_note *note;

	if (!noted || !fv_note_mask || !wire_len)
		return 0;
	id = ++noted->n;
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
	__s64 pause = flow->proven - old->proven;

	/* Meanwhile it had stopped taking the shortcut: it begins anew. */
	if (pause > 2 * fv_hz)
		return false;
	if (old->oif != flow->oif || old->ttl != flow->ttl || old->dscp != flow->dscp ||
	    old->hops != flow->hops || !fv_l2_equal(old->in_l2, flow->in_l2) ||
	    !fv_l2_equal(old->out_l2, flow->out_l2))
		return false;
	/* With each interval what is long is proven anew: a smaller MTU shows by that. */
	if (pause > fv_hz || flow->len > old->len)
		old->len = flow->len;
	old->proven = flow->proven;
	return true;
}

/*
 * The packet is the noted one: its flow leads to this port.
 * @id: of the note when the comparison began
 */
static __always_inline void fv_prove(const struct fv_note *note, __u32 id, const struct fv_frame *f,
				     const struct fv_packet *p, const struct fv_port *port)
{
	__u32 iif = note->iif;
	struct fv_flow flow = {
		.made = bpf_ktime_get_ns(),
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
