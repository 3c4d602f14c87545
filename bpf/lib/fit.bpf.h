/* SPDX-License-Identifier: GPL-2.0-only */
/* Is what comes out the packet that was noted, and in what do they differ? */
#ifndef FV_BPF_FIT_H
#define FV_BPF_FIT_H

#include "nat.bpf.h"
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

static __always_inline __u16 fv_l4_check(const struct fv_packet *p, const __u32 hdr[FV_NOTE_WORDS])
{
	__u32 tcp = p->family == 4 ? hdr[9] : hdr[14], udp = p->family == 4 ? hdr[6] : hdr[11];

	return p->proto == IPPROTO_TCP ? ((const __u16 *)&tcp)[0] : ((const __u16 *)&udp)[1];
}

/* Of a sum in one's complement, 0 is said in two ways. */
static __always_inline bool fv_check_equal(__u16 a, __u16 b)
{
	return a == b || ((a ^ b) == 0xffff && (!a || !b));
}

/*
 * Has the checksum of layer 4 changed by just what the change of addresses and ports makes of it? If
 * not, the host changes what is behind them, too. Where a device will complete it, it is the sum of the
 * pseudo header: without ports, and not inverted.
 */
static __always_inline bool fv_check_follows(const struct fv_packet *p, __u16 was, __u16 is,
					     const struct fv_flow *flow)
{
	__u16 whole = fv_check_by_diff(fv_check_by_diff(was, flow->addr_diff), flow->port_diff);

	if (p->proto == IPPROTO_UDP && !was)
		return !is;
	return fv_check_equal(is, whole) ||
	       fv_check_equal(~is, fv_check_by_diff(~was, flow->addr_diff));
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

	/* Old verifiers (6.1) take a jump back for one without end where it leads to a fall-through. */
#pragma unroll
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

#endif /* FV_BPF_FIT_H */
