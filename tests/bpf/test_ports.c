// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports and endpoints: found wherever they are kept, unknown ones left alone, and
 * what happens to those whose devices come and go.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/run.h"

static struct frame f;

/* What this program does with the frame must change neither it nor any counter. */
static void assert_ignored(enum fv_prog prog, int ifindex)
{
	static const struct meta meta = { .mark = 5 };
	static struct counts before, after;
	static struct outcome out;
	int r, fd = bed_dp->prog[prog];

	counts_read(bed_dp, &before);
	r = prog == FV_PROG_XDP_FROM_NS ? run_xdp(fd, ifindex, &f, &out)
					: run_tc(fd, ifindex, &f, &meta, &out);
	assert_int_equal(r, 0);
	assert_int_equal(out.ret, prog == FV_PROG_XDP_FROM_NS ? (int)XDP_PASS : TC_NEXT);
	assert_int_equal(out.f.len, f.len);
	assert_memory_equal(out.f.b, f.b, f.len);
	if (prog != FV_PROG_XDP_FROM_NS)
		assert_int_equal(out.mark, 5);
	counts_read(bed_dp, &after);
	assert_true(counts_equal(fv_prog_name(prog), &after, &before));
}

static void unknown_ports_are_left_alone(void **state)
{
	/* LATE's place is free; that of this device is WEB's, and TWIN is in the hash beside it. */
	const int ifindexes[] = { bed[LATE].dp.ifindex, 100 + 2 * 2048 };
	static const struct spec specs[] = { { .family = 4 },
					     { .family = 6 },
					     { .ethertype = 0x0806 },
					     { .to = ALIEN, .family = 4 } };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(specs); i++) {
		frame_make(&specs[i], &f);
		for (size_t j = 0; j < FV_ARRAY_SIZE(ifindexes); j++) {
			assert_ignored(FV_PROG_FROM_NS, ifindexes[j]);
			assert_ignored(FV_PROG_TO_NS, ifindexes[j]);
		}
		if (bed_features.xdp)
			assert_ignored(FV_PROG_XDP_FROM_NS, bed[LATE].dp.ifindex);
	}
}

/* The other tests rely on it. */
static void overflow_is_where_it_is_meant_to_be(void **state)
{
	const struct fv_maps *maps = &bed_dp->maps;
	__u32 twin = bed[TWIN].dp.ifindex;
	struct fv_endpoint_key key = { .network = NET };
	struct fv_endpoint ep;
	struct fv_port port;

	(void)state;
	assert_int_equal(maps->ports[twin & (maps->n_ports - 1)].ifindex, bed[WEB].dp.ifindex);
	assert_int_equal(bpf_map_lookup_elem(maps->fd[FV_MAP_PORTS_X], &twin, &port), 0);
	assert_int_equal(port.flags, FV_PORT_OVERFLOW);
	memset(&((uint8_t *)key.addr)[10], 0xff, 2);
	memcpy(&key.addr[3], bed[CROWD].dp.ip4.b, 4);
	assert_int_equal(bpf_map_lookup_elem(maps->fd[FV_MAP_ENDPOINTS_X], &key, &ep), 0);
	assert_int_equal(ep.ifindex, bed[CROWD].dp.ifindex);
	memcpy(key.addr, bed[CROWD].dp.ip6.b, 16);
	assert_int_equal(bpf_map_lookup_elem(maps->fd[FV_MAP_ENDPOINTS_X], &key, &ep), 0);
	assert_int_equal(ep.ifindex, bed[CROWD].dp.ifindex);
}

/* A place in fv_ports is empty for a moment when its entry is replaced: only that entry is gone. */
static void overflow_is_found_while_its_place_is_empty(void **state)
{
	struct fv_port *place =
		&bed_dp->maps.ports[bed[WEB].dp.ifindex & (bed_dp->maps.n_ports - 1)];
	static const struct spec spec = { .from = TWIN, .to = DB, .family = 4 };
	static const struct want want = SHORTCUT(DB);
	static const struct meta none;
	bool good;

	(void)state;
	frame_make(&spec, &f);
	__atomic_store_n(&place->ifindex, 0, __ATOMIC_RELEASE);
	good = run_check("tc", HOOK_TC, TWIN, &f, &none, &want);
	good &= run_check("xdp", HOOK_XDP, TWIN, &f, &none, &want);
	__atomic_store_n(&place->ifindex, bed[WEB].dp.ifindex, __ATOMIC_RELEASE);
	assert_true(good);
}

