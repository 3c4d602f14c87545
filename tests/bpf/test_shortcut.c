// SPDX-License-Identifier: GPL-2.0-only
/*
 * What takes the shortcut, and how it comes out: as a router would have handed it on, and
 * with nothing else changed. Every packet goes through fv_from_ns and fv_xdp_from_ns.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/run.h"

static struct frame f;

static void every_protocol_passes(void **state)
{
	static const struct row rows[] = {
		ROW("tcp", SHORTCUT(DB), .proto = 6),
		ROW("udp", SHORTCUT(DB), .proto = 17),
		ROW("icmp", SHORTCUT(DB), .family = 4, .proto = 1),
		ROW("icmpv6", SHORTCUT(DB), .family = 6, .proto = 58),
		ROW("icmp of the other family", SHORTCUT(DB), .family = 6, .proto = 1),
		ROW("igmp to an endpoint", SHORTCUT(DB), .family = 4, .proto = 2),
		ROW("ip in ip", SHORTCUT(DB), .proto = 4),
		ROW("ipv6 in ip", SHORTCUT(DB), .proto = 41),
		ROW("gre", SHORTCUT(DB), .proto = 47),
		ROW("esp", SHORTCUT(DB), .proto = 50),
		ROW("ah is no option of IPv4", SHORTCUT(DB), .family = 4, .proto = 51),
		ROW("sctp", SHORTCUT(DB), .proto = 132),
		ROW("udp-lite", SHORTCUT(DB), .proto = 136),
		ROW("unassigned", SHORTCUT(DB), .proto = 200),
		ROW("reserved", SHORTCUT(DB), .proto = 255),
		ROW("nothing follows", SHORTCUT(DB), .family = 6, .proto = 59, .bare = true),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void everybody_reaches_everybody(void **state)
{
	static const struct row rows[] = {
		ROW("back", SHORTCUT(WEB), .from = DB, .to = WEB),
		ROW("to the small one", SHORTCUT(SMALL), .to = SMALL),
		ROW("from the small one", SHORTCUT(DB), .from = SMALL, .to = DB),
		ROW("to jumbo", SHORTCUT(JUMBO), .to = JUMBO),
		ROW("to one without IPv6", SHORTCUT(ONLY4), .family = 4, .to = ONLY4),
		ROW("from one without IPv6", SHORTCUT(WEB), .family = 4, .from = ONLY4),
		ROW("to one without IPv4", SHORTCUT(ONLY6), .family = 6, .to = ONLY6),
		ROW("from one without IPv4", SHORTCUT(WEB), .family = 6, .from = ONLY6),
		ROW("to a port in the overflow hash", SHORTCUT(TWIN), .to = TWIN),
		ROW("from a port in the overflow hash", SHORTCUT(DB), .from = TWIN, .to = DB),
		ROW("to an address in the overflow hash", SHORTCUT(CROWD), .to = CROWD),
		ROW("from an address there", SHORTCUT(DB), .from = CROWD, .to = DB),
		ROW("from hash to hash", SHORTCUT(CROWD), .from = TWIN, .to = CROWD),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void headers_come_out_untouched(void **state)
{
	static const struct row rows[] = {
		ROW("DF", SHORTCUT(DB), .family = 4, .frag = 0x4000),
		ROW("the reserved flag", SHORTCUT(DB), .family = 4, .frag = 0x8000),
		ROW("both flags", SHORTCUT(DB), .family = 4, .frag = 0xc000, .id = 0xffff),
		ROW("DSCP and ECN", SHORTCUT(DB), .tos = 0xff),
		ROW("ECN CE", SHORTCUT(DB), .tos = 3),
		ROW("TTL 2", SHORTCUT(DB), .ttl = JUST(2)),
		ROW("TTL 128", SHORTCUT(DB), .ttl = JUST(128)),
		ROW("TTL 255", SHORTCUT(DB), .ttl = JUST(255)),
		ROW("header alone", SHORTCUT(DB), .bare = true),
		ROW("one byte", SHORTCUT(DB), .family = 4, .size = IP4_SIZE + 1),
		ROW("one byte", SHORTCUT(DB), .family = 6, .size = IP6_SIZE + 1),
		ROW("half a TCP header", SHORTCUT(DB), .family = 4, .size = IP4_SIZE + 10),
		ROW("half a TCP header", SHORTCUT(DB), .family = 6, .size = IP6_SIZE + 10),
		ROW("odd size", SHORTCUT(DB), .size = 777),
		/* Wrong before, wrong behind: the receiver drops it, as the router would have. */
		ROW("a wrong checksum", SHORTCUT(DB), .family = 4, .check = JUST(0x1111)),
		ROW("checksum ffff", SHORTCUT(DB), .family = 4, .check = JUST(0xffff)),
		ROW("checksum 0000", SHORTCUT(DB), .family = 4, .check = JUST(0)),
		ROW("checksum feff", SHORTCUT(DB), .family = 4, .check = JUST(0xfeff)),
		ROW("checksum fefe", SHORTCUT(DB), .family = 4, .check = JUST(0xfefe)),
		ROW("checksum ff00", SHORTCUT(DB), .family = 4, .check = JUST(0xff00)),
		ROW("checksum fffe", SHORTCUT(DB), .family = 4, .check = JUST(0xfffe)),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void packets_up_to_the_mtu_pass(void **state)
{
	static const struct row rows[] = {
		ROW("1499", SHORTCUT(DB), .size = 1499),
		ROW("1500", SHORTCUT(DB), .size = 1500),
		ROW("1280 to 1280", SHORTCUT(SMALL), .to = SMALL, .size = 1280),
		ROW("3500 to 9000", SHORTCUT(JUMBO), .to = JUMBO, .size = 3500),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

static void segments_up_to_the_mtu_pass(void **state)
{
	static const struct row rows[] = {
		GSO_ROW("tcp", 1460, SHORTCUT(DB), .family = 4, .size = 3000),
		GSO_ROW("tcp", 1440, SHORTCUT(DB), .family = 6, .size = 3000),
		GSO_ROW("tcp, timestamps", 1448, SHORTCUT(DB), .family = 4, .size = 3000,
			.doff = 8),
		GSO_ROW("tcp, timestamps", 1428, SHORTCUT(DB), .family = 6, .size = 3000,
			.doff = 8),
		GSO_ROW("tcp, all options", 1420, SHORTCUT(DB), .family = 4, .size = 3000,
			.doff = 15),
		GSO_ROW("tcp, all options", 1400, SHORTCUT(DB), .family = 6, .size = 3000,
			.doff = 15),
		GSO_ROW("udp", 1472, SHORTCUT(DB), .family = 4, .size = 3000, .proto = 17),
		GSO_ROW("udp", 1452, SHORTCUT(DB), .family = 6, .size = 3000, .proto = 17),
		GSO_ROW("tcp to 1280", 1240, SHORTCUT(SMALL), .family = 4, .to = SMALL,
			.size = 3000),
		GSO_ROW("tcp to 1280", 1220, SHORTCUT(SMALL), .family = 6, .to = SMALL,
			.size = 3000),
		GSO_ROW("tcp to 9000", 3400, SHORTCUT(JUMBO), .family = 4, .to = JUMBO,
			.size = 3500),
	};

	(void)state;
	run_rows(rows, FV_ARRAY_SIZE(rows));
}

/* Larger than a page: what only XDP's test run takes, in several buffers. */
static void xdp_takes_frames_of_several_buffers(void **state)
{
	static const struct {
		struct spec spec;
		struct want want;
	} rows[] = {
		{ { .family = 4, .to = JUMBO, .size = 9000 }, SHORTCUT(JUMBO) },
		{ { .family = 6, .to = JUMBO, .size = 9000 }, SHORTCUT(JUMBO) },
		{ { .family = 4, .to = JUMBO, .size = 9001 }, SLOW(MTU) },
		{ { .family = 6, .to = JUMBO, .size = 9001 }, SLOW(MTU) },
		{ { .family = 4, .to = DB, .size = 9000 }, SLOW(MTU) },
		{ { .family = 4, .to = JUMBO, .size = 9000, .claim = -1 }, SLOW(MALFORMED) },
		{ { .family = 4, .to = JUMBO, .size = 60000 }, SLOW(MTU) },
		/* Lengths that 16 bits cannot say are said by 0: too large, but not false. */
		{ { .family = 4, .to = JUMBO, .size = 65600, .claim = -65600 }, SLOW(MTU) },
		{ { .family = 6, .to = JUMBO, .size = 65600, .claim = -65560 }, SLOW(MTU) },
		{ { .family = 4, .to = JUMBO, .size = 9000, .claim = -9000 }, SLOW(MALFORMED) },
		{ { .family = 6, .to = JUMBO, .size = 9000, .claim = -8960 }, SLOW(MALFORMED) },
	};
	static const struct meta none;
	size_t bad = 0;

	(void)state;
	if (!bed_features.xdp_frags) {
		print_message("# skip: this kernel has no XDP frames of several buffers\n");
		skip();
	}
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		struct want model;
		char what[64];

		frame_make(&rows[i].spec, &f);
		snprintf(what, sizeof(what), "row %zu", i);
		bad += !run_check(what, HOOK_XDP, WEB, &f, &none, &rows[i].want);
		model = model_decide(WEB, &f, &none);
		bad += memcmp(&model, &rows[i].want, sizeof(model)) != 0;
	}
	assert_int_equal(bad, 0);
}

/*
 * Every checksum that a header can have, reached through the identification, at three TTLs: what
 * comes out is what summing up the whole header gives.
 */
static void every_checksum_comes_out_right(void **state)
{
	static const int ttls[] = { 2, 64, 255 };
	static struct outcome tc, xdp;
	static const struct meta none;
	bool seen[0x10000] = {};
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(ttls); i++) {
		for (int id = 0; id < 0x10000; id++) {
			struct spec spec = {
				.family = 4, .id = id, .ttl = JUST(ttls[i]), .bare = true
			};
			const uint8_t *ip = tc.f.b + ETH_SIZE;
			int from_ns = bed_dp->prog[FV_PROG_FROM_NS];
			int xdp_from_ns = bed_dp->prog[FV_PROG_XDP_FROM_NS];

			frame_make(&spec, &f);
			seen[get16(f.b + ETH_SIZE + 10)] = true;
			assert_int_equal(run_tc(from_ns, bed[WEB].dp.ifindex, &f, &none, &tc), 0);
			assert_int_equal(tc.ret, TC_REDIRECT);
			assert_int_equal(ip[8], ttls[i] - 1);
			assert_int_equal(get16(ip + 10), frame_check(ip, IP4_SIZE));
			if (!bed_features.xdp)
				continue;
			assert_int_equal(run_xdp(xdp_from_ns, bed[WEB].dp.ifindex, &f, &xdp), 0);
			assert_int_equal(xdp.ret, XDP_REDIRECT);
			assert_memory_equal(tc.f.b, xdp.f.b, f.len);
		}
	}
	for (int check = 0; check < 0x10000; check++)
		n += seen[check];
	/* ffff and 0000 are the same sum, and one of the two is never computed. */
	assert_int_equal(n, 0xffff);
}

