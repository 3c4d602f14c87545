// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two hundred thousand frames, ordinary ones and such as were made from those by changing bytes,
 * through fv_from_ns and fv_xdp_from_ns: each must do what the model says. The seed is fixed, so a
 * frame that fails does so again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/run.h"

#define SEED 0x5eed0f57fa57ULL
#define FRAMES 200000
#define GONE_FROM 150000 /* SMALL's device goes here */
#define EVERY 1000	 /* counters are compared so often */
#define LARGEST 3600	 /* the kernel's TC test run takes one page with its overhead */

static uint64_t random_state = SEED;

/* xorshift64*; below n. */
static unsigned int dice(unsigned int n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned int)(random_state * 0x2545f4914f6cdd1dULL >> 33) % n;
}

#define PICK(array) ((array)[dice(FV_ARRAY_SIZE(array))])

static const char *const addresses4[] = { GATEWAY4,	 ALIEN_GATEWAY4, "192.0.2.1",
					  "10.77.0.99",	 "10.77.32.11",	 "10.78.0.77",
					  "10.78.1.0",	 "224.0.0.1",	 "255.255.255.255",
					  "169.254.1.1", "0.0.0.0",	 "127.0.0.1",
					  "10.77.0.10",	 "10.77.16.11",	 "10.77.0.12" };
static const char *const addresses6[] = { GATEWAY6,
					  ALIEN_GATEWAY6,
					  "2001:db8::1",
					  "fd77::99",
					  "fd77::9:0:11",
					  "fd78::77",
					  "fd78:0:0:1::",
					  "ff02::1",
					  "fe80::1",
					  "febf::1",
					  "::",
					  "::1",
					  "fd77::10",
					  "fd77::7:0:11",
					  "::ffff:10.77.0.11",
					  "::ffff:10.77.16.11",
					  "::ffff:10.78.0.10" };

/* An ordinary frame, more or less. */
static void make(struct spec *spec)
{
	static const enum who senders[] = { WEB, DB, SMALL, ONLY4, ONLY6, TWIN, CROWD, ALIEN };
	static const int protocols[] = { 6, 6, 17, 17, 1, 58, 132, 47, 50, 59, 4 };
	static const size_t sizes[] = {
		40, 60, 100, 777, 1279, 1280, 1281, 1499, 1500, 1501, 3000
	};
	static const int ttls[] = { 64, 64, 64, 64, 255, 2, 1, 0 };

	*spec = (struct spec){
		.from = PICK(senders),
		.to = dice(N_WHO),
		.family = dice(2) ? 4 : 6,
		.proto = PICK(protocols),
		.ttl = JUST(PICK(ttls)),
		.tos = dice(256),
		.id = dice(65536),
		.frag = dice(2) ? 0x4000 : 0,
		.doff = 5 + dice(11),
		.size = dice(4) ? PICK(sizes) : 40 + dice(LARGEST - 40),
	};
	if (spec->to == spec->from && dice(10))
		spec->to = spec->from == DB ? WEB : DB;
	if (!dice(8))
		spec->dst = spec->family == 4 ? PICK(addresses4) : PICK(addresses6);
	if (!dice(40))
		spec->src = spec->family == 4 ? PICK(addresses4) : PICK(addresses6);
	if (!dice(40))
		spec->tags[0] = dice(2) ? 0x8100 : 0x88a8;
	if (!dice(40))
		spec->frag = dice(65536);
	if (!dice(40))
		spec->options = 4 * dice(11);
	if (!dice(20) && spec->size >= 48)
		spec->ext = JUST(PICK(((const int[]){ 0, 43, 44, 51, 60, 135, 139, 140, 50 })));
	if (spec->options + 20 > (int)spec->size)
		spec->options = 0;
	/* A family that the sender does not have. */
	if (!spec->src && !*(spec->family == 4 ? &bed[spec->from].ip4 : &bed[spec->from].ip6))
		spec->src = spec->family == 4 ? "0.0.0.0" : "::";
	/* And one that the target does not. */
	if (!spec->dst && !*(spec->family == 4 ? &bed[spec->to].ip4 : &bed[spec->to].ip6))
		spec->dst = spec->family == 4 ? "10.77.0.15" : "fd77::14";
}

static void change(struct frame *f)
{
	static const uint8_t bytes[] = { 0, 1, 0x7f, 0x80, 0xff };
	static const unsigned int ethertypes[] = { 0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 0x0600 };
	size_t head = f->len < 80 ? f->len : 80, at = dice(head), len;

	switch (dice(8)) {
	case 0: /* one bit */
		f->b[at] ^= 1 << dice(8);
		break;
	case 1:
		f->b[at] = PICK(bytes);
		break;
	case 2:
		f->b[at] = dice(256);
		break;
	case 3: /* behind the MACs */
		at = 12 + dice(head - 12);
		f->b[at] ^= 1 << dice(8);
		break;
	case 4: /* shorter */
		f->len = ETH_SIZE + dice(f->len - ETH_SIZE + 1);
		break;
	case 5: /* longer */
		len = f->len + 1 + dice(64);
		memset(f->b + f->len, 0x5a, len - f->len);
		f->len = len < LARGEST ? len : f->len;
		break;
	case 6:
		put16(f->b + 12, PICK(ethertypes));
		break;
	case 7: /* somebody's MAC */
		memcpy(f->b + (dice(2) ? 0 : 6),
		       dice(2) ? bed[dice(N_WHO)].dp.mac : bed[dice(N_WHO)].dp.port_mac, 6);
		break;
	}
}

