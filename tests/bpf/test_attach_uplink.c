// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs on uplinks: others than on ports, each once, beside those of others, and off again. What is
 * attached is counted by asking the kernel, not by user/dp.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

#define LINKS FV_PIN_DIR "/links"
#define INGRESS 46 /* BPF_TCX_INGRESS */
#define EGRESS 47

static void need_tcx(void)
{
	if (!bed_features.tcx) {
		print_message("# skip: this kernel has no tcx\n");
		skip();
	}
}

static void attach(enum who who, enum fv_dp_place place)
{
	OK(fv_dp_attach(bed_dp, &bed_features, bed[who].dp.ifindex, bed[who].port, place, &err));
}

/* WEB is a port, DB an uplink. */
static int raise(void **state)
{
	(void)state;
	memset(flow_ports, 0, sizeof(flow_ports));
	flow_ports[WEB].attached = true;
	OK(fv_dp_load(&bed_features, N_WHO, FV_LOAD_FLOWS | FV_LOAD_XDP, &err, &bed_dp));
	OK(fv_dp_prepare(bed_dp, &err, NULL));
	flow_uplink(DB);
	attach(WEB, FV_DP_TC);
	attach(DB, FV_DP_UPLINK);
	OK(fv_dp_commit(bed_dp, &err));
	return 0;
}

static int raise_links(void **state)
{
	bed_make_devices();
	return raise(state);
}

static int raise_filters(void **state)
{
	bed_make_devices();
	assert_int_equal(setenv("FASTVETH_NO_TCX", "1", 1), 0);
	OK(fv_dp_probe(&err, &bed_features));
	assert_int_equal(unsetenv("FASTVETH_NO_TCX"), 0);
	return raise(state);
}

static int remove_all(void **state)
{
	(void)state;
	fv_dp_close(&bed_dp);
	OK(fv_dp_remove(false, &err));
	bed_delete_devices();
	return 0;
}

/* So many programs are at a place, the last of them this. The kernel detaches a moment later. */
static void assert_programs(enum who who, enum bed_place place, size_t n, uint32_t id)
{
	uint32_t seen = 0;

	for (int i = 0; i < 500; i++) {
		if (bed_programs(who, place, &seen) == n && seen == id)
			return;
		usleep(20000);
	}
	fail_msg("place %d of %s: %zu programs, the last %u; should be %zu, %u", place,
		 bed[who].port, bed_programs(who, place, &seen), seen, n, id);
}

/* Just what belongs there, by the kernel and as the room itself says it. */
static void assert_attached(enum who who, enum fv_dp_place place)
{
	bool uplink = place == FV_DP_UPLINK, xdp = place == FV_DP_XDP;
	uint32_t in = bed_dp->prog_id[uplink ? FV_PROG_FROM_UPLINK : FV_PROG_FROM_NS];
	uint32_t out = bed_dp->prog_id[uplink ? FV_PROG_TO_UPLINK : FV_PROG_TO_NS];
	struct fv_attached a;

	assert_programs(who, BED_INGRESS, !xdp, xdp ? 0 : in);
	assert_programs(who, BED_EGRESS, 1, out);
	assert_programs(who, BED_XDP, xdp, xdp ? bed_dp->prog_id[FV_PROG_XDP_FROM_NS] : 0);
	fv_dp_query(bed_dp, bed[who].dp.ifindex, bed[who].port, &a);
	assert_int_equal(a.uplink, uplink);
	assert_int_equal(a.from_ns, xdp ? 0 : in);
	assert_int_equal(a.to_ns, out);
	assert_int_equal(a.xdp_from_ns != 0, xdp);
	assert_int_equal(a.tcx, bed_features.tcx);
	assert_true(a.current);
}

static void assert_nothing(enum who who)
{
	struct fv_attached a;

	for (enum bed_place place = BED_INGRESS; place <= BED_XDP; place++)
		assert_programs(who, place, 0, 0);
	fv_dp_query(bed_dp, bed[who].dp.ifindex, bed[who].port, &a);
	assert_int_equal(a.from_ns | a.to_ns | a.xdp_from_ns, 0);
	assert_false(a.uplink);
}

