// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does not take the shortcut: left to the kernel's path as it came, with the reason, or
 * dropped where policy says so. Every packet goes through fv_from_ns and fv_xdp_from_ns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/run.h"

#define BROADCAST "ff:ff:ff:ff:ff:ff"
#define GROUP4 "01:00:5e:00:00:05"
#define GROUP6 "33:33:00:00:00:01"

static void what_expires_is_slow(void **state)
{
	static const struct row rows[] = {
		ROW("TTL 1", SLOW(TTL), .ttl = JUST(1)),
		ROW("TTL 0", SLOW(TTL), .ttl = JUST(0)),
		ROW("TTL 1 to the outside", SLOW(TTL), .family = 4, .ttl = JUST(1),
		    .dst = "192.0.2.1"),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void what_is_too_large_is_slow(void **state)
{
	static const struct row rows[] = {
		ROW("1501", SLOW(MTU), .size = 1501),
		ROW("1501 with DF", SLOW(MTU), .family = 4, .size = 1501, .frag = 0x4000),
		ROW("1281 to 1280", SLOW(MTU), .to = SMALL, .size = 1281),
		ROW("3500", SLOW(MTU), .size = 3500),
		GSO_ROW("tcp segments", 1461, SLOW(MTU), .family = 4, .size = 3000),
		GSO_ROW("tcp segments", 1441, SLOW(MTU), .family = 6, .size = 3000),
		GSO_ROW("tcp, timestamps", 1449, SLOW(MTU), .family = 4, .size = 3000, .doff = 8),
		GSO_ROW("tcp, timestamps", 1429, SLOW(MTU), .family = 6, .size = 3000, .doff = 8),
		GSO_ROW("tcp, all options", 1421, SLOW(MTU), .family = 4, .size = 3000, .doff = 15),
		GSO_ROW("tcp, all options", 1401, SLOW(MTU), .family = 6, .size = 3000, .doff = 15),
		GSO_ROW("udp", 1473, SLOW(MTU), .family = 4, .size = 3000, .proto = 17),
		GSO_ROW("udp", 1453, SLOW(MTU), .family = 6, .size = 3000, .proto = 17),
		GSO_ROW("tcp to 1280", 1241, SLOW(MTU), .family = 4, .to = SMALL, .size = 3000),
		GSO_ROW("tcp to 1280", 1221, SLOW(MTU), .family = 6, .to = SMALL, .size = 3000),
		/* Segments whose size cannot be told. */
		GSO_ROW("sctp", 1000, SLOW(MTU), .size = 3000, .proto = 132),
		GSO_ROW("gre", 1000, SLOW(MTU), .size = 3000, .proto = 47),
		GSO_ROW("ip in ip", 1000, SLOW(MTU), .size = 3000, .proto = 4),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void fragments_are_slow(void **state)
{
	static const struct row rows[] = {
		ROW("first", SLOW(FRAGMENT), .family = 4, .frag = 0x2000),
		ROW("middle", SLOW(FRAGMENT), .family = 4, .frag = 0x2000 | 185),
		ROW("last", SLOW(FRAGMENT), .family = 4, .frag = 370),
		ROW("last with DF", SLOW(FRAGMENT), .family = 4, .frag = 0x4000 | 370),
		ROW("least offset", SLOW(FRAGMENT), .family = 4, .frag = 1),
		ROW("largest offset", SLOW(FRAGMENT), .family = 4, .frag = 0x1fff),
		ROW("offset of the high byte alone", SLOW(FRAGMENT), .family = 4, .frag = 0x0100),
		ROW("first with the reserved flag", SLOW(FRAGMENT), .family = 4, .frag = 0xa000),
		ROW("fragment header", SLOW(FRAGMENT), .family = 6, .ext = JUST(44)),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void options_are_slow(void **state)
{
	static const struct row rows[] = {
		ROW("4 bytes", SLOW(OPTIONS), .family = 4, .options = 4),
		ROW("12 bytes", SLOW(OPTIONS), .family = 4, .options = 12),
		ROW("40 bytes", SLOW(OPTIONS), .family = 4, .options = 40),
		ROW("hop by hop", SLOW(OPTIONS), .family = 6, .ext = JUST(0)),
		ROW("routing", SLOW(OPTIONS), .family = 6, .ext = JUST(43)),
		ROW("authentication", SLOW(OPTIONS), .family = 6, .ext = JUST(51)),
		ROW("destination options", SLOW(OPTIONS), .family = 6, .ext = JUST(60)),
		ROW("mobility", SLOW(OPTIONS), .family = 6, .ext = JUST(135)),
		GSO_ROW("hop by hop before segments", 1000, SLOW(OPTIONS), .family = 6,
			.ext = JUST(0), .size = 3000),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void lengths_that_disagree_are_slow(void **state)
{
	static const struct row rows[] = {
		ROW("says one byte more", SLOW(MALFORMED), .claim = 1),
		ROW("says one byte less", SLOW(MALFORMED), .claim = -1),
		ROW("says 256 more", SLOW(MALFORMED), .claim = 256),
		ROW("says 0", SLOW(MALFORMED), .family = 4, .size = 100, .claim = -100),
		ROW("says 0", SLOW(MALFORMED), .family = 6, .size = 100, .claim = -60),
		ROW("says less than its header", SLOW(MALFORMED), .family = 4, .size = 100,
		    .claim = -90),
		ROW("one byte behind it", SLOW(MALFORMED), .pad = 1),
		ROW("padded to 60", SLOW(MALFORMED), .family = 4, .bare = true, .pad = 26),
		ROW("padded to 60", SLOW(MALFORMED), .family = 6, .bare = true, .pad = 6),
		ROW("says the wrong version", SLOW(MALFORMED), .version = 5),
		ROW("says the other version", SLOW(MALFORMED), .family = 4, .version = 6),
		ROW("says the other version", SLOW(MALFORMED), .family = 6, .version = 4),
		ROW("says that its header is short", SLOW(MALFORMED), .family = 4, .ihl = JUST(4)),
		ROW("says that it has no header", SLOW(MALFORMED), .family = 4, .ihl = JUST(0)),
		ROW("says that it has options", SLOW(OPTIONS), .family = 4, .ihl = JUST(6)),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void vlan_tags_are_slow(void **state)
{
	static const struct row rows[] = {
		ROW("802.1Q", SLOW(VLAN), .tags = { 0x8100 }),
		ROW("802.1ad", SLOW(VLAN), .tags = { 0x88a8 }),
		ROW("two", SLOW(VLAN), .tags = { 0x88a8, 0x8100 }),
		ROW("in 802.1Q, spoofed", SLOW(VLAN), .family = 4, .tags = { 0x8100 },
		    .src = "10.77.0.99"),
		{ .name = "in metadata", .want = SLOW(VLAN), .meta = { .tagged = true } },
		{ .name = "in metadata, no IP",
		  .want = SLOW(VLAN),
		  .meta = { .tagged = true },
		  .spec = { .ethertype = 0x0806 } },
		{ .name = "in metadata, false MAC",
		  .want = DROP(SPOOFED_MAC),
		  .meta = { .tagged = true },
		  .spec = { .smac = "02:00:00:00:00:77" } },
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void what_is_no_ip_is_slow(void **state)
{
	static const struct row rows[] = {
		ROW("ARP request", SLOW(NOT_IP), .ethertype = 0x0806, .dmac = BROADCAST),
		ROW("ARP reply", SLOW(NOT_IP), .ethertype = 0x0806),
		ROW("LLDP", SLOW(NOT_IP), .ethertype = 0x88cc, .dmac = "01:80:c2:00:00:0e"),
		ROW("EAPOL", SLOW(NOT_IP), .ethertype = 0x888e, .dmac = "01:80:c2:00:00:03"),
		ROW("MPLS", SLOW(NOT_IP), .ethertype = 0x8847),
		ROW("PPPoE", SLOW(NOT_IP), .ethertype = 0x8864),
		ROW("MACsec", SLOW(NOT_IP), .ethertype = 0x88e5),
		ROW("802.3 with LLC", SLOW(NOT_IP), .ethertype = 0x0026,
		    .dmac = "01:80:c2:00:00:00"),
		ROW("ethertype ffff", SLOW(NOT_IP), .ethertype = 0xffff),
		ROW("nearly IPv4", SLOW(NOT_IP), .ethertype = 0x0008),
		ROW("nearly IPv6", SLOW(NOT_IP), .ethertype = 0xdd86),
		ROW("802.1Q of old", SLOW(NOT_IP), .ethertype = 0x9100),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void groups_are_slow(void **state)
{
	static const struct row rows[] = {
		ROW("broadcast", SLOW(MULTICAST), .family = 4, .dmac = BROADCAST,
		    .dst = "255.255.255.255"),
		ROW("broadcast to an endpoint", SLOW(MULTICAST), .dmac = BROADCAST),
		ROW("mDNS", SLOW(MULTICAST), .family = 4, .dmac = "01:00:5e:00:00:fb",
		    .dst = "224.0.0.251", .ttl = JUST(255), .proto = 17),
		ROW("mDNS", SLOW(MULTICAST), .family = 6, .dmac = "33:33:00:00:00:fb",
		    .dst = "ff02::fb", .ttl = JUST(255), .proto = 17),
		ROW("TTL 1", SLOW(MULTICAST), .family = 4, .dmac = GROUP4, .dst = "224.0.0.5",
		    .ttl = JUST(1), .proto = 89),
		ROW("group bit of an odd MAC", SLOW(MULTICAST), .dmac = "03:00:00:00:01:01"),
		ROW("group address to the gateway's MAC", SLOW(MULTICAST), .family = 4,
		    .dst = "224.0.0.1"),
		ROW("highest group address", SLOW(MULTICAST), .family = 4,
		    .dst = "239.255.255.255"),
		ROW("group address to the gateway's MAC", SLOW(MULTICAST), .family = 6,
		    .dst = "ff02::1"),
		ROW("group of a site", SLOW(MULTICAST), .family = 6, .dst = "ff05::1:3"),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void neighbours_of_ipv6_are_found_by_the_kernel(void **state)
{
	static const struct row rows[] = {
		ROW("duplicate address detection", SLOW(LINK_LOCAL), .family = 6, .proto = 58,
		    .src = "::", .dst = "ff02::1:ff00:10", .dmac = "33:33:ff:00:00:10",
		    .ttl = JUST(255)),
		ROW("router solicitation", SLOW(LINK_LOCAL), .family = 6, .proto = 58,
		    .src = "fe80::1", .dst = "ff02::2", .dmac = "33:33:00:00:00:02",
		    .ttl = JUST(255)),
		ROW("neighbour solicitation", SLOW(MULTICAST), .family = 6, .proto = 58,
		    .dst = "ff02::1:ff00:1", .dmac = "33:33:ff:00:00:01", .ttl = JUST(255)),
		ROW("neighbour advertisement", SLOW(OUTSIDE), .family = 6, .proto = 58,
		    .dst = GATEWAY6, .ttl = JUST(255)),
		ROW("from link-local to the gateway", SLOW(LINK_LOCAL), .family = 6, .proto = 58,
		    .src = "fe80::1", .dst = GATEWAY6, .ttl = JUST(255)),
		ROW("to link-local", SLOW(LINK_LOCAL), .family = 6, .proto = 58, .dst = "fe80::1"),
		ROW("from link-local to an endpoint", SLOW(LINK_LOCAL), .family = 6,
		    .src = "fe80::1"),
		ROW("end of link-local", SLOW(LINK_LOCAL), .family = 6, .src = "febf::1"),
		ROW("behind link-local", DROP(SPOOFED_ADDR), .family = 6, .src = "fec0::1"),
		ROW("listener report", SLOW(LINK_LOCAL), .family = 6, .proto = 58, .src = "fe80::1",
		    .dst = "ff02::16", .dmac = "33:33:00:00:00:16", .ext = JUST(0), .ttl = JUST(1)),
		ROW("from no address to an endpoint", SLOW(LINK_LOCAL), .family = 6, .src = "::"),
		ROW("from no address by one without IPv6", SLOW(LINK_LOCAL), .family = 6,
		    .from = ONLY4, .src = "::"),
		ROW("to no address", SLOW(LINK_LOCAL), .family = 6, .dst = "::"),
		ROW("to no address", SLOW(LINK_LOCAL), .family = 4, .dst = "0.0.0.0"),
		ROW("to link-local", SLOW(LINK_LOCAL), .family = 4, .dst = "169.254.169.254"),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void what_is_not_for_the_gateway_is_slow(void **state)
{
	static const struct row rows[] = {
		ROW("to the target's own MAC", SLOW(NOT_ROUTED), .dmac = "02:00:00:00:00:02"),
		ROW("to the target's port", SLOW(NOT_ROUTED), .dmac = "02:00:00:00:01:02"),
		ROW("to its own MAC", SLOW(NOT_ROUTED), .dmac = "02:00:00:00:00:01"),
		ROW("to no MAC", SLOW(NOT_ROUTED), .dmac = "00:00:00:00:00:00"),
		ROW("one bit beside, first byte", SLOW(NOT_ROUTED), .dmac = "06:00:00:00:01:01"),
		ROW("one bit beside, fourth byte", SLOW(NOT_ROUTED), .dmac = "02:00:00:01:01:01"),
		ROW("one bit beside, last byte", SLOW(NOT_ROUTED), .dmac = "02:00:00:00:01:00"),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void false_macs_are_dropped(void **state)
{
	static const struct row rows[] = {
		ROW("MAC of another", DROP(SPOOFED_MAC), .smac = "02:00:00:00:00:02"),
		ROW("MAC of the gateway", DROP(SPOOFED_MAC), .smac = "02:00:00:00:01:01"),
		ROW("no MAC", DROP(SPOOFED_MAC), .smac = "00:00:00:00:00:00"),
		ROW("one bit of the MAC, first byte", DROP(SPOOFED_MAC),
		    .smac = "06:00:00:00:00:01"),
		ROW("one bit of the MAC, last byte", DROP(SPOOFED_MAC),
		    .smac = "02:00:00:00:00:00"),
		ROW("MAC, no IP", DROP(SPOOFED_MAC), .ethertype = 0x0806,
		    .smac = "02:00:00:00:00:02"),
		ROW("MAC, multicast", DROP(SPOOFED_MAC), .smac = "02:00:00:00:00:02",
		    .dmac = BROADCAST),
		ROW("MAC, tagged", DROP(SPOOFED_MAC), .smac = "02:00:00:00:00:02",
		    .tags = { 0x8100 }),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void false_addresses_are_dropped(void **state)
{
	static const struct row rows[] = {
		ROW("a neighbour's", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.11"),
		ROW("a neighbour's", DROP(SPOOFED_ADDR), .family = 6, .src = "fd77::11"),
		ROW("the gateway's", DROP(SPOOFED_ADDR), .family = 4, .src = GATEWAY4),
		ROW("the gateway's", DROP(SPOOFED_ADDR), .family = 6, .src = GATEWAY6),
		ROW("unused", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.99"),
		ROW("another network's", DROP(SPOOFED_ADDR), .family = 4, .src = "10.78.0.10"),
		ROW("the outside's", DROP(SPOOFED_ADDR), .family = 4, .src = "192.0.2.1"),
		ROW("the outside's", DROP(SPOOFED_ADDR), .family = 6, .src = "2001:db8::1"),
		ROW("loopback", DROP(SPOOFED_ADDR), .family = 4, .src = "127.0.0.1"),
		ROW("loopback", DROP(SPOOFED_ADDR), .family = 6, .src = "::1"),
		ROW("none", DROP(SPOOFED_ADDR), .family = 4, .src = "0.0.0.0"),
		ROW("DHCP discovery", DROP(SPOOFED_ADDR), .family = 4, .src = "0.0.0.0",
		    .dst = "255.255.255.255", .dmac = BROADCAST, .proto = 17),
		ROW("link-local", DROP(SPOOFED_ADDR), .family = 4, .src = "169.254.1.1"),
		ROW("a group's", DROP(SPOOFED_ADDR), .family = 4, .src = "224.0.0.1"),
		ROW("a group's", DROP(SPOOFED_ADDR), .family = 6, .src = "ff02::1"),
		ROW("its own IPv4 as IPv6", DROP(SPOOFED_ADDR), .family = 6,
		    .src = "::ffff:10.77.0.10"),
		ROW("one bit beside, high", DROP(SPOOFED_ADDR), .family = 4, .src = "138.77.0.10"),
		ROW("one bit beside, low", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.11"),
		ROW("beside in word 0", DROP(SPOOFED_ADDR), .family = 6, .src = "fd78::10"),
		ROW("beside in word 1", DROP(SPOOFED_ADDR), .family = 6, .src = "fd77:0:0:1::10"),
		ROW("beside in word 2", DROP(SPOOFED_ADDR), .family = 6, .src = "fd77::1:0:10"),
		ROW("beside in word 3", DROP(SPOOFED_ADDR), .family = 6, .src = "fd77::1:10"),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void false_addresses_are_dropped_whatever_else_is_odd(void **state)
{
	static const struct row rows[] = {
		ROW("by one without that family", DROP(SPOOFED_ADDR), .family = 4, .from = ONLY6,
		    .src = "10.77.0.15"),
		ROW("by one without that family", DROP(SPOOFED_ADDR), .family = 6, .from = ONLY4,
		    .src = "fd77::14"),
		ROW("none, by one without that family", DROP(SPOOFED_ADDR), .family = 4,
		    .from = ONLY6, .src = "0.0.0.0"),
		ROW("by a port in the overflow hash", DROP(SPOOFED_ADDR), .family = 4, .from = TWIN,
		    .src = "10.77.0.10"),
		ROW("of the port with the same place", DROP(SPOOFED_MAC), .from = TWIN,
		    .smac = "02:00:00:00:00:01"),
		ROW("TTL 1", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.99", .ttl = JUST(1)),
		ROW("fragment", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.99",
		    .frag = 0x2000),
		ROW("options", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.99", .options = 4),
		ROW("hop by hop", DROP(SPOOFED_ADDR), .family = 6, .src = "fd77::99",
		    .ext = JUST(0)),
		ROW("too large", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.99",
		    .size = 1501),
		ROW("multicast", DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.99",
		    .dmac = GROUP4, .dst = "224.0.0.5"),
		ROW("multicast", DROP(SPOOFED_ADDR), .family = 6, .src = "fd77::99", .dmac = GROUP6,
		    .dst = "ff02::1"),
		GSO_ROW("segments", 1000, DROP(SPOOFED_ADDR), .family = 4, .src = "10.77.0.99",
			.size = 3000),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void other_networks_are_out_of_reach(void **state)
{
	static const struct row rows[] = {
		ROW("endpoint", DROP(ISOLATION), .to = ALIEN),
		ROW("the other way", DROP(ISOLATION), .from = ALIEN),
		ROW("to one in the overflow hash", DROP(ISOLATION), .from = ALIEN, .to = CROWD),
		ROW("to one whose port is there", DROP(ISOLATION), .from = ALIEN, .to = TWIN),
		ROW("from there", DROP(ISOLATION), .from = TWIN, .to = ALIEN),
		ROW("unused address", DROP(ISOLATION), .family = 4, .dst = "10.78.0.99"),
		ROW("unused address", DROP(ISOLATION), .family = 6, .dst = "fd78::99"),
		ROW("network address", DROP(ISOLATION), .family = 4, .dst = "10.78.0.0"),
		ROW("broadcast address", DROP(ISOLATION), .family = 4, .dst = "10.78.0.255"),
		ROW("too large", DROP(ISOLATION), .to = ALIEN, .size = 1501),
		GSO_ROW("segments", 1000, DROP(ISOLATION), .to = ALIEN, .size = 3000),
		ROW("behind the other network", SLOW(OUTSIDE), .family = 4, .dst = "10.78.1.0"),
		ROW("behind the other network", SLOW(OUTSIDE), .family = 6,
		    .dst = "fd78:0:0:1::10"),
		/* What the host says of its own addresses is for its firewall to decide. */
		ROW("the other gateway", SLOW(OUTSIDE), .family = 4, .dst = ALIEN_GATEWAY4),
		ROW("the other gateway", SLOW(OUTSIDE), .family = 6, .dst = ALIEN_GATEWAY6),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void what_is_no_endpoint_is_slow(void **state)
{
	static const struct row rows[] = {
		ROW("the gateway", SLOW(OUTSIDE), .family = 4, .dst = GATEWAY4),
		ROW("the gateway", SLOW(OUTSIDE), .family = 6, .dst = GATEWAY6),
		ROW("the outside", SLOW(OUTSIDE), .family = 4, .dst = "192.0.2.1"),
		ROW("the outside", SLOW(OUTSIDE), .family = 6, .dst = "2001:db8::1"),
		ROW("the outside, too large", SLOW(OUTSIDE), .family = 4, .dst = "192.0.2.1",
		    .size = 1501),
		GSO_ROW("the outside, segments", 1400, SLOW(OUTSIDE), .family = 4,
			.dst = "192.0.2.1", .size = 3000),
		ROW("an unused address", SLOW(OUTSIDE), .family = 4, .dst = "10.77.0.99"),
		ROW("an unused address", SLOW(OUTSIDE), .family = 6, .dst = "fd77::99"),
		ROW("one that may come", SLOW(OUTSIDE), .to = LATE),
		ROW("one without this family", SLOW(OUTSIDE), .family = 6, .dst = "fd77::14"),
		ROW("one without this family", SLOW(OUTSIDE), .family = 4, .dst = "10.77.0.15"),
		ROW("the network's address", SLOW(OUTSIDE), .family = 4, .dst = "10.77.0.0"),
		ROW("the network's broadcast", SLOW(OUTSIDE), .family = 4, .dst = "10.77.255.255"),
		ROW("broadcast to the gateway's MAC", SLOW(OUTSIDE), .family = 4,
		    .dst = "255.255.255.255"),
		ROW("loopback", SLOW(OUTSIDE), .family = 4, .dst = "127.0.0.1"),
		ROW("loopback", SLOW(OUTSIDE), .family = 6, .dst = "::1"),
		/* The place in fv_endpoints is DB's, the address is not. */
		ROW("DB's place", SLOW(OUTSIDE), .family = 4, .dst = "10.77.32.11"),
		ROW("DB's place", SLOW(OUTSIDE), .family = 6, .dst = "fd77::9:0:11"),
		ROW("beside in word 1", SLOW(OUTSIDE), .family = 6, .dst = "fd77:0:0:1::11"),
		ROW("beside in word 0", SLOW(OUTSIDE), .family = 6, .dst = "fd79::11"),
		/* Addresses of IPv4 endpoints are kept like this, but an IPv6 packet finds none. */
		ROW("an IPv4 endpoint", SLOW(OUTSIDE), .family = 6, .dst = "::ffff:10.77.0.11"),
		ROW("an IPv4 endpoint in the overflow hash", SLOW(OUTSIDE), .family = 6,
		    .dst = "::ffff:10.77.16.11"),
		ROW("an IPv4 endpoint elsewhere", SLOW(OUTSIDE), .family = 6,
		    .dst = "::ffff:10.78.0.10"),
		ROW("oneself", SLOW(TARGET), .family = 4, .dst = "10.77.0.10"),
		ROW("oneself", SLOW(TARGET), .family = 6, .dst = "fd77::10"),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_expires_is_slow),
		cmocka_unit_test(what_is_too_large_is_slow),
		cmocka_unit_test(fragments_are_slow),
		cmocka_unit_test(options_are_slow),
		cmocka_unit_test(lengths_that_disagree_are_slow),
		cmocka_unit_test(vlan_tags_are_slow),
		cmocka_unit_test(what_is_no_ip_is_slow),
		cmocka_unit_test(groups_are_slow),
		cmocka_unit_test(neighbours_of_ipv6_are_found_by_the_kernel),
		cmocka_unit_test(what_is_not_for_the_gateway_is_slow),
		cmocka_unit_test(false_macs_are_dropped),
		cmocka_unit_test(false_addresses_are_dropped),
		cmocka_unit_test(false_addresses_are_dropped_whatever_else_is_odd),
		cmocka_unit_test(other_networks_are_out_of_reach),
		cmocka_unit_test(what_is_no_endpoint_is_slow),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, run_open, run_close);
}
