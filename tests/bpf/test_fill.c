// SPDX-License-Identifier: GPL-2.0-only
/* fv_dp_fill: the maps say what they shall, whatever they said before, and under traffic. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/run.h"

static struct frame f;

static bool filled(void)
{
	struct fv_dp_endpoint eps[N_WHO];
	size_t n = bed_endpoints(eps);
	bool ret = false;

	OK(fv_dp_filled(bed_dp, eps, n, bed_subnets, N_SUBNETS, &err, &ret));
	return ret;
}

static void assert_way(enum who from, enum who to, const struct want *want)
{
	static const struct meta none;
	struct spec spec = { .from = from, .to = to };

	for (spec.family = 4; spec.family <= 6; spec.family += 2) {
		frame_make(&spec, &f);
		assert_true(run_check("tc", HOOK_TC, from, &f, &none, want));
		assert_true(run_check("xdp", HOOK_XDP, from, &f, &none, want));
	}
}

static void filling_twice_changes_nothing(void **state)
{
	static const struct want want[N_WHO] = {
		[DB] = SHORTCUT(DB), [CROWD] = SHORTCUT(CROWD), [TWIN] = SHORTCUT(TWIN)
	};

	(void)state;
	assert_true(filled());
	/* What the programs write themselves is no difference, in array or hash. */
	assert_way(WEB, DB, &want[DB]);
	assert_way(WEB, CROWD, &want[CROWD]);
	assert_way(WEB, TWIN, &want[TWIN]);
	assert_true(filled());
	bed_fill();
	assert_true(filled());
}

static void the_order_of_endpoints_does_not_matter(void **state)
{
	struct fv_dp_endpoint eps[N_WHO], swap;
	size_t n = bed_endpoints(eps);
	bool same = false;

	(void)state;
	for (size_t i = 0; i < n / 2; i++) {
		swap = eps[i];
		eps[i] = eps[n - 1 - i];
		eps[n - 1 - i] = swap;
	}
	OK(fv_dp_filled(bed_dp, eps, n, bed_subnets, N_SUBNETS, &err, &same));
	assert_true(same);
}

static void other_mtu(struct fv_dp_endpoint *e)
{
	e->mtu = 1400;
}

static void other_mac(struct fv_dp_endpoint *e)
{
	e->mac[3] ^= 1;
}

static void other_port_mac(struct fv_dp_endpoint *e)
{
	e->port_mac[3] ^= 1;
}

static void other_ip4(struct fv_dp_endpoint *e)
{
	assert_int_equal(fv_ip_parse("10.77.0.200", &e->ip4), 0);
}

static void other_ip6(struct fv_dp_endpoint *e)
{
	assert_int_equal(fv_ip_parse("fd77::200", &e->ip6), 0);
}

static void no_ip4(struct fv_dp_endpoint *e)
{
	e->ip4 = (struct fv_ip){};
}

static void no_ip6(struct fv_dp_endpoint *e)
{
	e->ip6 = (struct fv_ip){};
}

static void other_network(struct fv_dp_endpoint *e)
{
	e->network = 77;
}

static void other_device(struct fv_dp_endpoint *e)
{
	e->ifindex = bed[LATE].dp.ifindex;
}

/* Of endpoints in each kind of place: seen as a change, written, and undone. */
static void every_change_of_an_endpoint_is_seen(void **state)
{
	static void (*const changes[])(struct fv_dp_endpoint *) = {
		other_mtu, other_mac, other_port_mac, other_ip4,    other_ip6,
		no_ip4,	   no_ip6,    other_network,  other_device,
	};
	static const enum who whose[] = { DB, TWIN, CROWD, SMALL };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(changes); i++) {
		for (size_t j = 0; j < FV_ARRAY_SIZE(whose); j++) {
			struct fv_dp_endpoint keep = bed[whose[j]].dp;

			changes[i](&bed[whose[j]].dp);
			if (filled())
				fail_msg("change %zu of %s is not seen", i, bed[whose[j]].port);
			bed_fill();
			if (!filled())
				fail_msg("change %zu of %s is not made", i, bed[whose[j]].port);
			bed[whose[j]].dp = keep;
			assert_false(filled());
			bed_fill();
			assert_true(filled());
		}
	}
}

static void every_change_of_a_subnet_is_seen(void **state)
{
	static const struct want dropped = DROP(ISOLATION), slow = SLOW(OUTSIDE);
	struct fv_dp_subnet keep[N_SUBNETS];

	(void)state;
	memcpy(keep, bed_subnets, sizeof(keep));
	assert_way(WEB, ALIEN, &dropped);
	/* The other network's two are gone: what remains of them is said twice. */
	bed_subnets[2] = bed_subnets[0];
	bed_subnets[3] = bed_subnets[1];
	assert_false(filled());
	bed_fill();
	assert_true(filled());
	assert_way(WEB, ALIEN, &slow);
	memcpy(bed_subnets, keep, sizeof(keep));
	bed_subnets[2].network = bed_subnets[3].network = NET;
	assert_false(filled());
	bed_fill();
	assert_way(WEB, ALIEN, &slow);
	memcpy(bed_subnets, keep, sizeof(keep));
	bed_subnets[2].prefix.len = 25;
	assert_false(filled());
	memcpy(bed_subnets, keep, sizeof(keep));
	bed_fill();
	assert_way(WEB, ALIEN, &dropped);
}