static void detach(enum who who)
{
	const struct fv_dp_port port = { bed[who].dp.ifindex, bed[who].port };

	OK(fv_dp_detach(bed_dp, &port, 1, &err));
}

/* ---- links and filters ---- */

static void an_uplink_has_its_own_programs(void **state)
{
	(void)state;
	assert_true(bed_dp->prog_id[FV_PROG_FROM_UPLINK] && bed_dp->prog_id[FV_PROG_TO_UPLINK]);
	for (int i = 0; i < 2; i++) {
		assert_attached(WEB, FV_DP_TC);
		assert_attached(DB, FV_DP_UPLINK);
		attach(DB, FV_DP_UPLINK);
	}
}

static void they_come_off_again(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		detach(DB);
		assert_nothing(DB);
	}
	assert_attached(WEB, FV_DP_TC);
	attach(DB, FV_DP_UPLINK);
	assert_attached(DB, FV_DP_UPLINK);
	detach(WEB);
	assert_nothing(WEB);
	assert_attached(DB, FV_DP_UPLINK);
}

/* Each is what it was attached as last, and nothing else. */
static void a_port_becomes_an_uplink_and_back(void **state)
{
	static const enum fv_dp_place places[] = { FV_DP_TC, FV_DP_UPLINK, FV_DP_XDP };

	(void)state;
	for (size_t i = 0; i < 2 * FV_ARRAY_SIZE(places); i++) {
		enum fv_dp_place place = places[i * (i / 3 + 1) % FV_ARRAY_SIZE(places)];

		attach(WEB, place);
		assert_attached(WEB, place);
	}
	assert_attached(DB, FV_DP_UPLINK);
}

/* ---- links ---- */

static void links_are_forgotten_and_made_again(void **state)
{
	(void)state;
	need_tcx();
	assert_int_equal(access(LINKS "/fv-db:fv_from_uplink", F_OK), 0);
	assert_int_equal(access(LINKS "/fv-db:fv_from_ns", F_OK), -1);
	OK(fv_dp_forget(bed_dp, bed[DB].port, &err));
	assert_nothing(DB);
	assert_int_equal(access(LINKS "/fv-db:fv_from_uplink", F_OK), -1);
	attach(DB, FV_DP_UPLINK);
	/* The pin was the last to hold it. */
	assert_int_equal(unlink(LINKS "/fv-db:fv_to_uplink"), 0);
	assert_programs(DB, BED_EGRESS, 0, 0);
	attach(DB, FV_DP_UPLINK);
	assert_attached(DB, FV_DP_UPLINK);
	/* What a run leaves that is killed while it pins. */
	assert_int_equal(rename(LINKS "/fv-db:fv_to_uplink", LINKS "/fv-db:fv_to_uplink:new"), 0);
	attach(DB, FV_DP_UPLINK);
	assert_attached(DB, FV_DP_UPLINK);
	assert_int_equal(access(LINKS "/fv-db:fv_to_uplink:new", F_OK), -1);
}

static int make_prog(const char *name)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static int foreign_link(const char *name, int where, uint32_t *ret_id)
{
	FV_AUTO_FD int fd = make_prog(name);
	struct bpf_prog_info info;
	int link = bpf_link_create(fd, bed[DB].dp.ifindex, where, NULL);

	assert_true(link >= 0);
	assert_int_equal(fv_prog_info(fd, &info), 0);
	*ret_id = info.id;
	return link;
}

static void assert_foreign(const char *ingress, const char *egress)
{
	char in[16] = "?", out[16] = "?";

	fv_dp_foreign(bed[DB].dp.ifindex, in, out);
	assert_string_equal(in, ingress);
	assert_string_equal(out, egress);
}

