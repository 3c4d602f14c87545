// SPDX-License-Identifier: GPL-2.0-only
/* Packets of flows through the programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "before.skel.h"
#include "bpf/flow.h"
#include "mock_flow.skel.h"
#include "mock_nat.skel.h"

struct flow_port flow_ports[N_WHO];
struct flow_meta flow_meta;
int flow_line;
const char *flow_what = "";

static const struct flow_port usual[N_WHO] = {
	[WEB] = { .attached = true, .master = BRIDGE },
	[DB] = { .attached = true, .master = BRIDGE },
	[TWIN] = { .attached = true, .master = BRIDGE },
	[LATE] = { .attached = true, .master = BRIDGE },
	[SMALL] = { .attached = true, .master = OTHER_BRIDGE },
	[JUMBO] = { .attached = true },
};

/* One of the two, and what both have. */
static struct mock_flow *mock;
static struct mock_nat *mock_nat;
static struct mock_flow__bss *bss;
static const struct bpf_program *progs[FV_PROG_COUNT];
static struct before *before;

static void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void wrong(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail_msg("line %d: %s: %s", flow_line, flow_what, text);
}

/* ---- fixtures ---- */

static void load_mock(bool flows, bool nat)
{
	int cpus = libbpf_num_possible_cpus();
	struct mock_flow__rodata *rodata;
	struct bpf_object *obj;

	_Static_assert(sizeof(*mock->bss) == sizeof(*mock_nat->bss), "both have the same words");
	_Static_assert(sizeof(*mock->rodata) == sizeof(*mock_nat->rodata), "and these");
	if (nat)
		assert_non_null(mock_nat = mock_nat__open());
	else
		assert_non_null(mock = mock_flow__open());
	obj = nat ? mock_nat->obj : mock->obj;
	rodata = nat ? (void *)mock_nat->rodata : mock->rodata;
	bss = nat ? (void *)mock_nat->bss : mock->bss;
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, fv_map_names[i]);

		assert_non_null(map);
		assert_int_equal(bpf_map__reuse_fd(map, bed_dp->maps.fd[i]), 0);
	}
	rodata->fv_port_mask = bed_dp->maps.n_ports - 1;
	rodata->fv_endpoint_mask = bed_dp->maps.n_endpoints - 1;
	rodata->fv_note_mask = flows ? bed_dp->maps.n_notes / cpus - 1 : 0;
	rodata->fv_hz = HZ;
	/* The low 32 bits begin anew in the middle of things. */
	bss->mock_now = (1ULL << 32) - HZ;
	assert_int_equal(nat ? mock_nat__load(mock_nat) : mock_flow__load(mock), 0);
	/* Where the kernel sees them. */
	bss = nat ? (void *)mock_nat->bss : mock->bss;
	for (int i = 0; i < FV_PROG_COUNT; i++)
		progs[i] = bpf_object__find_program_by_name(obj, fv_prog_name(i));
	before = before__open_and_load();
	assert_non_null(before);
}

/* Each CPU has its own notes: which of them is written next is to be known. */
static void stay_on_this_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int open_with(unsigned int what, bool nat)
{
	stay_on_this_cpu();
	bed_make_devices();
	bed[LATE].absent = false;
	OK(fv_dp_load(&bed_features, N_WHO, what, &err, &bed_dp));
	assert_int_equal(bed_dp->maps.n_notes > 1, what != 0);
	load_mock(what, nat);
	return flow_reset(NULL);
}

int flow_open(void **state)
{
	(void)state;
	return open_with(FV_LOAD_FLOWS, false);
}

int flow_open_nat(void **state)
{
	(void)state;
	return open_with(FV_LOAD_FLOWS, true);
}

int flow_open_without(void **state)
{
	(void)state;
	return open_with(0, false);
}

int flow_close(void **state)
{
	mock_flow__destroy(mock);
	mock_nat__destroy(mock_nat);
	before__destroy(before);
	bed[LATE].absent = true;
	bed_close(state);
	bed_delete_devices();
	return 0;
}

static void empty(enum fv_map map)
{
	int fd = bed_dp->maps.fd[map];
	char keys[2][64];
	unsigned int n = 0;

	/* The next one first: from the beginning each time would take its time. */
	for (; !bpf_map_get_next_key(fd, n ? keys[(n - 1) % 2] : NULL, keys[n % 2]); n++)
		if (n)
			bpf_map_delete_elem(fd, keys[(n - 1) % 2]);
	if (n)
		bpf_map_delete_elem(fd, keys[(n - 1) % 2]);
	assert_int_equal(bpf_map_get_next_key(fd, NULL, keys[0]), -ENOENT);
}

