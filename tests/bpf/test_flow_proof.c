// SPDX-License-Identifier: GPL-2.0-only
/*
 * What proves nothing: another packet than the noted one, another way than the host's, another
 * time, a number that is nobody's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

static struct frame f, carried;

/* A packet of the flow is noted, and what will be carried is made. */
static unsigned int note(const struct flow *flow)
{
	flow_frame(flow, &f);
	flow_carry(flow, &f, &carried);
	return NOTED(flow->from, &f, UNPROVEN);
}

/* It would have been a proof. */
static void proves(const struct flow *flow, unsigned int number)
{
	flow_carry(flow, &f, &carried);
	ARRIVES(flow->to, &carried, number, flow_came_by(flow));
	assert_int_equal(flow_count(), 1);
	flow_reset(NULL);
}

/* ---- another packet ---- */

/* One bit of the frame that came out is another: no proof, whatever the bit. */
static void every_bit_of_the_headers_counts(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number = note(&flow);
		size_t l3 = flow.family == 4 ? IP4_SIZE : IP6_SIZE;
		size_t head = ETH_SIZE + l3 + (flow.proto == TCP ? 20 : 8);
		static struct flow_outcome out;

		for (size_t bit = 0; bit < 8 * head; bit++) {
			size_t byte = bit / 8, ttl = ETH_SIZE + (flow.family == 4 ? 8 : 7);

			/* The source MAC is whatever the host writes; the checksum follows. */
			if (byte >= 6 && byte < 12)
				continue;
			if (flow.family == 4 && byte >= ETH_SIZE + 10 && byte < ETH_SIZE + 12)
				continue;
			/* One lower, bridged: what routing would have made of it. */
			if (byte == ttl)
				continue;
			carried.b[byte] ^= 1 << bit % 8;
			flow_run(FV_PROG_TO_NS, DB, &carried, number, flow_came_by(&flow), &out);
			carried.b[byte] ^= 1 << bit % 8;
			assert_int_equal(out.ret, TC_NEXT);
			if (flow_count())
				fail_msg("kind %d: bit %zu of byte %zu is not looked at", i,
					 bit % 8, byte);
		}
		proves(&flow, number);
	}
}

/* The same with the bit changed in what leaves: the note is of another flow, or of none. */
static void every_bit_is_noted(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		size_t l3 = flow.family == 4 ? IP4_SIZE : IP6_SIZE;
		size_t head = ETH_SIZE + l3 + (flow.proto == TCP ? 20 : 8);
		static struct flow_outcome out;

		flow_frame(&flow, &f);
		flow_carry(&flow, &f, &carried);
		for (size_t bit = 0; bit < 8 * head; bit++) {
			size_t byte = bit / 8;

			if (byte < 12 || byte == ETH_SIZE + (flow.family == 4 ? 8 : 7) ||
			    (flow.family == 4 && byte >= ETH_SIZE + 10 && byte < ETH_SIZE + 12))
				continue;
			f.b[byte] ^= 1 << bit % 8;
			flow_run(FV_PROG_FROM_NS, WEB, &f, 0, 0, &out);
			f.b[byte] ^= 1 << bit % 8;
			assert_int_equal(out.ret, TC_NEXT);
			flow_run(FV_PROG_TO_NS, DB, &carried, out.number, flow_came_by(&flow),
				 &out);
			if (flow_count())
				fail_msg("kind %d: bit %zu of byte %zu is not noted", i, bit % 8,
					 byte);
		}
	}
}

/* Of TTLs only the same and one lower are the kernel's own doing. */
static void a_ttl_is_the_same_or_one_lower(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		for (int ttl = 0; ttl < 256; ttl++) {
			unsigned int number = note(&flow);
			struct fv_flow entry;

			carried.b[ETH_SIZE + (flow.family == 4 ? 8 : 7)] = ttl;
			if (flow.family == 4)
				frame_fix_check(&carried);
			ARRIVES(DB, &carried, number, bed[WEB].dp.ifindex);
			assert_int_equal(flow_count(), ttl == 64 || ttl == 63);
			if (!flow_count())
				continue;
			assert_true(flow_get(WEB, &f, &entry));
			assert_int_equal(entry.ttl, 64);
			assert_int_equal(entry.hops, 64 - ttl);
			flow_reset(NULL);
		}
	}
}

