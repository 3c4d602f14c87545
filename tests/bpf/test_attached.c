// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports of others through user/dp: what the maps say of them, what becomes of it when they change or
 * grow, and what is on their devices.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

static struct frame f;
static const enum who others[] = { WEB, DB, TWIN, LATE, SMALL, JUMBO };

static int make(void **state)
{
	(void)state;
	bed_make_devices();
	memset(flow_ports, 0, sizeof(flow_ports));
	return 0;
}

static int make_with_flows(void **state)
{
	make(state);
	bed[LATE].absent = false;
	for (size_t i = 0; i < FV_ARRAY_SIZE(others); i++)
		flow_ports[others[i]] = (struct flow_port){ .attached = true,
							    .declined = i == 1,
							    .no_tcp = i == 2,
							    .uplink = i == 3,
							    .master = i ? BRIDGE : 0 };
	OK(fv_dp_load(&bed_features, N_WHO, FV_LOAD_FLOWS, &err, &bed_dp));
	flow_fill();
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	fv_dp_close(&bed_dp);
	OK(fv_dp_remove(false, &err));
	bed_delete_devices();
	bed[LATE].absent = true;
	return 0;
}

static void need_tcx(void)
{
	if (!bed_features.tcx) {
		print_message("# skip: this kernel has no tcx\n");
		skip();
	}
}

static const struct fv_dp_endpoint *listed(const struct fv_dp_endpoint *eps, size_t n, enum who who)
{
	for (size_t i = 0; i < n; i++)
		if (eps[i].ifindex == bed[who].dp.ifindex)
			return &eps[i];
	return NULL;
}

/* ---- maps ---- */

static void attached_ports_are_listed(void **state)
{
	FV_AUTO_FREE struct fv_dp_endpoint *eps = NULL;
	struct fv_port buf;
	size_t n = 0;

	(void)state;
	/* One of them is in the hash. */
	assert_int_equal(
		bpf_map_lookup_elem(bed_dp->maps.fd[FV_MAP_PORTS_X], &bed[TWIN].dp.ifindex, &buf),
		0);
	OK(fv_dp_attached(bed_dp, &err, &eps, &n));
	assert_int_equal(n, FV_ARRAY_SIZE(others));
	for (size_t i = 0; i < n; i++) {
		enum who who = others[i];
		const struct fv_dp_endpoint *e = listed(eps, n, who);

		assert_non_null(e);
		assert_true(e->attached);
		assert_int_equal(e->declined, flow_ports[who].declined);
		assert_int_equal(e->no_tcp, flow_ports[who].no_tcp);
		assert_int_equal(e->uplink, flow_ports[who].uplink);
		assert_int_equal(e->master, flow_ports[who].master);
		assert_int_equal(e->network, 0);
		assert_int_equal(e->ip4.family + e->ip6.family, 0);
		assert_memory_equal(e->mac, bed[who].dp.mac, 6);
		assert_memory_equal(e->port_mac, bed[who].dp.port_mac, 6);
	}
}

/* What is listed, and the own ones, is all there is: filling with it changes nothing. */
static void what_is_listed_fills_the_same(void **state)
{
	struct fv_dp_endpoint all[N_WHO];
	FV_AUTO_FREE struct fv_dp_endpoint *eps = NULL;
	size_t n = 0, m = 0;
	bool same = false;

	(void)state;
	for (enum who who = 0; who < N_WHO; who++)
		if (!flow_ports[who].attached)
			all[m++] = bed[who].dp;
	OK(fv_dp_attached(bed_dp, &err, &eps, &n));
	for (size_t i = 0; i < n; i++)
		all[m++] = eps[i];
	OK(fv_dp_filled(bed_dp, all, m, bed_subnets, N_SUBNETS, &err, &same));
	assert_true(same);
	/* Without them it would not be so. */
	OK(fv_dp_filled(bed_dp, all, m - n, bed_subnets, N_SUBNETS, &err, &same));
	assert_false(same);
}

static struct fv_port port_of(enum who who)
{
	struct fv_port buf = {};
	const struct fv_port *port = fv_port_of(&bed_dp->maps, bed[who].dp.ifindex, &buf);

	assert_non_null(port);
	return *port;
}

