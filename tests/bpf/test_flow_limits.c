// SPDX-License-Identifier: GPL-2.0-only
/*
 * How far a proof goes: how long, for how long packets, for which addresses and TTL, and to a
 * target that is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

#define EVERY (HZ / 4)

static struct frame f, carried;

/* The flow is proven; f is a packet of it. */
static void begin(const struct flow *flow)
{
	PROVE(flow, UNPROVEN);
	flow_frame(flow, &f);
	TAKEN(flow, &f);
}

/* ---- time ---- */

static void one_packet_each_quarter_second_is_a_probe(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);

		begin(&flow);
		flow_wait(HZ);
		TAKEN(&flow, &f);
		/* Each tick three packets, and none comes out. */
		for (int tick = 1; tick <= HZ; tick++) {
			flow_wait(1);
			if (tick % EVERY == 1)
				NOTED(WEB, &f, PROBE);
			TAKEN(&flow, &f);
			TAKEN(&flow, &f);
		}
		/* Two seconds are over. */
		flow_wait(1);
		for (int n = 0; n < 3; n++) {
			NOTED(WEB, &f, STALE);
			flow_wait(EVERY);
		}
		flow_wait(100 * HZ);
		NOTED(WEB, &f, STALE);
		PROVE(&flow, STALE);
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

static void a_probe_that_comes_out_renews_the_proof(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);

		begin(&flow);
		for (int n = 0; n < 5; n++) {
			flow_wait(HZ + 1);
			PROVE(&flow, PROBE);
			TAKEN(&flow, &f);
			flow_wait(HZ);
			TAKEN(&flow, &f);
			flow_wait(1);
			PROVE(&flow, PROBE);
			TAKEN(&flow, &f);
		}
		flow_reset(NULL);
	}
}

/* A probe may take its time on the way. */
static void a_late_probe_counts(void **state)
{
	struct flow flow = flow_kind(2);
	unsigned int number;

	(void)state;
	begin(&flow);
	flow_wait(HZ + 1);
	number = NOTED(WEB, &f, PROBE);
	flow_wait(HZ);
	NOTED(WEB, &f, STALE);
	flow_carry(&flow, &f, &carried);
	ARRIVES(DB, &carried, number, flow_came_by(&flow));
	TAKEN(&flow, &f);
}

/* A flow that was silent is proven anew, not probed: what the host would do now is unknown. */
static void after_a_pause_the_first_packet_is_slow(void **state)
{
	struct flow flow = flow_kind(1);

	(void)state;
	begin(&flow);
	flow_wait(2 * HZ + 1);
	NOTED(WEB, &f, STALE);
	flow_wait(-HZ);
	NOTED(WEB, &f, PROBE);
	TAKEN(&flow, &f);
}

/* Of two CPUs the one that looks at the clock first may come to the entry last. */
static void a_proof_of_the_next_tick_is_no_old_one(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i), shorter = flow;
		static struct frame g;
		unsigned int number;

		shorter.size = 70;
		flow_frame(&shorter, &f);
		flow_carry(&shorter, &f, &g);
		number = NOTED(WEB, &f, UNPROVEN);
		flow_wait(1);
		begin(&flow);
		flow_wait(-1);
		TAKEN(&flow, &f);
		ARRIVES(DB, &g, number, flow_came_by(&flow));
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

/* ---- length ---- */

static void of_size(const struct flow *flow, size_t size, struct frame *ret)
{
	struct flow other = *flow;

	other.size = size;
	flow_frame(&other, ret);
}

static void prove_size(const struct flow *flow, size_t size, enum fv_slow why)
{
	struct flow other = *flow;

	other.size = size;
	AT(flow_prove(&other, why));
}

static void what_is_longer_than_proven_is_slow(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		struct fv_flow entry;

		prove_size(&flow, 200, FV_SLOW_UNPROVEN);
		of_size(&flow, 200, &f);
		TAKEN(&flow, &f);
		of_size(&flow, 100, &f);
		TAKEN(&flow, &f);
		of_size(&flow, 201, &f);
		NOTED(WEB, &f, LONGER);
		/* A longer proof within the second. */
		flow_wait(10);
		prove_size(&flow, 1000, FV_SLOW_LONGER);
		TAKEN(&flow, &f);
		of_size(&flow, 1000, &f);
		TAKEN(&flow, &f);
		of_size(&flow, 1001, &f);
		NOTED(WEB, &f, LONGER);
		assert_true(flow_get(WEB, &f, &entry));
		assert_int_equal(entry.since, flow_now() - 10);
		assert_int_equal(entry.len, 1000);
		flow_reset(NULL);
	}
}