/* TTL 2 leaves, TTL 1 arrives: what would expire next is nobody's proof; bridged it is. */
static void the_least_ttls(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		unsigned int number;

		flow_frame(&flow, &f);
		f.b[ETH_SIZE + (flow.family == 4 ? 8 : 7)] = 2;
		if (flow.family == 4)
			frame_fix_check(&f);
		number = NOTED(WEB, &f, UNPROVEN);
		carried = f;
		carried.b[ETH_SIZE + (flow.family == 4 ? 8 : 7)] = 1;
		if (flow.family == 4)
			frame_fix_check(&carried);
		ARRIVES(DB, &carried, number, BRIDGE);
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

static void another_length_is_another_packet(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i), other = flow;
		unsigned int number = note(&flow);

		other.size = f.len - ETH_SIZE + 1;
		flow_frame(&other, &carried);
		flow_carry(&flow, &carried, &carried);
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		other.size -= 2;
		flow_frame(&other, &carried);
		flow_carry(&flow, &carried, &carried);
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		/* The header says the same, but there is more, or less. */
		flow_carry(&flow, &f, &carried);
		carried.len++;
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		carried.len -= 2;
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

/* The kernel's segments of it: by their sizes, not by what is in them. */
static void segments_of_the_noted_packet_prove_nothing(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = TCP, .size = 3000 };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		struct flow segment = flow;
		unsigned int number;

		flow_meta.gso = 1400;
		number = note(&flow);
		flow_meta.gso = 0;
		segment.size = 1400 + 20 + (flow.family == 4 ? IP4_SIZE : IP6_SIZE);
		flow_frame(&segment, &carried);
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

static void a_vlan_tag_is_another_packet(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number = note(&flow);
		static struct flow_outcome out;

		flow_meta.tagged = true;
		flow_run(FV_PROG_TO_NS, DB, &carried, number, flow_came_by(&flow), &out);
		assert_int_equal(out.ret, TC_NEXT);
		flow_meta.tagged = false;
		assert_int_equal(flow_count(), 0);
		memmove(carried.b + 16, carried.b + 12, carried.len - 12);
		put16(carried.b + 12, 0x8100);
		put16(carried.b + 14, 7);
		carried.len += 4;
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

/* The headers cut short on the way, and the whole of it gone. */
static void a_frame_that_is_cut_is_no_proof(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number = note(&flow);
		size_t whole = carried.len;
		static struct flow_outcome out;

		for (carried.len = ETH_SIZE; carried.len < whole; carried.len++) {
			flow_run(FV_PROG_TO_NS, DB, &carried, number, flow_came_by(&flow), &out);
			assert_int_equal(out.ret, TC_NEXT);
			assert_int_equal(out.number, 0);
			assert_int_equal(flow_count(), 0);
		}
		proves(&flow, number);
	}
}

/* ---- another number ---- */

static void a_wrong_number_is_no_proof(void **state)
{
	const unsigned int odd[] = { bed_dp->maps.n_notes + 1, 0xffff, 0x10000, 0xffffffff };
	static struct frame strange;

	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i), other = flow;
		unsigned int number, before, after;

		other.from = TWIN;
		flow_frame(&other, &strange);
		before = NOTED(TWIN, &strange, UNPROVEN);
		number = note(&flow);
		after = NOTED(TWIN, &strange, UNPROVEN);
		assert_true(number != before && number != after && before != after);
		ARRIVES(DB, &carried, 0, flow_came_by(&flow));
		ARRIVES(DB, &carried, before, flow_came_by(&flow));
		ARRIVES(DB, &carried, after, flow_came_by(&flow));
		for (size_t j = 0; j < FV_ARRAY_SIZE(odd); j++)
			ARRIVES(DB, &carried, odd[j], flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

static void notes_are_written_round_and_round(void **state)
{
	const struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP };
	unsigned int per_cpu = bed_dp->maps.n_notes / libbpf_num_possible_cpus(), number;
	static struct frame other;

	(void)state;
	number = note(&flow);
	flow_frame(&flow, &other);
	other.b[flow_l4(&other) - other.b + 4] ^= 1;
	for (unsigned int n = 1; n < per_cpu; n++)
		assert_int_not_equal(NOTED(WEB, &other, UNPROVEN), number);
	/* The last moment that it is there. */
	ARRIVES(DB, &carried, number, bed[WEB].dp.ifindex);
	assert_int_equal(flow_count(), 1);
	flow_reset(NULL);
	number = note(&flow);
	for (unsigned int n = 1; n < per_cpu; n++)
		NOTED(WEB, &other, UNPROVEN);
	assert_int_equal(NOTED(WEB, &other, UNPROVEN), number);
	ARRIVES(DB, &carried, number, bed[WEB].dp.ifindex);
	assert_int_equal(flow_count(), 0);
}

static void a_void_note_is_no_proof(void **state)
{
	const struct flow flow = flow_kind(0);
	struct fv_note entry;
	unsigned int number = note(&flow);
	__u32 index = number - 1;
	int notes = bed_dp->maps.fd[FV_MAP_NOTES];

	(void)state;
	assert_int_equal(bpf_map_lookup_elem(notes, &index, &entry), 0);
	assert_int_not_equal(entry.id, 0);
	entry.id = 0;
	assert_int_equal(bpf_map_update_elem(notes, &index, &entry, 0), 0);
	ARRIVES(DB, &carried, number, flow_came_by(&flow));
	assert_int_equal(flow_count(), 0);
}

static void a_note_ages(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number = note(&flow);

		flow_wait(2 * HZ + 1);
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		number = note(&flow);
		flow_wait(2 * HZ);
		proves(&flow, number);
	}
}

