// SPDX-License-Identifier: GPL-2.0-only
/* The datapath, told again in plain words. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/model.h"

static struct want shortcut(enum who to)
{
	return (struct want)SHORTCUT(to);
}

static struct want slow(enum fv_slow why)
{
	return (struct want){ WAY_SLOW, why, NOBODY };
}

static struct want drop(enum fv_drop why)
{
	return (struct want){ WAY_DROP, why, NOBODY };
}

/* An address at p, of 4 or 16 bytes. */
static struct fv_ip address(const uint8_t *p, size_t size)
{
	struct fv_ip ip = { .family = size == 4 ? AF_INET : AF_INET6 };

	memcpy(ip.b, p, size);
	return ip;
}

static bool is(const struct fv_ip *ip, const char *prefix)
{
	struct fv_prefix p;

	return !fv_prefix_parse(prefix, &p) && fv_ip_in(ip, &p);
}

static enum who owner(uint32_t network, const struct fv_ip *ip)
{
	for (enum who who = 0; who < N_WHO; who++) {
		const struct fv_dp_endpoint *e = &bed[who].dp;

		if (!bed[who].absent && e->network == network &&
		    (fv_ip_equal(&e->ip4, ip) || fv_ip_equal(&e->ip6, ip)))
			return who;
	}
	return NOBODY;
}

/* The network whose subnet is the longest around an address; 0: none, or the host's own. */
static uint32_t network_of(const struct fv_ip *ip)
{
	const struct fv_dp_subnet *best = NULL;

	for (size_t i = 0; i < N_SUBNETS; i++)
		if (fv_ip_in(ip, &bed_subnets[i].prefix) &&
		    (!best || best->prefix.len < bed_subnets[i].prefix.len))
			best = &bed_subnets[i];
	return best ? best->network : 0;
}

/* Bytes of layer 3 of the packets that a GSO packet becomes; 0: none, or cannot be told. */
static size_t segment_size(const struct frame *f, unsigned int gso, size_t hlen, uint8_t proto)
{
	const uint8_t *l4 = f->b + ETH_SIZE + hlen;

	if (gso && proto == 17)
		return hlen + 8 + gso;
	if (gso && proto == 6 && f->len >= ETH_SIZE + hlen + 20)
		return hlen + (l4[12] >> 4) * 4 + gso;
	return 0;
}

static struct want to_address(enum who from, const struct frame *f, const struct fv_ip *dst,
			      size_t segment)
{
	uint32_t network = bed[from].dp.network, other = network_of(dst);
	enum who to = owner(network, dst);

	if (to == NOBODY && other && other != network)
		return drop(FV_DROP_ISOLATION);
	if (is(dst, "224.0.0.0/4") || is(dst, "ff00::/8"))
		return slow(FV_SLOW_MULTICAST);
	if (is(dst, "169.254.0.0/16") || is(dst, "0.0.0.0/32") || is(dst, "::/128"))
		return slow(FV_SLOW_LINK_LOCAL);
	if (to == NOBODY)
		return slow(FV_SLOW_OUTSIDE);
	if (f->len - ETH_SIZE > bed[to].mtu && (!segment || segment > bed[to].mtu))
		return slow(FV_SLOW_MTU);
	if (to == from || bed[to].gone)
		return slow(FV_SLOW_TARGET);
	return shortcut(to);
}

static struct want not_routed(const struct frame *f)
{
	return slow(f->b[0] & 1 ? FV_SLOW_MULTICAST : FV_SLOW_NOT_ROUTED);
}

static struct want ip4(enum who from, const struct frame *f, const struct meta *meta, bool routed)
{
	const uint8_t *ip = f->b + ETH_SIZE;
	size_t size = f->len - ETH_SIZE;
	struct fv_ip src, dst;

