// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs on ports: each once, whatever was there before, whatever became of the pins. What is
 * attached is counted by asking the kernel, not by user/dp.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/bed.h"

#define LINKS FV_PIN_DIR "/links"

static struct fv_dp *dp;

static int raise_tc(void **state)
{
	(void)state;
	bed_make_devices();
	bed_raise(N_WHO, false, &dp);
	return 0;
}

static int raise_xdp(void **state)
{
	(void)state;
	bed_make_devices();
	bed_raise(N_WHO, true, &dp);
	return 0;
}

static int raise_filters(void **state)
{
	(void)state;
	bed_make_devices();
	assert_int_equal(setenv("FASTVETH_NO_TCX", "1", 1), 0);
	OK(fv_dp_probe(&err, &bed_features));
	assert_int_equal(unsetenv("FASTVETH_NO_TCX"), 0);
	assert_false(bed_features.tcx);
	bed_raise(N_WHO, true, &dp);
	bed_attach(dp, WEB, false);
	return 0;
}

static void need_tcx(void)
{
	if (!bed_features.tcx) {
		print_message("# skip: this kernel has no tcx\n");
		skip();
	}
}

static int remove_all(void **state)
{
	(void)state;
	fv_dp_close(&dp);
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

/* Exactly our programs are on the port, each once: of TC, or of XDP where @xdp. */
static void assert_attached(enum who who, bool xdp)
{
	assert_programs(who, BED_INGRESS, !xdp, xdp ? 0 : dp->prog_id[FV_PROG_FROM_NS]);
	assert_programs(who, BED_EGRESS, 1, dp->prog_id[FV_PROG_TO_NS]);
	assert_programs(who, BED_XDP, xdp, xdp ? dp->prog_id[FV_PROG_XDP_FROM_NS] : 0);
}

/* As the room itself says it. */
static void assert_query(enum who who, bool tcx, bool xdp, bool current)
{
	struct fv_attached a;

	fv_dp_query(dp, bed[who].dp.ifindex, bed[who].port, &a);
	assert_int_equal(a.from_ns != 0, !xdp);
	assert_int_not_equal(a.to_ns, 0);
	assert_int_equal(a.xdp_from_ns != 0, xdp);
	assert_int_equal(a.tcx, tcx);
	assert_int_equal(a.current, current);
}

static void link_path(enum who who, enum fv_prog prog, char path[128])
{
	snprintf(path, 128, LINKS "/%s:%s", bed[who].port, fv_prog_name(prog));
}

static uint32_t link_id(int fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static int open_link(enum who who, enum fv_prog prog)
{
	char path[128];
	int fd;

	link_path(who, prog, path);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static void attaching_twice_is_attaching_once(void **state)
{
	FV_AUTO_FD int before = -1;
	FV_AUTO_FD int after = -1;

	(void)state;
	need_tcx();
	before = open_link(WEB, FV_PROG_FROM_NS);
	assert_attached(WEB, false);
	assert_query(WEB, bed_features.tcx, false, true);
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
	after = open_link(WEB, FV_PROG_FROM_NS);
	assert_int_equal(link_id(before), link_id(after));
}

/* A pin deleted or moved away while something else still holds the link. */
static void adopt(enum fv_prog prog, bool xdp)
{
	FV_AUTO_FD int before = open_link(WEB, prog);
	FV_AUTO_FD int after = -1;
	struct fv_attached a;
	char path[128];

	link_path(WEB, prog, path);
	assert_int_equal(unlink(path), 0);
	assert_attached(WEB, xdp);
	fv_dp_query(dp, bed[WEB].dp.ifindex, bed[WEB].port, &a);
	/* No query tells of an XDP link: it is missed, and so it will be attached. */
	assert_false(a.current && (!xdp || a.xdp_from_ns));
	bed_attach(dp, WEB, xdp);
	assert_attached(WEB, xdp);
	assert_query(WEB, bed_features.tcx, xdp, true);
	after = open_link(WEB, prog);
	assert_int_equal(link_id(before), link_id(after));
}

static void a_link_without_a_pin_is_adopted(void **state)
{
	(void)state;
	need_tcx();
	adopt(FV_PROG_FROM_NS, false);
	adopt(FV_PROG_TO_NS, false);
}

static void an_xdp_link_without_a_pin_is_adopted(void **state)
{
	(void)state;
	assert_attached(WEB, true);
	if (bed_features.tcx)
		adopt(FV_PROG_TO_NS, true);
	adopt(FV_PROG_XDP_FROM_NS, true);
}

/* What a run leaves that is killed between pinning under a temporary name and renaming. */
static void adopt_half_pinned(enum fv_prog prog, bool xdp)
{
	char path[128], tmp[140];
	uint32_t before;
	int fd;

	link_path(WEB, prog, path);
	snprintf(tmp, sizeof(tmp), "%s:new", path);
	fd = open_link(WEB, prog);
	before = link_id(fd);
	close(fd);
	assert_int_equal(rename(path, tmp), 0);
	bed_attach(dp, WEB, xdp);
	assert_attached(WEB, xdp);
	assert_int_equal(access(tmp, F_OK), -1);
	fd = open_link(WEB, prog);
	assert_int_equal(link_id(fd), before);
	close(fd);
}

static void a_half_pinned_link_is_adopted(void **state)
{
	(void)state;
	need_tcx();
	adopt_half_pinned(FV_PROG_FROM_NS, false);
	adopt_half_pinned(FV_PROG_TO_NS, false);
}

static void a_half_pinned_xdp_link_is_adopted(void **state)
{
	(void)state;
	adopt_half_pinned(FV_PROG_XDP_FROM_NS, true);
}

/* Half pinned, and then the port is given the other hook, or up. */
static void a_half_pinned_link_goes_with_the_others(void **state)
{
	char path[128], tmp[140];

	(void)state;
	need_tcx();
	for (enum fv_prog prog = 0; prog < FV_PROG_COUNT; prog++) {
		/* The other hook has no link, and an uplink's programs are not on ports. */
		if (prog != FV_PROG_TO_NS && prog != FV_PROG_XDP_FROM_NS)
			continue;
		link_path(WEB, prog, path);
		snprintf(tmp, sizeof(tmp), "%s:new", path);
		assert_int_equal(rename(path, tmp), 0);
	}
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
	link_path(DB, FV_PROG_TO_NS, path);
	snprintf(tmp, sizeof(tmp), "%s:new", path);
	assert_int_equal(rename(path, tmp), 0);
	OK(fv_dp_forget(dp, bed[DB].port, &err));
	assert_programs(DB, BED_EGRESS, 0, 0);
	assert_programs(DB, BED_XDP, 0, 0);
}

/* The last reference was the pin: the kernel detaches, and the next run attaches. */
static void a_lost_link_is_made_again(void **state)
{
	char path[128];

	(void)state;
	need_tcx();
	link_path(WEB, FV_PROG_TO_NS, path);
	assert_int_equal(unlink(path), 0);
	assert_programs(WEB, BED_EGRESS, 0, 0);
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
}

/* A link pinned under the port's name, but on an earlier device of that name. */
static void a_pin_of_an_earlier_device_is_replaced(void **state)
{
	(void)state;
	bed_delete_device(WEB);
	bed[WEB].dp.ifindex = 3999;
	bed_make_device(WEB);
	bed_fill_into(dp);
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
	assert_query(WEB, bed_features.tcx, false, true);
}

static void hooks_change_both_ways(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		bed_attach(dp, WEB, false);
		assert_attached(WEB, false);
		assert_query(WEB, bed_features.tcx, false, true);
		bed_attach(dp, WEB, true);
		assert_attached(WEB, true);
		assert_query(WEB, bed_features.tcx, true, true);
	}
	/* The other ports do not notice. */
	assert_attached(DB, true);
}

static int make_prog(enum bpf_prog_type type, const char *name, int retval)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = retval },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, name, "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void an_xdp_program_of_others_stays(void **state)
{
	FV_AUTO_FD int fd = make_prog(BPF_PROG_TYPE_XDP, "theirs", XDP_PASS);
	struct bpf_prog_info info;
	struct fv_err e = {};

	(void)state;
	assert_int_equal(fv_prog_info(fd, &info), 0);
	bed_attach(dp, WEB, false);
	assert_programs(WEB, BED_XDP, 0, 0);
	assert_int_equal(bpf_xdp_attach(bed[WEB].dp.ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_int_equal(
		fv_dp_attach(dp, &bed_features, bed[WEB].dp.ifindex, bed[WEB].port, true, &e),
		-EBUSY);
	assert_non_null(strstr(e.msg, "fv_xdp_from_ns on fv-web: another XDP program is there"));
	/* The port goes on with what it had, and TC programs do not mind. */
	assert_programs(WEB, BED_INGRESS, 1, dp->prog_id[FV_PROG_FROM_NS]);
	bed_attach(dp, WEB, false);
	assert_programs(WEB, BED_INGRESS, 1, dp->prog_id[FV_PROG_FROM_NS]);
	assert_programs(WEB, BED_XDP, 1, info.id);
}

static void tcx_programs_of_others_stay(void **state)
{
	FV_AUTO_FD int fd = make_prog(BPF_PROG_TYPE_SCHED_CLS, "theirs", -1);
	FV_AUTO_FD int link = -1;
	struct bpf_prog_info info;

	(void)state;
	need_tcx();
	assert_int_equal(fv_prog_info(fd, &info), 0);
	link = bpf_link_create(fd, bed[WEB].dp.ifindex, 46 /* BPF_TCX_INGRESS */, NULL);
	assert_true(link >= 0);
	bed_attach(dp, WEB, false);
	assert_programs(WEB, BED_INGRESS, 2, info.id);
	OK(fv_dp_forget(dp, bed[WEB].port, &err));
	assert_programs(WEB, BED_INGRESS, 1, info.id);
	assert_programs(WEB, BED_EGRESS, 0, 0);
}

/* Programs of an earlier build are pinned and attached: replaced in their links. */
static void an_earlier_build_is_replaced_in_place(void **state)
{
	static const char pin[] = BED_PINS "/progs/fv_from_ns";
	FV_AUTO_FD int old = make_prog(BPF_PROG_TYPE_SCHED_CLS, "fv_from_ns", -1);
	FV_AUTO_FD int link = -1;
	FV_AUTO_FD int after = -1;
	struct bpf_prog_info info;
	uint32_t id, to_ns = dp->prog_id[FV_PROG_TO_NS];

	(void)state;
	need_tcx();
	link = open_link(WEB, FV_PROG_FROM_NS);
	assert_int_equal(fv_prog_info(old, &info), 0);
	assert_int_equal(unlink(pin), 0);
	assert_int_equal(bpf_obj_pin(old, pin), 0);
	assert_int_equal(bpf_link_update(link, old, NULL), 0);
	fv_dp_close(&dp);
	OK(fv_dp_open(&err, &dp));
	assert_int_equal(dp->prog_id[FV_PROG_FROM_NS], info.id);
	fv_dp_close(&dp);
	OK(fv_dp_load(&bed_features, N_WHO, false, &err, &dp));
	assert_true(fv_dp_changed(dp));
	assert_query(WEB, bed_features.tcx, false, false);
	bed_attach(dp, WEB, false);
	OK(fv_dp_commit(dp, &err));
	assert_attached(WEB, false);
	assert_query(WEB, bed_features.tcx, false, true);
	after = open_link(WEB, FV_PROG_FROM_NS);
	assert_int_equal(link_id(link), link_id(after));
	assert_int_equal(bed_programs(WEB, BED_INGRESS, &id), 1);
	assert_int_not_equal(id, info.id);
	/* The program that was this build's already stays. */
	assert_int_equal(dp->prog_id[FV_PROG_TO_NS], to_ns);
}

static void forgotten_ports_have_nothing(void **state)
{
	char path[128];

	(void)state;
	need_tcx();
	OK(fv_dp_forget(dp, bed[WEB].port, &err));
	OK(fv_dp_forget(dp, bed[WEB].port, &err));
	for (enum bed_place place = BED_INGRESS; place <= BED_XDP; place++)
		assert_programs(WEB, place, 0, 0);
	/* The pins of devices that are gone go, those of the others do not. */
	bed_delete_device(DB);
	link_path(DB, FV_PROG_XDP_FROM_NS, path);
	assert_int_equal(access(path, F_OK), 0);
	OK(fv_dp_sweep(dp, &err));
	assert_int_equal(access(path, F_OK), -1);
	link_path(SMALL, FV_PROG_XDP_FROM_NS, path);
	assert_int_equal(access(path, F_OK), 0);
	assert_attached(SMALL, true);
}

static void dots_in_names_are_no_harm(void **state)
{
	const char *keep = bed[WEB].port;

	(void)state;
	bed_delete_device(WEB);
	bed[WEB].port = "fv-a.b.c";
	bed_make_device(WEB);
	bed_fill_into(dp);
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
	assert_query(WEB, bed_features.tcx, false, true);
	OK(fv_dp_forget(dp, bed[WEB].port, &err));
	bed_delete_device(WEB);
	bed[WEB].port = keep;
}

/* ---- without tcx ---- */

static void filters_are_attached_once(void **state)
{
	(void)state;
	assert_attached(WEB, false);
	assert_query(WEB, false, false, true);
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
}

static void filters_of_others_stay(void **state)
{
	FV_AUTO_FD int fd = make_prog(BPF_PROG_TYPE_SCHED_CLS, "theirs", -1);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = bed[WEB].dp.ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 7, .prog_fd = fd);
	uint32_t id;

	(void)state;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	bed_attach(dp, WEB, false);
	assert_int_equal(bed_programs(WEB, BED_INGRESS, &id), 2);
	bed_attach(dp, WEB, true);
	assert_programs(WEB, BED_INGRESS, 1, opts.prog_id);
}

static void filters_give_way_to_links(void **state)
{
	struct fv_features features = bed_features;

	(void)state;
	OK(fv_dp_probe(&err, &bed_features));
	need_tcx();
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
	assert_query(WEB, bed_features.tcx, false, true);
	/* And back, as after an older kernel was booted. */
	bed_features = features;
	bed_attach(dp, WEB, false);
	assert_attached(WEB, false);
	assert_query(WEB, false, false, true);
}

static void filters_of_an_earlier_build_are_replaced(void **state)
{
	uint32_t id, before;

	(void)state;
	assert_int_equal(bed_programs(WEB, BED_INGRESS, &before), 1);
	fv_dp_close(&dp);
	OK(fv_dp_load(&bed_features, 3000, false, &err, &dp));
	OK(fv_dp_prepare(dp, &err, NULL));
	bed_fill_into(dp);
	bed_attach(dp, WEB, false);
	OK(fv_dp_commit(dp, &err));
	assert_attached(WEB, false);
	assert_int_equal(bed_programs(WEB, BED_INGRESS, &id), 1);
	assert_int_not_equal(id, before);
}

#define TC(name) cmocka_unit_test_setup_teardown(name, raise_tc, remove_all)
#define XDP(name) cmocka_unit_test_setup_teardown(name, raise_xdp, remove_all)
#define FILTERS(name) cmocka_unit_test_setup_teardown(name, raise_filters, remove_all)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TC(attaching_twice_is_attaching_once),
		TC(a_link_without_a_pin_is_adopted),
		XDP(an_xdp_link_without_a_pin_is_adopted),
		TC(a_half_pinned_link_is_adopted),
		XDP(a_half_pinned_xdp_link_is_adopted),
		XDP(a_half_pinned_link_goes_with_the_others),
		TC(a_lost_link_is_made_again),
		TC(a_pin_of_an_earlier_device_is_replaced),
		XDP(hooks_change_both_ways),
		XDP(an_xdp_program_of_others_stays),
		TC(tcx_programs_of_others_stay),
		TC(an_earlier_build_is_replaced_in_place),
		XDP(forgotten_ports_have_nothing),
		TC(dots_in_names_are_no_harm),
		FILTERS(filters_are_attached_once),
		FILTERS(filters_of_others_stay),
		FILTERS(filters_give_way_to_links),
		FILTERS(filters_of_an_earlier_build_are_replaced),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
