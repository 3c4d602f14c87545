// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user/dp finds in the maps: its decisions are those of the program, the flows that are
 * there are found and no others, and its clock is the programs'.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "bpf/run.h"
#include "dp/flows.h"

static struct frame f;

/* ---- decisions ---- */

/* The program's, by what it counts. */
static struct fv_dp_verdict program_says(enum who from, int family, const char *to)
{
	const struct spec spec = { .from = from, .to = DB, .family = family, .dst = to };
	static const struct meta none;
	static struct counts before, after;
	static struct outcome out;
	struct fv_dp_verdict ret = {};

	frame_make(&spec, &f);
	counts_read(bed_dp, &before);
	assert_int_equal(
		run_tc(bed_dp->prog[FV_PROG_FROM_NS], bed[from].dp.ifindex, &f, &none, &out), 0);
	counts_read(bed_dp, &after);
	ret.way = out.ret == TC_REDIRECT ? FV_DP_SHORTCUT
		  : out.ret == TC_SHOT	 ? FV_DP_DROP
					 : FV_DP_SLOW;
	for (int slot = 0; slot < N_WHO; slot++) {
		for (int i = 0; i < FV_SLOW_COUNT; i++)
			if (after.r[slot].slow[i] != before.r[slot].slow[i])
				ret.slow = i;
		for (int i = 0; i < FV_DROP_COUNT; i++)
			if (after.r[slot].drop[i] != before.r[slot].drop[i])
				ret.drop = i;
	}
	return ret;
}

static void compare(enum who from, const char *to)
{
	struct fv_dp_verdict want, seen = {};
	struct fv_ip ip;

	assert_int_equal(fv_ip_parse(to, &ip), 0);
	if (!(ip.family == AF_INET ? bed[from].ip4 : bed[from].ip6))
		return;
	want = program_says(from, ip.family == AF_INET ? 4 : 6, to);
	assert_int_equal(fv_dp_decide(bed_dp, bed[from].dp.ifindex, &ip, &seen), 0);
	if (seen.way == want.way && (seen.way != FV_DP_SLOW || seen.slow == want.slow) &&
	    (seen.way != FV_DP_DROP || seen.drop == want.drop))
		return;
	fail_msg("%s to %s: %d %s, the program: %d %s", bed[from].port, to, seen.way,
		 fv_slow_name(seen.slow), want.way, fv_slow_name(want.slow));
}

static void compare_all(void)
{
	static const char *const others[] = {
		"10.77.0.1",
		"10.77.0.99",
		"10.78.0.1",
		"10.78.0.99",
		"192.0.2.1",
		"224.0.0.1",
		"0.0.0.0",
		"169.254.0.1",
		"255.255.255.255",
		"fd77::1",
		"fd77::99",
		"fd78::1",
		"fd78::99",
		"2001:db8::1",
		"ff02::1",
		"ff05::1",
		"fe80::1",
		"febf::1",
		"::",
		"::1",
		"fd77::7:0:10",
		"fd77:0:0:1::11",
		"::ffff:10.77.0.11",
		"::ffff:10.78.0.10",
	};

	for (enum who from = 0; from < N_WHO; from++) {
		if (bed[from].absent || bed[from].gone)
			continue;
		for (enum who to = 0; to < N_WHO; to++) {
			if (bed[to].ip4)
				compare(from, bed[to].ip4);
			if (bed[to].ip6)
				compare(from, bed[to].ip6);
		}
		for (size_t i = 0; i < FV_ARRAY_SIZE(others); i++)
			compare(from, others[i]);
	}
}

static void decisions_are_the_programs(void **state)
{
	struct fv_dp_verdict v;

	(void)state;
	compare_all();
	assert_int_equal(fv_dp_decide(bed_dp, bed[WEB].dp.ifindex, &bed[CROWD].dp.ip4, &v), 0);
	assert_int_equal(v.way, FV_DP_SHORTCUT);
	assert_int_equal(v.ifindex, bed[CROWD].dp.ifindex);
}

