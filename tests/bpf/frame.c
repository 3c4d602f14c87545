// SPDX-License-Identifier: GPL-2.0-only
/* Frames from specs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "bpf/frame.h"
#include "core/ip.h"

static void put_mac(uint8_t *p, const char *s)
{
	assert_int_equal(sscanf(s, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &p[0], &p[1], &p[2], &p[3],
				&p[4], &p[5]),
			 6);
}

static void put_addr(uint8_t *p, const char *s, const struct fv_ip *otherwise)
{
	struct fv_ip ip = *otherwise;

	if (s)
		assert_int_equal(fv_ip_parse(s, &ip), 0);
	memcpy(p, ip.b, ip.family == AF_INET ? 4 : 16);
}

static size_t put_ethernet(const struct spec *spec, uint8_t *p)
{
	const struct fv_dp_endpoint *from = &bed[spec->from].dp;
	size_t n = 12;

	memcpy(p, from->port_mac, 6);
	memcpy(p + 6, from->mac, 6);
	if (spec->dmac)
		put_mac(p, spec->dmac);
	if (spec->smac)
		put_mac(p + 6, spec->smac);
	for (int i = 0; i < 2 && spec->tags[i]; i++) {
		put16(p + n, spec->tags[i]);
		put16(p + n + 2, 7 + i);
		n += 4;
	}
	put16(p + n, spec->ethertype ?: spec->family == 4 ? 0x0800 : 0x86dd);
	return n + 2;
}

uint16_t frame_check(const uint8_t *ip, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += i == 10 ? 0 : get16(ip + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

void frame_fix_check(struct frame *f)
{
	put16(f->b + ETH_SIZE + 10, frame_check(f->b + ETH_SIZE, IP4_SIZE));
}

static enum who target(const struct spec *spec)
{
	return spec->to == WEB && spec->from == WEB ? DB : spec->to;
}

static void put_ip4(const struct spec *spec, uint8_t *p, size_t size)
{
	size_t hlen = IP4_SIZE + spec->options;

	p[0] = (spec->version ?: 4) << 4 | (spec->ihl ? spec->ihl - 1 : (int)hlen / 4);
	p[1] = spec->tos;
	put16(p + 2, size + spec->claim);
	put16(p + 4, spec->id);
	put16(p + 6, spec->frag);
	p[8] = spec->ttl ? spec->ttl - 1 : 64;
	p[9] = spec->proto ?: 6;
	put_addr(p + 12, spec->src, &bed[spec->from].dp.ip4);
	put_addr(p + 16, spec->dst, &bed[target(spec)].dp.ip4);
	memset(p + IP4_SIZE, 1, spec->options);
	put16(p + 10, spec->check ? spec->check - 1 : frame_check(p, hlen));
}

static void put_ip6(const struct spec *spec, uint8_t *p, size_t size)
{
	int proto = spec->proto ?: 6;

	p[0] = (spec->version ?: 6) << 4 | spec->tos >> 4;
	p[1] = spec->tos << 4 | 0x0a;
	put16(p + 2, 0xbcde);
	put16(p + 4, size - IP6_SIZE + spec->claim);
	p[6] = spec->ext ? spec->ext - 1 : proto;
	p[7] = spec->ttl ? spec->ttl - 1 : 64;
	put_addr(p + 8, spec->src, &bed[spec->from].dp.ip6);
	put_addr(p + 24, spec->dst, &bed[target(spec)].dp.ip6);
	if (!spec->ext)
		return;
	/* One option that fills it, as hop-by-hop and destination options would have. */
	memset(p + IP6_SIZE, 0, 8);
	p[IP6_SIZE] = proto;
	p[IP6_SIZE + 2] = 1;
	p[IP6_SIZE + 3] = 4;
}

void frame_make(const struct spec *spec, struct frame *ret)
{
	size_t eth = put_ethernet(spec, ret->b), hlen, size;
	uint8_t *l3 = ret->b + eth;

	hlen = spec->family == 4 ? IP4_SIZE + spec->options : IP6_SIZE + (spec->ext ? 8 : 0);
	size = spec->size ?: spec->bare ? hlen : hlen + 20 + 32;
	ret->len = eth + size + spec->pad;
	assert_true(ret->len <= FRAME_MAX);
	/* Any payload will do, but one that shows what happened to it. */
	for (size_t i = 0; i < size + spec->pad; i++)
		l3[i] = i * 7 + 3;
	if (spec->family == 4)
		put_ip4(spec, l3, size);
	else if (spec->family == 6)
		put_ip6(spec, l3, size);
	if (spec->family && hlen + 20 <= size)
		l3[hlen + 12] = (spec->doff ?: 5) << 4;
	if (spec->cut && spec->cut < ret->len)
		ret->len = spec->cut;
}
