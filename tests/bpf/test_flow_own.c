// SPDX-License-Identifier: GPL-2.0-only
/*
 * Own networks' ports as ends of flows: what leaves their network for elsewhere, what comes to them from
 * there, and that nothing else about them is another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

static struct frame f, carried;
static struct flow_outcome out;

static const enum who own[] = { ONLY4, ONLY6, CROWD, ALIEN };
static const enum who others[] = { WEB, TWIN, SMALL, DB /* an uplink */ };
static const int protos[] = { TCP, UDP, ECHO };

static bool has(enum who who, int family)
{
	return family == 4 ? bed[who].ip4 : bed[who].ip6;
}

/* Of another own network's subnet is what an address of its is, whoever has it. */
static void outside(const struct flow *flow, struct frame *ret)
{
	uint8_t *ip = ret->b + ETH_SIZE;
	bool leaves = !flow_ports[flow->from].attached;

	if (flow->family == 4) {
		ip[leaves ? 16 : 12] = 192;
		frame_fix_check(ret);
	} else {
		ip[leaves ? 24 : 8] = 0x20;
	}
}

static void make(const struct flow *flow)
{
	flow_frame(flow, &f);
	outside(flow, &f);
	flow_carry(flow, &f, &carried);
}

static unsigned int first(const struct flow *flow)
{
	make(flow);
	return flow_ports[flow->from].attached ? NOTED(flow->from, &f, UNPROVEN)
					       : NOTED(flow->from, &f, OUTSIDE);
}

static void prove(const struct flow *flow)
{
	unsigned int number = first(flow);

	ARRIVES(flow->to, &carried, number, flow_came_by(flow));
	TAKEN(flow, &f);
}

static void live(const struct flow *flow)
{
	unsigned int number = first(flow);
	struct fv_flow entry;

	ARRIVES(flow->to, &carried, number, 0);
	ARRIVES(flow->to, &carried, number, bed[LATE].dp.ifindex);
	assert_int_equal(flow_count(), 0);
	ARRIVES(flow->to, &carried, number, flow_came_by(flow));
	TAKEN(flow, &f);
	assert_true(flow_get(flow->from, &f, &entry));
	assert_int_equal(entry.hops, 1);
	flow_wait(HZ + 1);
	NOTED(flow->from, &f, PROBE);
	TAKEN(flow, &f);
	flow_wait(HZ);
	NOTED(flow->from, &f, STALE);
	flow_reset(NULL);
	flow_uplink(DB);
}

static void both_ways_are_flows(void **state)
{
	size_t n = 0;

	(void)state;
	flow_uplink(DB);
	for (size_t i = 0; i < FV_ARRAY_SIZE(own) * FV_ARRAY_SIZE(others) * 2; i++) {
		struct flow flow = { .from = own[i % FV_ARRAY_SIZE(own)],
				     .to = others[i / 2 / FV_ARRAY_SIZE(own)],
				     .family = i / FV_ARRAY_SIZE(own) % 2 ? 6 : 4,
				     .routed = true };
		struct flow back = flow;

		back.from = flow.to;
		back.to = flow.from;
		if (!has(flow.from, flow.family))
			continue;
		for (size_t k = 0; k < FV_ARRAY_SIZE(protos); k++) {
			flow.proto = back.proto = protos[k];
			live(&flow);
			live(&back);
			n++;
		}
	}
	assert_int_equal(n, 3 * 4 * (2 + 2 + 2));
}

/* ---- reasons ---- */

/* Where nothing has become of it, it is what it always was: outside. */
static void unproven_is_outside(void **state)
{
	struct flow flow = { .from = CROWD, .to = WEB, .proto = UDP, .routed = true };

	(void)state;
	for (flow.family = 4; flow.family <= 6; flow.family += 2) {
		make(&flow);
		NOTED(CROWD, &f, OUTSIDE);
		/* Once a tick, as any. */
		UNNOTED(CROWD, &f, OUTSIDE);
		/* No protocol that flows are of; not even one that has ports. */
		f.b[ETH_SIZE + (flow.family == 4 ? 9 : 6)] = 132;
		if (flow.family == 4)
			frame_fix_check(&f);
		UNNOTED(CROWD, &f, OUTSIDE);
		flow_ports[CROWD].declined = true;
		flow_fill();
		make(&flow);
		UNNOTED(CROWD, &f, OUTSIDE);
		flow_reset(NULL);
		prove(&flow);
		flow_ports[WEB].declined = true;
		flow_fill();
		NOTED(CROWD, &f, OUTSIDE);
		ARRIVES(WEB, &carried, NOTED(CROWD, &f, OUTSIDE), flow_came_by(&flow));
		flow_reset(NULL);
	}
}