static void counts_on_the_cpu_that_runs_it(void **state)
{
	int cpus = libbpf_num_possible_cpus();
	FV_AUTO_FREE struct fv_counters *before = calloc(cpus, sizeof(*before));
	FV_AUTO_FREE struct fv_counters *after = calloc(cpus, sizeof(*after));
	const struct spec spec = { .family = 4 };
	__u32 slot = bed_dp->maps.ports[bed[WEB].dp.ifindex & (bed_dp->maps.n_ports - 1)].slot;
	int counters = bed_dp->maps.fd[FV_MAP_COUNTERS], ran = 0;
	static struct outcome o;
	cpu_set_t old, set;

	(void)state;
	frame_make(&spec, &f);
	assert_int_equal(sched_getaffinity(0, sizeof(old), &old), 0);
	for (int cpu = 0; cpu < cpus; cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			continue;
		assert_int_equal(bpf_map_lookup_elem(counters, &slot, before), 0);
		assert_int_equal(run_tc(bed_dp->prog[FV_PROG_FROM_NS], bed[WEB].dp.ifindex, &f,
					&(struct meta){}, &o),
				 0);
		assert_int_equal(bpf_map_lookup_elem(counters, &slot, after), 0);
		before[cpu].tx_shortcut_packets++;
		before[cpu].tx_shortcut_bytes += f.len;
		assert_memory_equal(before, after, cpus * sizeof(*before));
		ran++;
	}
	assert_int_equal(sched_setaffinity(0, sizeof(old), &old), 0);
	assert_int_not_equal(ran, 0);
}

