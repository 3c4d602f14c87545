// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a flow between ports of others: unproven, noted, proven, redirected, proven again,
 * forgotten; and whose flow it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

static struct frame f, g, carried;

static void live(const struct flow *flow)
{
	struct fv_flow entry;
	unsigned int number;

	flow_frame(flow, &f);
	flow_carry(flow, &f, &carried);
	assert_false(flow_get(flow->from, &f, &entry));
	number = NOTED(flow->from, &f, UNPROVEN);
	/* A note is no proof, and neither is the next one. */
	assert_int_equal(flow_count(), 0);
	NOTED(flow->from, &f, UNPROVEN);
	flow_wait(7);
	ARRIVES(flow->to, &carried, number, flow_came_by(flow));
	assert_int_equal(flow_count(), 1);
	assert_true(flow_get(flow->from, &f, &entry));
	assert_int_equal(entry.oif, bed[flow->to].dp.ifindex);
	assert_int_equal(entry.proven, flow_now());
	assert_int_equal(entry.since, flow_now());
	assert_int_equal(entry.len, f.len - ETH_SIZE);
	assert_int_equal(entry.ttl, 64);
	assert_int_equal(entry.dscp, 0x28 >> 2);
	assert_int_equal(entry.hops, flow->routed);
	assert_memory_equal(entry.in_l2, f.b, 12);
	assert_memory_equal(entry.out_l2, carried.b, 12);
	TAKEN(flow, &f);
	/* Whatever else is in the packet. */
	flow_l4(&f)[flow->proto == ECHO ? 7 : 5] ^= 0x55;
	f.b[f.len - 1] ^= 0x55;
	if (flow->family == 4) {
		put16(f.b + ETH_SIZE + 4, 0x1111);
		frame_fix_check(&f);
	} else {
		f.b[ETH_SIZE + 3] ^= 0x55;
	}
	TAKEN(flow, &f);
	/* ECN is the packet's own. */
	if (flow->family == 4) {
		f.b[ETH_SIZE + 1] |= 3;
		frame_fix_check(&f);
	} else {
		f.b[ETH_SIZE + 1] |= 0x30;
	}
	TAKEN(flow, &f);
	flow_wait(HZ);
	TAKEN(flow, &f);
	flow_reset(NULL);
}

static void every_kind_of_flow_takes_the_shortcut(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);

		live(&flow);
	}
}

/* Ports in the array and in the overflow hash, at one bridge, at another, at none. */
static void from_every_port_to_every_other(void **state)
{
	size_t n = 0;

	(void)state;
	for (enum who from = 0; from < N_WHO; from++) {
		for (enum who to = 0; to < N_WHO; to++) {
			struct flow flow = { .from = from, .to = to, .proto = UDP };

			if (from == to || !flow_ports[from].attached || !flow_ports[to].attached)
				continue;
			flow.routed = flow_ports[from].master != flow_ports[to].master ||
				      !flow_ports[from].master;
			for (flow.family = 4; flow.family <= 6; flow.family += 2)
				live(&flow);
			n++;
		}
	}
	assert_int_equal(n, 6 * 5);
}

static void a_port_without_bridge_is_known_by_itself(void **state)
{
	const struct flow flow = {
		.from = JUMBO, .to = DB, .family = 4, .proto = TCP, .routed = true
	};

	(void)state;
	assert_int_equal(flow_came_by(&flow), bed[JUMBO].dp.ifindex);
	live(&flow);
}

/* Every checksum of an IPv4 header that can be, one TTL lower. */
static void every_checksum_comes_out_right(void **state)
{
	const struct flow flow = {
		.from = WEB, .to = DB, .family = 4, .proto = UDP, .routed = true
	};
	static struct flow_outcome out;

	(void)state;
	PROVE(&flow, UNPROVEN);
	flow_frame(&flow, &f);
	for (int id = 0; id < 0x10000; id++) {
		const uint8_t *ip = out.f.b + ETH_SIZE;

		put16(f.b + ETH_SIZE + 4, id);
		frame_fix_check(&f);
		flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
		assert_int_equal(out.ret, TC_REDIRECT);
		assert_int_equal(ip[8], 63);
		assert_int_equal(get16(ip + 10), frame_check(ip, IP4_SIZE));
	}
}

