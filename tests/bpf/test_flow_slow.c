// SPDX-License-Identifier: GPL-2.0-only
/*
 * What never takes the shortcut between ports of others and is never noted, with the reason; what
 * opens and closes a connection; and what a full map does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

static struct frame f, g;

#define SYN 0x02
#define FIN 0x01
#define RST 0x04

/* ---- what cannot be of a flow ---- */

struct odd {
	const char *name;
	struct spec spec;
	enum fv_slow why;
	bool tagged;
};

#define ODD(name_, why_, ...)                                                                      \
	{                                                                                          \
		.name = (name_), .why = FV_SLOW_##why_, .spec = { __VA_ARGS__ }                    \
	}

static const struct odd odds[] = {
	ODD("fragment", FRAGMENT, .family = 4, .frag = 0x2000),
	ODD("last fragment", FRAGMENT, .family = 4, .frag = 185),
	ODD("fragment header", FRAGMENT, .family = 6, .ext = JUST(44)),
	ODD("options", OPTIONS, .family = 4, .options = 4),
	ODD("most options", OPTIONS, .family = 4, .options = 40),
	ODD("says that it has options", OPTIONS, .family = 4, .ihl = JUST(6)),
	ODD("hop by hop", OPTIONS, .family = 6, .ext = JUST(0)),
	ODD("routing", OPTIONS, .family = 6, .ext = JUST(43)),
	ODD("authentication", OPTIONS, .family = 6, .ext = JUST(51)),
	ODD("destination options", OPTIONS, .family = 6, .ext = JUST(60)),
	ODD("mobility", OPTIONS, .family = 6, .ext = JUST(135)),
	ODD("TTL 1", TTL, .ttl = JUST(1)),
	ODD("TTL 0", TTL, .ttl = JUST(0)),
	ODD("sctp", PROTOCOL, .proto = 132),
	ODD("gre", PROTOCOL, .proto = 47),
	ODD("esp", PROTOCOL, .proto = 50),
	ODD("igmp", PROTOCOL, .proto = 2),
	ODD("udp-lite", PROTOCOL, .proto = 136),
	ODD("ah", PROTOCOL, .family = 4, .proto = 51),
	ODD("ICMPv6 over IPv4", PROTOCOL, .family = 4, .proto = 58),
	ODD("ICMP over IPv6", PROTOCOL, .family = 6, .proto = 1),
	ODD("broadcast", MULTICAST, .dmac = "ff:ff:ff:ff:ff:ff"),
	ODD("group", MULTICAST, .dmac = "01:00:5e:00:00:05"),
	ODD("group bit alone", MULTICAST, .dmac = "03:00:00:00:00:02"),
	ODD("802.1Q", VLAN, .tags = { 0x8100 }),
	ODD("802.1ad", VLAN, .tags = { 0x88a8, 0x8100 }),
	{ .name = "tag in metadata", .why = FV_SLOW_VLAN, .tagged = true },
	ODD("ARP", NOT_IP, .ethertype = 0x0806),
	ODD("MPLS", NOT_IP, .ethertype = 0x8847),
	ODD("one byte more", MALFORMED, .claim = 1),
	ODD("one byte less", MALFORMED, .claim = -1),
	ODD("padded", MALFORMED, .pad = 1),
	ODD("no length", MALFORMED, .family = 4, .size = 100, .claim = -100),
	ODD("no length", MALFORMED, .family = 6, .size = 100, .claim = -60),
	ODD("version 5", MALFORMED, .version = 5),
	ODD("the other version", MALFORMED, .family = 4, .version = 6),
	ODD("the other version", MALFORMED, .family = 6, .version = 4),
	ODD("a short header", MALFORMED, .family = 4, .ihl = JUST(4)),
	ODD("header alone", MALFORMED, .bare = true),
	ODD("half a TCP header", MALFORMED, .family = 4, .size = IP4_SIZE + 19),
	ODD("half a TCP header", MALFORMED, .family = 6, .size = IP6_SIZE + 19),
	ODD("half a UDP header", MALFORMED, .family = 4, .proto = 17, .size = IP4_SIZE + 7),
	ODD("half a UDP header", MALFORMED, .family = 6, .proto = 17, .size = IP6_SIZE + 7),
	ODD("half an echo", MALFORMED, .family = 4, .proto = 1, .size = IP4_SIZE + 7),
	ODD("half an echo", MALFORMED, .family = 6, .proto = 58, .size = IP6_SIZE + 7),
};

static void what_is_of_no_flow_is_never_noted(void **state)
{
	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(odds); i++) {
		for (int family = 4; family <= 6; family += 2) {
			struct spec spec = odds[i].spec;

			if (spec.family && spec.family != family)
				continue;
			spec.family = spec.ethertype ? 0 : family;
			frame_make(&spec, &f);
			flow_meta.tagged = odds[i].tagged;
			flow_what = odds[i].name;
			AT(flow_unnoted(WEB, &f, odds[i].why));
		}
	}
	flow_what = "";
	assert_int_equal(flow_count(), 0);
}

/* Errors, neighbours, routers: whatever is no echo. */
static void only_echoes_of_icmp_are_flows(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = ECHO };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		flow_frame(&flow, &f);
		for (int type = 0; type < 256; type++) {
			flow_l4(&f)[0] = type;
			if (flow.family == 4 ? type == 0 || type == 8 : type == 128 || type == 129)
				NOTED(WEB, &f, UNPROVEN);
			else
				UNNOTED(WEB, &f, PROTOCOL);
		}
		flow_frame(&flow, &f);
		for (int bit = 0; bit < 8; bit++) {
			flow_l4(&f)[1] = 1 << bit;
			UNNOTED(WEB, &f, PROTOCOL);
		}
	}
}

