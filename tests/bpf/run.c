// SPDX-License-Identifier: GPL-2.0-only
/* Frames through the programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "before.skel.h"
#include "bpf/run.h"

#define MARK 0x1234
#define PRIORITY 0x77

static struct before *before;

/* What is wrong with one is mostly wrong with the next thousand, too. */
#define COMPLAINTS 50

static void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *fmt, ...)
{
	static unsigned int n;
	va_list ap;

	if (++n > COMPLAINTS)
		return;
	va_start(ap, fmt);
	vprint_error(fmt, ap);
	va_end(ap);
	if (n == COMPLAINTS)
		print_error("and so on\n");
}

/* ---- one frame through one program ---- */

/* @ethertype: for before.bpf.c */
static int test_skb(int prog, int ifindex, const struct frame *f, const struct meta *meta,
		    unsigned int ethertype, struct outcome *ret)
{
	struct __sk_buff in = {
		.ifindex = ifindex,
		.mark = meta->mark,
		.priority = PRIORITY,
		.gso_size = meta->gso,
		.gso_segs = meta->gso ? f->len / meta->gso + 1 : 0,
		.cb = { htons(ethertype), meta->tagged, 3, 4, 5 },
	}, out = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
		    .data_out = ret->f.b, .data_size_out = FRAME_MAX, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out),
		    .repeat = 1);
	int r = bpf_prog_test_run_opts(prog, &opts);

	if (r)
		return r;
	ret->ret = (int)opts.retval;
	ret->f.len = opts.data_size_out;
	ret->mark = out.mark;
	ret->other_meta = out.priority != in.priority || out.gso_size != in.gso_size ||
			  out.gso_segs != in.gso_segs || memcmp(out.cb, in.cb, sizeof(in.cb)) ||
			  (int)out.ifindex != ifindex || out.tstamp || out.wire_len != f->len;
	return 0;
}

int run_xdp(int prog, int ifindex, const struct frame *f, struct outcome *ret)
{
	struct xdp_md in = { .data_end = f->len, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
		    .data_out = ret->f.b, .data_size_out = FRAME_MAX, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = 1);
	int r = bpf_prog_test_run_opts(prog, &opts);

	if (r)
		return r;
	ret->ret = (int)opts.retval;
	ret->f.len = opts.data_size_out;
	ret->mark = 0;
	ret->other_meta = false;
	return 0;
}

bool run_too_short(const struct frame *f)
{
	unsigned int ethertype = get16(f->b + 12);

	return (ethertype == 0x0800 && f->len < ETH_SIZE + IP4_SIZE) ||
	       (ethertype == 0x86dd && f->len < ETH_SIZE + IP6_SIZE);
}

int run_tc(int prog, int ifindex, const struct frame *f, const struct meta *meta,
	   struct outcome *ret)
{
	static struct frame masked;
	int first;

	if (!run_too_short(f) && !meta->tagged)
		return test_skb(prog, ifindex, f, meta, 0, ret);
	first = bpf_program__fd(before->progs.before_run);
	if (!run_too_short(f))
		return test_skb(first, ifindex, f, meta, 0, ret);
	masked.len = f->len;
	memcpy(masked.b, f->b, f->len);
	put16(masked.b + 12, 0x88b5);
	return test_skb(first, ifindex, &masked, meta, get16(f->b + 12), ret);
}

/* ---- counters ---- */

void counts_read(struct fv_dp *dp, struct counts *ret)
{
	int cpus = libbpf_num_possible_cpus();
	FV_AUTO_FREE struct fv_counters *c = calloc(cpus, sizeof(*c));

	memset(ret, 0, sizeof(*ret));
	for (__u32 slot = 0; slot < N_WHO; slot++) {
		__u64 *sum = (__u64 *)&ret->c[slot];

		assert_int_equal(bpf_map_lookup_elem(dp->maps.fd[FV_MAP_COUNTERS], &slot, c), 0);
		for (int cpu = 0; cpu < cpus; cpu++)
			for (size_t i = 0; i < sizeof(c[0]) / sizeof(__u64); i++)
				sum[i] += ((__u64 *)&c[cpu])[i];
		assert_int_equal(
			bpf_map_lookup_elem(dp->maps.fd[FV_MAP_REASONS], &slot, &ret->r[slot]), 0);
	}
}