static void a_second_proof_only_renews(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		struct fv_flow first, second;

		PROVE(&flow, UNPROVEN);
		flow_frame(&flow, &f);
		assert_true(flow_get(WEB, &f, &first));
		flow_wait(HZ + 1);
		PROVE(&flow, PROBE);
		assert_true(flow_get(WEB, &f, &second));
		assert_int_equal(second.proven, flow_now());
		assert_int_equal(second.probed, (uint32_t)flow_now());
		second.proven = first.proven;
		second.probed = first.probed;
		assert_memory_equal(&first, &second, sizeof(first));
		TAKEN(&flow, &f);
		assert_int_equal(flow_count(), 1);
		flow_reset(NULL);
	}
}

/* The host has moved the flow's target: whatever was noted last proves that. */
static void a_proof_for_another_port_replaces_the_entry(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i), moved;
		struct fv_flow entry;
		unsigned int number;

		if (!flow.routed)
			continue;
		moved = flow;
		moved.to = TWIN;
		flow_frame(&flow, &f);
		number = NOTED(WEB, &f, UNPROVEN);
		PROVE(&flow, UNPROVEN);
		TAKEN(&flow, &f);
		flow_wait(HZ / 2);
		flow_carry(&moved, &f, &carried);
		ARRIVES(TWIN, &carried, number, flow_came_by(&flow));
		TAKEN(&moved, &f);
		assert_true(flow_get(WEB, &f, &entry));
		assert_int_equal(entry.since, flow_now());
		assert_int_equal(flow_count(), 1);
		flow_reset(NULL);
	}
}

/* Bridged first, routed now: another TTL and other addresses at the same port. */
static void a_proof_of_another_way_replaces_the_entry(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = TCP };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		unsigned int number;
		uint32_t came_by;

		flow.routed = false;
		flow_frame(&flow, &f);
		number = NOTED(WEB, &f, UNPROVEN);
		PROVE(&flow, UNPROVEN);
		TAKEN(&flow, &f);
		flow.routed = true;
		came_by = flow_came_by(&flow);
		flow_carry(&flow, &f, &carried);
		ARRIVES(DB, &carried, number, came_by);
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

/* Only the TTL says so: a router that keeps the addresses of layer 2. */
static void a_proof_of_another_hop_replaces_the_entry(void **state)
{
	static struct flow_outcome out;
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		size_t ttl = ETH_SIZE + (flow.family == 4 ? 8 : 7);
		unsigned int number;

		flow_frame(&flow, &f);
		number = NOTED(WEB, &f, UNPROVEN);
		PROVE(&flow, UNPROVEN);
		TAKEN(&flow, &f);
		carried = f;
		carried.b[ttl]--;
		if (flow.family == 4)
			frame_fix_check(&carried);
		ARRIVES(DB, &carried, number, bed[WEB].dp.ifindex);
		flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
		assert_int_equal(out.ret, TC_REDIRECT);
		assert_memory_equal(out.f.b, carried.b, f.len);
		flow_reset(NULL);
	}
}

/* The same addresses and ports from two ports of others: a flow each. */
static void the_same_words_from_another_port_are_another_flow(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i), other = flow;

		other.from = LATE;
		other.to = TWIN;
		PROVE(&flow, UNPROVEN);
		flow_frame(&flow, &f);
		TAKEN(&flow, &f);
		NOTED(LATE, &f, UNPROVEN);
		ARRIVES(TWIN, &f, NOTED(LATE, &f, UNPROVEN), bed[LATE].dp.ifindex);
		/* For TWIN's MAC, it would be proven. */
		assert_int_equal(flow_count(), 1);
		memcpy(f.b, bed[TWIN].dp.mac, 6);
		ARRIVES(TWIN, &f, NOTED(LATE, &f, UNPROVEN), bed[LATE].dp.ifindex);
		assert_int_equal(flow_count(), 2);
		other.routed = false;
		TAKEN(&other, &f);
		flow_frame(&flow, &f);
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