/* Every frame that can be made by cutting: proven or not, it is slow and whole. */
static void every_cut_is_slow(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);

		for (int proven = 0; proven < 2; proven++) {
			if (proven)
				PROVE(&flow, UNPROVEN);
			flow_frame(&flow, &f);
			for (size_t n = f.len - 1; n >= ETH_SIZE; n--) {
				f.len = n;
				UNNOTED(WEB, &f, MALFORMED);
			}
			/* The header's length agrees: only what layer 4 needs is missing. */
			flow_frame(&flow, &f);
			g = f;
			for (size_t n = f.len - 1; n >= (size_t)(flow_l4(&f) - f.b); n--) {
				size_t l4 = n - (flow_l4(&f) - f.b);

				g.len = n;
				if (flow.family == 4)
					put16(g.b + ETH_SIZE + 2, n - ETH_SIZE);
				else
					put16(g.b + ETH_SIZE + 4, l4);
				if (flow.family == 4)
					frame_fix_check(&g);
				if (l4 < (flow.proto == TCP ? 20 : 8))
					UNNOTED(WEB, &g, MALFORMED);
				else if (proven)
					TAKEN(&flow, &g);
				else
					NOTED(WEB, &g, UNPROVEN);
			}
		}
		flow_reset(NULL);
	}
}

/* ---- control ---- */

static void what_opens_and_closes_is_slow_and_forgets_both_ways(void **state)
{
	static const int flags[] = { SYN,	 SYN | 0x10, FIN,  FIN | 0x10, RST,
				     RST | 0x10, SYN | FIN,  0xff, 0xc0 | SYN };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(flags); i++) {
		for (int k = 0; k < 4; k++) {
			struct flow flow = flow_kind(k), back = flow, other = flow;

			back.from = DB;
			back.to = WEB;
			other.from = TWIN;
			PROVE(&flow, UNPROVEN);
			PROVE(&back, UNPROVEN);
			PROVE(&other, UNPROVEN);
			assert_int_equal(flow_count(), 3);
			flow_frame(&flow, &f);
			TAKEN(&flow, &f);
			flow_l4(&f)[13] = flags[i];
			UNNOTED(WEB, &f, CONTROL);
			assert_int_equal(flow_count(), 1);
			UNNOTED(WEB, &f, CONTROL);
			flow_frame(&flow, &f);
			NOTED(WEB, &f, UNPROVEN);
			flow_frame(&back, &f);
			NOTED(DB, &f, UNPROVEN);
			flow_frame(&other, &f);
			TAKEN(&other, &f);
			flow_reset(NULL);
		}
	}
}

/* Not these: PSH, ACK, URG and what ECN has of the byte. */
static void other_flags_are_the_packets_own(void **state)
{
	static const int flags[] = { 0, 0x08, 0x10, 0x18, 0x20, 0x40, 0x80, 0xf8 };
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = TCP };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		PROVE(&flow, UNPROVEN);
		flow_frame(&flow, &f);
		for (size_t i = 0; i < FV_ARRAY_SIZE(flags); i++) {
			flow_l4(&f)[13] = flags[i];
			TAKEN(&flow, &f);
		}
		flow_reset(NULL);
	}
}

/* A number on such a packet, and a note of the rest of it: no proof. */
static void what_opens_and_closes_proves_nothing(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = TCP };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		unsigned int number;

		flow_frame(&flow, &f);
		number = NOTED(WEB, &f, UNPROVEN);
		for (int bit = 0; bit < 3; bit++) {
			g = f;
			flow_l4(&g)[13] |= 1 << bit;
			ARRIVES(DB, &g, number, bed[WEB].dp.ifindex);
		}
		assert_int_equal(flow_count(), 0);
	}
}

/* ---- a full map ---- */

static void more_flows_than_the_map_holds(void **state)
{
	static struct flow_outcome out;
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP, .size = 100 };
	enum { MANY = FV_FLOWS + 4000 };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		size_t taken = 0;

		flow_frame(&flow, &f);
		for (int n = 0; n < MANY; n++) {
			put16(flow_l4(&f), n);
			flow_l4(&f)[3] = n >> 16;
			flow_crowd_tries();
			flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
			assert_int_equal(out.ret, TC_NEXT);
			assert_int_not_equal(out.number, 0);
			flow_run(FV_PROG_TO_NS, DB, &f, out.number, bed[WEB].dp.ifindex, &out);
			assert_int_equal(out.ret, TC_NEXT);
			assert_memory_equal(out.f.b, f.b, f.len);
			/* Just proven, so it is there, whatever had to go. */
			flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
			assert_int_equal(out.ret, TC_REDIRECT);
			assert_int_equal(out.ifindex, bed[DB].dp.ifindex);
		}
		assert_true(flow_count() <= FV_FLOWS);
		for (int n = 0; n < MANY; n++) {
			put16(flow_l4(&f), n);
			flow_l4(&f)[3] = n >> 16;
			flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
			assert_true(out.ret == TC_NEXT || out.ret == TC_REDIRECT);
			assert_memory_equal(out.f.b, f.b, f.len);
			taken += out.ret == TC_REDIRECT;
		}
		print_message("# %zu of %d flows are still there\n", taken, MANY);
		assert_int_equal(taken, flow_count());
		flow_reset(NULL);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, flow_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_is_of_no_flow_is_never_noted),
		TEST(only_echoes_of_icmp_are_flows),
		TEST(every_cut_is_slow),
		TEST(what_opens_and_closes_is_slow_and_forgets_both_ways),
		TEST(other_flags_are_the_packets_own),
		TEST(what_opens_and_closes_proves_nothing),
		TEST(more_flows_than_the_map_holds),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open, flow_close);
}