/*
 * A namespace can write tc_index (a filter's class does). What it wrote goes no further than the port:
 * else a neighbour at the same bridge could prove what the host has dropped.
 */
static void a_number_that_a_namespace_wrote_is_no_proof(void **state)
{
	const struct flow flow = {
		.from = WEB, .to = DB, .family = 4, .proto = UDP, .routed = true
	};

	(void)state;
	flow_meta.number = note(&flow);
	flow_ports[TWIN].declined = true;
	flow_fill();
	UNNOTED(TWIN, &f, DECLINED);
	f.b[ETH_SIZE] = 0x46;
	UNNOTED(LATE, &f, OPTIONS);
	f.b[ETH_SIZE] = 0x45;
	assert_int_not_equal(NOTED(LATE, &f, UNPROVEN), flow_meta.number);
}

/* ---- another way ---- */

static void what_comes_out_where_it_went_in_is_no_proof(void **state)
{
	const struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP };
	unsigned int number;

	(void)state;
	flow_frame(&flow, &f);
	memcpy(f.b, bed[WEB].dp.mac, 6);
	number = NOTED(WEB, &f, UNPROVEN);
	ARRIVES(WEB, &f, number, bed[WEB].dp.ifindex);
	ARRIVES(WEB, &f, number, BRIDGE);
	assert_int_equal(flow_count(), 0);
}

static void out_of_a_declined_port_it_is_no_proof(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = UDP, .routed = true };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		unsigned int number = note(&flow);

		flow_ports[DB].declined = true;
		flow_fill();
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		/* Of an own network: the same. */
		flow_ports[DB] = (struct flow_port){ .declined = true };
		flow_fill();
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		flow_ports[DB] = (struct flow_port){};
		flow_fill();
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 1);
		flow_reset(NULL);
		number = note(&flow);
		proves(&flow, number);
	}
}

static void what_came_by_another_device_is_no_proof(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number = note(&flow);

		ARRIVES(DB, &carried, number, 0);
		ARRIVES(DB, &carried, number, 1);
		ARRIVES(DB, &carried, number, bed[DB].dp.ifindex);
		ARRIVES(DB, &carried, number, bed[TWIN].dp.ifindex);
		ARRIVES(DB, &carried, number, OTHER_BRIDGE);
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

/* No bridge is no device: 0 is what the host itself sends. */
static void without_a_bridge_the_host_itself_is_no_origin(void **state)
{
	const struct flow flow = {
		.from = JUMBO, .to = DB, .family = 4, .proto = UDP, .routed = true
	};
	unsigned int number = note(&flow);

	(void)state;
	ARRIVES(DB, &carried, number, 0);
	ARRIVES(DB, &carried, number, BRIDGE);
	assert_int_equal(flow_count(), 0);
	proves(&flow, number);
}

/* A bridge that knows no better sends a frame to all; each has a number. */
static void a_flooded_frame_is_no_proof(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number = note(&flow);

		ARRIVES(TWIN, &carried, number, flow_came_by(&flow));
		ARRIVES(LATE, &carried, number, flow_came_by(&flow));
		for (int byte = 0; byte < 6; byte++) {
			carried.b[byte] ^= 1 << (byte + 1);
			ARRIVES(DB, &carried, number, flow_came_by(&flow));
			carried.b[byte] ^= 1 << (byte + 1);
		}
		memset(carried.b, 0xff, 6);
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		assert_int_equal(flow_count(), 0);
		proves(&flow, number);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, flow_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_bit_of_the_headers_counts),
		TEST(every_bit_is_noted),
		TEST(a_ttl_is_the_same_or_one_lower),
		TEST(the_least_ttls),
		TEST(another_length_is_another_packet),
		TEST(segments_of_the_noted_packet_prove_nothing),
		TEST(a_vlan_tag_is_another_packet),
		TEST(a_frame_that_is_cut_is_no_proof),
		TEST(a_wrong_number_is_no_proof),
		TEST(notes_are_written_round_and_round),
		TEST(a_void_note_is_no_proof),
		TEST(a_note_ages),
		TEST(a_number_that_a_namespace_wrote_is_no_proof),
		TEST(what_comes_out_where_it_went_in_is_no_proof),
		TEST(out_of_a_declined_port_it_is_no_proof),
		TEST(what_came_by_another_device_is_no_proof),
		TEST(without_a_bridge_the_host_itself_is_no_origin),
		TEST(a_flooded_frame_is_no_proof),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open, flow_close);
}
