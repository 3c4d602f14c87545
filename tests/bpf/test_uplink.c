// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flows between ports and uplinks: how packets go out and come in, what proves that they may, and
 * what leaves and enters the host beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

#define VRF 902

static struct frame f, carried;
static struct flow_outcome out;

/* Of every kind, between WEB and uplink DB. */
static struct flow out_kind(int i)
{
	return flow_kind(i);
}

static struct flow in_kind(int i)
{
	struct flow flow = flow_kind(i);

	flow.from = DB;
	flow.to = WEB;
	return flow;
}

/* Before each test: DB is an uplink. */
static int reset(void **state)
{
	flow_reset(state);
	flow_uplink(DB);
	return 0;
}

static unsigned int note(const struct flow *flow)
{
	flow_frame(flow, &f);
	flow_carry(flow, &f, &carried);
	return NOTED(flow->from, &f, UNPROVEN);
}

static void begin(const struct flow *flow)
{
	PROVE(flow, UNPROVEN);
	flow_frame(flow, &f);
	TAKEN(flow, &f);
}

/* It would have been a proof. */
static void proves(const struct flow *flow, unsigned int number)
{
	flow_carry(flow, &f, &carried);
	ARRIVES(flow->to, &carried, number, flow_came_by(flow));
	assert_int_equal(flow_count(), 1);
	reset(NULL);
}

/* ---- the shortcut ---- */

static void live(const struct flow *flow)
{
	bool leaves = flow_ports[flow->to].uplink;
	struct fv_flow entry;
	unsigned int number = note(flow);

	assert_int_equal(flow_count(), 0);
	ARRIVES(flow->to, &carried, number, flow_came_by(flow));
	assert_true(flow_get(flow->from, &f, &entry));
	assert_int_equal(entry.oif, bed[flow->to].dp.ifindex);
	assert_int_equal(entry.hops, flow->routed);
	assert_int_equal(entry.nat, 0);
	assert_int_equal(entry.mark, leaves ? flow_meta.host_mark : 0);
	assert_int_equal(entry.priority, leaves ? flow_meta.host_priority : 0);
	assert_memory_equal(entry.in_l2, f.b, 12);
	assert_memory_equal(entry.out_l2, carried.b, 12);
	TAKEN(flow, &f);
	/* Whatever the next one has of these. */
	flow_meta.mark ^= 0xff;
	flow_meta.priority ^= 0xff;
	TAKEN(flow, &f);
	flow_wait(HZ);
	TAKEN(flow, &f);
	flow_wait(1);
	NOTED(flow->from, &f, PROBE);
	TAKEN(flow, &f);
	flow_wait(HZ);
	NOTED(flow->from, &f, STALE);
	PROVE(flow, STALE);
	TAKEN(flow, &f);
	reset(NULL);
}

static void every_kind_takes_it_out_and_in(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow there = out_kind(i), back = in_kind(i);

		live(&there);
		live(&back);
	}
}

/* In the array and in the overflow hash, at a bridge and at none. */
static void by_every_uplink(void **state)
{
	static const enum who uplinks[] = { DB, TWIN, JUMBO };
	static const enum who ports[] = { WEB, TWIN, SMALL, JUMBO };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(uplinks); i++) {
		for (size_t k = 0; k < FV_ARRAY_SIZE(ports); k++) {
			struct flow flow = { .proto = UDP, .routed = true };

			if (ports[k] == uplinks[i])
				continue;
			for (flow.family = 4; flow.family <= 6; flow.family += 2) {
				flow_uplink(uplinks[i]);
				flow.from = ports[k];
				flow.to = uplinks[i];
				live(&flow);
				flow_uplink(uplinks[i]);
				flow.from = uplinks[i];
				flow.to = ports[k];
				live(&flow);
			}
		}
	}
}

/* On its way out it comes by the program at the uplink's egress: judged and counted already. */
static void what_is_redirected_passes_the_uplink_uncounted(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = out_kind(i);
		size_t n;

		begin(&flow);
		n = flow_count();
		flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
		assert_int_equal(out.number, FV_NUMBER_REDIRECTED);
		carried = out.f;
		ARRIVES(DB, &carried, out.number, bed[WEB].dp.ifindex);
		assert_int_equal(flow_count(), n);
		/* At a port it is a number like any. */
		ARRIVES(TWIN, &carried, FV_NUMBER_REDIRECTED, bed[WEB].dp.ifindex);
		reset(NULL);
	}
}

/* No note has that number. */
static void no_note_is_taken_for_redirected(void **state)
{
	(void)state;
	assert_true(FV_NOTES_MAX < FV_NUMBER_REDIRECTED);
	assert_true(bed_dp->maps.n_notes <= FV_NOTES_MAX);
	/* What a namespace wrote there does not leave it. */
	flow_meta.number = FV_NUMBER_REDIRECTED;
	flow_frame(&(struct flow){ .from = WEB, .to = DB, .family = 4, .proto = UDP }, &f);
	NOTED(WEB, &f, UNPROVEN);
	UNNOTED(WEB, &f, UNPROVEN);
	f.b[ETH_SIZE] = 0x46;
	UNNOTED(WEB, &f, OPTIONS);
	UNNOTED(DB, &f, OPTIONS);
	flow_frame(&(struct flow){ .from = ONLY4, .to = DB, .family = 4, .proto = UDP }, &f);
	flow_l4(&f)[0] = 0;
	UNNOTED(ONLY4, &f, NOT_ROUTED);
}