/* A shorter proof within the second takes nothing away, but what is long is proven anew after it. */
static void with_each_second_long_packets_are_proven_anew(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number;
		struct frame shorter;

		flow_wait(1);
		of_size(&flow, 100, &f);
		number = NOTED(WEB, &f, UNPROVEN);
		flow_carry(&flow, &f, &shorter);
		prove_size(&flow, 1000, FV_SLOW_UNPROVEN);
		flow_wait(HZ);
		ARRIVES(DB, &shorter, number, flow_came_by(&flow));
		of_size(&flow, 1000, &f);
		TAKEN(&flow, &f);
		flow_wait(HZ + 1);
		prove_size(&flow, 100, FV_SLOW_PROBE);
		NOTED(WEB, &f, LONGER);
		of_size(&flow, 100, &f);
		TAKEN(&flow, &f);
		prove_size(&flow, 1000, FV_SLOW_LONGER);
		of_size(&flow, 1000, &f);
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

/* A GSO packet is as long as its segments are. */
static void segments_count_by_their_own_length(void **state)
{
	static const struct {
		int proto, head; /* of layer 4 */
	} protos[] = { { TCP, 20 }, { UDP, 8 } };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(protos); i++) {
		struct flow flow = { .from = WEB, .to = DB, .proto = protos[i].proto };

		for (flow.family = 4; flow.family <= 6; flow.family += 2) {
			int l3 = flow.family == 4 ? IP4_SIZE : IP6_SIZE;
			unsigned int payload = 1400 - l3 - protos[i].head;
			struct fv_flow entry;

			/* Proven by one that is no GSO packet ... */
			prove_size(&flow, 1400, FV_SLOW_UNPROVEN);
			of_size(&flow, 3000, &f);
			NOTED(WEB, &f, LONGER);
			flow_meta.gso = payload;
			TAKEN(&flow, &f);
			flow_meta.gso = payload + 1;
			NOTED(WEB, &f, LONGER);
			flow_reset(NULL);
			/* ... and the other way. */
			flow_meta.gso = payload;
			prove_size(&flow, 3000, FV_SLOW_UNPROVEN);
			assert_true(flow_get(WEB, &f, &entry));
			assert_int_equal(entry.len, 1400);
			TAKEN(&flow, &f);
			flow_meta.gso = 0;
			NOTED(WEB, &f, LONGER);
			of_size(&flow, 1401, &f);
			NOTED(WEB, &f, LONGER);
			of_size(&flow, 1400, &f);
			TAKEN(&flow, &f);
			flow_reset(NULL);
			/* Options make segments longer. */
			prove_size(&flow, 1400, FV_SLOW_UNPROVEN);
			if (flow.proto == UDP)
				continue;
			of_size(&flow, 3000, &f);
			flow_l4(&f)[12] = 8 << 4;
			flow_meta.gso = payload - 12;
			TAKEN(&flow, &f);
			flow_meta.gso = payload - 11;
			NOTED(WEB, &f, LONGER);
			flow_reset(NULL);
		}
		flow_reset(NULL);
	}
}

/* There is no telling how long the segments of anything else are. */
static void segments_of_an_echo_are_never_noted(void **state)
{
	struct flow flow = { .from = WEB, .to = DB, .family = 4, .proto = ECHO };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		of_size(&flow, 3000, &f);
		flow_meta.gso = 1000;
		UNNOTED(WEB, &f, UNPROVEN);
		flow_meta.gso = 0;
		prove_size(&flow, 1000, FV_SLOW_UNPROVEN);
		flow_meta.gso = 500;
		UNNOTED(WEB, &f, LONGER);
		flow_reset(NULL);
	}
}

/* ---- words of the header ---- */

static void other_macs_ttl_or_dscp_are_slow(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		bool is4 = flow.family == 4;
		size_t ttl = ETH_SIZE + (is4 ? 8 : 7);

		begin(&flow);
		for (size_t bit = 0; bit < 96; bit++) {
			if (bit == 0) /* a group's address: another reason */
				continue;
			f.b[bit / 8] ^= 1 << bit % 8;
			NOTED(WEB, &f, CHANGED);
			f.b[bit / 8] ^= 1 << bit % 8;
		}
		/* Without the one that leaves nothing of 64. */
		for (size_t bit = 0; bit < 8; bit += 1 + (bit == 5)) {
			f.b[ttl] ^= 1 << bit;
			if (is4)
				frame_fix_check(&f);
			NOTED(WEB, &f, CHANGED);
			f.b[ttl] ^= 1 << bit;
		}
		for (size_t bit = is4 ? 2 : 6; bit < (is4 ? 8 : 12); bit++) {
			/* IPv6: lower nibble of the first byte, upper one of the second. */
			size_t byte = ETH_SIZE + (is4 || bit < 8);
			int mask = is4 ? 1 << bit : bit < 8 ? 1 << bit : 1 << (bit - 8);

			f.b[byte] ^= mask;
			if (is4)
				frame_fix_check(&f);
			NOTED(WEB, &f, CHANGED);
			f.b[byte] ^= mask;
		}
		if (is4)
			frame_fix_check(&f);
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

/* What has changed for good is proven as it is now. */
static void what_changed_is_proven_anew(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);
		unsigned int number;

		begin(&flow);
		f.b[ETH_SIZE + (flow.family == 4 ? 8 : 7)] = 200;
		if (flow.family == 4)
			frame_fix_check(&f);
		number = NOTED(WEB, &f, CHANGED);
		flow_carry(&flow, &f, &carried);
		ARRIVES(DB, &carried, number, flow_came_by(&flow));
		TAKEN(&flow, &f);
		flow_frame(&flow, &f);
		NOTED(WEB, &f, CHANGED);
		flow_reset(NULL);
	}
}

