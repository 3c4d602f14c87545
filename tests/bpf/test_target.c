// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which device a packet is redirected to. A test run does not show it, so these are
 * the programs compiled with another redirect, which takes notes (mock_redirect.bpf.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/run.h"
#include "mock_redirect.skel.h"

/* As mock_redirect.bpf.c has it. */
struct target {
	__u64 flags;
	__u32 calls;
	__u32 ifindex;
};

static struct mock_redirect *mock;
static struct frame f;

static int open_mock(void **state)
{
	run_open(state);
	mock = mock_redirect__open();
	assert_non_null(mock);
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(mock->obj, fv_map_names[i]);

		assert_non_null(map);
		assert_int_equal(bpf_map__reuse_fd(map, bed_dp->maps.fd[i]), 0);
	}
	mock->rodata->fv_port_mask = bed_dp->maps.n_ports - 1;
	mock->rodata->fv_endpoint_mask = bed_dp->maps.n_endpoints - 1;
	assert_int_equal(mock_redirect__load(mock), 0);
	return 0;
}

static int close_mock(void **state)
{
	mock_redirect__destroy(mock);
	return run_close(state);
}

/* Where the hook's program sends what this spec says; calls 0: nowhere. */
static struct target ask(enum hook hook, const struct spec *spec, const struct want *want)
{
	int notes = bpf_map__fd(mock->maps.mock_target);
	int prog = bpf_program__fd(hook == HOOK_TC ? mock->progs.fv_from_ns
						   : mock->progs.fv_xdp_from_ns);
	struct target target = {};
	const struct meta none = {};
	__u32 key = 0;

	frame_make(spec, &f);
	assert_int_equal(bpf_map_update_elem(notes, &key, &target, 0), 0);
	assert_true(run_frame("mock", hook, prog, spec->from, &f, &none, want));
	assert_int_equal(bpf_map_lookup_elem(notes, &key, &target), 0);
	return target;
}

static void every_endpoint_is_found_from_every_other(void **state)
{
	size_t n = 0;

	(void)state;
	for (enum who from = 0; from < N_WHO; from++) {
		for (enum who to = 0; to < N_WHO; to++) {
			for (int family = 4; family <= 6; family += 2) {
				const struct spec spec = { .from = from,
							   .to = to,
							   .family = family };
				const char *const *a =
					family == 4 ? &bed[from].ip4 : &bed[from].ip6;
				const char *const *b = family == 4 ? &bed[to].ip4 : &bed[to].ip6;
				const struct want want = SHORTCUT(to);
				struct target t;

				if (from == to || bed[from].absent || bed[to].absent || !*a ||
				    !*b || bed[from].dp.network != bed[to].dp.network)
					continue;
				t = ask(HOOK_TC, &spec, &want);
				assert_int_equal(t.calls, 1);
				assert_int_equal(t.ifindex, bed[to].dp.ifindex);
				assert_int_equal(t.flags, 0);
				n++;
				if (from == JUMBO || !bed_features.xdp)
					continue;
				t = ask(HOOK_XDP, &spec, &want);
				assert_int_equal(t.calls, 1);
				assert_int_equal(t.ifindex, bed[to].dp.ifindex);
				assert_int_equal(t.flags, XDP_PASS);
			}
		}
	}
	/* Seven with IPv4, seven with IPv6 in the network. */
	assert_int_equal(n, 2 * 7 * 6);
}

static void nothing_else_is_redirected(void **state)
{
	static const struct row rows[] = {
		ROW("slow", SLOW(OUTSIDE), .family = 4, .dst = "192.0.2.1"),
		ROW("dropped", DROP(ISOLATION), .family = 4, .to = ALIEN),
		ROW("expired", SLOW(TTL), .family = 6, .ttl = JUST(1)),
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		assert_int_equal(ask(HOOK_TC, &rows[i].spec, &rows[i].want).calls, 0);
		if (bed_features.xdp)
			assert_int_equal(ask(HOOK_XDP, &rows[i].spec, &rows[i].want).calls, 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_endpoint_is_found_from_every_other),
		cmocka_unit_test(nothing_else_is_redirected),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, open_mock, close_mock);
}
