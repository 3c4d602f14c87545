/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proof that the kernel's own path delivers a flow: a packet comes out of a port or an uplink with the
 * number of its note, and is the noted one but for its Ethernet addresses, a TTL one lower at the
 * most, and what NAT has made of its addresses and ports.
 */
#ifndef FV_BPF_PROVE_H
#define FV_BPF_PROVE_H

#include "conntrack.bpf.h"
#include "fit.bpf.h"
#include "key.bpf.h"

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

static __always_inline void fv_flow_due(struct fv_flow *back, const struct fv_flow *flow)
{
	__s64 age = back ? flow->proven - back->proven : 0;

	if (back && back->nat == FV_NAT_BACK && age > fv_hz / 2 && age < FV_SOFT_BACK)
		back->proven = flow->proven - FV_SOFT_BACK - 1;
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
		if (flow->nat != FV_NAT_FORTH)
			return;
		fv_flow4_back(&key, flow, &key);
		fv_flow_due(bpf_map_lookup_elem(&fv_flows4, &key), flow);
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
		if (flow->nat != FV_NAT_FORTH)
			return;
		fv_flow6_back(&key, flow, &key);
		fv_flow_due(bpf_map_lookup_elem(&fv_flows6, &key), flow);
	}
}

static __always_inline void fv_flow_set_nat(const struct fv_packet *p,
					    const __u32 hdr[FV_NOTE_WORDS], struct fv_tuple *was,
					    struct fv_flow *flow)
{
	struct fv_tuple is = {};

	fv_tuple_of(p, hdr, &is);
	__builtin_memcpy(flow->saddr, is.saddr, 16);
	__builtin_memcpy(flow->daddr, is.daddr, 16);
	flow->sport = is.sport;
	flow->dport = is.dport;
	fv_nat_diff(was, flow);
}

/*
 * fv_note_read - a frame with a number comes out of a port or uplink. Where it is the noted one, its
 * flow leads there.
 */
static __always_inline void fv_note_read(struct __sk_buff *ctx, const struct fv_frame *f,
					 const struct fv_port *port)
{
	__u32 index = ctx->tc_index - 1, zero = 0, id, iif, hdr[FV_NOTE_WORDS] = {};
	struct fv_note *note = bpf_map_lookup_elem(&fv_notes, &index);
	struct fv_noted *noted = bpf_map_lookup_elem(&fv_noted, &zero);
	struct fv_tuple was = {};
	struct fv_packet p = {};
	struct fv_flow *flow;
	bool from_uplink;
	enum fv_fit fit;
	__u16 check;

	if (!note || !noted || fv_packet_parse(f, &p) != FV_SHORTCUT || p.control)
		return;
	id = *(volatile __u32 *)&note->id;
	fit = fv_note_fits(note, f, &p, port, ctx->ingress_ifindex, hdr);
	if (!id || fit == FV_FITS_NOT)
		return;
	flow = &noted->flow;
	__builtin_memset(flow, 0, sizeof(*flow));
	iif = note->iif;
	from_uplink = note->uplink;
	flow->made = bpf_ktime_get_ns();
	flow->proven = flow->since = bpf_jiffies64();
	flow->probed = flow->proven;
	flow->len = note->wire_len;
	flow->oif = port->ifindex;
	flow->ttl = note->ttl;
	flow->dscp = note->dscp;
	flow->hops = note->ttl - p.ttl;
	fv_l2_copy(flow->in_l2, note->l2);
	fv_tuple_of(&p, note->hdr, &was);
	check = fv_l4_check(&p, note->hdr);
	/* Written anew meanwhile; what was read may be of both. Nothing is read after this. */
	barrier();
	if (*(volatile const __u32 *)&note->id != id)
		return;
	fv_l2_copy(flow->out_l2, f->data);
	if (port->flags & FV_PORT_UPLINK) {
		flow->mark = ctx->mark;
		flow->priority = ctx->priority;
	}
	if (fit == FV_FITS_NAT) {
		/* From a port to a port, by an address of the host's: that stays with the host. */
		if (!from_uplink && !(port->flags & FV_PORT_UPLINK))
			return;
		fv_flow_set_nat(&p, hdr, &was, flow);
		if (!fv_check_follows(&p, check, fv_l4_check(&p, hdr), flow))
			return;
		flow->nat = fv_conntrack_agrees(ctx, p.family, p.proto, &was, flow);
		if (!flow->nat)
			return;
	}
	fv_flow_store(&p, iif, &was, flow);
}

#endif /* FV_BPF_PROVE_H */