/* Ours are known by either name: what comes before an uplink's sees everything, too. */
static void links_of_others_stay_and_are_told(void **state)
{
	FV_AUTO_FD int first = -1;
	FV_AUTO_FD int second = -1;
	FV_AUTO_FD int third = -1;
	uint32_t before, behind, out;

	(void)state;
	need_tcx();
	assert_foreign("", "");
	detach(DB);
	assert_nothing(DB);
	first = foreign_link("before_in", INGRESS, &before);
	assert_foreign("", "");
	attach(DB, FV_DP_UPLINK);
	assert_foreign("", "");
	assert_programs(DB, BED_INGRESS, 2, bed_dp->prog_id[FV_PROG_FROM_UPLINK]);
	second = foreign_link("behind_in", INGRESS, &behind);
	third = foreign_link("some_out", EGRESS, &out);
	assert_foreign("behind_in", "some_out");
	attach(DB, FV_DP_UPLINK);
	assert_programs(DB, BED_INGRESS, 3, behind);
	assert_programs(DB, BED_EGRESS, 2, out);
	detach(DB);
	assert_programs(DB, BED_INGRESS, 2, behind);
	assert_programs(DB, BED_EGRESS, 1, out);
}

/* ---- filters ---- */

static void filters_of_others_stay(void **state)
{
	FV_AUTO_FD int fd = make_prog("theirs");
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = bed[DB].dp.ifindex,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 7, .prog_fd = fd);
	uint32_t id;

	(void)state;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	attach(DB, FV_DP_UPLINK);
	assert_int_equal(bed_programs(DB, BED_EGRESS, &id), 2);
	detach(DB);
	assert_programs(DB, BED_EGRESS, 1, opts.prog_id);
	assert_programs(DB, BED_INGRESS, 0, 0);
}

static void filters_give_way_to_links(void **state)
{
	struct fv_features features = bed_features;

	(void)state;
	OK(fv_dp_probe(&err, &bed_features));
	need_tcx();
	attach(DB, FV_DP_UPLINK);
	assert_attached(DB, FV_DP_UPLINK);
	/* As what it was not before, too. */
	attach(WEB, FV_DP_UPLINK);
	assert_attached(WEB, FV_DP_UPLINK);
	bed_features = features;
	attach(DB, FV_DP_UPLINK);
	assert_attached(DB, FV_DP_UPLINK);
	attach(WEB, FV_DP_TC);
	assert_attached(WEB, FV_DP_TC);
}

/* ---- programs ---- */

static void without_flows_there_are_none(void **state)
{
	(void)state;
	OK(fv_dp_load(&bed_features, N_WHO, 0, &err, &bed_dp));
	assert_int_equal(bed_dp->prog_id[FV_PROG_FROM_UPLINK], 0);
	assert_int_equal(bed_dp->prog_id[FV_PROG_TO_UPLINK], 0);
	assert_false(fv_dp_reads_nat(bed_dp));
}

/* As loaded, as pinned, and as another run would load them. */
static void they_know_nat_where_the_kernel_can_tell(void **state)
{
	bool nat = fv_dp_could_nat();

	(void)state;
	print_message("# this kernel %s conntrack\n",
		      nat ? "can be asked for" : "does not tell of");
	assert_int_equal(fv_dp_reads_nat(bed_dp), nat);
	fv_dp_close(&bed_dp);
	OK(fv_dp_open(&err, &bed_dp));
	assert_int_equal(fv_dp_reads_nat(bed_dp), nat);
	fv_dp_close(&bed_dp);
	OK(fv_dp_load(&bed_features, N_WHO, FV_LOAD_FLOWS | FV_LOAD_XDP, &err, &bed_dp));
	assert_int_equal(fv_dp_reads_nat(bed_dp), nat);
	assert_false(fv_dp_changed(bed_dp));
}

static int make_devices(void **state)
{
	(void)state;
	bed_make_devices();
	return 0;
}

#define LINK(name) cmocka_unit_test_setup_teardown(name, raise_links, remove_all)
#define FILTER(name)                                                                               \
	{                                                                                          \
#name " (filters)", name, raise_filters, remove_all, NULL                          \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LINK(an_uplink_has_its_own_programs),
		LINK(they_come_off_again),
		LINK(a_port_becomes_an_uplink_and_back),
		LINK(links_are_forgotten_and_made_again),
		LINK(links_of_others_stay_and_are_told),
		LINK(they_know_nat_where_the_kernel_can_tell),
		FILTER(an_uplink_has_its_own_programs),
		FILTER(they_come_off_again),
		FILTER(a_port_becomes_an_uplink_and_back),
		FILTER(filters_of_others_stay),
		FILTER(filters_give_way_to_links),
		cmocka_unit_test_setup_teardown(without_flows_there_are_none, make_devices,
						remove_all),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
