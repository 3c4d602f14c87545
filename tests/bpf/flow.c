// SPDX-License-Identifier: GPL-2.0-only
/* Packets of flows between ports of others. */
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

static struct mock_flow *mock;
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

static void load_mock(bool flows)
{
	int cpus = libbpf_num_possible_cpus();

	mock = mock_flow__open();
	assert_non_null(mock);
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(mock->obj, fv_map_names[i]);

		assert_non_null(map);
		assert_int_equal(bpf_map__reuse_fd(map, bed_dp->maps.fd[i]), 0);
	}
	mock->rodata->fv_port_mask = bed_dp->maps.n_ports - 1;
	mock->rodata->fv_endpoint_mask = bed_dp->maps.n_endpoints - 1;
	mock->rodata->fv_note_mask = flows ? bed_dp->maps.n_notes / cpus - 1 : 0;
	mock->rodata->fv_hz = HZ;
	/* The low 32 bits begin anew in the middle of things. */
	mock->bss->mock_now = (1ULL << 32) - HZ;
	assert_int_equal(mock_flow__load(mock), 0);
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

static int open_with(unsigned int what)
{
	stay_on_this_cpu();
	bed_make_devices();
	bed[LATE].absent = false;
	OK(fv_dp_load(&bed_features, N_WHO, what, &err, &bed_dp));
	assert_int_equal(bed_dp->maps.n_notes > 1, what != 0);
	load_mock(what);
	return flow_reset(NULL);
}

int flow_open(void **state)
{
	(void)state;
	return open_with(FV_LOAD_FLOWS);
}

int flow_open_without(void **state)
{
	(void)state;
	return open_with(0);
}

int flow_close(void **state)
{
	mock_flow__destroy(mock);
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
	flow_meta = (struct flow_meta){ .number = 1, .mark = 0x1234 };
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
		n++;
		if (!flow_ports[who].attached)
			continue;
		e->attached = true;
		e->network = 0;
		e->ip4 = e->ip6 = (struct fv_ip){};
		e->declined = flow_ports[who].declined;
		e->no_tcp = flow_ports[who].no_tcp;
		e->master = flow_ports[who].master;
	}
	OK(fv_dp_fill(bed_dp, eps, n, bed_subnets, N_SUBNETS, &err));
}

uint64_t flow_now(void)
{
	return mock->bss->mock_now;
}

void flow_wait(uint64_t ticks)
{
	mock->bss->mock_now += ticks;
}

/* ---- frames ---- */

uint8_t *flow_l4(struct frame *f)
{
	return f->b + ETH_SIZE + (get16(f->b + 12) == 0x0800 ? IP4_SIZE : IP6_SIZE);
}

void flow_frame(const struct flow *flow, struct frame *ret)
{
	int echo = flow->family == 4 ? 1 : 58;
	struct spec spec = {
		.from = flow->from,
		.to = flow->to,
		.family = flow->family,
		.proto = flow->proto == ECHO ? echo : flow->proto,
		.tos = 0x28,
		.id = 0x7731,
		.frag = 0x4000,
		.size = flow->size,
	};
	/* Of two ends one is the server. */
	bool back = flow->from > flow->to;
	uint8_t *l4;

	frame_make(&spec, ret);
	if (!flow->routed)
		memcpy(ret->b, bed[flow->to].dp.mac, 6);
	l4 = flow_l4(ret);
	switch (flow->proto) {
	case TCP:
		l4[13] = 0x10;
		/* fall through */
	case UDP:
		put16(l4, back ? 80 : 40000);
		put16(l4 + 2, back ? 40000 : 80);
		break;
	case ECHO:
		l4[0] = flow->family == 4 ? 8 : 128;
		l4[1] = 0;
		put16(l4 + 4, 0x4242);
		break;
	}
}

void flow_carry(const struct flow *flow, const struct frame *f, struct frame *ret)
{
	ret->len = f->len;
	memcpy(ret->b, f->b, f->len);
	if (flow->routed)
		model_forward(ret, flow->to);
}

uint32_t flow_came_by(const struct flow *flow)
{
	uint32_t master = flow_ports[flow->from].master;

	return flow->routed && master ? master : (uint32_t)bed[flow->from].dp.ifindex;
}

struct flow flow_kind(int i)
{
	static const int protos[] = { TCP, UDP, ECHO };

	return (struct flow){ .from = WEB,
			      .to = DB,
			      .family = i % 2 ? 6 : 4,
			      .routed = i / 2 % 2,
			      .proto = protos[i / 4] };
}

/* ---- runs ---- */

