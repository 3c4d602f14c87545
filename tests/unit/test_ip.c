// SPDX-License-Identifier: GPL-2.0-only
/* Addresses and prefixes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/ip.h"

static struct fv_prefix prefix(const char *s)
{
	struct fv_prefix p;

	assert_int_equal(fv_prefix_parse(s, &p), 0);
	return p;
}

static struct fv_ip ip(const char *s)
{
	struct fv_ip a;

	assert_int_equal(fv_ip_parse(s, &a), 0);
	return a;
}

static void reads_and_writes_addresses(void **state)
{
	static const char *const same[] = { "10.77.0.1", "0.0.0.0", "255.255.255.255", "::",
					    "::1",	 "fd77::2", "fe80::1:2:3:4" };
	static const char *const bad[] = { "",		"10.77.0",    "10.77.0.256", "10.77.0.1 ",
					   " 10.0.0.1", "10.0.0.1/8", "010.0.0.1",   "host",
					   "fd77::%1",	"fd77:::1",   "1:2:3",	     "::ffff:1.2.3",
					   "0x7f.1",	"[::1]",      "127.1" };
	char buf[FV_IP_STRLEN];
	struct fv_ip a = ip("fd77:0:0::0002"), keep = a;

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(same); i++) {
		struct fv_ip b = ip(same[i]);

		assert_string_equal(fv_ip_str(&b, buf), same[i]);
		assert_int_equal(b.family, strchr(same[i], ':') ? AF_INET6 : AF_INET);
		assert_int_equal(fv_ip_bits(&b), strchr(same[i], ':') ? 128 : 32);
	}
	assert_string_equal(fv_ip_str(&a, buf), "fd77::2");
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		assert_int_equal(fv_ip_parse(bad[i], &a), -EINVAL);
		assert_memory_equal(&a, &keep, sizeof(a));
	}
	a.family = 0;
	assert_string_equal(fv_ip_str(&a, buf), "");
}

static void reads_and_writes_prefixes(void **state)
{
	static const char *const same[] = { "10.77.0.0/24", "10.77.0.9/32", "0.0.0.0/0",
					    "fd77::/64",    "::/0",	    "fd77::1/128" };
	static const char *const bad[] = { "10.77.0.0",	    "10.77.0.0/",
					   "10.77.0.0/33",  "10.77.0.0/024",
					   "10.77.0.0/+1",  "10.77.0.0/-1",
					   "10.77.0.0/ 8",  "10.77.0.0/8x",
					   "10.77.0.0/8/8", "/8",
					   "fd77::/129",    "fd77::/1000",
					   "x/8",	    "10.77.0.0/4294967304" };
	struct fv_prefix p = prefix("10.0.0.0/8"), keep = p;
	char buf[FV_IP_STRLEN], longish[200];

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(same); i++) {
		struct fv_prefix q = prefix(same[i]);

		assert_string_equal(fv_prefix_str(&q, buf), same[i]);
	}
	memset(longish, '1', sizeof(longish));
	strcpy(longish + sizeof(longish) - 3, "/8");
	assert_int_equal(fv_prefix_parse(longish, &p), -EINVAL);
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		assert_int_equal(fv_prefix_parse(bad[i], &p), -EINVAL);
		assert_memory_equal(&p, &keep, sizeof(p));
	}
	p.ip.family = 0;
	assert_string_equal(fv_prefix_str(&p, buf), "");
}

static void reads_and_writes_macs(void **state)
{
	static const char *const bad[] = { "",
					   "02:00:ab:cd:ef",
					   "02:00:ab:cd:ef:f",
					   "02:00:ab:cd:ef:ff:",
					   "2:0:ab:cd:ef:ff:",
					   "02-00-ab-cd-ef-ff",
					   "02:00:ab:cd:ef:fg",
					   " 2:00:ab:cd:ef:ff",
					   "+2:00:ab:cd:ef:ff",
					   "02:00:ab:cd:ef:\xc3\xa4" };
	const uint8_t mac[6] = { 0x02, 0, 0xab, 0xcd, 0xef, 0xff };
	uint8_t back[6] = { 0 };
	char buf[FV_MAC_STRLEN];

	(void)state;
	assert_string_equal(fv_mac_str(mac, buf), "02:00:ab:cd:ef:ff");
	assert_int_equal(fv_mac_parse(buf, back), 0);
	assert_memory_equal(back, mac, 6);
	assert_int_equal(fv_mac_parse("12:34:56:78:9A:Bc", back), 0);
	assert_memory_equal(back, "\x12\x34\x56\x78\x9a\xbc", 6);
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		assert_int_equal(fv_mac_parse(bad[i], back), -EINVAL);
		assert_memory_equal(back, "\x12\x34\x56\x78\x9a\xbc", 6);
	}
}

static void compares(void **state)
{
	static const struct {
		const char *ip, *prefix;
		bool in;
	} in[] = {
		{ "10.77.0.1", "10.77.0.0/24", true },	{ "10.77.1.1", "10.77.0.0/24", false },
		{ "10.77.0.1", "10.77.0.99/24", true }, { "10.77.0.7", "10.77.0.0/29", true },
		{ "10.77.0.8", "10.77.0.0/29", false }, { "1.2.3.4", "0.0.0.0/0", true },
		{ "1.2.3.4", "1.2.3.4/32", true },	{ "1.2.3.5", "1.2.3.4/32", false },
		{ "fd77::1", "fd77::/64", true },	{ "fd77:0:0:1::1", "fd77::/64", false },
		{ "fd77::1", "fd77::/127", true },	{ "fd77::2", "fd77::/127", false },
		{ "::", "0.0.0.0/0", false },		{ "0.0.0.0", "::/0", false },
	};
	static const struct {
		const char *a, *b;
		bool overlap;
	} pairs[] = {
		{ "10.0.0.0/8", "10.77.0.0/24", true },	  { "10.77.0.0/24", "10.77.1.0/24", false },
		{ "10.77.0.0/23", "10.77.1.0/24", true }, { "0.0.0.0/0", "10.77.1.0/24", true },
		{ "fd77::/64", "fd77::/48", true },	  { "fd77::/64", "fd77:0:0:1::/64", false },
		{ "::/0", "0.0.0.0/0", false },		  { "10.0.0.0/9", "10.128.0.0/9", false },
	};
	const struct fv_prefix none = { 0 };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(in); i++) {
		struct fv_ip a = ip(in[i].ip);
		struct fv_prefix p = prefix(in[i].prefix);

		assert_int_equal(fv_ip_in(&a, &p), in[i].in);
		assert_false(fv_ip_in(&none.ip, &p));
	}
	for (size_t i = 0; i < FV_ARRAY_SIZE(pairs); i++) {
		struct fv_prefix a = prefix(pairs[i].a), b = prefix(pairs[i].b);

		assert_int_equal(fv_prefix_overlap(&a, &b), pairs[i].overlap);
		assert_int_equal(fv_prefix_overlap(&b, &a), pairs[i].overlap);
		assert_false(fv_prefix_overlap(&a, &none));
		assert_true(fv_prefix_overlap(&a, &a));
	}
	assert_false(fv_prefix_overlap(&none, &none));
	assert_true(
		fv_ip_equal(&(struct fv_ip){ AF_INET, { 1 } }, &(struct fv_ip){ AF_INET, { 1 } }));
	assert_false(
		fv_ip_equal(&(struct fv_ip){ AF_INET, { 1 } }, &(struct fv_ip){ AF_INET, { 2 } }));
	assert_false(
		fv_ip_equal(&(struct fv_ip){ AF_INET, { 0 } }, &(struct fv_ip){ AF_INET6, { 0 } }));
}

static void knows_special_addresses(void **state)
{
	static const char *const special[] = {
		"0.0.0.0",     "0.1.2.3",
		"127.0.0.1",   "127.255.255.255",
		"169.254.1.1", "224.0.0.1",
		"239.1.1.1",   "255.255.255.255",
		"::",	       "::1",
		"fe80::1",     "febf::1",
		"ff02::1",     "::ffff:10.0.0.1",
	};
	static const char *const usual[] = { "10.0.0.1",    "172.17.0.2",  "193.168.0.101",
					     "1.0.0.0",	    "126.0.0.1",   "128.0.0.1",
					     "169.253.0.1", "223.1.1.1",   "::2",
					     "fd77::1",	    "2001:db8::1", "fec0::1",
					     "240.0.0.1" };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(special); i++) {
		struct fv_ip a = ip(special[i]);

		assert_true(fv_ip_special(&a));
	}
	for (size_t i = 0; i < FV_ARRAY_SIZE(usual); i++) {
		struct fv_ip a = ip(usual[i]);

		assert_false(fv_ip_special(&a));
	}
	assert_true(fv_prefix_special(&(struct fv_prefix){ ip("126.0.0.0"), 7 }));
	assert_false(fv_prefix_special(&(struct fv_prefix){ ip("126.0.0.0"), 8 }));
	assert_true(fv_prefix_special(&(struct fv_prefix){ ip("::"), 0 }));
}

static void counts_hosts(void **state)
{
	static const struct {
		const char *prefix;
		uint64_t n;
		const char *host; /* "": outside */
		uint64_t hosts;
	} cases[] = {
		{ "10.77.0.0/24", 0, "10.77.0.0", 256 },
		{ "10.77.0.0/24", 1, "10.77.0.1", 256 },
		{ "10.77.0.0/24", 255, "10.77.0.255", 256 },
		{ "10.77.0.0/24", 256, "", 256 },
		{ "10.77.0.99/24", 2, "10.77.0.2", 256 },
		{ "10.64.0.0/10", 0x123456, "10.82.52.86", 1 << 22 },
		{ "1.2.3.4/32", 0, "1.2.3.4", 1 },
		{ "1.2.3.4/32", 1, "", 1 },
		{ "0.0.0.0/0", 0xffffffff, "255.255.255.255", 1ULL << 32 },
		{ "0.0.0.0/0", 1ULL << 32, "", 1ULL << 32 },
		{ "fd77::/64", 2, "fd77::2", UINT64_MAX },
		{ "fd77::/64", UINT64_MAX, "fd77::ffff:ffff:ffff:ffff", UINT64_MAX },
		{ "fd77::/48", UINT64_MAX, "fd77::ffff:ffff:ffff:ffff", UINT64_MAX },
		{ "fd77::/112", 0xffff, "fd77::ffff", 65536 },
		{ "fd77::/112", 0x10000, "", 65536 },
		{ "fd77::8/125", 7, "fd77::f", 8 },
	};
	struct fv_prefix none = { 0 };
	struct fv_ip untouched = ip("1.1.1.1");

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		struct fv_prefix p = prefix(cases[i].prefix);
		struct fv_ip a = ip("1.1.1.1");
		char buf[FV_IP_STRLEN];

		assert_int_equal(fv_prefix_hosts(&p), cases[i].hosts);
		assert_int_equal(fv_prefix_host(&p, cases[i].n, &a), *cases[i].host != '\0');
		assert_string_equal(fv_ip_str(&a, buf), *cases[i].host ? cases[i].host : "1.1.1.1");
	}
	assert_false(fv_prefix_host(&none, 0, &untouched));
}

static void clears_host_bits(void **state)
{
	static const char *const cases[][2] = {
		{ "10.77.1.2/16", "10.77.0.0/16" },   { "10.77.1.255/26", "10.77.1.192/26" },
		{ "1.2.3.4/32", "1.2.3.4/32" },	      { "1.2.3.4/0", "0.0.0.0/0" },
		{ "fd77::1:2/120", "fd77::1:0/120" }, { "ffff::/1", "8000::/1" },
	};
	char buf[FV_IP_STRLEN];

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		struct fv_prefix p = prefix(cases[i][0]), base = fv_prefix_base(&p);

		assert_string_equal(fv_prefix_str(&base, buf), cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_addresses),
		cmocka_unit_test(reads_and_writes_prefixes),
		cmocka_unit_test(reads_and_writes_macs),
		cmocka_unit_test(compares),
		cmocka_unit_test(knows_special_addresses),
		cmocka_unit_test(counts_hosts),
		cmocka_unit_test(clears_host_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
