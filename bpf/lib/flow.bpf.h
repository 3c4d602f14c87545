/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proven flows: the shortcut between ports of others, and from and to uplinks, for as long as the
 * kernel's own path keeps delivering samples of the same flow. What was proven is in fv_flows;
 * this file looks at packets, prove.bpf.h proves.
 *
 * A packet goes on as the proven one did, or the kernel's way. Nothing is ever dropped here.
 */
#ifndef FV_BPF_FLOW_H
#define FV_BPF_FLOW_H

#include "decide.bpf.h"
#include "key.bpf.h"
#include "nat.bpf.h"
#include "note.bpf.h"

/* How long a proof holds, and how long one is waited for, in ticks. */
#define FV_SOFT fv_hz
#define FV_HARD (2 * fv_hz)
#define FV_PROBE_EVERY (fv_hz / 4)

static __always_inline bool fv_port_alive(struct fv_port *port)
{
	__u32 now = bpf_jiffies64(), ifindex = port->ifindex;

	if (likely(port->checked == now))
		return true;
	if (!bpf_map_lookup_elem(&fv_live, &ifindex))
		return false;
	port->checked = now;
	return true;
}

/* What the kernel's path did to the proven packet. */
struct fv_way {
	struct fv_port *target;
	__u32 oif;
	__u32 hops;
	__u32 mark, priority;
	__u8 out_l2[12];
	bool nat;
	struct fv_nat to; /* with nat */
};

/*
 * May this packet go as its flow did? FV_SHORTCUT with *way, else FV_SLOW.
 *
 * The LRU hash may give an entry to another flow while it is being read here. That writes a new
 * made first: what was read before it is the same at the end is all of one flow.
 */
static __always_inline int fv_flow_judge(struct __sk_buff *ctx, struct fv_frame *f,
					 const struct fv_packet *p, struct fv_flow *flow,
					 struct fv_way *way)
{
	__u64 now = bpf_jiffies64(), made;
	__s64 age, soft;

	if (!flow)
		return FV_SLOW | FV_SLOW_UNPROVEN;
	made = *(volatile __u64 *)&flow->made;
	/* Below 0 where another CPU has proven it since. */
	age = now - flow->proven;
	if (unlikely(age > FV_HARD))
		return FV_SLOW | FV_SLOW_STALE;
	soft = unlikely(flow->nat == FV_NAT_BACK) ? FV_SOFT_BACK : FV_SOFT;
	if (unlikely(age > soft) && (__u32)now - flow->probed >= FV_PROBE_EVERY) {
		flow->probed = now;
		return FV_SLOW | FV_SLOW_PROBE;
	}
	if (unlikely(!fv_l2_equal(f->data, flow->in_l2) || p->ttl != flow->ttl ||
		     p->dscp != flow->dscp))
		return FV_SLOW | FV_SLOW_CHANGED;
	if (unlikely(f->len - FV_ETH_HLEN > flow->len)) {
		__u32 wire_len;

		/* It lies in a cache line that nothing else here needs. */
		f->gso_size = ctx->gso_size;
		wire_len = fv_wire_len(f, p->proto, fv_l3_hlen(p));
		if (!wire_len || wire_len > flow->len)
			return FV_SLOW | FV_SLOW_LONGER;
	}
	way->oif = flow->oif;
	way->hops = flow->hops;
	way->mark = flow->mark;
	way->priority = flow->priority;
	way->nat = flow->nat;
	fv_l2_copy(way->out_l2, flow->out_l2);
	if (way->nat)
		fv_nat_of(flow, &way->to);
	barrier();
	if (unlikely(*(volatile __u64 *)&flow->made != made))
		return FV_SLOW | FV_SLOW_CHANGED;
	way->target = fv_port_find(way->oif);
	if (unlikely(!way->target || !fv_port_alive(way->target)))
		return FV_SLOW | FV_SLOW_TARGET;
	if (unlikely(way->target->flags & FV_PORT_DECLINED))
		return FV_SLOW | FV_SLOW_DECLINED;
	return FV_SHORTCUT;
}