static void count_one(enum who who)
{
	static struct outcome out;
	static const struct meta none;

	frame_make(&(struct spec){ .from = who, .to = CROWD, .ethertype = 0x0806 }, &f);
	assert_int_equal(
		run_tc(bed_dp->prog[FV_PROG_FROM_NS], bed[who].dp.ifindex, &f, &none, &out), 0);
	assert_int_equal(out.ret, TC_NEXT);
}

static uint64_t counted(enum who who)
{
	struct fv_stats s;

	OK(fv_dp_stats(bed_dp, bed[who].dp.ifindex, &err, &s));
	return s.c.tx_other_packets;
}

static void flags_change_in_place(void **state)
{
	struct fv_port *port =
		&bed_dp->maps.ports[bed[WEB].dp.ifindex & (bed_dp->maps.n_ports - 1)];
	uint32_t slot = port->slot;

	(void)state;
	assert_int_equal(port->ifindex, bed[WEB].dp.ifindex);
	count_one(WEB);
	/* The programs' own field is lost where an entry is written anew. */
	port->checked = 4711;
	for (int flags = 0; flags < 8; flags++) {
		flow_ports[WEB].declined = flags & 1;
		flow_ports[WEB].no_tcp = flags & 2;
		flow_ports[WEB].uplink = flags & 4;
		flow_fill();
		assert_int_equal(port->flags, FV_PORT_ATTACHED |
						      (flags & 1 ? FV_PORT_DECLINED : 0) |
						      (flags & 2 ? FV_PORT_NO_TCP : 0) |
						      (flags & 4 ? FV_PORT_UPLINK : 0));
		assert_int_equal(port->checked, 4711);
		assert_int_equal(port->slot, slot);
	}
	flow_ports[WEB].master = OTHER_BRIDGE;
	flow_fill();
	assert_int_equal(port->master, OTHER_BRIDGE);
	assert_int_equal(port->checked, 0);
	assert_int_equal(port->slot, slot);
	assert_int_equal(counted(WEB), 1);
}

/* The same of one in the hash, where what the programs write is no difference. */
static void flags_change_in_the_hash(void **state)
{
	int fd = bed_dp->maps.fd[FV_MAP_PORTS_X];
	struct fv_port port = port_of(TWIN);

	(void)state;
	count_one(TWIN);
	assert_int_equal(port.flags, FV_PORT_ATTACHED | FV_PORT_NO_TCP);
	port.checked = 4711;
	assert_int_equal(bpf_map_update_elem(fd, &port.ifindex, &port, 0), 0);
	flow_fill();
	assert_int_equal(port_of(TWIN).checked, 4711);
	flow_ports[TWIN] = (struct flow_port){ .attached = true, .declined = true };
	flow_fill();
	assert_int_equal(port_of(TWIN).flags, FV_PORT_ATTACHED | FV_PORT_DECLINED);
	assert_int_equal(port_of(TWIN).master, 0);
	assert_int_equal(counted(TWIN), 1);
}

/* Of an own network's port two of them say how it is with what is outside. */
static void own_ports_have_flags(void **state)
{
	uint32_t overflow = port_of(CROWD).flags & FV_PORT_OVERFLOW;

	(void)state;
	count_one(CROWD);
	for (int flags = 0; flags < 4; flags++) {
		flow_ports[CROWD].declined = flags & 1;
		flow_ports[CROWD].no_tcp = flags & 2;
		flow_fill();
		assert_int_equal(port_of(CROWD).flags, overflow |
							       (flags & 1 ? FV_PORT_DECLINED : 0) |
							       (flags & 2 ? FV_PORT_NO_TCP : 0));
	}
	assert_int_equal(counted(CROWD), 1);
}

/* From others' to ours and back: another port each time, which counts from zero. */
static void another_owner_is_another_port(void **state)
{
	(void)state;
	count_one(WEB);
	assert_int_equal(counted(WEB), 1);
	flow_ports[WEB].attached = false;
	flow_fill();
	assert_int_equal(port_of(WEB).network, NET);
	assert_int_equal(port_of(WEB).flags & FV_PORT_ATTACHED, 0);
	assert_int_equal(counted(WEB), 0);
	count_one(WEB);
	flow_ports[WEB].attached = true;
	flow_fill();
	assert_int_equal(port_of(WEB).network, 0);
	assert_int_equal(counted(WEB), 0);
}