static void unknown_ports_are_unknown(void **state)
{
	const int ifindexes[] = { bed[LATE].dp.ifindex, 100 + 2 * 2048, 0 };
	struct fv_dp_port_state port;
	struct fv_dp_verdict v;

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(ifindexes); i++) {
		assert_int_equal(fv_dp_decide(bed_dp, ifindexes[i], &bed[DB].dp.ip4, &v), -ENOENT);
		assert_int_equal(fv_dp_port_state(bed_dp, ifindexes[i], &port), -ENOENT);
	}
	assert_int_equal(fv_dp_port_state(bed_dp, bed[TWIN].dp.ifindex, &port), 0);
	assert_true(port.alive && !port.attached && !port.declined && !port.no_tcp);
}

static void devices_that_are_gone_are_no_targets(void **state)
{
	struct fv_dp_port_state port;
	struct fv_dp_verdict v;

	(void)state;
	bed_delete_device(SMALL);
	assert_int_equal(fv_dp_decide(bed_dp, bed[WEB].dp.ifindex, &bed[SMALL].dp.ip4, &v), 0);
	assert_int_equal(v.way, FV_DP_SLOW);
	assert_int_equal(v.slow, FV_SLOW_TARGET);
	assert_int_equal(fv_dp_port_state(bed_dp, bed[SMALL].dp.ifindex, &port), 0);
	assert_false(port.alive);
	compare_all();
	bed_make_device(SMALL);
}

/* ---- flows ---- */

#define FLOWS 5000
#define IIF 7U

static struct fv_dp *flows_dp;

static void put_flows(void)
{
	for (int i = 0; i < FLOWS; i++) {
		struct fv_flow4_key k4 = { .iif = IIF + i % 2,
					   .saddr = htonl(0x0a050002),
					   .daddr = htonl(0x0a050003),
					   .sport = htons(10000 + i),
					   .dport = htons(5432),
					   .proto = i % 4 < 2 ? IPPROTO_TCP : IPPROTO_UDP };
		struct fv_flow6_key k6 = { .iif = IIF, .proto = IPPROTO_TCP };
		struct fv_flow flow = { .proven = 5000000000 + i, .since = i, .len = i, .oif = 9 };

		k6.saddr[0] = k6.daddr[0] = htonl(0xfd050000);
		k6.saddr[3] = htonl(2);
		k6.daddr[3] = htonl(3);
		k6.sport = htons(5432);
		k6.dport = htons(10000 + i);
		assert_int_equal(
			bpf_map_update_elem(flows_dp->maps.fd[FV_MAP_FLOWS4], &k4, &flow, 0), 0);
		assert_int_equal(
			bpf_map_update_elem(flows_dp->maps.fd[FV_MAP_FLOWS6], &k6, &flow, 0), 0);
	}
}

static void put_echoes(void)
{
	struct fv_flow4_key k4 = { .iif = IIF, .sport = htons(5432), .dport = 8, .proto = 1 };
	struct fv_flow6_key k6 = { .iif = IIF, .sport = htons(77), .dport = 129, .proto = 58 };
	const struct fv_flow flow = { .oif = 9 };

	assert_int_equal(bpf_map_update_elem(flows_dp->maps.fd[FV_MAP_FLOWS4], &k4, &flow, 0), 0);
	assert_int_equal(bpf_map_update_elem(flows_dp->maps.fd[FV_MAP_FLOWS6], &k6, &flow, 0), 0);
}

struct seen {
	size_t n;
	struct fv_dp_flow last;
	size_t stop; /* after so many; 0: never */
};

static int see(const struct fv_dp_flow *flow, void *arg)
{
	struct seen *seen = arg;

	seen->last = *flow;
	return ++seen->n == seen->stop ? -ECANCELED : 0;
}