/* An uplink's qdisc may go by mark and priority: they are the last proven packet's. */
static void mark_and_priority_follow_the_host(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = out_kind(i), back = in_kind(i);
		struct fv_flow entry;

		begin(&flow);
		flow_wait(3);
		flow_meta.host_mark = 7;
		flow_wait(HZ);
		PROVE(&flow, PROBE);
		TAKEN(&flow, &f);
		assert_true(flow_get(WEB, &f, &entry));
		assert_int_equal(entry.since, flow_now());
		flow_wait(HZ + 1);
		flow_meta.host_mark = flow_meta.host_priority = 0;
		PROVE(&flow, PROBE);
		TAKEN(&flow, &f);
		flow_wait(HZ + 1);
		PROVE(&flow, PROBE);
		assert_true(flow_get(WEB, &f, &entry));
		assert_int_equal(entry.since, flow_now() - HZ - 1);
		/* Of a port they are nobody's concern. */
		begin(&back);
		flow_wait(HZ + 1);
		flow_meta.host_mark = flow_meta.host_priority = 9;
		PROVE(&back, PROBE);
		assert_true(flow_get(DB, &f, &entry));
		assert_int_equal(entry.since, flow_now() - HZ - 1);
		reset(NULL);
	}
}

/* ---- what is no flow ---- */

static void bystanders_are_counted_and_left_alone(void **state)
{
	static const struct {
		struct spec spec;
		enum fv_slow why;
	} rows[] = {
		{ { .ethertype = 0x0806 }, FV_SLOW_NOT_IP },
		{ { .tags = { 0x8100 } }, FV_SLOW_VLAN },
		{ { .family = 4, .dmac = "01:00:5e:00:00:05" }, FV_SLOW_MULTICAST },
		{ { .family = 6, .dmac = "ff:ff:ff:ff:ff:ff" }, FV_SLOW_MULTICAST },
		{ { .family = 4, .options = 4 }, FV_SLOW_OPTIONS },
		{ { .family = 6, .ext = JUST(60) }, FV_SLOW_OPTIONS },
		{ { .family = 4, .frag = 0x2000 }, FV_SLOW_FRAGMENT },
		{ { .family = 6, .ext = JUST(44) }, FV_SLOW_FRAGMENT },
		{ { .family = 4, .ttl = JUST(1) }, FV_SLOW_TTL },
		{ { .family = 6, .ttl = JUST(0) }, FV_SLOW_TTL },
		{ { .family = 4, .pad = 6 }, FV_SLOW_MALFORMED },
		{ { .family = 6, .bare = true }, FV_SLOW_MALFORMED },
		{ { .family = 4, .proto = 47 }, FV_SLOW_PROTOCOL },
		{ { .family = 6, .proto = 50 }, FV_SLOW_PROTOCOL },
	};

	(void)state;
	flow_what = "row";
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		struct spec spec = rows[i].spec;

		spec.from = DB;
		spec.to = WEB;
		frame_make(&spec, &f);
		flow_line = (int)i;
		flow_unnoted(DB, &f, rows[i].why);
		/* Out of it, with a number and without. */
		flow_arrives(DB, &f, 0, 0);
		flow_arrives(DB, &f, 1, bed[WEB].dp.ifindex);
	}
	flow_what = "";
	assert_int_equal(flow_count(), 0);
}

/* The host's own packets, and those of everybody else's. */
static void what_has_no_number_proves_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = out_kind(i);
		unsigned int number = note(&flow);

		ARRIVES(DB, &carried, 0, flow_came_by(&flow));
		ARRIVES(DB, &carried, number, 0);
		ARRIVES(DB, &carried, number, bed[TWIN].dp.ifindex);
		ARRIVES(DB, &carried, number, bed[DB].dp.ifindex);
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

static void control_forgets_both_ways(void **state)
{
	static const int flags[] = { 0x02, 0x12, 0x11, 0x04 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		for (size_t k = 0; k < 2 * FV_ARRAY_SIZE(flags); k++) {
			struct flow flow = out_kind(i), back = in_kind(i);
			enum who who = k % 2 ? DB : WEB;

			begin(&flow);
			begin(&back);
			flow_frame(k % 2 ? &back : &flow, &f);
			flow_l4(&f)[13] = flags[k / 2];
			UNNOTED(who, &f, CONTROL);
			assert_int_equal(flow_count(), 0);
		}
	}
}

/* ---- what proves nothing ---- */