/* The sums that fastveth shows are those of the maps. */
static void stats_are_what_the_maps_say(void **state)
{
	struct counts counts;

	(void)state;
	counts_read(bed_dp, &counts);
	for (enum who who = 0; who < N_WHO; who++) {
		struct fv_port buf;
		const struct fv_port *port;
		struct fv_stats stats;

		if (bed[who].absent)
			continue;
		port = fv_port_of(&bed_dp->maps, bed[who].dp.ifindex, &buf);
		OK(fv_dp_stats(bed_dp, bed[who].dp.ifindex, &err, &stats));
		assert_memory_equal(&stats.c, &counts.c[port->slot], sizeof(stats.c));
		assert_memory_equal(&stats.r, &counts.r[port->slot], sizeof(stats.r));
	}
	assert_int_equal(fv_dp_stats(bed_dp, bed[LATE].dp.ifindex, NULL, &(struct fv_stats){}),
			 -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_protocol_passes),
		cmocka_unit_test(everybody_reaches_everybody),
		cmocka_unit_test(headers_come_out_untouched),
		cmocka_unit_test(packets_up_to_the_mtu_pass),
		cmocka_unit_test(segments_up_to_the_mtu_pass),
		cmocka_unit_test(xdp_takes_frames_of_several_buffers),
		cmocka_unit_test(every_checksum_comes_out_right),
		cmocka_unit_test(counts_on_the_cpu_that_runs_it),
		cmocka_unit_test(stats_are_what_the_maps_say),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, run_open, run_close);
}
