// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames that end too early, at every length: with the lengths they were sent with, and with such
 * as fit what is left. Nothing without a whole IP header takes the shortcut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/run.h"

static struct frame whole, f;

/* Make the frame say that it was never longer. */
static void fit(int family)
{
	size_t size = f.len - ETH_SIZE;

	if (family == 4 && size >= IP4_SIZE) {
		put16(f.b + ETH_SIZE + 2, size);
		frame_fix_check(&f);
	} else if (family == 6 && size >= IP6_SIZE) {
		put16(f.b + ETH_SIZE + 4, size - IP6_SIZE);
	}
}

static size_t shortcuts;

static bool run_cut(const char *name, const struct spec *spec, size_t len, bool fitting,
		    unsigned int gso)
{
	size_t hlen = ETH_SIZE + (spec->family == 4 ? IP4_SIZE : IP6_SIZE);
	const struct meta meta = { .gso = gso, .mark = 1 };
	struct want want;
	char what[128];
	bool good;

	memcpy(f.b, whole.b, len);
	f.len = len;
	if (fitting)
		fit(spec->family);
	want = model_decide(WEB, &f, &meta);
	shortcuts += want.way == WAY_SHORTCUT;
	if (want.way == WAY_SHORTCUT && (len < hlen || (!fitting && len < whole.len)))
		fail_msg("the model lets %s of %zu bytes through", name, len);
	snprintf(what, sizeof(what), "%s, IPv%d, %zu bytes, tc", name, spec->family, len);
	good = run_check(what, HOOK_TC, WEB, &f, &meta, &want);
	if (gso)
		return good;
	snprintf(what, sizeof(what), "%s, IPv%d, %zu bytes, xdp", name, spec->family, len);
	return run_check(what, HOOK_XDP, WEB, &f, &meta, &want) && good;
}

/* Returns how many of the cut frames took the shortcut. */
static size_t run_cuts(const char *name, const struct spec *spec)
{
	size_t bad = 0;

	frame_make(spec, &whole);
	shortcuts = 0;
	for (size_t len = ETH_SIZE; len <= whole.len; len++) {
		bad += !run_cut(name, spec, len, false, 0);
		bad += !run_cut(name, spec, len, true, 0);
		bad += !run_cut(name, spec, len, false, 100);
		bad += !run_cut(name, spec, len, true, 100);
	}
	if (bad)
		fail_msg("%s: %zu frames were not treated as they should be", name, bad);
	return shortcuts;
}

static void tcp_is_cut_anywhere(void **state)
{
	static const struct spec specs[] = { { .family = 4 }, { .family = 6 } };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(specs); i++) {
		size_t n = run_cuts("tcp", &specs[i]);

		/* Whatever fits with a whole header, 52 bytes and less behind it; twice by TC. */
		assert_int_equal(n, 2 * 53 + 2);
	}
}

static void what_is_slow_when_whole_is_slow_when_cut(void **state)
{
	static const struct spec specs[] = {
		{ .family = 4, .options = 8 },
		{ .family = 4, .frag = 0x2000 },
		{ .family = 4, .tags = { 0x8100 } },
		{ .family = 6, .tags = { 0x8100, 0x8100 } },
		{ .family = 6, .ext = JUST(0) },
		{ .family = 6, .ext = JUST(44) },
		{ .ethertype = 0x0806 },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(specs); i++) {
		char name[16];

		snprintf(name, sizeof(name), "spec %zu", i);
		assert_int_equal(run_cuts(name, &specs[i]), 0);
	}
}

static void what_is_false_is_dropped_when_cut(void **state)
{
	static const struct spec specs[] = {
		{ .family = 4, .src = "10.77.0.99" },
		{ .family = 6, .src = "fd77::99" },
		{ .family = 4, .smac = "02:00:00:00:00:99" },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(specs); i++)
		assert_int_equal(run_cuts("false", &specs[i]), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_is_cut_anywhere),
		cmocka_unit_test(what_is_slow_when_whole_is_slow_when_cut),
		cmocka_unit_test(what_is_false_is_dropped_when_cut),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, run_open, run_close);
}