static void to_ns_counts_and_touches_nothing(void **state)
{
	static const struct {
		struct spec spec;
		unsigned int gso;
	} rows[] = {
		{ { .family = 4 }, 0 },
		{ { .family = 6 }, 0 },
		{ { .family = 4, .size = 3000 }, 1460 },
		{ { .family = 6, .size = 3000 }, 1440 },
		{ { .family = 4, .size = 20 }, 0 },
		{ { .ethertype = 0x0806, .dmac = "ff:ff:ff:ff:ff:ff" }, 0 },
		{ { .family = 4, .tags = { 0x8100 } }, 0 },
		{ { .family = 4, .from = ALIEN, .src = "192.0.2.1", .ttl = JUST(1) }, 0 },
	};
	static struct counts want, seen;
	static struct outcome out;

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		for (enum who who = 0; who < N_WHO; who++) {
			struct meta meta = { .gso = rows[i].gso, .mark = 5 };
			struct fv_port buf;
			const struct fv_port *port =
				fv_port_of(&bed_dp->maps, bed[who].dp.ifindex, &buf);

			if (!port)
				continue;
			frame_make(&rows[i].spec, &f);
			counts_read(bed_dp, &want);
			want.c[port->slot].rx_other_packets++;
			want.c[port->slot].rx_other_bytes += f.len;
			assert_int_equal(run_tc(bed_dp->prog[FV_PROG_TO_NS], bed[who].dp.ifindex,
						&f, &meta, &out),
					 0);
			assert_int_equal(out.ret, TC_NEXT);
			assert_int_equal(out.mark, 5);
			assert_false(out.other_meta);
			assert_int_equal(out.f.len, f.len);
			assert_memory_equal(out.f.b, f.b, f.len);
			counts_read(bed_dp, &seen);
			assert_true(counts_equal(bed[who].port, &seen, &want));
		}
	}
}

/* From one and from another port, both families, both hooks. */
static void assert_way_to(enum who to, const struct want *want)
{
	static const struct meta none;
	struct spec spec = { .to = to };
	static const enum who from[] = { WEB, TWIN, CROWD };

	for (size_t i = 0; i < FV_ARRAY_SIZE(from); i++) {
		for (spec.family = 4; spec.family <= 6; spec.family += 2) {
			struct want model;

			spec.from = from[i];
			frame_make(&spec, &f);
			assert_true(run_check("tc", HOOK_TC, from[i], &f, &none, want));
			assert_true(run_check("xdp", HOOK_XDP, from[i], &f, &none, want));
			model = model_decide(from[i], &f, &none);
			assert_memory_equal(&model, want, sizeof(model));
		}
	}
}

static void a_deleted_device_is_no_target(void **state)
{
	static const struct want there = SHORTCUT(SMALL), gone = SLOW(TARGET);

	(void)state;
	assert_way_to(SMALL, &there);
	bed_delete_device(SMALL);
	assert_way_to(SMALL, &gone);
	/* Another device with the same number and even the same address is another device. */
	bed_make_device(SMALL);
	bed[SMALL].gone = true;
	assert_way_to(SMALL, &gone);
	bed[SMALL].gone = false;
	bed_fill();
	assert_way_to(SMALL, &there);
}

static void a_deleted_device_in_the_overflow_hash_is_no_target(void **state)
{
	static const struct want there = SHORTCUT(CROWD), gone = SLOW(TARGET);
	static const struct meta none;
	const struct spec spec = { .to = CROWD, .family = 4 };

	(void)state;
	frame_make(&spec, &f);
	assert_true(run_check("before", HOOK_TC, WEB, &f, &none, &there));
	bed_delete_device(CROWD);
	assert_true(run_check("tc", HOOK_TC, WEB, &f, &none, &gone));
	assert_true(run_check("xdp", HOOK_XDP, WEB, &f, &none, &gone));
	bed_make_device(CROWD);
	bed_fill();
	assert_true(run_check("after", HOOK_TC, WEB, &f, &none, &there));
}