static void noise(struct frame *f, enum who from)
{
	f->len = ETH_SIZE + dice(300);
	for (size_t i = 0; i < f->len; i++)
		f->b[i] = dice(256);
	if (dice(2)) {
		memcpy(f->b, bed[from].dp.port_mac, 6);
		memcpy(f->b + 6, bed[from].dp.mac, 6);
		put16(f->b + 12, dice(2) ? 0x0800 : 0x86dd);
	}
}

/* Counted by way and reason, so that the fuzzing can be seen to reach everything. */
static size_t seen_slow[FV_SLOW_COUNT], seen_drop[FV_DROP_COUNT], seen_shortcut[N_WHO];

static void note(const struct want *want)
{
	if (want->way == WAY_SHORTCUT)
		seen_shortcut[want->to]++;
	else if (want->way == WAY_SLOW)
		seen_slow[want->reason]++;
	else
		seen_drop[want->reason]++;
}

static void show(const struct frame *f, enum who from, const struct meta *meta)
{
	print_error("from %s, %zu bytes, gso %u, tagged %d:", bed[from].port, f->len, meta->gso,
		    meta->tagged);
	for (size_t i = 0; i < f->len && i < 80; i++)
		print_error("%s%02x", i == 6 || i == 12 || i == 14 ? " " : "", f->b[i]);
	print_error("\n");
}

static struct counts expected, seen;

static bool run(unsigned int n, enum hook hook, enum who from, const struct frame *f,
		const struct meta *meta)
{
	int prog = bed_dp->prog[hook == HOOK_TC ? FV_PROG_FROM_NS : FV_PROG_XDP_FROM_NS];
	struct want want = model_decide(from, f, meta);
	char what[64];

	if (hook == HOOK_XDP && !bed_features.xdp)
		return true;
	/* A test run hands a frame of several buffers also to a program that never gets one. */
	if (hook == HOOK_XDP && !bed_features.xdp_frags && f->len > ETH_SIZE + FV_XDP_MTU_MAX)
		return true;
	snprintf(what, sizeof(what), "frame %u, %s", n, hook == HOOK_TC ? "tc" : "xdp");
	note(&want);
	counts_expect(&expected, from, &want, f->len);
	if (run_frame(what, hook, prog, from, f, meta, &want))
		return true;
	show(f, from, meta);
	return false;
}

static void programs_and_model_agree(void **state)
{
	static struct frame f;
	size_t bad = 0;

	(void)state;
	print_message("# seed %#llx, %d frames\n", SEED, FRAMES);
	counts_read(bed_dp, &expected);
	for (unsigned int n = 0; n < FRAMES && bad < 10; n++) {
		struct meta meta = { .mark = dice(2) ? dice(0x7fffffff) : 0 }, none = {};
		struct spec spec;

		if (n == GONE_FROM)
			bed_delete_device(SMALL);
		do
			make(&spec);
		while (spec.from == SMALL && bed[SMALL].gone);
		frame_make(&spec, &f);
		for (unsigned int i = dice(2) ? dice(4) : 0; i; i--)
			change(&f);
		if (!dice(50))
			noise(&f, spec.from);
		meta.gso = dice(5) ? 0 : 1 + dice(2000);
		meta.tagged = !dice(100);
		bad += !run(n, HOOK_TC, spec.from, &f, &meta);
		bad += !run(n, HOOK_XDP, spec.from, &f, &none);
		if (n % EVERY != EVERY - 1)
			continue;
		counts_read(bed_dp, &seen);
		bad += !counts_equal("counters", &seen, &expected);
	}
	assert_int_equal(bad, 0);
}

static void every_verdict_came_up(void **state)
{
	/* Each frame runs by both hooks, where there are both. */
	const size_t runs = bed_features.xdp ? 2 : 1;

	(void)state;
	/* The others are of ports of others. */
	for (int i = 0; i < FV_SLOW_DECLINED; i++)
		if (seen_slow[i] < 250 * runs)
			fail_msg("slow %s: only %zu", fv_slow_name(i), seen_slow[i]);
	for (int i = 0; i < FV_DROP_COUNT; i++)
		if (seen_drop[i] < 250 * runs)
			fail_msg("drop %s: only %zu", fv_drop_name(i), seen_drop[i]);
	for (enum who who = 0; who < N_WHO; who++)
		if (who != LATE && who != ALIEN && seen_shortcut[who] < 900 * runs)
			fail_msg("shortcut to %s: only %zu", bed[who].port, seen_shortcut[who]);
	assert_int_equal(seen_shortcut[LATE] + seen_shortcut[ALIEN], 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_and_model_agree),
		cmocka_unit_test(every_verdict_came_up),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, run_open, run_close);
}
