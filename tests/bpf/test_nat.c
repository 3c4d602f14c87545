// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flows with NAT that conntrack knows: each packet comes out as the kernel's NAT would have written it,
 * byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/nat.h"

static struct frame f, carried;
static struct flow_outcome out;

static void begin(const struct nat_way *way)
{
	AT(nat_prove(way, nat_why(way)));
	nat_frame(way, &f);
	TAKEN(&way->flow, &f);
}

static void check_entry(const struct nat_way *way)
{
	size_t size = way->flow.family == 4 ? 4 : 16;
	struct fv_flow entry;

	assert_true(flow_get(way->flow.from, &f, &entry));
	assert_int_equal(entry.nat, way->reply ? FV_NAT_BACK : FV_NAT_FORTH);
	assert_int_equal(entry.hops, way->flow.routed);
	assert_memory_equal(entry.saddr, way->is.addr[0], size);
	assert_memory_equal(entry.daddr, way->is.addr[1], size);
	assert_memory_equal(&entry.sport, way->is.port[0], 2);
	assert_memory_equal(&entry.dport, way->is.port[1], 2);
}

static void live(const struct nat_way *way)
{
	begin(way);
	check_entry(way);
	/* Of any length, odd ones too, and with anything in it. */
	for (int n = 0; n < 40; n++) {
		f.len -= n % 3 == 2;
		if (way->flow.family == 4)
			put16(f.b + ETH_SIZE + 2, f.len - ETH_SIZE);
		else
			put16(f.b + ETH_SIZE + 4, f.len - ETH_SIZE - IP6_SIZE);
		if (way->flow.proto == UDP)
			put16(flow_l4(&f) + 4, f.len - (flow_l4(&f) - f.b));
		f.b[f.len - 1 - n % 7] += 0x37;
		nat_fix(&f);
		TAKEN(&way->flow, &f);
	}
	if (way->flow.proto == UDP) {
		put16(nat_check_at(&f), 0);
		TAKEN(&way->flow, &f);
	}
	flow_wait(HZ + 1);
	/* What comes back is left alone for longer. */
	if (way->reply) {
		TAKEN(&way->flow, &f);
		flow_wait(3 * HZ / 4);
	}
	AT(nat_prove(way, FV_SLOW_PROBE));
	check_entry(way);
	nat_frame(way, &f);
	TAKEN(&way->flow, &f);
}

static void every_connection_takes_the_shortcut_both_ways(void **state)
{
	static char what[128];

	(void)state;
	nat_need();
	flow_what = what;
	for (size_t i = 0; i < 2 * nat_n_conns; i++) {
		const struct nat_conn *conn = &nat_conns[i / 2];
		int proto = i % 2 ? UDP : TCP;

		nat_track_none();
		nat_track(conn, proto, "");
		for (int k = 0; k < 4; k++) {
			struct nat_way way = nat_way(conn, proto, k % 2);

			snprintf(what, sizeof(what), "IPv%d, %s, protocol %d, %s", conn->family,
				 conn->name, proto, k % 2 ? "back" : "there");
			/* Bridged, with NAT all the same; out of own networks nothing is. */
			way.flow.routed = k < 2;
			if (!way.flow.routed && conn->inside == CROWD)
				continue;
			live(&way);
			nat_reset(NULL);
		}
	}
	flow_what = "";
}

/* All that it can be, on the way in as on the way out; 0 is for UDP that has none. */
static void every_checksum_comes_out_right(void **state)
{
	size_t zeros = 0, ones = 0;

	(void)state;
	nat_need();
	for (size_t i = 0; i < 2 * nat_n_conns; i++) {
		const struct nat_conn *conn = &nat_conns[i / 2];
		int proto = i % 2 ? UDP : TCP;
		struct nat_way way = nat_way(conn, proto, false);

		if (strcmp(conn->name, "masquerade to another port"))
			continue;
		nat_track_none();
		nat_track(conn, proto, "");
		begin(&way);
		for (unsigned int word = 0; word < 0x10000; word++) {
			put16(f.b + f.len - 2, word);
			nat_fix(&f);
			flow_carry(&way.flow, &f, &carried);
			flow_run(FV_PROG_FROM_NS, way.flow.from, &f, 0, 0, &out);
			assert_int_equal(out.ret, TC_REDIRECT);
			assert_int_equal(out.f.len, carried.len);
			assert_memory_equal(out.f.b, carried.b, carried.len);
			zeros += get16(nat_check_at(&out.f)) == 0;
			ones += get16(nat_check_at(&out.f)) == 0xffff;
		}
		nat_reset(NULL);
	}
	/* Of each family TCP has had the one, UDP the other, as there is but one way to write it. */
	assert_int_equal(zeros, 2);
	assert_int_equal(ones, 2);
}

/* ---- what becomes of it ---- */

static const struct nat_conn *conn_of(int family)
{
	for (size_t i = 0; i < nat_n_conns; i++)
		if (nat_conns[i].family == family && strstr(nat_conns[i].name, "another port"))
			return &nat_conns[i];
	fail();
	return NULL;
}