/* No endpoint of a network, no place for an address: own networks do not see them. */
static void attached_ports_are_no_endpoints(void **state)
{
	static const struct want slow = SLOW(OUTSIDE), there = SHORTCUT(CROWD);
	static const struct meta none;

	(void)state;
	frame_make(&(struct spec){ .from = ONLY4, .to = DB, .family = 4 }, &f);
	assert_true(run_frame("to DB", HOOK_TC, bed_dp->prog[FV_PROG_FROM_NS], ONLY4, &f, &none,
			      &slow));
	frame_make(&(struct spec){ .from = ONLY4, .to = CROWD, .family = 4 }, &f);
	assert_true(run_frame("to CROWD", HOOK_TC, bed_dp->prog[FV_PROG_FROM_NS], ONLY4, &f, &none,
			      &there));
}

/* ---- growth ---- */

static void raise(size_t n, unsigned int what)
{
	OK(fv_dp_load(&bed_features, n, what, &err, &bed_dp));
	OK(fv_dp_prepare(bed_dp, &err, NULL));
	flow_fill();
	for (enum who who = 0; who < N_WHO; who++)
		if (!bed[who].absent)
			bed_attach(bed_dp, who, false);
	OK(fv_dp_commit(bed_dp, &err));
}

static void room_for_flows_is_made_without_losing_a_count(void **state)
{
	FV_AUTO_FREE struct fv_dp_endpoint *eps = NULL;
	size_t n = 0;

	(void)state;
	raise(N_WHO, 0);
	assert_int_equal(bed_dp->maps.n_notes, 1);
	count_one(WEB);
	count_one(CROWD);
	count_one(CROWD);
	fv_dp_close(&bed_dp);
	/* Not asked for, not made. */
	OK(fv_dp_load(&bed_features, N_WHO, 0, &err, &bed_dp));
	assert_false(fv_dp_changed(bed_dp));
	fv_dp_close(&bed_dp);

	flow_ports[SMALL] = (struct flow_port){ .attached = true, .master = BRIDGE };
	raise(N_WHO, FV_LOAD_FLOWS);
	assert_true(bed_dp->maps.n_notes > 1);
	assert_int_equal(counted(WEB), 1);
	assert_int_equal(counted(CROWD), 2);
	count_one(SMALL);
	fv_dp_close(&bed_dp);
	/* Once there it stays, also where it is not asked for. */
	for (unsigned int what = 0; what <= FV_LOAD_FLOWS; what += FV_LOAD_FLOWS) {
		OK(fv_dp_load(&bed_features, N_WHO, what, &err, &bed_dp));
		assert_false(fv_dp_changed(bed_dp));
		assert_true(bed_dp->maps.n_notes > 1);
		fv_dp_close(&bed_dp);
	}
	/* More endpoints: those of before are listed until they are in the new maps. */
	OK(fv_dp_load(&bed_features, 3000, FV_LOAD_FLOWS, &err, &bed_dp));
	assert_true(fv_dp_changed(bed_dp));
	OK(fv_dp_attached(bed_dp, &err, &eps, &n));
	assert_int_equal(n, 1);
	assert_int_equal(eps[0].ifindex, bed[SMALL].dp.ifindex);
	assert_int_equal(eps[0].master, BRIDGE);
	fv_dp_close(&bed_dp);
	raise(3000, FV_LOAD_FLOWS);
	assert_int_equal(counted(WEB), 1);
	assert_int_equal(counted(CROWD), 2);
	assert_int_equal(counted(SMALL), 1);
	assert_int_equal(port_of(SMALL).flags, FV_PORT_ATTACHED);
}

/* ---- devices ---- */

static void assert_programs(enum who who, size_t n)
{
	size_t in = 0, out = 0;
	uint32_t id;

	/* The kernel detaches a moment later. */
	for (int i = 0; i < 500; i++) {
		in = bed_programs(who, BED_INGRESS, &id);
		out = bed_programs(who, BED_EGRESS, &id);
		if (in == n && out == n)
			return;
		usleep(20000);
	}
	fail_msg("%s has %zu and %zu programs, not %zu", bed[who].port, in, out, n);
}