int flow_reset(void **state)
{
	(void)state;
	memcpy(flow_ports, usual, sizeof(usual));
	flow_fill();
	empty(FV_MAP_FLOWS4);
	empty(FV_MAP_FLOWS6);
	flow_wait(10 * HZ);
	flow_reuse(WEB, NULL);
	/* What a namespace says counts for nothing. */
	flow_meta = (struct flow_meta){ .number = 1,
					.mark = 0x1234,
					.priority = 0x77,
					.host_mark = 0x4321,
					.host_priority = 6 };
	return 0;
}

void flow_fill(void)
{
	struct fv_dp_endpoint eps[N_WHO];
	size_t n = 0;

	for (enum who who = 0; who < N_WHO; who++) {
		struct fv_dp_endpoint *e = &eps[n];

		if (bed[who].absent || bed[who].gone)
			continue;
		*e = bed[who].dp;
		e->declined = flow_ports[who].declined;
		e->no_tcp = flow_ports[who].no_tcp;
		n++;
		if (!flow_ports[who].attached)
			continue;
		e->attached = true;
		e->network = 0;
		e->ip4 = e->ip6 = (struct fv_ip){};
		e->uplink = flow_ports[who].uplink;
		e->master = flow_ports[who].master;
	}
	OK(fv_dp_fill(bed_dp, eps, n, bed_subnets, N_SUBNETS, &err));
}

void flow_uplink(enum who who)
{
	flow_ports[who].attached = flow_ports[who].uplink = true;
	flow_fill();
}

uint64_t flow_now(void)
{
	return bss->mock_now;
}

void flow_wait(uint64_t ticks)
{
	bss->mock_now += ticks;
}

/* ---- runs ---- */

void flow_run(enum fv_prog which, enum who port, const struct frame *f, unsigned int number,
	      uint32_t came_by, struct flow_outcome *ret)
{
	bool leaves = which == FV_PROG_FROM_NS, uplink = flow_ports[port].uplink;
	struct __sk_buff in = {
		.ifindex = bed[port].dp.ifindex,
		.mark = leaves ? flow_meta.mark : flow_meta.host_mark,
		.priority = leaves ? flow_meta.priority : flow_meta.host_priority,
		.gso_size = flow_meta.gso,
		.gso_segs = flow_meta.gso ? f->len / flow_meta.gso + 1 : 0,
		.cb = { 0, flow_meta.tagged, 3, number, came_by },
	}, out = {};
	static struct frame masked;
	int fd = bpf_program__fd(progs[!uplink	? which
				       : leaves ? FV_PROG_FROM_UPLINK
						: FV_PROG_TO_UPLINK]);
	int r;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
		    .data_out = ret->f.b, .data_size_out = FRAME_MAX, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out),
		    .repeat = 1);

	/* What a test run does not take by itself; see before.bpf.c. */
	if (run_too_short(f) || flow_meta.tagged) {
		__u32 key = 0, next = fd;

		fd = bpf_map__fd(before->maps.before_next);
		assert_int_equal(bpf_map_update_elem(fd, &key, &next, 0), 0);
		fd = bpf_program__fd(before->progs.before_run);
	}
	if (run_too_short(f)) {
		masked.len = f->len;
		memcpy(masked.b, f->b, f->len);
		put16(masked.b + 12, 0x88b5);
		in.cb[0] = htons(get16(f->b + 12));
		opts.data_in = masked.b;
	}
	bss->mock_sum = bss->mock_redirects = bss->mock_outs = 0;
	bss->mock_host_types = bss->mock_other_types = 0;
	r = bpf_prog_test_run_opts(fd, &opts);
	if (r)
		wrong("the kernel does not run it: %s", strerror(-r));
	ret->ret = (int)opts.retval;
	ret->f.len = opts.data_size_out;
	ret->number = out.cb[3];
	ret->mark = out.mark;
	ret->priority = out.priority;
	ret->redirects = bss->mock_redirects;
	ret->out = bss->mock_outs;
	ret->ifindex = bss->mock_ifindex;
	ret->host_types = bss->mock_host_types;
	ret->sum = bss->mock_sum;
	in.cb[3] = out.cb[3];
	ret->other_meta = out.gso_size != in.gso_size || out.gso_segs != in.gso_segs ||
			  memcmp(out.cb, in.cb, sizeof(in.cb)) || out.ifindex != in.ifindex ||
			  out.tstamp || out.wire_len != f->len || bss->mock_other_types ||
			  (bss->mock_redirects && bss->mock_flags);
}

static __u32 slot_of(enum who who)
{
	struct fv_port buf;
	const struct fv_port *port = fv_port_of(&bed_dp->maps, bed[who].dp.ifindex, &buf);

	assert_non_null(port);
	return port->slot;
}