/* The maps are filled while a device goes: the others must get theirs. */
static void filling_bears_a_device_that_is_gone(void **state)
{
	static const struct want there = SHORTCUT(DB), gone = SLOW(TARGET);
	bool filled = true;
	struct fv_dp_endpoint eps[N_WHO];

	(void)state;
	bed_delete_device(SMALL);
	bed_fill();
	assert_way_to(DB, &there);
	assert_way_to(SMALL, &gone);
	OK(fv_dp_filled(bed_dp, eps, bed_endpoints(eps), bed_subnets, N_SUBNETS, &err, &filled));
	assert_false(filled);
	bed_make_device(SMALL);
	bed_fill();
	OK(fv_dp_filled(bed_dp, eps, bed_endpoints(eps), bed_subnets, N_SUBNETS, &err, &filled));
	assert_true(filled);
}

/* The device's number is used again, by another endpoint: its counters begin at zero. */
static void another_device_of_the_same_number_starts_anew(void **state)
{
	static const struct want there = SHORTCUT(SMALL);
	struct fv_stats stats, zero = {};

	(void)state;
	assert_way_to(SMALL, &there);
	OK(fv_dp_stats(bed_dp, bed[SMALL].dp.ifindex, &err, &stats));
	assert_true(stats.c.rx_shortcut_packets >= 12);
	bed_delete_device(SMALL);
	bed[SMALL].dp.mac[4] = 0x99;
	bed_make_device(SMALL);
	bed_fill();
	OK(fv_dp_stats(bed_dp, bed[SMALL].dp.ifindex, &err, &stats));
	assert_memory_equal(&stats, &zero, sizeof(stats));
	/* Frames get its new address. */
	assert_way_to(SMALL, &there);
}

static void a_slot_is_used_again_from_zero(void **state)
{
	static const struct want there = SHORTCUT(LATE), nobody = SLOW(OUTSIDE);
	struct fv_stats stats, zero = {}, web, web_after;
	struct fv_port buf;
	const struct fv_port *port = fv_port_of(&bed_dp->maps, bed[SMALL].dp.ifindex, &buf);
	__u32 slot;

	(void)state;
	assert_non_null(port);
	slot = port->slot;
	OK(fv_dp_stats(bed_dp, bed[SMALL].dp.ifindex, &err, &stats));
	assert_int_not_equal(stats.c.rx_shortcut_packets, 0);
	OK(fv_dp_stats(bed_dp, bed[WEB].dp.ifindex, &err, &web));
	bed[SMALL].absent = true;
	bed[LATE].absent = false;
	bed_fill();
	OK(fv_dp_stats(bed_dp, bed[LATE].dp.ifindex, &err, &stats));
	assert_memory_equal(&stats, &zero, sizeof(stats));
	port = fv_port_of(&bed_dp->maps, bed[LATE].dp.ifindex, &buf);
	assert_int_equal(port->slot, slot);
	assert_int_equal(fv_dp_stats(bed_dp, bed[SMALL].dp.ifindex, NULL, &stats), -ENOENT);
	/* What stays is left alone. */
	OK(fv_dp_stats(bed_dp, bed[WEB].dp.ifindex, &err, &web_after));
	assert_memory_equal(&web, &web_after, sizeof(web));
	assert_way_to(LATE, &there);
	assert_way_to(SMALL, &nobody);
	bed[SMALL].absent = false;
	bed[LATE].absent = true;
	bed_fill();
}

static int open_ports(void **state)
{
	run_open(state);
	bed_sh("ip link add fv-none index %d type veth peer name cfv-none && ip link set fv-none up",
	       100 + 2 * 2048);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_ports_are_left_alone),
		cmocka_unit_test(overflow_is_where_it_is_meant_to_be),
		cmocka_unit_test(overflow_is_found_while_its_place_is_empty),
		cmocka_unit_test(to_ns_counts_and_touches_nothing),
		cmocka_unit_test(a_deleted_device_is_no_target),
		cmocka_unit_test(a_deleted_device_in_the_overflow_hash_is_no_target),
		cmocka_unit_test(filling_bears_a_device_that_is_gone),
		cmocka_unit_test(another_device_of_the_same_number_starts_anew),
		cmocka_unit_test(a_slot_is_used_again_from_zero),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, open_ports, run_close);
}