void flow_run(enum fv_prog which, enum who port, const struct frame *f, unsigned int number,
	      uint32_t came_by, struct flow_outcome *ret)
{
	const struct bpf_program *prog =
		which == FV_PROG_FROM_NS ? mock->progs.fv_from_ns : mock->progs.fv_to_ns;
	struct __sk_buff in = {
		.ifindex = bed[port].dp.ifindex,
		.mark = flow_meta.mark,
		.priority = number,
		.gso_size = flow_meta.gso,
		.gso_segs = flow_meta.gso ? f->len / flow_meta.gso + 1 : 0,
		.cb = { 0, flow_meta.tagged, 3, 4, came_by },
	}, out = {};
	static struct frame masked;
	int fd = bpf_program__fd(prog), r;
	struct mock_flow__bss *seen = mock->bss;
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
	seen->mock_redirects = seen->mock_host_types = seen->mock_other_types = 0;
	r = bpf_prog_test_run_opts(fd, &opts);
	if (r)
		wrong("the kernel does not run it: %s", strerror(-r));
	ret->ret = (int)opts.retval;
	ret->f.len = opts.data_size_out;
	ret->number = out.priority;
	ret->mark = out.mark;
	ret->redirects = seen->mock_redirects;
	ret->ifindex = seen->mock_ifindex;
	ret->host_types = seen->mock_host_types;
	ret->other_meta = out.gso_size != in.gso_size || out.gso_segs != in.gso_segs ||
			  memcmp(out.cb, in.cb, sizeof(in.cb)) || out.ifindex != in.ifindex ||
			  out.tstamp || out.wire_len != f->len || seen->mock_other_types ||
			  (seen->mock_redirects && seen->mock_flags);
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

static void compare(const struct frame *f, int ret, unsigned int mark)
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
	if (out.mark != mark || out.other_meta)
		wrong("left mark %#x, not %#x; other metadata %d", out.mark, mark, out.other_meta);
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
	compare(f, TC_NEXT, flow_meta.mark);
}

void flow_forget_tries(void)
{
	const size_t each = (sizeof(struct fv_noted) + 7) / 8 * 8;
	uint8_t *all = malloc(each * (size_t)libbpf_num_possible_cpus());
	int fd = bed_dp->maps.fd[FV_MAP_NOTED], zero = 0;

	assert_non_null(all);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, all), 0);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		memset(((struct fv_noted *)(all + (size_t)cpu * each))->tried, 0,
		       sizeof(((struct fv_noted *)0)->tried));
	assert_int_equal(bpf_map_update_elem(fd, &zero, all, BPF_ANY), 0);
	free(all);
}

unsigned int flow_noted(enum who from, const struct frame *f, enum fv_slow why)
{
	flow_forget_tries();
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

	leave(flow->from, f, &want);
	flow_carry(flow, f, &carried);
	compare(&carried, TC_REDIRECT, 0);
	if (out.redirects != 1 || (int)out.ifindex != bed[flow->to].dp.ifindex)
		wrong("redirected %u times, to %u", out.redirects, out.ifindex);
	if (out.host_types != 1)
		wrong("not for the host");
}

void flow_arrives(enum who to, const struct frame *f, unsigned int number, uint32_t came_by)
{
	struct fv_counters *c;

	counts_read(bed_dp, &expected);
	c = &expected.c[slot_of(to)];
	c->rx_other_packets++;
	c->rx_other_bytes += f->len;
	flow_run(FV_PROG_TO_NS, to, f, number, came_by, &out);
	compare(f, TC_NEXT, flow_meta.mark);
	if (flow_ports[to].attached && !flow_ports[to].declined && bed_dp->maps.n_notes > 1)
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

/* ---- the maps ---- */

/* Both keys are words: port, addresses, two ports in one, protocol. Returns the map. */
static int make_key(enum who from, const struct frame *f, __u32 key[16])
{
	const uint8_t *ip = f->b + ETH_SIZE;
	bool is4 = get16(f->b + 12) == 0x0800;
	const uint8_t *l4 = ip + (is4 ? IP4_SIZE : IP6_SIZE);
	__u32 proto = is4 ? ip[9] : ip[6];
	size_t n = is4 ? 2 : 8;
	uint8_t *ports = (uint8_t *)&key[1 + n];

	key[0] = bed[from].dp.ifindex;
	memcpy(&key[1], is4 ? ip + 12 : ip + 8, n * 4);
	if (proto == 6 || proto == 17) {
		memcpy(ports, l4, 4);
	} else {
		memcpy(ports, l4 + 4, 2);
		ports[2] = l4[0];
	}
	key[2 + n] = proto;
	return bed_dp->maps.fd[is4 ? FV_MAP_FLOWS4 : FV_MAP_FLOWS6];
}

bool flow_get(enum who from, const struct frame *f, struct fv_flow *ret)
{
	__u32 key[16] = {};

	return !bpf_map_lookup_elem(make_key(from, f, key), key, ret);
}

void flow_reuse(enum who from, const struct frame *f)
{
	__u32 key[16] = {};

	if (f)
		make_key(from, f, key);
	memcpy(&mock->bss->mock_reused, key, sizeof(mock->bss->mock_reused));
}

static size_t entries(int fd)
{
	char a[64], b[64], *prev = NULL, *next = a;
	size_t n = 0;

	while (!bpf_map_get_next_key(fd, prev, next)) {
		prev = next;
		next = next == a ? b : a;
		n++;
	}
	return n;
}

size_t flow_count(void)
{
	return entries(bed_dp->maps.fd[FV_MAP_FLOWS4]) + entries(bed_dp->maps.fd[FV_MAP_FLOWS6]);
}