/* What proves one direction, or one flow, proves nothing of another. */
static void the_way_back_is_another_flow(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i), back = flow;

		back.from = DB;
		back.to = WEB;
		PROVE(&flow, UNPROVEN);
		PROVE(&back, UNPROVEN);
		flow_frame(&back, &f);
		TAKEN(&back, &f);
		flow_frame(&flow, &f);
		TAKEN(&flow, &f);
		for (int byte = 0; byte < (flow.proto == ECHO ? 0 : 4); byte++) {
			g = f;
			flow_l4(&g)[byte] ^= 1;
			NOTED(WEB, &g, UNPROVEN);
		}
		for (int byte = 4; byte < (flow.proto == ECHO ? 6 : 0); byte++) {
			g = f;
			flow_l4(&g)[byte] ^= 1;
			NOTED(WEB, &g, UNPROVEN);
		}
		for (size_t byte = 0; byte < (flow.family == 4 ? 8 : 32); byte++) {
			g = f;
			g.b[ETH_SIZE + (flow.family == 4 ? 12 : 8) + byte] ^= 1;
			if (flow.family == 4)
				frame_fix_check(&g);
			NOTED(WEB, &g, UNPROVEN);
		}
		flow_reset(NULL);
	}
}

/* An echo and its answer with the same identifier are two flows. */
static void an_echo_is_not_its_answer(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = ECHO };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		PROVE(&flow, UNPROVEN);
		flow_frame(&flow, &f);
		TAKEN(&flow, &f);
		flow_l4(&f)[0] = flow.family == 4 ? 0 : 129;
		NOTED(WEB, &f, UNPROVEN);
		ARRIVES(DB, &f, NOTED(WEB, &f, UNPROVEN), flow_came_by(&flow));
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

/* ---- own networks beside it ---- */

static void own_networks_are_as_ever(void **state)
{
	static const struct spec there[] = { { .from = ONLY4, .to = CROWD, .family = 4 },
					     { .from = ONLY6, .to = CROWD, .family = 6 } };
	static struct flow_outcome out;

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(there); i++) {
		enum who who = there[i].from;

		frame_make(&there[i], &f);
		flow_run(FV_PROG_FROM_NS, who, &f, 1, 0, &out);
		assert_int_equal(out.ret, TC_REDIRECT);
		assert_int_equal(out.ifindex, bed[CROWD].dp.ifindex);
		/* Nobody of others is an endpoint: as anything outside. */
		frame_make(&(struct spec){ .from = who, .to = DB, .family = there[i].family }, &f);
		flow_l4(&f)[13] = 0x10;
		NOTED(who, &f, OUTSIDE);
		f.b[6] ^= 2;
		flow_run(FV_PROG_FROM_NS, who, &f, 0, 0, &out);
		assert_int_equal(out.ret, TC_SHOT);
	}
	assert_int_equal(flow_count(), 0);
}

/* A packet of an own network's port with somebody's number, and somebody's with a number there. */
static void a_number_at_an_own_port_proves_what_came_its_way(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP, .routed = true };
	struct flow to_own = {
		.from = WEB, .to = CROWD, .family = 4, .proto = UDP, .routed = true
	};
	unsigned int number;

	(void)state;
	flow_frame(&flow, &f);
	number = NOTED(WEB, &f, UNPROVEN);
	flow_carry(&flow, &f, &carried);
	/* The very same packet, but it came by a port of ours. */
	ARRIVES(DB, &carried, number, bed[ONLY4].dp.ifindex);
	assert_int_equal(flow_count(), 0);
	/* Out of a port of ours for somebody else, or by another way: the same. */
	ARRIVES(CROWD, &carried, number, BRIDGE);
	memcpy(carried.b, bed[CROWD].dp.mac, 6);
	ARRIVES(CROWD, &carried, number, bed[ONLY4].dp.ifindex);
	assert_int_equal(flow_count(), 0);
	NOTED(WEB, &f, UNPROVEN);
	/* But there it does lead, if that is where the host brings it. */
	memcpy(carried.b + 6, bed[CROWD].dp.port_mac, 6);
	ARRIVES(CROWD, &carried, number, BRIDGE);
	assert_int_equal(flow_count(), 1);
	TAKEN(&to_own, &f);
}