static void a_changed_endpoint_keeps_its_counters(void **state)
{
	static const struct want there = SHORTCUT(DB);
	struct fv_dp_endpoint keep = bed[DB].dp;
	struct fv_stats before, after;

	(void)state;
	assert_way(WEB, DB, &there);
	OK(fv_dp_stats(bed_dp, bed[DB].dp.ifindex, &err, &before));
	assert_int_not_equal(before.c.rx_shortcut_packets, 0);
	other_ip4(&bed[DB].dp);
	other_ip6(&bed[DB].dp);
	bed_fill();
	OK(fv_dp_stats(bed_dp, bed[DB].dp.ifindex, &err, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	assert_way(WEB, DB, &there);
	bed[DB].dp = keep;
	bed_fill();
}

static void too_many_are_refused_and_change_nothing(void **state)
{
	size_t n = bed_dp->maps.slots + 1;
	FV_AUTO_FREE struct fv_dp_endpoint *eps = calloc(n, sizeof(*eps));
	struct fv_err err = {};

	(void)state;
	for (size_t i = 0; i < n; i++)
		eps[i] = (struct fv_dp_endpoint){ .network = 5, .ifindex = 100000 + i };
	assert_int_equal(fv_dp_fill(bed_dp, eps, n, bed_subnets, N_SUBNETS, &err), -ENOSPC);
	assert_string_equal(err.msg, "the BPF maps hold 1024 endpoints, 1025 are wanted");
	assert_true(filled());
}

/* ---- under traffic ---- */

static volatile bool stop;
static size_t ran, wrong;

/* WEB speaks to DB all the time. It finds all of the old entry, all of the new one, or none. */
static void *talk(void *arg)
{
	static struct outcome out;
	static const struct meta none;
	const struct spec spec = { .family = 4, .to = DB };
	const uint8_t *macs = arg;

	frame_make(&spec, &f);
	for (; !stop; ran++) {
		const uint8_t *a = out.f.b;

		if (run_tc(bed_dp->prog[FV_PROG_FROM_NS], 100 + WEB, &f, &none, &out)) {
			wrong++;
			continue;
		}
		if (out.ret == TC_NEXT)
			wrong += memcmp(a, f.b, f.len) != 0;
		else
			wrong += out.ret != TC_REDIRECT ||
				 (memcmp(a, macs, 12) && memcmp(a, macs + 12, 12));
	}
	return NULL;
}

static void traffic_sees_whole_entries_and_is_counted(void **state)
{
	struct fv_dp_endpoint keep = bed[DB].dp;
	struct fv_stats before, after;
	uint8_t macs[24];
	pthread_t thread;

	(void)state;
	memcpy(macs, keep.mac, 6);
	memcpy(macs + 6, keep.port_mac, 6);
	memset(macs + 12, 0x42, 12);
	OK(fv_dp_stats(bed_dp, bed[WEB].dp.ifindex, &err, &before));
	assert_int_equal(pthread_create(&thread, NULL, talk, macs), 0);
	for (int i = 0; i < 40; i++) {
		bed[DB].dp = keep;
		if (i % 2 == 0) {
			memset(bed[DB].dp.mac, 0x42, 6);
			memset(bed[DB].dp.port_mac, 0x42, 6);
		}
		/* TWIN comes and goes beside it, in its and out of the overflow hash. */
		bed[TWIN].absent = i % 3 == 0;
		bed_fill();
		usleep(2000);
	}
	stop = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	bed[DB].dp = keep;
	bed[TWIN].absent = false;
	bed_fill();
	OK(fv_dp_stats(bed_dp, bed[WEB].dp.ifindex, &err, &after));
	assert_int_equal(wrong, 0);
	assert_true(ran > 1000);
	/* The speaker's own entry did not change: nothing of it is uncounted. */
	assert_int_equal(after.c.tx_shortcut_packets + after.c.tx_other_packets -
				 before.c.tx_shortcut_packets - before.c.tx_other_packets,
			 ran);
	assert_true(after.c.tx_shortcut_packets > before.c.tx_shortcut_packets);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(filling_twice_changes_nothing),
		cmocka_unit_test(the_order_of_endpoints_does_not_matter),
		cmocka_unit_test(every_change_of_an_endpoint_is_seen),
		cmocka_unit_test(every_change_of_a_subnet_is_seen),
		cmocka_unit_test(a_changed_endpoint_keeps_its_counters),
		cmocka_unit_test(too_many_are_refused_and_change_nothing),
		cmocka_unit_test(traffic_sees_whole_entries_and_is_counted),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, run_open, run_close);
}