static __u32 slot_of(enum who who)
{
	struct fv_port buf;
	const struct fv_port *port = fv_port_of(&bed_dp->maps, bed[who].dp.ifindex, &buf);

	assert_non_null(port);
	assert_true(port->slot < N_WHO);
	return port->slot;
}

/* What programs do not count: see struct fv_reasons. */
static bool left_out(enum who from, int reason)
{
	struct fv_port buf;
	const struct fv_port *port = fv_port_of(&bed_dp->maps, bed[from].dp.ifindex, &buf);

	return reason == FV_SLOW_UNPROVEN && (port->flags & FV_PORT_UPLINK);
}

void counts_expect(struct counts *counts, enum who from, const struct want *want, size_t bytes)
{
	__u32 tx = slot_of(from), rx;

	switch (want->way) {
	case WAY_SHORTCUT:
		rx = slot_of(want->to);
		counts->c[tx].tx_shortcut_packets++;
		counts->c[tx].tx_shortcut_bytes += bytes;
		counts->c[rx].rx_shortcut_packets++;
		counts->c[rx].rx_shortcut_bytes += bytes;
		return;
	case WAY_SLOW:
		counts->r[tx].slow[want->reason] += !left_out(from, want->reason);
		break;
	case WAY_DROP:
		counts->r[tx].drop[want->reason]++;
		break;
	}
	counts->c[tx].tx_other_packets++;
	counts->c[tx].tx_other_bytes += bytes;
}

static const char *const counter_names[] = {
	"rx_shortcut_packets", "rx_shortcut_bytes", "rx_other_packets", "rx_other_bytes",
	"tx_shortcut_packets", "tx_shortcut_bytes", "tx_other_packets", "tx_other_bytes",
};
_Static_assert(sizeof(counter_names) / sizeof(char *) == sizeof(struct fv_counters) / 8,
	       "one name for each counter");

bool counts_equal(const char *what, const struct counts *seen, const struct counts *want)
{
	bool same = !memcmp(seen, want, sizeof(*seen));

	for (int slot = 0; slot < N_WHO && !same; slot++) {
		const __u64 *a = (const __u64 *)&seen->c[slot], *b = (const __u64 *)&want->c[slot];

		for (size_t i = 0; i < FV_ARRAY_SIZE(counter_names); i++)
			if (a[i] != b[i])
				complain("%s: slot %d: %s is %llu, not %llu\n", what, slot,
					 counter_names[i], a[i], b[i]);
		for (int i = 0; i < FV_SLOW_COUNT; i++)
			if (seen->r[slot].slow[i] != want->r[slot].slow[i])
				complain("%s: slot %d: slow %s is %llu, not %llu\n", what, slot,
					 fv_slow_name(i), seen->r[slot].slow[i],
					 want->r[slot].slow[i]);
		for (int i = 0; i < FV_DROP_COUNT; i++)
			if (seen->r[slot].drop[i] != want->r[slot].drop[i])
				complain("%s: slot %d: drop %s is %llu, not %llu\n", what, slot,
					 fv_drop_name(i), seen->r[slot].drop[i],
					 want->r[slot].drop[i]);
	}
	return same;
}

/* ---- checks ---- */

static bool bytes_equal(const char *what, const struct frame *seen, const struct frame *want)
{
	size_t i = 0;

	if (seen->len != want->len) {
		complain("%s: %zu bytes came out, not %zu\n", what, seen->len, want->len);
		return false;
	}
	while (i < want->len && seen->b[i] == want->b[i])
		i++;
	if (i < want->len)
		complain("%s: byte %zu is %02x, not %02x\n", what, i, seen->b[i], want->b[i]);
	return i == want->len;
}

