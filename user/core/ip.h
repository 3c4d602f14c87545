/* SPDX-License-Identifier: GPL-2.0-only */
/* IP addresses and prefixes of both families, and MAC addresses, as values. */
#ifndef FV_CORE_IP_H
#define FV_CORE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fv_ip {
	int family;    /* AF_INET, AF_INET6; 0: none */
	uint8_t b[16]; /* network order; IPv4 in b[0..3], the rest zero */
};

struct fv_prefix {
	struct fv_ip ip; /* host bits may be set; family 0: none */
	unsigned int len;
};

#define FV_IP_STRLEN 64 /* room for an address with prefix length and NUL */
#define FV_MAC_STRLEN 18

/* Parse: 0, or -EINVAL with ret untouched. No names are resolved. */
int fv_ip_parse(const char *s, struct fv_ip *ret);
/* "ADDR/LEN"; -EINVAL where the length is missing or out of range. */
int fv_prefix_parse(const char *s, struct fv_prefix *ret);
/* "02:00:00:00:00:01", two digits each. */
int fv_mac_parse(const char *s, uint8_t ret[6]);
/* Format into buf (at least FV_IP_STRLEN) and return buf; "" for family 0. */
const char *fv_ip_str(const struct fv_ip *ip, char *buf);
const char *fv_prefix_str(const struct fv_prefix *p, char *buf);
const char *fv_mac_str(const uint8_t mac[6], char buf[FV_MAC_STRLEN]);

static inline unsigned int fv_ip_bits(const struct fv_ip *ip)
{
	return ip->family == 2 /* AF_INET */ ? 32 : 128;
}

bool fv_ip_equal(const struct fv_ip *a, const struct fv_ip *b);
bool fv_ip_in(const struct fv_ip *ip, const struct fv_prefix *p);
bool fv_prefix_overlap(const struct fv_prefix *a, const struct fv_prefix *b);
/* Loopback, multicast, unspecified, link-local or broadcast: nothing an endpoint can have. */
bool fv_ip_special(const struct fv_ip *ip);
/* Some address of the prefix is special. */
bool fv_prefix_special(const struct fv_prefix *p);

/* fv_prefix_host - the Nth address of a prefix; false where N is outside it. */
bool fv_prefix_host(const struct fv_prefix *p, uint64_t n, struct fv_ip *ret);
/* fv_prefix_hosts - number of addresses of a prefix, UINT64_MAX where it is more. */
uint64_t fv_prefix_hosts(const struct fv_prefix *p);
/* Clears the host bits. */
struct fv_prefix fv_prefix_base(const struct fv_prefix *p);

#endif /* FV_CORE_IP_H */
