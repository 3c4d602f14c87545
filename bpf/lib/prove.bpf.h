/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proof that the kernel's own path delivers a flow: a packet comes out of a port or an uplink with the
 * number of its note, and is the noted one but for its Ethernet addresses, a TTL one lower at the
 * most, and what NAT has made of its addresses and ports.
 */
#ifndef FV_BPF_PROVE_H
#define FV_BPF_PROVE_H

#include "conntrack.bpf.h"
#include "note.bpf.h"

/* Of an echo, its ports are what the key of its flow has in their place. */
static __always_inline void fv_tuple_of(const struct fv_packet *p, const __u32 hdr[FV_NOTE_WORDS],
					struct fv_tuple *ret)
{
	bool ports = p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
	__u32 word = p->family == 4 ? hdr[5] : hdr[10];

	if (p->family == 4) {
		ret->saddr[0] = hdr[3];
		ret->daddr[0] = hdr[4];
	} else {
		__builtin_memcpy(ret->saddr, hdr + 2, 16);
		__builtin_memcpy(ret->daddr, hdr + 6, 16);
	}
	ret->sport = ports ? ((const __be16 *)&word)[0] : p->sport;
	ret->dport = ports ? ((const __be16 *)&word)[1] : p->dport;
}

/* Words of the headers that NAT changes: addresses, ports, and in part the checksum of layer 4. */
static __always_inline bool fv_is_tuple(__u8 family, int i)
{
	return family == 4 ? i >= 3 && i <= 5 : i >= 2 && i <= 10;
}

static __always_inline __u32 fv_check_mask(const struct fv_packet *p, int i)
{
	int l4 = p->family == 4 ? 5 : 10;

	if (p->proto == IPPROTO_TCP && i == l4 + 4)
		return bpf_htonl(0xffff0000);
	if (p->proto == IPPROTO_UDP && i == l4 + 1)
		return bpf_htonl(0x0000ffff);
	return 0;
}

enum fv_fit {
	FV_FITS_NOT,
	FV_FITS,
	FV_FITS_NAT, /* but for what NAT may change */
};

static __always_inline enum fv_fit fv_headers_fit(const struct fv_note *note,
						  const struct fv_packet *p,
						  const __u32 hdr[FV_NOTE_WORDS])
{
	__u32 odd = 0, nat = 0;
	/* All of TCP, or eight bytes of layer 4. */
	int n = (p->family == 4 ? 7 : 12) + (p->proto == IPPROTO_TCP ? 3 : 0);

	for (int i = 0; i < FV_NOTE_WORDS; i++) {
		__u32 differs = hdr[i] ^ note->hdr[i], check = fv_check_mask(p, i);

		if (i >= n)
			break;
		if (fv_is_tuple(p->family, i))
			check = ~0U;
		odd |= differs & ~check;
		nat |= differs & check;
	}
	return odd ? FV_FITS_NOT : nat ? FV_FITS_NAT : FV_FITS;
}

/* Is the packet the noted one, and may it be? */
static __always_inline enum fv_fit fv_note_fits(const struct fv_note *note,
						const struct fv_frame *f, const struct fv_packet *p,
						const struct fv_port *port, __u32 came_by,
						__u32 hdr[FV_NOTE_WORDS])
{
	bool uplink = port->flags & FV_PORT_UPLINK;

	if (note->len != f->len || note->family != p->family || note->proto != p->proto ||
	    note->dscp != p->dscp || note->ttl - p->ttl > 1U || note->iif == port->ifindex)
		return FV_FITS_NOT;
	/* From one uplink to another is a router's business. */
	if (note->uplink && uplink)
		return FV_FITS_NOT;
	/* As the host's own path knows where it came in: the port, or the bridge that handed it up. */
	if (came_by != note->iif && (!note->master || came_by != note->master))
		return FV_FITS_NOT;
	/* A flooded frame comes out of every port. */
	if (!uplink && !fv_mac_equal(f->data, port->mac))
		return FV_FITS_NOT;
	if (bpf_jiffies64() - note->tick > 2 * fv_hz || !fv_headers(f, p, hdr))
		return FV_FITS_NOT;
	return fv_headers_fit(note, p, hdr);
}

