// SPDX-License-Identifier: GPL-2.0-only
/*
 * What proves no flow with NAT: what conntrack does not know, or knows otherwise, and whatever is
 * changed beside addresses and ports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/nat.h"

static struct frame f, carried;
static struct flow_outcome out;

/* Of either family and protocol, there and back: what is carried changes two words and more. */
#define N_WAYS 8

static const struct nat_conn *conn_of(int i)
{
	for (size_t k = 0; k < nat_n_conns; k++)
		if (nat_conns[k].family == (i % 2 ? 6 : 4) &&
		    !strcmp(nat_conns[k].name,
			    i / 4 ? "published, and from an address of the host's"
				  : "masquerade to another port"))
			return &nat_conns[k];
	fail();
	return NULL;
}

static struct nat_way way_of(int i)
{
	return nat_way(conn_of(i), i / 2 % 2 ? UDP : TCP, i % 3 == 0);
}

static void track(int i)
{
	nat_track_none();
	nat_track(conn_of(i), i / 2 % 2 ? UDP : TCP, "");
}

static void make(const struct nat_way *way)
{
	nat_frame(way, &f);
	nat_carry(way);
	flow_carry(&way->flow, &f, &carried);
}

static unsigned int note(const struct nat_way *way)
{
	make(way);
	return AT(flow_noted(way->flow.from, &f, nat_why(way)));
}

static void arrives(const struct nat_way *way, unsigned int number)
{
	AT(flow_arrives(way->flow.to, &carried, number, flow_came_by(&way->flow)));
}

/* The packet that was noted last: is its flow proven? Asking for all takes far longer. */
static bool proven(const struct nat_way *way)
{
	struct fv_flow entry;

	return flow_get(way->flow.from, &f, &entry);
}

/* It would have been a proof. */
static void proves(const struct nat_way *way, unsigned int number)
{
	nat_carry(way);
	flow_carry(&way->flow, &f, &carried);
	arrives(way, number);
	assert_int_equal(flow_count(), 1);
	nat_reset(NULL);
}

static void no_proof(const struct nat_way *way)
{
	arrives(way, note(way));
	assert_int_equal(flow_count(), 0);
}

/* ---- what conntrack says ---- */

static void what_conntrack_does_not_know_is_no_proof(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_way way = way_of(i);
		int proto = way.flow.proto;

		nat_track_none();
		no_proof(&way);
		/* The same of the other protocol, and in a zone of its own. */
		nat_track(conn_of(i), proto == TCP ? UDP : TCP, "");
		nat_track(conn_of(i), proto, "-w 7");
		no_proof(&way);
		nat_track(conn_of(i), proto, "");
		proves(&way, note(&way));
	}
}

/* A connection of these very addresses and ports, which nobody translates. */
static void a_connection_without_nat_is_no_proof(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_conn conn = *conn_of(i);
		struct nat_way way = way_of(i);

		nat_track_none();
		conn.reply[0] = conn.orig[1];
		conn.reply[1] = conn.orig[0];
		nat_track(&conn, way.flow.proto, "");
		no_proof(&way);
		conn = *conn_of(i);
		conn.orig[0] = conn.reply[1];
		conn.orig[1] = conn.reply[0];
		nat_track(&conn, way.flow.proto, "");
		no_proof(&way);
		nat_reset(NULL);
	}
}

/* Each bit of addresses and ports, as they come in and as they go out. */
static void every_bit_of_both_tuples_counts(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		const struct nat_way right = way_of(i);
		size_t size = right.flow.family == 4 ? 4 : 16;

		track(i);
		for (size_t bit = 0; bit < 2 * 8 * (2 * size + 4); bit++) {
			struct nat_way way = right;
			struct nat_tuple *t = bit % 2 ? &way.was : &way.is;
			size_t byte = bit / 16, end = byte / (size + 2), at = byte % (size + 2);

			*(at < size ? &t->addr[end][at] : &t->port[end][at - size]) ^=
				1 << bit / 2 % 8;
			make(&way);
			flow_crowd_tries();
			flow_run(FV_PROG_FROM_NS, way.flow.from, &f, 0, 0, &out);
			assert_int_not_equal(out.number, 0);
			flow_run(FV_PROG_TO_NS, way.flow.to, &carried, out.number,
				 flow_came_by(&way.flow), &out);
			if (proven(&way))
				fail_msg("way %d: bit %zu of byte %zu of what %s is not asked for",
					 i, bit / 2 % 8, byte, bit % 2 ? "came in" : "goes out");
		}
		assert_int_equal(flow_count(), 0);
		proves(&right, note(&right));
	}
}