/* Whichever end it comes from, the other direction's addresses are its own reversed by NAT. */
static void control_forgets_both_ways(void **state)
{
	static const int flags[] = { 0x02, 0x12, 0x11, 0x04 };

	(void)state;
	nat_need();
	for (size_t i = 0; i < nat_n_conns; i++) {
		const struct nat_conn *conn = &nat_conns[i];

		nat_track_none();
		nat_track(conn, TCP, "");
		for (size_t k = 0; k < 2 * FV_ARRAY_SIZE(flags); k++) {
			struct nat_way there = nat_way(conn, TCP, false);
			struct nat_way back = nat_way(conn, TCP, true);
			struct flow other = { .from = TWIN, .to = LATE, .family = 4, .proto = TCP };
			const struct nat_way *way = k % 2 ? &back : &there;

			begin(&there);
			begin(&back);
			nat_carry(NULL);
			PROVE(&other, UNPROVEN);
			assert_int_equal(flow_count(), 3);
			nat_frame(way, &f);
			flow_l4(&f)[13] = flags[k / 2];
			UNNOTED(way->flow.from, &f, CONTROL);
			assert_int_equal(flow_count(), 1);
			flow_frame(&other, &f);
			TAKEN(&other, &f);
			nat_reset(NULL);
		}
	}
}

static void a_flow_whose_nat_changes_is_replaced(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < 4; i++) {
		const struct nat_conn *conn = conn_of(i % 2 ? 6 : 4);
		struct nat_conn moved = *conn;
		int proto = i / 2 ? UDP : TCP;
		struct nat_way way = nat_way(conn, proto, false), now;
		struct fv_flow entry;

		nat_track_none();
		nat_track(conn, proto, "");
		begin(&way);
		nat_track_none();
		moved.reply[1].port++;
		nat_track(&moved, proto, "");
		now = nat_way(&moved, proto, false);
		flow_wait(HZ + 1);
		AT(nat_prove(&now, FV_SLOW_PROBE));
		assert_int_equal(flow_count(), 1);
		assert_true(flow_get(WEB, &f, &entry));
		assert_int_equal(entry.since, flow_now());
		TAKEN(&now.flow, &f);
		/* And to an address that is the host's own no more. */
		nat_track_none();
		moved.reply[1].ip = conn->family == 4 ? "192.0.2.2" : "2001:db8:1::2";
		nat_track(&moved, proto, "");
		now = nat_way(&moved, proto, false);
		flow_wait(HZ + 1);
		AT(nat_prove(&now, FV_SLOW_PROBE));
		TAKEN(&now.flow, &f);
		nat_reset(NULL);
	}
}

/* The host stops changing it, or begins to. */
static void a_flow_that_loses_its_nat_is_replaced(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < 4; i++) {
		const struct nat_conn *conn = conn_of(i % 2 ? 6 : 4);
		int proto = i / 2 ? UDP : TCP;
		struct nat_way way = nat_way(conn, proto, false), plain = way;
		struct fv_flow entry;

		nat_track_none();
		nat_track(conn, proto, "");
		begin(&way);
		plain.is = plain.was;
		flow_wait(HZ + 1);
		AT(nat_prove(&plain, FV_SLOW_PROBE));
		TAKEN(&plain.flow, &f);
		assert_true(flow_get(WEB, &f, &entry));
		assert_int_equal(entry.nat, 0);
		flow_wait(HZ + 1);
		AT(nat_prove(&way, FV_SLOW_PROBE));
		TAKEN(&way.flow, &f);
		check_entry(&way);
		nat_reset(NULL);
	}
}

/* Conntrack finds a connection again by what goes forth: what comes back is tried after that. */
static void what_comes_back_is_tried_after_what_went_forth(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < 4; i++) {
		const struct nat_conn *conn = conn_of(i % 2 ? 6 : 4);
		int proto = i / 2 ? UDP : TCP;
		struct nat_way forth = nat_way(conn, proto, false);
		struct nat_way back = nat_way(conn, proto, true);

		nat_track_none();
		nat_track(conn, proto, "");
		begin(&back);
		begin(&forth);
		flow_wait(HZ + 1);
		nat_carry(&back);
		nat_frame(&back, &f);
		TAKEN(&back.flow, &f);
		nat_carry(&forth);
		AT(nat_prove(&forth, FV_SLOW_PROBE));
		nat_carry(&back);
		AT(nat_prove(&back, FV_SLOW_PROBE));
		nat_frame(&back, &f);
		TAKEN(&back.flow, &f);
		nat_reset(NULL);
	}
}

/* Conntrack has forgotten it: no probe renews the proof, so it ends. */
static void a_flow_that_conntrack_forgets_ends(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < 4; i++) {
		const struct nat_conn *conn = conn_of(i % 2 ? 6 : 4);
		int proto = i / 2 ? UDP : TCP;
		struct nat_way way = nat_way(conn, proto, false);

		nat_track_none();
		nat_track(conn, proto, "");
		begin(&way);
		nat_track_none();
		flow_wait(HZ + 1);
		AT(nat_prove(&way, FV_SLOW_PROBE));
		TAKEN(&way.flow, &f);
		flow_wait(HZ);
		NOTED(WEB, &f, STALE);
		AT(nat_prove(&way, FV_SLOW_STALE));
		NOTED(WEB, &f, STALE);
		nat_track(conn, proto, "");
		AT(nat_prove(&way, FV_SLOW_STALE));
		TAKEN(&way.flow, &f);
		nat_reset(NULL);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, nat_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_connection_takes_the_shortcut_both_ways),
		TEST(every_checksum_comes_out_right),
		TEST(control_forgets_both_ways),
		TEST(a_flow_whose_nat_changes_is_replaced),
		TEST(a_flow_that_loses_its_nat_is_replaced),
		TEST(what_comes_back_is_tried_after_what_went_forth),
		TEST(a_flow_that_conntrack_forgets_ends),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, nat_open, flow_close);
}