/* ---- ports ---- */

static void a_declined_port_is_slow_and_no_target(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);

		begin(&flow);
		flow_ports[WEB].declined = true;
		flow_fill();
		UNNOTED(WEB, &f, DECLINED);
		flow_ports[WEB].declined = false;
		flow_fill();
		TAKEN(&flow, &f);
		flow_ports[DB].declined = true;
		flow_fill();
		NOTED(WEB, &f, DECLINED);
		PROVE(&flow, DECLINED);
		NOTED(WEB, &f, DECLINED);
		flow_ports[DB].declined = false;
		flow_fill();
		TAKEN(&flow, &f);
		/* One of an own network now: that takes from outside, too. */
		flow_ports[DB].attached = false;
		flow_fill();
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

static void tcp_is_slow_where_its_windows_are_strict(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);

		begin(&flow);
		flow_ports[WEB].no_tcp = true;
		flow_fill();
		if (flow.proto == TCP)
			UNNOTED(WEB, &f, WINDOW);
		else
			TAKEN(&flow, &f);
		/* The sender's windows are what counts; the way back is another packet's. */
		flow_ports[WEB].no_tcp = false;
		flow_ports[DB].no_tcp = true;
		flow_fill();
		TAKEN(&flow, &f);
		flow_reset(NULL);
	}
}

static void a_target_that_the_maps_lost_is_slow(void **state)
{
	struct flow flow = { .from = WEB, .to = TWIN, .family = 4, .proto = TCP };

	(void)state;
	for (; flow.family <= 6; flow.family += 2) {
		static const enum who targets[] = { DB, TWIN };

		for (size_t i = 0; i < FV_ARRAY_SIZE(targets); i++) {
			flow.to = targets[i];
			begin(&flow);
			bed[flow.to].absent = true;
			flow_fill();
			NOTED(WEB, &f, TARGET);
			bed[flow.to].absent = false;
			/* Whether it is the same device the maps do not know any more. */
			flow_fill();
			PROVE(&flow, UNPROVEN);
			TAKEN(&flow, &f);
			flow_reset(NULL);
		}
	}
}

/* fv_live is asked once a tick, for targets in the array as for those in the hash. */
static void a_target_whose_device_is_gone_is_slow(void **state)
{
	static const enum who targets[] = { DB, TWIN };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(targets); i++) {
		struct flow four = { WEB, targets[i], 4, UDP, false, 0 };
		struct flow six = { WEB, targets[i], 6, UDP, false, 0 };
		__u32 ifindex = bed[targets[i]].dp.ifindex;

		begin(&four);
		begin(&six);
		/* What the kernel does to it when a device goes. */
		assert_int_equal(bpf_map_delete_elem(bed_dp->maps.fd[FV_MAP_LIVE], &ifindex), 0);
		TAKEN(&six, &f);
		flow_wait(1);
		NOTED(WEB, &f, TARGET);
		flow_frame(&four, &f);
		NOTED(WEB, &f, TARGET);
		flow_fill();
		PROVE(&four, UNPROVEN);
		TAKEN(&four, &f);
		PROVE(&six, UNPROVEN);
		flow_reset(NULL);
	}
}

static void a_real_device_that_goes_is_no_target(void **state)
{
	const struct flow flow = { LATE, SMALL, 4, TCP, true, 0 };

	(void)state;
	begin(&flow);
	bed_delete_device(SMALL);
	flow_wait(1);
	NOTED(LATE, &f, TARGET);
	flow_fill();
	NOTED(LATE, &f, TARGET);
	/* The number is used again, and by another port. */
	bed_make_device(SMALL);
	NOTED(LATE, &f, TARGET);
	flow_fill();
	PROVE(&flow, UNPROVEN);
	TAKEN(&flow, &f);
}

#define TEST(name) cmocka_unit_test_setup(name, flow_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(one_packet_each_quarter_second_is_a_probe),
		TEST(a_probe_that_comes_out_renews_the_proof),
		TEST(a_late_probe_counts),
		TEST(after_a_pause_the_first_packet_is_slow),
		TEST(a_proof_of_the_next_tick_is_no_old_one),
		TEST(what_is_longer_than_proven_is_slow),
		TEST(with_each_second_long_packets_are_proven_anew),
		TEST(segments_count_by_their_own_length),
		TEST(segments_of_an_echo_are_never_noted),
		TEST(other_macs_ttl_or_dscp_are_slow),
		TEST(what_changed_is_proven_anew),
		TEST(a_declined_port_is_slow_and_no_target),
		TEST(tcp_is_slow_where_its_windows_are_strict),
		TEST(a_target_that_the_maps_lost_is_slow),
		TEST(a_target_whose_device_is_gone_is_slow),
		TEST(a_real_device_that_goes_is_no_target),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open, flow_close);
}