static void from_an_uplink_to_an_uplink_never(void **state)
{
	static const enum who uplinks[] = { DB, LATE, TWIN };

	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		for (int k = 0; k < 9; k++) {
			struct flow flow = out_kind(i);
			unsigned int number;

			flow.from = uplinks[k / 3];
			flow.to = uplinks[k % 3];
			if (flow.from == flow.to)
				continue;
			flow_uplink(LATE);
			flow_uplink(TWIN);
			number = note(&flow);
			ARRIVES(flow.to, &carried, number, flow_came_by(&flow));
			assert_int_equal(flow_count(), 0);
			reset(NULL);
		}
	}
}

/* Whose MAC a frame out of an uplink is for, the host has resolved; of a port it is known. */
static void macs_are_compared_at_ports_alone(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = out_kind(i), back = in_kind(i);
		unsigned int number = note(&flow);

		/* But not a group's. */
		carried.b[0] |= 1;
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		for (int byte = 0; byte < 6; byte++)
			carried.b[byte] = 0x40 + byte * 2;
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 1);
		flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
		assert_int_equal(out.ret, TC_REDIRECT);
		assert_memory_equal(out.f.b, carried.b, carried.len);
		reset(NULL);
		number = note(&back);
		for (int byte = 0; byte < 6; byte++) {
			carried.b[byte] ^= 1 << (byte + 1);
			ARRIVES(WEB, &carried, number, flow_came_by(&back));
			carried.b[byte] ^= 1 << (byte + 1);
		}
		ARRIVES(TWIN, &carried, number, flow_came_by(&back));
		assert_int_equal(flow_count(), 0);
		proves(&back, number);
	}
}

/* An uplink in a VRF or a bridge, and a port in one: packets came by that. */
static void a_master_is_known_as_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = out_kind(i), back = in_kind(i);

		for (int k = 0; k < 2; k++) {
			const struct flow *it = k ? &back : &flow;
			uint32_t self = bed[it->from].dp.ifindex;
			unsigned int number;

			flow_ports[it->from].master = VRF;
			flow_fill();
			number = note(it);
			ARRIVES(it->to, &carried, number, BRIDGE);
			ARRIVES(it->to, &carried, number, 0);
			ARRIVES(it->to, &carried, number, bed[it->to].dp.ifindex);
			assert_int_equal(flow_count(), 0);
			ARRIVES(it->to, &carried, number, VRF);
			TAKEN(it, &f);
			reset(NULL);
			flow_ports[it->from].master = VRF;
			flow_fill();
			number = note(it);
			ARRIVES(it->to, &carried, number, self);
			TAKEN(it, &f);
			reset(NULL);
			/* In none any more. */
			flow_ports[it->from].master = 0;
			flow_fill();
			number = note(it);
			ARRIVES(it->to, &carried, number, VRF);
			assert_int_equal(flow_count(), 0);
			reset(NULL);
		}
	}
}

/* ---- uplinks that are no ends ---- */

static void a_declined_uplink_is_slow_and_no_target(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = out_kind(i), back = in_kind(i);

		begin(&flow);
		begin(&back);
		flow_ports[DB].declined = true;
		flow_fill();
		UNNOTED(DB, &f, DECLINED);
		flow_frame(&flow, &f);
		/* What comes out there proves nothing. */
		PROVE(&flow, DECLINED);
		NOTED(WEB, &f, DECLINED);
		flow_ports[DB].declined = false;
		flow_fill();
		TAKEN(&flow, &f);
		reset(NULL);
	}
}

static void tcp_is_slow_where_its_windows_are_strict(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = out_kind(i), back = in_kind(i);

		begin(&flow);
		begin(&back);
		flow_ports[DB].no_tcp = true;
		flow_fill();
		if (back.proto == TCP)
			UNNOTED(DB, &f, WINDOW);
		else
			TAKEN(&back, &f);
		flow_frame(&flow, &f);
		TAKEN(&flow, &f);
		reset(NULL);
	}
}

static void an_uplink_that_is_gone_is_no_target(void **state)
{
	const struct flow flow = { WEB, DB, 4, UDP, true, 0 }, back = { DB, WEB, 4, UDP, true, 0 };

	(void)state;
	begin(&back);
	begin(&flow);
	bed_delete_device(DB);
	flow_wait(1);
	NOTED(WEB, &f, TARGET);
	bed_make_device(DB);
	NOTED(WEB, &f, TARGET);
	flow_fill();
	assert_int_equal(flow_count(), 0);
	begin(&flow);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_kind_takes_it_out_and_in),
		TEST(by_every_uplink),
		TEST(what_is_redirected_passes_the_uplink_uncounted),
		TEST(no_note_is_taken_for_redirected),
		TEST(mark_and_priority_follow_the_host),
		TEST(bystanders_are_counted_and_left_alone),
		TEST(what_has_no_number_proves_nothing),
		TEST(control_forgets_both_ways),
		TEST(from_an_uplink_to_an_uplink_never),
		TEST(macs_are_compared_at_ports_alone),
		TEST(a_master_is_known_as_its_own),
		TEST(a_declined_uplink_is_slow_and_no_target),
		TEST(tcp_is_slow_where_its_windows_are_strict),
		TEST(an_uplink_that_is_gone_is_no_target),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open, flow_close);
}