/* Everything else has the name that it has at ports of others. */
static void what_keeps_a_flow_from_it_is_named(void **state)
{
	struct flow flow = { .from = CROWD, .to = WEB, .proto = TCP, .routed = true };

	(void)state;
	for (flow.family = 4; flow.family <= 6; flow.family += 2) {
		size_t ttl = ETH_SIZE + (flow.family == 4 ? 8 : 7);
		__u32 ifindex = bed[WEB].dp.ifindex;

		prove(&flow);
		f.b[ttl]--;
		if (flow.family == 4)
			frame_fix_check(&f);
		NOTED(CROWD, &f, CHANGED);
		flow.size = 1400;
		make(&flow);
		NOTED(CROWD, &f, LONGER);
		flow.size = 0;
		make(&flow);
		TAKEN(&flow, &f);
		flow_ports[CROWD].no_tcp = true;
		flow_fill();
		UNNOTED(CROWD, &f, WINDOW);
		flow_ports[CROWD].no_tcp = false;
		flow_fill();
		TAKEN(&flow, &f);
		assert_int_equal(bpf_map_delete_elem(bed_dp->maps.fd[FV_MAP_LIVE], &ifindex), 0);
		flow_wait(1);
		NOTED(CROWD, &f, TARGET);
		flow_fill();
		prove(&flow);
		flow_l4(&f)[13] |= 1;
		UNNOTED(CROWD, &f, CONTROL);
		assert_int_equal(flow_count(), 0);
	}
}

/* With a number that the namespace wrote: no slow packet keeps it. */
static void what_is_no_flow_has_no_number(void **state)
{
	static const struct {
		struct spec spec;
		enum fv_slow why;
	} rows[] = {
		{ { .ethertype = 0x0806 }, FV_SLOW_NOT_IP },
		{ { .tags = { 0x8100 } }, FV_SLOW_VLAN },
		{ { .family = 4, .dst = "224.0.0.5" }, FV_SLOW_MULTICAST },
		{ { .family = 6, .dst = "ff05::2" }, FV_SLOW_MULTICAST },
		{ { .family = 4, .dst = "9.9.9.9", .options = 4 }, FV_SLOW_OPTIONS },
		{ { .family = 6, .dst = "2001:db8::9", .ext = JUST(0) }, FV_SLOW_OPTIONS },
		{ { .family = 4, .dst = "9.9.9.9", .frag = 0x2000 }, FV_SLOW_FRAGMENT },
		{ { .family = 4, .dst = "9.9.9.9", .ttl = JUST(1) }, FV_SLOW_TTL },
		{ { .family = 6, .dst = "2001:db8::9", .ttl = JUST(1) }, FV_SLOW_TTL },
		{ { .family = 4, .dst = "9.9.9.9", .claim = 1 }, FV_SLOW_MALFORMED },
		{ { .family = 4, .dst = "9.9.9.9", .bare = true }, FV_SLOW_MALFORMED },
		{ { .family = 4, .dst = "169.254.1.1" }, FV_SLOW_LINK_LOCAL },
		{ { .family = 6, .dst = "fe80::1" }, FV_SLOW_LINK_LOCAL },
		{ { .family = 4, .dst = "9.9.9.9", .dmac = "02:00:00:00:00:01" },
		  FV_SLOW_NOT_ROUTED },
		{ { .family = 6, .dst = "2001:db8::9", .dmac = "02:00:00:00:00:01" },
		  FV_SLOW_NOT_ROUTED },
		{ { .family = 4, .to = CROWD }, FV_SLOW_TARGET },
		{ { .family = 4, .dst = "9.9.9.9", .proto = 47 }, FV_SLOW_OUTSIDE },
		{ { .family = 6, .dst = "2001:db8::9", .proto = 47 }, FV_SLOW_OUTSIDE },
	};

	(void)state;
	flow_what = "row";
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		struct spec spec = rows[i].spec;

		spec.from = CROWD;
		frame_make(&spec, &f);
		flow_line = (int)i;
		flow_unnoted(CROWD, &f, rows[i].why);
	}
	flow_what = "";
	assert_int_equal(flow_count(), 0);
}