/* Both are tuples of the connection, but not of one packet of it. */
static void the_wrong_direction_is_no_proof(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_way there = nat_way(conn_of(i), way_of(i).flow.proto, false);
		struct nat_way back = nat_way(conn_of(i), there.flow.proto, true);
		struct nat_way way = there;

		track(i);
		/* What comes in as one direction goes out as the other. */
		way.is = back.is;
		no_proof(&way);
		way.is = back.was;
		no_proof(&way);
		/* Undone where it is to be done. */
		way.was = there.is;
		way.is = there.was;
		no_proof(&way);
		way.was = back.is;
		way.is = there.is;
		no_proof(&way);
		/* The right thing, but at the other end. */
		way = there;
		way.flow.from = back.flow.from;
		way.flow.to = back.flow.to;
		proves(&way, note(&way));
		proves(&there, note(&there));
	}
}

/* ---- what else is changed ---- */

static bool of_nat(const struct nat_way *way, size_t byte)
{
	size_t l3 = way->flow.family == 4 ? IP4_SIZE : IP6_SIZE, l4 = ETH_SIZE + l3;
	size_t check = nat_check_at(&carried) - carried.b;

	return (byte >= ETH_SIZE + (way->flow.family == 4 ? 12U : 8U) && byte < l4 + 4) ||
	       byte == check || byte == check + 1;
}

static void every_other_bit_of_the_headers_counts(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_way way = way_of(i);
		size_t l3 = way.flow.family == 4 ? IP4_SIZE : IP6_SIZE;
		size_t head = ETH_SIZE + l3 + (way.flow.proto == TCP ? 20 : 8);
		unsigned int number;

		track(i);
		number = note(&way);
		for (size_t bit = 8 * 12; bit < 8 * head; bit++) {
			size_t byte = bit / 8, ttl = ETH_SIZE + (way.flow.family == 4 ? 8 : 7);

			if (of_nat(&way, byte) || (byte == ttl && bit % 8 == 0))
				continue;
			if (way.flow.family == 4 && byte >= ETH_SIZE + 10 && byte < ETH_SIZE + 12)
				continue;
			carried.b[byte] ^= 1 << bit % 8;
			flow_run(FV_PROG_TO_NS, way.flow.to, &carried, number,
				 flow_came_by(&way.flow), &out);
			carried.b[byte] ^= 1 << bit % 8;
			if (proven(&way))
				fail_msg("way %d: bit %zu of byte %zu is not looked at", i, bit % 8,
					 byte);
		}
		proves(&way, number);
	}
}

/* What the checksum of layer 4 is where a device is to complete it, by the same change of addresses. */
static unsigned int incomplete(const struct nat_way *way)
{
	size_t size = way->flow.family == 4 ? 4 : 16;
	uint32_t sum = get16(nat_check_at(&f));

	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < size; k += 2)
			sum += get16(&way->is.addr[i][k]) + 0xffff - get16(&way->was.addr[i][k]);
	return sum % 0xffff;
}

/*
 * What is changed behind the headers shows in the checksum. Two are right: that of a whole packet,
 * and that of one whose checksum is but begun.
 */
static void a_checksum_that_does_not_follow_is_no_proof(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_way way = way_of(i);
		unsigned int number, whole, begun;

		track(i);
		number = note(&way);
		whole = get16(nat_check_at(&carried)) % 0xffff;
		begun = incomplete(&way);
		assert_int_not_equal(whole, begun);
		/* All of them once: the others come near those that are right. */
		for (unsigned int check = 0; check < 0x10000; check++) {
			bool right = check % 0xffff == whole || check % 0xffff == begun;
			bool near = check - whole + 20 < 40 || check - begun + 20 < 40;

			if (i != 2 && !right && !near && check % 97)
				continue;
			put16(nat_check_at(&carried), check);
			flow_run(FV_PROG_TO_NS, way.flow.to, &carried, number,
				 flow_came_by(&way.flow), &out);
			assert_int_equal(out.number, 0);
			if (proven(&way) != right)
				fail_msg("way %d: checksum %#x, %#x or %#x is right", i, check,
					 whole, begun);
			if (right) {
				nat_reset(NULL);
				number = note(&way);
			}
		}
	}
}