static struct seen look(const struct fv_flow_match *match)
{
	struct seen seen = {};

	OK(fv_dp_flows(flows_dp, match, see, &seen, &err));
	return seen;
}

#define COUNT(...) ((int)look(&(const struct fv_flow_match){ __VA_ARGS__ }).n)

static void flows_are_found(void **state)
{
	struct fv_ip from, to;
	struct seen seen;

	(void)state;
	OK(fv_dp_load(&bed_features, N_WHO, FV_LOAD_FLOWS, &err, &flows_dp));
	assert_int_equal(COUNT(0), 0);
	put_flows();
	put_echoes();
	assert_int_equal(fv_ip_parse("10.5.0.2", &from), 0);
	assert_int_equal(fv_ip_parse("fd05::3", &to), 0);
	assert_int_equal(COUNT(0), 2 * FLOWS + 2);
	assert_int_equal(COUNT(.iif = IIF + 1), FLOWS / 2);
	assert_int_equal(COUNT(.from = from), FLOWS);
	assert_int_equal(COUNT(.to = to), FLOWS);
	assert_int_equal(COUNT(.from = from, .to = to), 0);
	assert_int_equal(COUNT(.proto = IPPROTO_UDP), FLOWS / 2);
	assert_int_equal(COUNT(.proto = IPPROTO_ICMP), 2);
	/* Either way round, but not the identifier of an echo. */
	assert_int_equal(COUNT(.port = 5432), 2 * FLOWS);
	assert_int_equal(COUNT(.sport = 5432), 2 * FLOWS);
	assert_int_equal(COUNT(.port = 10017), 2);
	assert_int_equal(COUNT(.port = 5432, .sport = 10017), 2);
	assert_int_equal(COUNT(.port = 10018, .sport = 10017), 0);
	seen = look(&(const struct fv_flow_match){ .from = from, .port = 10017 });
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.last.iif, IIF + 1);
	assert_int_equal(seen.last.oif, 9);
	assert_int_equal(seen.last.sport, 10017);
	assert_int_equal(seen.last.dport, 5432);
	assert_int_equal(seen.last.len, 17);
	assert_int_equal(seen.last.since, 17);
	assert_true(seen.last.proven == 5000000017);
	seen = look(&(const struct fv_flow_match){ .proto = IPPROTO_ICMP });
	assert_int_equal(seen.last.dport, 129);
	assert_int_equal(seen.last.sport, 77);
	seen = (struct seen){ .stop = 3 };
	assert_int_equal(fv_dp_flows(flows_dp, &(const struct fv_flow_match){}, see, &seen, NULL),
			 -ECANCELED);
	assert_int_equal(seen.n, 3);
	fv_dp_close(&flows_dp);
}

static void no_flows_where_no_port_is_attached(void **state)
{
	(void)state;
	flows_dp = bed_dp;
	assert_int_equal(COUNT(0), 0);
	flows_dp = NULL;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void clock_goes_with_time(void **state)
{
	uint64_t first, last;
	double begun, passed;
	uint32_t hz;

	(void)state;
	OK(fv_dp_clock(&err, &first, &hz));
	begun = now();
	usleep(500000);
	OK(fv_dp_clock(&err, &last, &hz));
	passed = now() - begun;
	assert_true(hz >= 100 && hz <= 1000);
	assert_true(last > first);
	/* Each takes a moment between its tick and the time that is read here. */
	assert_true((double)(last - first) / hz > 0.4);
	assert_true((double)(last - first) / hz < passed + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions_are_the_programs),
		cmocka_unit_test(unknown_ports_are_unknown),
		cmocka_unit_test(no_flows_where_no_port_is_attached),
		cmocka_unit_test(flows_are_found),
		cmocka_unit_test(clock_goes_with_time),
		cmocka_unit_test(devices_that_are_gone_are_no_targets),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, run_open, run_close);
}