static struct flow_outcome out;
static struct counts seen, expected;

static void compare(const struct frame *f, int ret, unsigned int mark, unsigned int priority)
{
	char what[32];
	size_t i = 0;

	snprintf(what, sizeof(what), "line %d", flow_line);
	if (out.ret != ret)
		wrong("returned %d, not %d", out.ret, ret);
	while (i < f->len && i < out.f.len && f->b[i] == out.f.b[i])
		i++;
	if (i < f->len || i < out.f.len)
		wrong("%zu bytes came out, not %zu; byte %zu is %02x, not %02x", out.f.len, f->len,
		      i, out.f.b[i], f->b[i]);
	if (out.mark != mark || out.priority != priority || out.other_meta)
		wrong("left mark %#x, not %#x; priority %u, not %u; other metadata %d", out.mark,
		      mark, out.priority, priority, out.other_meta);
	if (ret == TC_NEXT && (out.redirects || out.host_types))
		wrong("redirected to %u", out.ifindex);
	counts_read(bed_dp, &seen);
	if (!counts_equal(what, &seen, &expected))
		wrong("counters are wrong");
}

static void leave(enum who from, const struct frame *f, const struct want *want)
{
	counts_read(bed_dp, &expected);
	counts_expect(&expected, from, want, f->len);
	flow_run(FV_PROG_FROM_NS, from, f, flow_meta.number, bed[from].dp.ifindex, &out);
}

static void slow(enum who from, const struct frame *f, enum fv_slow why)
{
	const struct want want = { WAY_SLOW, why, NOBODY };

	leave(from, f, &want);
	compare(f, TC_NEXT, flow_meta.mark, flow_meta.priority);
}

unsigned int flow_noted(enum who from, const struct frame *f, enum fv_slow why)
{
	flow_crowd_tries();
	slow(from, f, why);
	if (!out.number || out.number > bed_dp->maps.n_notes)
		wrong("its note has number %u", out.number);
	return out.number;
}

void flow_unnoted(enum who from, const struct frame *f, enum fv_slow why)
{
	slow(from, f, why);
	if (out.number)
		wrong("has number %u", out.number);
}

void flow_taken(const struct flow *flow, const struct frame *f)
{
	static struct frame carried;
	const struct want want = SHORTCUT(flow->to);
	bool uplink = flow_ports[flow->to].uplink;

	leave(flow->from, f, &want);
	flow_carry(flow, f, &carried);
	compare(&carried, TC_REDIRECT, uplink ? flow_meta.host_mark : 0,
		uplink ? flow_meta.host_priority : flow_meta.priority);
	if (out.redirects != 1 || (int)out.ifindex != bed[flow->to].dp.ifindex || out.out != uplink)
		wrong("redirected %u times, to %u, by helper %d", out.redirects, out.ifindex,
		      out.out);
	if (flow_sum(f, out.sum) != flow_sum(&carried, 0))
		wrong("a device's sum over the packet would not hold any more");
	/* What goes out is for nobody here. */
	if (out.host_types != !uplink)
		wrong("made a packet for the host %u times", out.host_types);
	if (uplink && out.number != FV_NUMBER_REDIRECTED)
		wrong("goes out with number %u", out.number);
}

void flow_arrives(enum who to, const struct frame *f, unsigned int number, uint32_t came_by)
{
	bool redirected = flow_ports[to].uplink && number == FV_NUMBER_REDIRECTED;
	struct fv_counters *c;

	counts_read(bed_dp, &expected);
	c = &expected.c[slot_of(to)];
	if (!redirected) {
		c->rx_other_packets++;
		c->rx_other_bytes += f->len;
	}
	flow_run(FV_PROG_TO_NS, to, f, number, came_by, &out);
	compare(f, TC_NEXT, flow_meta.host_mark, flow_meta.host_priority);
	if (redirected || (!flow_ports[to].declined && bed_dp->maps.n_notes > 1))
		number = 0;
	if (out.number != number)
		wrong("left number %u, not %u", out.number, number);
}

void flow_prove(const struct flow *flow, enum fv_slow why)
{
	static struct frame f, carried;

	flow_frame(flow, &f);
	flow_carry(flow, &f, &carried);
	flow_arrives(flow->to, &carried, flow_noted(flow->from, &f, why), flow_came_by(flow));
}

void flow_reuse(enum who from, const struct frame *f)
{
	__u32 key[16] = {};

	if (f)
		flow_key(from, f, key);
	memcpy(&bss->mock_reused, key, sizeof(bss->mock_reused));
}
