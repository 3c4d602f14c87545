// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hundred thousand packets of a few hundred flows, whole and damaged, out of every port and by every
 * uplink, some of them carried to one, some lost, while time passes and ports come and go. Of each: never
 * dropped, whole unless redirected, and redirected only as the host's own path delivered a packet of that
 * flow within two seconds, to an attached port or an uplink that is there, but not from one uplink to
 * another. The seed is fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

#define SEED 0x5eed0f10f57fa57ULL
#define FRAMES 100000
#define CHANGES 500 /* ports change so often */

static uint64_t random_state = SEED;
static struct frame f, carried;
static struct flow_outcome out;
static size_t redirected, outs, ins, slow, proofs;
static bool gone[N_WHO];

static unsigned int dice(unsigned int n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned int)(random_state * 0x2545f4914f6cdd1dULL >> 33) % n;
}

#define PICK(array) ((array)[dice(FV_ARRAY_SIZE(array))])

static const enum who others[] = { WEB, DB, TWIN, LATE, SMALL, JUMBO };
static const enum who uplinks[] = { LATE, SMALL };

static void make(struct flow *flow)
{
	static const int protos[] = { TCP, TCP, UDP, ECHO };
	static const size_t sizes[] = { 0, 0, 100, 1280, 1500, 3000 };

	*flow = (struct flow){ .from = PICK(others),
			       .family = dice(2) ? 4 : 6,
			       .proto = PICK(protos),
			       .size = PICK(sizes) };
	do
		flow->to = PICK(others);
	while (flow->to == flow->from);
	/* Each pair has its way, mostly. */
	flow->routed = dice(10) ? (flow->from + flow->to) % 2 != 0 : dice(2) != 0;
	flow_frame(flow, &f);
	if (flow->proto == TCP && !dice(20))
		flow_l4(&f)[13] = dice(256);
	if (!dice(20))
		flow_l4(&f)[1] ^= dice(4);
	flow_meta.gso = flow->size == 3000 && dice(2) ? 1 + dice(1500) : 0;
	flow_meta.host_mark = dice(4) ? 1 : dice(3);
	flow_meta.host_priority = dice(4) ? 1 : dice(3);
	flow_meta.number = dice(2) ? dice(bed_dp->maps.n_notes + 2) : 0;
}

static void damage(struct frame *frame)
{
	size_t head = frame->len < 80 ? frame->len : 80, at = dice(head);

	switch (dice(6)) {
	case 0:
	case 1:
		frame->b[at] ^= 1 << dice(8);
		break;
	case 2:
		frame->b[at] = dice(256);
		break;
	case 3:
		frame->len = ETH_SIZE + dice(frame->len - ETH_SIZE + 1);
		break;
	case 4:
		memcpy(frame->b + (dice(2) ? 0 : 6),
		       dice(2) ? bed[dice(N_WHO)].dp.mac : bed[dice(N_WHO)].dp.port_mac, 6);
		break;
	case 5:
		put16(frame->b + 12, dice(2) ? 0x0800 : 0x86dd);
		break;
	}
}

static enum who with_ifindex(unsigned int ifindex)
{
	for (enum who who = 0; who < N_WHO; who++)
		if (bed[who].dp.ifindex == (int)ifindex)
			return who;
	fail_msg("redirected to %u, which is nobody's", ifindex);
	return NOBODY;
}

/* What was redirected is what the entry says, and all else of the packet is as it was. */
static void check_redirected(const struct flow *flow, const struct fv_flow *entry, bool known)
{
	enum who to = with_ifindex(out.ifindex);
	bool is4 = get16(f.b + 12) == 0x0800;
	size_t ttl = ETH_SIZE + (is4 ? 8 : 7);
	static struct frame expected;

	assert_true(known);
	assert_int_equal(out.redirects, 1);
	assert_int_equal(out.ifindex, entry->oif);
	assert_true(flow_ports[flow->from].attached && !flow_ports[flow->from].declined);
	assert_true(flow_ports[to].attached && !flow_ports[to].declined);
	assert_false(gone[to]);
	assert_false(flow_ports[flow->from].uplink && flow_ports[to].uplink);
	assert_int_equal(out.out, flow_ports[to].uplink);
	assert_int_equal(out.host_types, !out.out);
	assert_int_equal(out.mark, out.out ? entry->mark : 0);
	if (out.out) {
		assert_int_equal(out.priority, entry->priority);
		assert_int_equal(out.number, FV_NUMBER_REDIRECTED);
		outs++;
	} else {
		assert_int_equal(out.priority, flow_meta.priority);
		ins += flow_ports[flow->from].uplink;
	}
	assert_true(flow_now() - entry->proven <= 2 * HZ);
	assert_true(entry->hops <= 1);
	expected.len = f.len;
	memcpy(expected.b, f.b, f.len);
	memcpy(expected.b, entry->out_l2, 12);
	expected.b[ttl] -= entry->hops;
	assert_int_equal(expected.b[ttl], entry->ttl - entry->hops);
	/* Right where it was right. */
	if (is4 && get16(f.b + ETH_SIZE + 10) == frame_check(f.b + ETH_SIZE, IP4_SIZE))
		frame_fix_check(&expected);
	else if (is4)
		memcpy(expected.b + ETH_SIZE + 10, out.f.b + ETH_SIZE + 10, 2);
	assert_int_equal(out.f.len, f.len);
	assert_memory_equal(out.f.b, expected.b, f.len);
}