/* Without one it stays without; with one it does not lose it. */
static void udp_without_a_checksum_stays_so(void **state)
{
	(void)state;
	nat_need();
	for (int i = 2; i < N_WAYS; i += 1 + (i % 2 ? 2 : 0)) {
		struct nat_way way = way_of(i);
		unsigned int number;

		track(i);
		number = note(&way);
		put16(nat_check_at(&carried), 0);
		arrives(&way, number);
		assert_int_equal(flow_count(), 0);
		make(&way);
		put16(nat_check_at(&f), 0);
		number = AT(flow_noted(way.flow.from, &f, nat_why(&way)));
		flow_carry(&way.flow, &f, &carried);
		put16(nat_check_at(&carried), nat_check(&carried));
		arrives(&way, number);
		assert_int_equal(flow_count(), 0);
		put16(nat_check_at(&carried), 0);
		arrives(&way, number);
		assert_int_equal(flow_count(), 1);
		TAKEN(&way.flow, &f);
		nat_reset(NULL);
	}
}

/* Not translated, but changed behind its headers by a rule of the host's. */
static void a_changed_packet_of_a_plain_connection_is_no_proof(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_conn conn = *conn_of(i);
		struct nat_way way;
		unsigned int number;

		conn.reply[0] = conn.orig[1];
		conn.reply[1] = conn.orig[0];
		way = nat_way(&conn, i / 2 % 2 ? UDP : TCP, i % 3 == 0);
		nat_track_none();
		nat_track(&conn, way.flow.proto, "");
		number = note(&way);
		carried.b[carried.len - 1] ^= 0x10;
		nat_fix(&carried);
		arrives(&way, number);
		assert_int_equal(flow_count(), 0);
		proves(&way, number);
	}
}

/* ---- between which ends ---- */

/* By a published port of the host's, from one of its containers to another: that stays with the host. */
static void from_port_to_port_never(void **state)
{
	static const enum who ends[][2] = { { WEB, TWIN }, { TWIN, WEB }, { WEB, CROWD } };

	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_way way = way_of(i);

		track(i);
		for (size_t k = 0; k < FV_ARRAY_SIZE(ends); k++) {
			way.flow.from = ends[k][0];
			way.flow.to = ends[k][1];
			no_proof(&way);
		}
		nat_reset(NULL);
	}
	for (size_t i = 0; i < nat_n_conns; i++) {
		struct nat_way way = nat_way(&nat_conns[i], UDP, nat_conns[i].published);

		if (nat_conns[i].inside != CROWD)
			continue;
		nat_track_none();
		nat_track(&nat_conns[i], UDP, "");
		way.flow.to = WEB;
		no_proof(&way);
		way.flow.to = DB;
		proves(&way, note(&way));
	}
}

static void from_uplink_to_uplink_never(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < N_WAYS; i++) {
		struct nat_way way = way_of(i);

		track(i);
		flow_uplink(LATE);
		way.flow.from = DB;
		way.flow.to = LATE;
		no_proof(&way);
		way.flow.from = LATE;
		way.flow.to = DB;
		no_proof(&way);
		nat_reset(NULL);
	}
}

/* Conntrack has them by identifiers, and there is no asking it. */
static void an_echo_with_nat_is_no_proof(void **state)
{
	(void)state;
	nat_need();
	for (int i = 0; i < 4; i++) {
		struct flow flow = { .from = i / 2 ? DB : WEB,
				     .to = i / 2 ? WEB : DB,
				     .family = i % 2 ? 6 : 4,
				     .proto = ECHO,
				     .routed = true };
		unsigned int number;

		flow_frame(&flow, &f);
		flow_carry(&flow, &f, &carried);
		number = NOTED(flow.from, &f, UNPROVEN);
		carried.b[ETH_SIZE + 15] ^= 1;
		if (flow.family == 4)
			frame_fix_check(&carried);
		ARRIVES(flow.to, &carried, number, flow_came_by(&flow));
		flow_carry(&flow, &f, &carried);
		flow_l4(&carried)[5] ^= 1;
		ARRIVES(flow.to, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		flow_carry(&flow, &f, &carried);
		ARRIVES(flow.to, &carried, number, flow_came_by(&flow));
		TAKEN(&flow, &f);
		nat_reset(NULL);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, nat_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_conntrack_does_not_know_is_no_proof),
		TEST(a_connection_without_nat_is_no_proof),
		TEST(every_bit_of_both_tuples_counts),
		TEST(the_wrong_direction_is_no_proof),
		TEST(every_other_bit_of_the_headers_counts),
		TEST(a_checksum_that_does_not_follow_is_no_proof),
		TEST(udp_without_a_checksum_stays_so),
		TEST(a_changed_packet_of_a_plain_connection_is_no_proof),
		TEST(from_port_to_port_never),
		TEST(from_uplink_to_uplink_never),
		TEST(an_echo_with_nat_is_no_proof),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, nat_open, flow_close);
}