static void an_unknown_device_is_left_alone(void **state)
{
	static struct flow_outcome out;
	const struct flow flow = flow_kind(0);
	struct fv_dp_endpoint keep = bed[WEB].dp;
	struct counts before, after;

	(void)state;
	flow_frame(&flow, &f);
	counts_read(bed_dp, &before);
	bed[WEB].dp.ifindex = 500 + WEB; /* the other end: a device, but no port */
	flow_run(FV_PROG_FROM_NS, WEB, &f, 1, 0, &out);
	assert_int_equal(out.ret, TC_NEXT);
	assert_int_equal(out.number, 1);
	flow_run(FV_PROG_TO_NS, WEB, &f, 1, BRIDGE, &out);
	assert_int_equal(out.ret, TC_NEXT);
	assert_int_equal(out.number, 1);
	bed[WEB].dp = keep;
	counts_read(bed_dp, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* The hash may do so with what was replaced or evicted while a program is reading it. */
static void an_entry_that_is_given_to_another_flow_is_not_followed(void **state)
{
	const struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP };

	(void)state;
	PROVE(&flow, UNPROVEN);
	flow_frame(&flow, &f);
	TAKEN(&flow, &f);
	flow_reuse(WEB, &f);
	NOTED(WEB, &f, CHANGED);
	flow_reuse(WEB, NULL);
	TAKEN(&flow, &f);
}

/* What is over at once, and what never is proven, shall not pay for a note with each packet. */
static void an_unproven_flow_is_noted_once_a_tick_after_its_first(void **state)
{
	static struct flow_outcome out;

	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		const struct flow flow = flow_kind(i);
		unsigned int number;

		flow_frame(&flow, &f);
		flow_carry(&flow, &f, &carried);
		flow_reset(NULL);
		flow_forget_tries();
		UNNOTED(flow.from, &f, UNPROVEN);
		UNNOTED(flow.from, &f, UNPROVEN);
		flow_wait(1);
		flow_run(FV_PROG_FROM_NS, flow.from, &f, 0, 0, &out);
		number = out.number;
		assert_int_not_equal(number, 0);
		UNNOTED(flow.from, &f, UNPROVEN);
		flow_wait(1);
		flow_run(FV_PROG_FROM_NS, flow.from, &f, 0, 0, &out);
		assert_int_not_equal(out.number, 0);
		assert_int_not_equal(out.number, number);
		/* Notes of the tick before are as good as ever, and what is proven is so at once. */
		ARRIVES(flow.to, &carried, number, flow_came_by(&flow));
		TAKEN(&flow, &f);
	}
}

/* Each bit of what makes a flow: source and destination, ports or identifier. */
static void another_flow_begins_for_itself(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		const struct flow flow = flow_kind(i);
		static struct frame other;

		flow_frame(&flow, &f);
		flow_reset(NULL);
		for (size_t bit = 0; bit < 8 * (flow.family == 4 ? 8U : 32U) + 8 * 2; bit++) {
			size_t at = ETH_SIZE + (flow.family == 4 ? 12 : 8) + bit / 8;

			if (at >= ETH_SIZE + (flow.family == 4 ? 20U : 40U))
				at += flow.proto == ECHO ? 4 : 0;
			other = f;
			other.b[at] ^= 1 << bit % 8;
			if (flow.family == 4)
				frame_fix_check(&other);
			flow_forget_tries();
			UNNOTED(flow.from, &f, UNPROVEN);
			flow_wait(1);
			flow_what = "another flow";
			UNNOTED(flow.from, &other, UNPROVEN);
			flow_what = "";
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, flow_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_kind_of_flow_takes_the_shortcut),
		TEST(an_entry_that_is_given_to_another_flow_is_not_followed),
		TEST(an_unproven_flow_is_noted_once_a_tick_after_its_first),
		TEST(another_flow_begins_for_itself),
		TEST(from_every_port_to_every_other),
		TEST(a_port_without_bridge_is_known_by_itself),
		TEST(every_checksum_comes_out_right),
		TEST(a_second_proof_only_renews),
		TEST(a_proof_for_another_port_replaces_the_entry),
		TEST(a_proof_of_another_way_replaces_the_entry),
		TEST(a_proof_of_another_hop_replaces_the_entry),
		TEST(the_same_words_from_another_port_are_another_flow),
		TEST(the_way_back_is_another_flow),
		TEST(an_echo_is_not_its_answer),
		TEST(own_networks_are_as_ever),
		TEST(a_number_at_an_own_port_proves_what_came_its_way),
		TEST(an_unknown_device_is_left_alone),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open, flow_close);
}
