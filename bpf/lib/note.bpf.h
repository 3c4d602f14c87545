/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Notes: what a packet looked like that went the kernel's own way, and where it came from. Whatever
 * then comes out of another port with the number of that note, and looks the same, has passed bridge,
 * routing and firewall: prove.bpf.h.
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
	note->uplink = port->flags & FV_PORT_UPLINK;
	note->ttl = p->ttl;
	note->proto = p->proto;
	note->dscp = p->dscp;
	fv_l2_copy(note->l2, f->data);
	if (!fv_headers(f, p, note->hdr))
		return 0;
	*(volatile __u32 *)&note->id = id | 1U << 31;
	return index + 1;
}

/* A place is in use for so many ticks: 48 ms where there are 250 a second. */
#define FV_TRY_TICKS 12

/*
 * Is this packet of an unproven flow to be noted? One a tick: each that had to be would cost those
 * most that never are proven. And not in the tick that its flow begins in: most connections are
 * over in it, and would be noted, proven and forgotten for nothing. Which flows have begun is known
 * of as many as there are places; a flow whose place is in use by another one does not wait, for it may
 * have been here: of ten thousand flows in turn, some would find their place lost each time.
 */
static __always_inline bool fv_note_due(const void *key, __u32 size)
{
	__u32 set, try, *tried, last;
	struct fv_noted *noted;
	__u64 hash = 0;

	for (__u32 i = 0; i < size / 4; i++)
		hash = (hash ^ hash >> 32 ^ ((const __u32 *)key)[i]) * 0x9e3779b97f4a7c15ULL;
	set = hash >> 60;
	noted = bpf_map_lookup_elem(&fv_noted, &set);
	if (!noted)
		return false;
	tried = &noted->tried[hash >> 50 & (FV_TRIES - 1)];
	try = (__u32)(hash >> 22) << 16 | (__u16)bpf_jiffies64();
	last = *tried;
	if (last == try)
		return false;
	*tried = try;
	return last >> 16 == try >> 16 || (__u16)(try - last) < FV_TRY_TICKS;
}

#endif /* FV_BPF_NOTE_H */