/* Proven again, the same way? Then only that is written down. */
static __always_inline bool fv_flow_again(struct fv_flow *old, const struct fv_flow *flow)
{
	__s64 pause = flow->proven - old->proven;
	__u32 odd = 0;

	/* Meanwhile it had stopped taking the shortcut: it begins anew. */
	if (pause > 2 * fv_hz)
		return false;
	if (old->oif != flow->oif || old->ttl != flow->ttl || old->dscp != flow->dscp ||
	    old->hops != flow->hops || old->nat != flow->nat || old->mark != flow->mark ||
	    old->priority != flow->priority || !fv_l2_equal(old->in_l2, flow->in_l2) ||
	    !fv_l2_equal(old->out_l2, flow->out_l2))
		return false;
	if (flow->nat) {
		for (int i = 0; i < 4; i++)
			odd |= (old->saddr[i] ^ flow->saddr[i]) | (old->daddr[i] ^ flow->daddr[i]);
		if (odd || old->sport != flow->sport || old->dport != flow->dport)
			return false;
	}
	/* With each interval what is long is proven anew: a smaller MTU shows by that. */
	if (pause > fv_hz || flow->len > old->len)
		old->len = flow->len;
	old->proven = flow->proven;
	return true;
}

static __always_inline void fv_flow_store(const struct fv_packet *p, __u32 iif,
					  const struct fv_tuple *was, const struct fv_flow *flow)
{
	struct fv_flow *old;

	if (p->family == 4) {
		struct fv_flow4_key key = {
			.iif = iif,
			.saddr = was->saddr[0],
			.daddr = was->daddr[0],
			.sport = was->sport,
			.dport = was->dport,
			.proto = p->proto,
		};

		old = bpf_map_lookup_elem(&fv_flows4, &key);
		if (!old || !fv_flow_again(old, flow))
			bpf_map_update_elem(&fv_flows4, &key, flow, BPF_ANY);
	} else {
		struct fv_flow6_key key = {
			.iif = iif,
			.sport = was->sport,
			.dport = was->dport,
			.proto = p->proto,
		};

		__builtin_memcpy(key.saddr, was->saddr, 16);
		__builtin_memcpy(key.daddr, was->daddr, 16);
		old = bpf_map_lookup_elem(&fv_flows6, &key);
		if (!old || !fv_flow_again(old, flow))
			bpf_map_update_elem(&fv_flows6, &key, flow, BPF_ANY);
	}
}

static __always_inline void fv_flow_set_nat(struct fv_flow *flow, const struct fv_tuple *was,
					    const struct fv_tuple *is)
{
	struct fv_nat nat = { .to = *is };

	fv_nat_diff(was, &nat);
	flow->nat = 1;
	__builtin_memcpy(flow->saddr, is->saddr, 16);
	__builtin_memcpy(flow->daddr, is->daddr, 16);
	flow->sport = is->sport;
	flow->dport = is->dport;
	flow->addr_diff = nat.addr_diff;
	flow->port_diff = nat.port_diff;
}

/*
 * fv_note_read - a frame with a number comes out of a port or uplink. Where it is the noted one, its
 * flow leads there.
 */
static __always_inline void fv_note_read(struct __sk_buff *ctx, const struct fv_frame *f,
					 const struct fv_port *port)
{
	__u32 index = ctx->tc_index - 1, id, iif, hdr[FV_NOTE_WORDS] = {};
	struct fv_note *note = bpf_map_lookup_elem(&fv_notes, &index);
	struct fv_tuple was = {}, is = {};
	struct fv_packet p = {};
	struct fv_flow flow = {};
	bool from_uplink;
	enum fv_fit fit;

	if (!note || fv_packet_parse(f, &p) != FV_SHORTCUT || p.control)
		return;
	id = *(volatile __u32 *)&note->id;
	fit = fv_note_fits(note, f, &p, port, ctx->ingress_ifindex, hdr);
	if (!id || fit == FV_FITS_NOT)
		return;
	iif = note->iif;
	from_uplink = note->uplink;
	flow.made = bpf_ktime_get_ns();
	flow.proven = flow.since = bpf_jiffies64();
	flow.probed = flow.proven;
	flow.len = note->wire_len;
	flow.oif = port->ifindex;
	flow.ttl = note->ttl;
	flow.dscp = note->dscp;
	flow.hops = note->ttl - p.ttl;
	fv_l2_copy(flow.in_l2, note->l2);
	fv_tuple_of(&p, note->hdr, &was);
	/* Written anew meanwhile; what was read may be of both. Nothing is read after this. */
	barrier();
	if (*(volatile const __u32 *)&note->id != id)
		return;
	fv_l2_copy(flow.out_l2, f->data);
	if (port->flags & FV_PORT_UPLINK) {
		flow.mark = ctx->mark;
		flow.priority = ctx->priority;
	}
	if (fit == FV_FITS_NAT) {
		fv_tuple_of(&p, hdr, &is);
		/* From a port to a port, by an address of the host's: that stays with the host. */
		if (!from_uplink && !(port->flags & FV_PORT_UPLINK))
			return;
		if (!fv_conntrack_agrees(ctx, p.family, p.proto, &was, &is))
			return;
		fv_flow_set_nat(&flow, &was, &is);
	}
	fv_flow_store(&p, iif, &was, &flow);
}

#endif /* FV_BPF_PROVE_H */
