// SPDX-License-Identifier: GPL-2.0-only
/* Addresses and prefixes as values: text, comparison, counting. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/ip.h"

/*
 * ::ffff:0:0/96 is here because IPv4 addresses are kept in that form in the
 * BPF maps: an endpoint that had one as an IPv6 address would pass for another.
 */
static const struct fv_prefix specials[] = {
	{ { AF_INET, { 0 } }, 8 },
	{ { AF_INET, { 127 } }, 8 },
	{ { AF_INET, { 169, 254 } }, 16 },
	{ { AF_INET, { 224 } }, 4 },
	{ { AF_INET, { 255, 255, 255, 255 } }, 32 },
	{ { AF_INET6, { 0 } }, 127 },
	{ { AF_INET6, { [10] = 0xff, 0xff } }, 96 },
	{ { AF_INET6, { 0xfe, 0x80 } }, 10 },
	{ { AF_INET6, { 0xff } }, 8 },
};

int fv_ip_parse(const char *s, struct fv_ip *ret)
{
	struct fv_ip ip = { .family = strchr(s, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(ip.family, s, ip.b) != 1)
		return -EINVAL;
	*ret = ip;
	return 0;
}

int fv_prefix_parse(const char *s, struct fv_prefix *ret)
{
	const char *slash = strchr(s, '/'), *p;
	char addr[INET6_ADDRSTRLEN];
	struct fv_prefix prefix = { 0 };

	if (!slash || (size_t)(slash - s) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, s, (size_t)(slash - s));
	addr[slash - s] = '\0';
	if (fv_ip_parse(addr, &prefix.ip))
		return -EINVAL;
	p = slash + 1;
	if (!*p || strlen(p) > 3 || (*p == '0' && p[1]))
		return -EINVAL;
	for (; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		prefix.len = prefix.len * 10 + (unsigned int)(*p - '0');
	}
	if (prefix.len > fv_ip_bits(&prefix.ip))
		return -EINVAL;
	*ret = prefix;
	return 0;
}

const char *fv_ip_str(const struct fv_ip *ip, char *buf)
{
	if (!ip->family || !inet_ntop(ip->family, ip->b, buf, FV_IP_STRLEN))
		*buf = '\0';
	return buf;
}

const char *fv_prefix_str(const struct fv_prefix *p, char *buf)
{
	size_t n = strlen(fv_ip_str(&p->ip, buf));

	if (n)
		snprintf(buf + n, FV_IP_STRLEN - n, "/%u", p->len);
	return buf;
}

const char *fv_mac_str(const uint8_t mac[6], char buf[FV_MAC_STRLEN])
{
	static const char digits[] = "0123456789abcdef";
	char *to = buf;

	for (size_t i = 0; i < 6; i++) {
		*to++ = digits[mac[i] >> 4];
		*to++ = digits[mac[i] & 15];
		*to++ = ':';
	}
	to[-1] = '\0';
	return buf;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int fv_mac_parse(const char *s, uint8_t ret[6])
{
	uint8_t mac[6];

	if (strlen(s) != FV_MAC_STRLEN - 1)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++, s += 3) {
		if (hex_digit(s[0]) < 0 || hex_digit(s[1]) < 0 || s[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		mac[i] = (uint8_t)(hex_digit(s[0]) << 4 | hex_digit(s[1]));
	}
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

bool fv_ip_equal(const struct fv_ip *a, const struct fv_ip *b)
{
	return a->family == b->family && !memcmp(a->b, b->b, sizeof(a->b));
}

static bool same_bits(const struct fv_ip *a, const struct fv_ip *b, unsigned int len)
{
	uint8_t mask = (uint8_t)(0xff00 >> len % 8);

	if (memcmp(a->b, b->b, len / 8))
		return false;
	return len % 8 == 0 || !((a->b[len / 8] ^ b->b[len / 8]) & mask);
}

bool fv_ip_in(const struct fv_ip *ip, const struct fv_prefix *p)
{
	return ip->family && ip->family == p->ip.family && same_bits(ip, &p->ip, p->len);
}

bool fv_prefix_overlap(const struct fv_prefix *a, const struct fv_prefix *b)
{
	return a->ip.family && a->ip.family == b->ip.family &&
	       same_bits(&a->ip, &b->ip, a->len < b->len ? a->len : b->len);
}

bool fv_prefix_special(const struct fv_prefix *p)
{
	for (size_t i = 0; i < FV_ARRAY_SIZE(specials); i++)
		if (fv_prefix_overlap(p, &specials[i]))
			return true;
	return false;
}

bool fv_ip_special(const struct fv_ip *ip)
{
	struct fv_prefix p = { *ip, fv_ip_bits(ip) };

	return fv_prefix_special(&p);
}

uint64_t fv_prefix_hosts(const struct fv_prefix *p)
{
	unsigned int bits = fv_ip_bits(&p->ip) - p->len;

	return bits >= 64 ? UINT64_MAX : 1ULL << bits;
}

struct fv_prefix fv_prefix_base(const struct fv_prefix *p)
{
	struct fv_prefix base = *p;
	size_t byte = p->len / 8;

	if (p->len % 8)
		base.ip.b[byte++] &= (uint8_t)(0xff00 >> p->len % 8);
	memset(base.ip.b + byte, 0, sizeof(base.ip.b) - byte);
	return base;
}

bool fv_prefix_host(const struct fv_prefix *p, uint64_t n, struct fv_ip *ret)
{
	struct fv_ip ip = fv_prefix_base(p).ip;
	unsigned int bits = fv_ip_bits(&p->ip) - p->len;

	if (!p->ip.family || (bits < 64 && n >> bits))
		return false;
	/* The host bits are clear, so there is nothing to carry. */
	for (size_t i = fv_ip_bits(&ip) / 8; n; n >>= 8)
		ip.b[--i] |= (uint8_t)n;
	*ret = ip;
	return true;
}