static void detach(enum who who, const char *name)
{
	const struct fv_dp_port port = { bed[who].dp.ifindex, name };

	OK(fv_dp_detach(bed_dp, &port, 1, &err));
}

/* Docker renames; pins keep the name that the device had. */
static void detached_by_number_whatever_the_name(void)
{
	const char *keep = bed[WEB].port;

	raise(N_WHO, FV_LOAD_FLOWS);
	assert_programs(WEB, 1);
	bed_sh("ip link set %s down && ip link set %s name vethother", keep, keep);
	bed[WEB].port = "vethother";
	/* And another device has that name now. */
	bed_sh("ip link add %s index 600 group 7 type veth peer name cother", keep);
	detach(WEB, "vethother");
	assert_programs(WEB, 0);
	assert_programs(DB, 1);
	detach(WEB, "vethother");
	OK(fv_dp_detach(bed_dp, NULL, 0, &err));
	assert_programs(DB, 1);
	bed[WEB].port = keep;
}

static void links_come_off_a_renamed_device(void **state)
{
	(void)state;
	need_tcx();
	detached_by_number_whatever_the_name();
	assert_int_equal(access(FV_PIN_DIR "/links/fv-web:fv_from_ns", F_OK), -1);
	assert_int_equal(access(FV_PIN_DIR "/links/fv-db:fv_from_ns", F_OK), 0);
}

static void filters_come_off_a_renamed_device(void **state)
{
	(void)state;
	assert_int_equal(setenv("FASTVETH_NO_TCX", "1", 1), 0);
	OK(fv_dp_probe(&err, &bed_features));
	assert_int_equal(unsetenv("FASTVETH_NO_TCX"), 0);
	detached_by_number_whatever_the_name();
}

/* A program of others on WEB by tcx, behind what is there. */
static int foreign_link(const char *name, int where)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	FV_AUTO_FD int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, 2, NULL);
	int link;

	assert_true(fd >= 0);
	link = bpf_link_create(fd, bed[WEB].dp.ifindex, where, NULL);
	assert_true(link >= 0);
	return link;
}

#define INGRESS 46 /* BPF_TCX_INGRESS */
#define EGRESS 47

static void assert_foreign(const char *ingress, const char *egress)
{
	char in[16] = "?", out[16] = "?";

	fv_dp_foreign(bed[WEB].dp.ifindex, in, out);
	assert_string_equal(in, ingress);
	assert_string_equal(out, egress);
}

static void programs_that_a_redirect_passes_over_are_told(void **state)
{
	FV_AUTO_FD int first = -1;
	FV_AUTO_FD int second = -1;
	FV_AUTO_FD int third = -1;
	FV_AUTO_FD int fourth = -1;

	(void)state;
	need_tcx();
	assert_foreign("", "");
	/* Before ours at ingress: it still sees everything. At egress nobody does. */
	first = foreign_link("before_in", INGRESS);
	assert_foreign("", "");
	second = foreign_link("before_out", EGRESS);
	assert_foreign("", "before_out");
	raise(N_WHO, FV_LOAD_FLOWS);
	assert_foreign("", "before_out");
	third = foreign_link("behind_in", INGRESS);
	assert_foreign("behind_in", "before_out");
	close(FV_TAKE_FD(second));
	assert_foreign("behind_in", "");
	fourth = foreign_link("", EGRESS);
	assert_foreign("behind_in", "(no name)");
	detach(WEB, bed[WEB].port);
	assert_foreign("", "(no name)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, remove_all)
#define WITH_FLOWS(name) cmocka_unit_test_setup_teardown(name, make_with_flows, remove_all)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_FLOWS(attached_ports_are_listed),
		WITH_FLOWS(what_is_listed_fills_the_same),
		WITH_FLOWS(flags_change_in_place),
		WITH_FLOWS(flags_change_in_the_hash),
		WITH_FLOWS(own_ports_have_flags),
		WITH_FLOWS(another_owner_is_another_port),
		WITH_FLOWS(attached_ports_are_no_endpoints),
		TEST(room_for_flows_is_made_without_losing_a_count),
		TEST(links_come_off_a_renamed_device),
		TEST(filters_come_off_a_renamed_device),
		TEST(programs_that_a_redirect_passes_over_are_told),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