/* ---- what a network promises ---- */

/* A proven flow is no way around the policy of the network. */
static void what_is_dropped_is_dropped(void **state)
{
	struct flow flow = { .from = CROWD, .to = WEB, .proto = UDP, .routed = true };

	(void)state;
	for (flow.family = 4; flow.family <= 6; flow.family += 2) {
		size_t source = ETH_SIZE + (flow.family == 4 ? 15 : 23);

		prove(&flow);
		f.b[11] ^= 1;
		flow_run(FV_PROG_FROM_NS, CROWD, &f, 0, 0, &out);
		assert_int_equal(out.ret, TC_SHOT);
		f.b[11] ^= 1;
		f.b[source] ^= 1;
		flow_run(FV_PROG_FROM_NS, CROWD, &f, 0, 0, &out);
		assert_int_equal(out.ret, TC_SHOT);
		f.b[source] ^= 1;
		f.b[5] ^= 2;
		UNNOTED(CROWD, &f, NOT_ROUTED);
		f.b[5] ^= 2;
		TAKEN(&flow, &f);
		/* Another network of ours. */
		frame_make(&(struct spec){ .from = CROWD, .to = ALIEN, .family = flow.family }, &f);
		flow_run(FV_PROG_FROM_NS, CROWD, &f, 0, 0, &out);
		assert_int_equal(out.ret, TC_SHOT);
		flow_reset(NULL);
	}
}

/* Between its endpoints there is no need of proof, and no flow. */
static void within_the_network_it_is_as_ever(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		enum who from = family == 4 ? ONLY4 : ONLY6;

		frame_make(&(struct spec){ .from = from, .to = CROWD, .family = family }, &f);
		for (int n = 0; n < 2; n++) {
			flow_run(FV_PROG_FROM_NS, from, &f, 1, 0, &out);
			assert_int_equal(out.ret, TC_REDIRECT);
			assert_int_equal(out.ifindex, bed[CROWD].dp.ifindex);
			assert_false(out.out);
			/* Also where both are declined: that is about what is outside. */
			flow_ports[CROWD].declined = flow_ports[from].declined = true;
			flow_ports[CROWD].no_tcp = flow_ports[from].no_tcp = true;
			flow_fill();
		}
		flow_reset(NULL);
	}
	assert_int_equal(flow_count(), 0);
}

/* A frame for somebody else behind the port proves nothing there either. */
static void a_flooded_frame_is_no_proof(void **state)
{
	struct flow flow = { .from = WEB, .to = CROWD, .proto = UDP, .routed = true };

	(void)state;
	for (flow.family = 4; flow.family <= 6; flow.family += 2) {
		unsigned int number = first(&flow);

		carried.b[5] ^= 1;
		ARRIVES(CROWD, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		carried.b[5] ^= 1;
		ARRIVES(CROWD, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 1);
		flow_reset(NULL);
	}
}

/* Another device has the number of one that flows led to and came from. */
static void a_new_device_has_no_flows(void **state)
{
	const struct flow there = {
		.from = WEB, .to = CROWD, .family = 4, .proto = UDP, .routed = true
	};
	const struct flow back = {
		.from = CROWD, .to = WEB, .family = 4, .proto = UDP, .routed = true
	};
	const struct flow other = {
		.from = WEB, .to = ALIEN, .family = 4, .proto = UDP, .routed = true
	};

	(void)state;
	prove(&there);
	prove(&back);
	prove(&other);
	bed_delete_device(CROWD);
	flow_wait(1);
	make(&there);
	NOTED(WEB, &f, TARGET);
	bed_make_device(CROWD);
	flow_fill();
	assert_int_equal(flow_count(), 1);
	prove(&there);
	prove(&back);
	make(&other);
	TAKEN(&other, &f);
}

#define TEST(name) cmocka_unit_test_setup(name, flow_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(both_ways_are_flows),
		TEST(unproven_is_outside),
		TEST(what_keeps_a_flow_from_it_is_named),
		TEST(what_is_no_flow_has_no_number),
		TEST(what_is_dropped_is_dropped),
		TEST(within_the_network_it_is_as_ever),
		TEST(a_flooded_frame_is_no_proof),
		TEST(a_new_device_has_no_flows),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open, flow_close);
}