	if (size < IP4_SIZE)
		return slow(FV_SLOW_MALFORMED);
	src = address(ip + 12, 4);
	dst = address(ip + 16, 4);
	if (!fv_ip_equal(&src, &bed[from].dp.ip4))
		return drop(FV_DROP_SPOOFED_ADDR);
	if (!routed)
		return not_routed(f);
	if (ip[0] >> 4 != 4)
		return slow(FV_SLOW_MALFORMED);
	if ((ip[0] & 15) < 5)
		return slow(FV_SLOW_MALFORMED);
	if ((ip[0] & 15) > 5)
		return slow(FV_SLOW_OPTIONS);
	/* All but the reserved bit and "don't fragment". */
	if (get16(ip + 6) & 0x3fff)
		return slow(FV_SLOW_FRAGMENT);
	/* More than the field can say is said by 0. */
	if (get16(ip + 2) != size && !(get16(ip + 2) == 0 && size > 65535))
		return slow(FV_SLOW_MALFORMED);
	if (ip[8] < 2)
		return slow(FV_SLOW_TTL);
	return to_address(from, f, &dst, segment_size(f, meta->gso, IP4_SIZE, ip[9]));
}

static struct want ip6(enum who from, const struct frame *f, const struct meta *meta, bool routed)
{
	const uint8_t *ip = f->b + ETH_SIZE;
	size_t size = f->len - ETH_SIZE;
	struct fv_ip src, dst;

	if (size < IP6_SIZE)
		return slow(FV_SLOW_MALFORMED);
	src = address(ip + 8, 16);
	dst = address(ip + 24, 16);
	if (is(&src, "fe80::/10") || is(&src, "::/128"))
		return slow(FV_SLOW_LINK_LOCAL);
	if (!fv_ip_equal(&src, &bed[from].dp.ip6))
		return drop(FV_DROP_SPOOFED_ADDR);
	if (!routed)
		return not_routed(f);
	if (is(&dst, "fe80::/10"))
		return slow(FV_SLOW_LINK_LOCAL);
	if (ip[0] >> 4 != 6)
		return slow(FV_SLOW_MALFORMED);
	switch (ip[6]) {
	case 0:	  /* hop by hop */
	case 43:  /* routing */
	case 51:  /* authentication */
	case 60:  /* destination options */
	case 135: /* mobility */
		return slow(FV_SLOW_OPTIONS);
	case 44:
		return slow(FV_SLOW_FRAGMENT);
	}
	if (get16(ip + 4) + IP6_SIZE != size && !(get16(ip + 4) == 0 && size > 65535 + IP6_SIZE))
		return slow(FV_SLOW_MALFORMED);
	if (ip[7] < 2)
		return slow(FV_SLOW_TTL);
	return to_address(from, f, &dst, segment_size(f, meta->gso, IP6_SIZE, ip[6]));
}

struct want model_decide(enum who from, const struct frame *f, const struct meta *meta)
{
	const struct fv_dp_endpoint *e = &bed[from].dp;
	bool routed;

	if (f->len < ETH_SIZE)
		return slow(FV_SLOW_MALFORMED);
	routed = !memcmp(f->b, e->port_mac, 6);
	if (memcmp(f->b + 6, e->mac, 6))
		return drop(FV_DROP_SPOOFED_MAC);
	if (meta->tagged)
		return slow(FV_SLOW_VLAN);
	switch (get16(f->b + 12)) {
	case 0x0800:
		return ip4(from, f, meta, routed);
	case 0x86dd:
		return ip6(from, f, meta, routed);
	case 0x8100:
	case 0x88a8:
		return slow(FV_SLOW_VLAN);
	}
	return slow(FV_SLOW_NOT_IP);
}

void model_forward(struct frame *f, enum who to)
{
	uint8_t *ip = f->b + ETH_SIZE;
	uint32_t sum, old;

	memcpy(f->b, bed[to].dp.mac, 6);
	memcpy(f->b + 6, bed[to].dp.port_mac, 6);
	if (get16(f->b + 12) == 0x86dd) {
		ip[7]--;
		return;
	}
	/* RFC 1624, equation 3. */
	old = get16(ip + 8);
	ip[8]--;
	sum = (~get16(ip + 10) & 0xffff) + (~old & 0xffff) + get16(ip + 8);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum);
}

const char *model_str(const struct want *want)
{
	static char s[64];

	if (want->way == WAY_SHORTCUT)
		snprintf(s, sizeof(s), "shortcut to %s", bed[want->to].port);
	else
		snprintf(s, sizeof(s), "%s: %s", want->way == WAY_SLOW ? "slow" : "drop",
			 want->way == WAY_SLOW ? fv_slow_name(want->reason)
					       : fv_drop_name(want->reason));
	return s;
}