/* The packet as it comes out. Nothing may be read from it after this. */
static __always_inline bool fv_flow_follow(struct __sk_buff *ctx, const struct fv_frame *f,
					   const struct fv_packet *p, const struct fv_way *way)
{
	struct ethhdr *eth = f->data;

	if ((void *)eth + FV_ETH_HLEN + sizeof(struct iphdr) > f->data_end)
		return false;
	if (way->hops) {
		if (p->family == 4) {
			fv_less_ttl((void *)(eth + 1));
		} else {
			((struct ipv6hdr *)(eth + 1))->hop_limit--;
			/* No checksum of the header makes up for it in a device's sum of the packet. */
			bpf_csum_update(ctx, bpf_htons(0xffff - 1));
		}
	}
	fv_l2_copy((__u8 *)eth, way->out_l2);
	return !way->nat || fv_nat_rewrite(ctx, f, p->family, p->proto, &way->to);
}

/*
 * fv_flow_from - what becomes of a frame that leaves a port or comes in by an uplink; rewritten
 * where it is FV_SHORTCUT.
 * @way: set for FV_SHORTCUT only
 * @ret_number: of the note that was left; stays as it is where none was
 */
static __always_inline int fv_flow_from(struct __sk_buff *ctx, struct fv_frame *f,
					const struct fv_port *port, struct fv_way *way,
					__u32 *ret_number)
{
	struct fv_packet p = {};
	struct fv_flow *flow;
	int verdict;

	if (port->flags & FV_PORT_DECLINED)
		return FV_SLOW | FV_SLOW_DECLINED;
	verdict = fv_packet_parse(f, &p);
	if (verdict != FV_SHORTCUT)
		return verdict;
	if (unlikely((port->flags & FV_PORT_NO_TCP) && p.proto == IPPROTO_TCP))
		return FV_SLOW | FV_SLOW_WINDOW;
	if (p.family == 4) {
		struct iphdr *ip = f->data + FV_ETH_HLEN;
		struct fv_flow4_key key;

		if ((void *)(ip + 1) > f->data_end)
			return FV_SLOW | FV_SLOW_MALFORMED;
		fv_flow4_key_of(port->ifindex, &p, ip, &key);
		if (unlikely(p.control)) {
			fv_flow4_forget(&key);
			return FV_SLOW | FV_SLOW_CONTROL;
		}
		flow = bpf_map_lookup_elem(&fv_flows4, &key);
		if (!flow && !fv_note_due(&key, sizeof(key)))
			return FV_SLOW | FV_SLOW_UNPROVEN;
	} else {
		struct ipv6hdr *ip = f->data + FV_ETH_HLEN;
		struct fv_flow6_key key;

		if ((void *)(ip + 1) > f->data_end)
			return FV_SLOW | FV_SLOW_MALFORMED;
		fv_flow6_key_of(port->ifindex, &p, ip, &key);
		if (unlikely(p.control)) {
			fv_flow6_forget(&key);
			return FV_SLOW | FV_SLOW_CONTROL;
		}
		flow = bpf_map_lookup_elem(&fv_flows6, &key);
		if (!flow && !fv_note_due(&key, sizeof(key)))
			return FV_SLOW | FV_SLOW_UNPROVEN;
	}
	verdict = fv_flow_judge(ctx, f, &p, flow, way);
	if (likely(verdict == FV_SHORTCUT))
		return fv_flow_follow(ctx, f, &p, way) ? FV_SHORTCUT : FV_SLOW | FV_SLOW_MALFORMED;
	f->gso_size = ctx->gso_size;
	*ret_number = fv_note_leave(f, &p, port);
	return verdict;
}

#endif /* FV_BPF_FLOW_H */