static void one_packet(void)
{
	struct fv_flow entry;
	struct flow flow;
	unsigned int number;
	uint32_t came_by;
	bool known;

	make(&flow);
	for (unsigned int i = dice(4) ? 0 : 1 + dice(2); i; i--)
		damage(&f);
	/* Before it, as time does not pass meanwhile. */
	known = f.len >= ETH_SIZE + 48 && flow_get(flow.from, &f, &entry);
	flow_run(FV_PROG_FROM_NS, flow.from, &f, flow_meta.number, 0, &out);
	if (out.ret == TC_REDIRECT) {
		check_redirected(&flow, &entry, known);
		redirected++;
		return;
	}
	assert_int_equal(out.ret, TC_NEXT);
	assert_int_equal(out.redirects, 0);
	assert_int_equal(out.f.len, f.len);
	assert_memory_equal(out.f.b, f.b, f.len);
	slow++;
	number = out.number;
	if (!dice(4) || f.len < ETH_SIZE + 48)
		return; /* the host keeps it */
	flow_carry(&flow, &f, &carried);
	came_by = flow_came_by(&flow);
	if (!dice(8))
		damage(&carried);
	if (!dice(20))
		number = dice(bed_dp->maps.n_notes + 2);
	if (!dice(20))
		came_by = dice(2) ? BRIDGE : bed[PICK(others)].dp.ifindex;
	/* Mostly to whom it is for. */
	if (!dice(20))
		flow.to = PICK(others);
	flow_run(FV_PROG_TO_NS, flow.to, &carried, number, came_by, &out);
	assert_int_equal(out.ret, TC_NEXT);
	assert_int_equal(out.redirects, 0);
	assert_int_equal(out.f.len, carried.len);
	assert_memory_equal(out.f.b, carried.b, carried.len);
	if (carried.len >= ETH_SIZE + 48 && number && flow_get(flow.from, &carried, &entry))
		proofs += entry.proven == flow_now();
}

static void change_ports(void)
{
	enum who who = PICK(others);
	__u32 ifindex;

	for (size_t i = 0; i < FV_ARRAY_SIZE(others); i++) {
		struct flow_port *port = &flow_ports[others[i]];

		gone[others[i]] = false;
		port->declined = !dice(10);
		port->no_tcp = !dice(6);
	}
	flow_fill();
	ifindex = bed[who].dp.ifindex;
	if (dice(2))
		return;
	assert_int_equal(bpf_map_delete_elem(bed_dp->maps.fd[FV_MAP_LIVE], &ifindex), 0);
	gone[who] = true;
	flow_wait(1);
}

static void whatever_comes_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(uplinks); i++)
		flow_ports[uplinks[i]].uplink = true;
	print_message("# seed %#llx, %d packets\n", SEED, FRAMES);
	for (int n = 0; n < FRAMES; n++) {
		if (n % CHANGES == 0)
			change_ports();
		one_packet();
		if (!dice(50))
			flow_wait(dice(20));
		if (!dice(2000))
			flow_wait(dice(3 * HZ));
	}
	print_message("# %zu redirected, %zu of them out of an uplink, %zu from one; %zu slow, %zu "
		      "proofs\n",
		      redirected, outs, ins, slow, proofs);
	/* Else this has tested little. */
	assert_true(redirected > FRAMES / 20);
	assert_true(outs > FRAMES / 100);
	assert_true(ins > FRAMES / 100);
	assert_true(slow > FRAMES / 5);
	assert_true(proofs > FRAMES / 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whatever_comes_goes_on, flow_reset),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open, flow_close);
}