static int wanted_return(enum hook hook, enum way way)
{
	static const int tc[] = { TC_REDIRECT, TC_NEXT, TC_SHOT };
	static const int xdp[] = { XDP_REDIRECT, XDP_PASS, XDP_DROP };

	return hook == HOOK_TC ? tc[way] : xdp[way];
}

bool run_frame(const char *what, enum hook hook, int prog, enum who from, const struct frame *f,
	       const struct meta *meta, const struct want *want)
{
	static struct outcome out;
	static struct frame expected;
	int ifindex = bed[from].dp.ifindex, must = wanted_return(hook, want->way);
	unsigned int mark = hook == HOOK_TC && want->way != WAY_SHORTCUT ? meta->mark : 0;
	int r = hook == HOOK_TC ? run_tc(prog, ifindex, f, meta, &out)
				: run_xdp(prog, ifindex, f, &out);

	if (r) {
		complain("%s: the kernel does not run it: %s\n", what, strerror(-r));
		return false;
	}
	expected.len = f->len;
	memcpy(expected.b, f->b, f->len);
	if (want->way == WAY_SHORTCUT)
		model_forward(&expected, want->to);
	if (out.ret != must)
		complain("%s: returned %d, not %d (%s)\n", what, out.ret, must, model_str(want));
	if (out.mark != mark)
		complain("%s: left mark %#x, not %#x\n", what, out.mark, mark);
	if (out.other_meta)
		complain("%s: changed metadata\n", what);
	return bytes_equal(what, &out.f, &expected) && out.ret == must && out.mark == mark &&
	       !out.other_meta;
}

bool run_check(const char *what, enum hook hook, enum who from, const struct frame *f,
	       const struct meta *meta, const struct want *want)
{
	int prog = bed_dp->prog[hook == HOOK_TC ? FV_PROG_FROM_NS : FV_PROG_XDP_FROM_NS];
	struct counts seen, expected;
	bool good;

	if (hook == HOOK_XDP && !bed_features.xdp)
		return true;
	counts_read(bed_dp, &expected);
	counts_expect(&expected, from, want, f->len);
	good = run_frame(what, hook, prog, from, f, meta, want);
	counts_read(bed_dp, &seen);
	return counts_equal(what, &seen, &expected) && good;
}

static bool run_row(const struct row *row, int family)
{
	static struct frame f;
	struct spec spec = row->spec;
	struct meta meta = row->meta;
	struct want model;
	char what[128];
	bool good;

	spec.family = family;
	frame_make(&spec, &f);
	meta.mark = MARK;
	snprintf(what, sizeof(what), "%s, IPv%d, tc", row->name, family);
	good = run_check(what, HOOK_TC, spec.from, &f, &meta, &row->want);
	/* Neither reaches an XDP program. */
	if (!meta.gso && !meta.tagged) {
		snprintf(what, sizeof(what), "%s, IPv%d, xdp", row->name, family);
		good &= run_check(what, HOOK_XDP, spec.from, &f, &meta, &row->want);
	}
	model = model_decide(spec.from, &f, &meta);
	if (memcmp(&model, &row->want, sizeof(model))) {
		complain("%s, IPv%d: the model says %s\n", row->name, family, model_str(&model));
		return false;
	}
	return good;
}

void run_rows(const struct row *rows, size_t n)
{
	size_t bad = 0;

	for (size_t i = 0; i < n; i++) {
		int family = rows[i].spec.family;

		if (family != 6)
			bad += !run_row(&rows[i], rows[i].spec.ethertype ? 0 : 4);
		if (family != 4 && !rows[i].spec.ethertype)
			bad += !run_row(&rows[i], 6);
	}
	if (bad)
		fail_msg("%zu packets were not treated as they should be", bad);
}

int run_open(void **state)
{
	__u32 key = 0, fd;

	bed_open(state);
	fd = bed_dp->prog[FV_PROG_FROM_NS];
	before = before__open_and_load();
	assert_non_null(before);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(before->maps.before_next), &key, &fd, 0),
			 0);
	return 0;
}

int run_close(void **state)
{
	before__destroy(before);
	return bed_close(state);
}
