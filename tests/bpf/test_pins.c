// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pins: what is there is used again, grows without losing a count, and is refused where it
 * is not ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bpf/run.h"

#define MAPS BED_PINS "/maps"
#define PROGS BED_PINS "/progs"

static struct fv_dp *dp;
static struct frame f;

static int make_devices(void **state)
{
	(void)state;
	bed_make_devices();
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	fv_dp_close(&dp);
	OK(fv_dp_remove(false, &err));
	assert_int_equal(access(FV_PIN_DIR, F_OK), -1);
	bed_delete_devices();
	return 0;
}

/* So many packets from WEB by whatever is attached there: to DB, or to the outside. */
static void send_to(const char *dst, unsigned int n)
{
	const struct spec spec = { .family = 4, .dst = dst };
	static const struct meta none;
	static struct outcome out;
	uint32_t id;
	FV_AUTO_FD int xdp = -1;
	FV_AUTO_FD int tc = -1;

	frame_make(&spec, &f);
	if (bed_programs(WEB, BED_XDP, &id)) {
		xdp = bpf_prog_get_fd_by_id(id);
		for (; n; n--) {
			assert_int_equal(run_xdp(xdp, bed[WEB].dp.ifindex, &f, &out), 0);
			assert_int_equal(out.ret, dst ? XDP_PASS : XDP_REDIRECT);
		}
		return;
	}
	assert_int_equal(bed_programs(WEB, BED_INGRESS, &id), 1);
	tc = bpf_prog_get_fd_by_id(id);
	for (; n; n--) {
		assert_int_equal(run_tc(tc, bed[WEB].dp.ifindex, &f, &none, &out), 0);
		assert_int_equal(out.ret, dst ? TC_NEXT : TC_REDIRECT);
	}
}

static void send(unsigned int n)
{
	send_to(NULL, n);
}

static uint64_t sent_by_web(void)
{
	struct fv_stats s;

	OK(fv_dp_stats(dp, bed[WEB].dp.ifindex, &err, &s));
	return s.c.tx_shortcut_packets;
}

static uint32_t map_id(enum fv_map map)
{
	struct bpf_map_info info;

	assert_int_equal(fv_map_info(dp->maps.fd[map], &info), 0);
	return info.id;
}

static void nothing_is_no_error(void **state)
{
	struct fv_err err = {};

	(void)state;
	assert_int_equal(fv_dp_open(&err, &dp), -ENOENT);
	assert_int_equal(err.code, 0);
	assert_null(dp);
}

static void a_load_leaves_nothing(void **state)
{
	struct fv_err e = {};
	struct stat st;
	struct fv_dp *other = NULL;
	bool mounted = false;

	(void)state;
	OK(fv_dp_load(&bed_features, N_WHO, true, &err, &dp));
	assert_true(fv_dp_changed(dp));
	bed_fill_into(dp);
	assert_int_equal(access(FV_PIN_DIR, F_OK), -1);
	OK(fv_dp_prepare(dp, &err, &mounted));
	assert_false(mounted);
	assert_int_equal(stat(FV_PIN_DIR, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fv_dp_open(&e, &other), -ENOENT);
	assert_int_equal(e.code, 0);
	OK(fv_dp_commit(dp, &err));
	assert_false(fv_dp_changed(dp));
	OK(fv_dp_open(&err, &other));
	fv_dp_close(&other);
}

static void what_is_pinned_is_used_again(void **state)
{
	struct fv_dp_endpoint eps[N_WHO];
	uint32_t maps[FV_MAP_COUNT], progs[FV_PROG_COUNT];
	bool same = false;

	(void)state;
	bed_raise(N_WHO, bed_features.xdp, &dp);
	send(3);
	for (int i = 0; i < FV_MAP_COUNT; i++)
		maps[i] = map_id(i);
	memcpy(progs, dp->prog_id, sizeof(progs));
	fv_dp_close(&dp);
	OK(fv_dp_load(&bed_features, N_WHO, bed_features.xdp, &err, &dp));
	assert_false(fv_dp_changed(dp));
	for (int i = 0; i < FV_MAP_COUNT; i++)
		assert_int_equal(map_id(i), maps[i]);
	assert_memory_equal(progs, dp->prog_id, sizeof(progs));
	OK(fv_dp_filled(dp, eps, bed_endpoints(eps), bed_subnets, N_SUBNETS, &err, &same));
	assert_true(same);
	assert_int_equal(sent_by_web(), 3);
	send(2);
	assert_int_equal(sent_by_web(), 5);
}

static void assert_gone(uint32_t id)
{
	/* Maps go a moment after their last user. */
	for (int i = 0; i < 100; i++) {
		int fd = bpf_map_get_fd_by_id(id);

		if (fd == -ENOENT)
			return;
		if (fd >= 0)
			close(fd);
		usleep(50000);
	}
	fail_msg("map %u is still there", id);
}

/* Larger maps in place of the pinned ones: no count is lost, no link made anew. */
static void grow(bool xdp)
{
	struct fv_dp_link *before = NULL, *after = NULL;
	struct fv_stats stats[2];
	uint32_t old_counters;
	size_t n, m;

	bed_raise(N_WHO, xdp, &dp);
	send(7);
	send_to("192.0.2.1", 2);
	old_counters = map_id(FV_MAP_COUNTERS);
	OK(fv_dp_stats(dp, bed[WEB].dp.ifindex, &err, &stats[0]));
	OK(fv_dp_inspect_links(dp, &err, &before, &n));
	fv_dp_close(&dp);

	OK(fv_dp_load(&bed_features, 3000, xdp, &err, &dp));
	assert_true(fv_dp_changed(dp));
	assert_true(dp->maps.slots >= 3000);
	OK(fv_dp_prepare(dp, &err, NULL));
	bed_fill_into(dp);
	/* Still the old ones, which are still attached. */
	send(4);
	for (enum who who = 0; who < N_WHO; who++)
		if (!bed[who].absent)
			bed_attach(dp, who, xdp && who != JUMBO);
	send(5);
	OK(fv_dp_commit(dp, &err));
	assert_int_equal(sent_by_web(), 16);
	send(1);
	assert_int_equal(sent_by_web(), 17);
	OK(fv_dp_stats(dp, bed[DB].dp.ifindex, &err, &stats[1]));
	assert_int_equal(stats[1].c.rx_shortcut_packets, 17);
	assert_int_equal(stats[1].c.rx_shortcut_bytes, 17 * f.len);
	OK(fv_dp_stats(dp, bed[WEB].dp.ifindex, &err, &stats[1]));
	assert_int_equal(stats[0].r.slow[FV_SLOW_OUTSIDE], 2);
	assert_memory_equal(&stats[1].r, &stats[0].r, sizeof(stats[0].r));
	assert_int_equal(stats[1].c.tx_other_packets, 2);
	OK(fv_dp_inspect_links(dp, &err, &after, &m));
	assert_int_equal(n, m);
	assert_true(n >= (bed_features.tcx ? 18 : xdp ? 8 : 0));
	for (size_t i = 0; i < n; i++) {
		size_t j = 0;

		while (j < m && strcmp(before[i].pin, after[j].pin))
			j++;
		assert_true(j < m);
		assert_int_equal(before[i].id, after[j].id);
		assert_int_not_equal(before[i].prog_id, after[j].prog_id);
	}
	free(before);
	free(after);
	fv_dp_close(&dp);
	OK(fv_dp_open(&err, &dp));
	assert_int_equal(sent_by_web(), 17);
	assert_gone(old_counters);
}

static void growing_keeps_counts_and_links(void **state)
{
	(void)state;
	grow(false);
}

static void need_xdp(void)
{
	if (!bed_features.xdp) {
		print_message("# skip: networks cannot have hook xdp on this kernel\n");
		skip();
	}
}

static void growing_keeps_counts_and_links_of_xdp(void **state)
{
	(void)state;
	need_xdp();
	grow(true);
}

/* A load without XDP must not leave a pinned XDP program with the maps of before. */
static void growing_takes_an_idle_xdp_program_along(void **state)
{
	uint32_t id;

	(void)state;
	need_xdp();
	bed_raise(N_WHO, true, &dp);
	id = dp->prog_id[FV_PROG_XDP_FROM_NS];
	fv_dp_close(&dp);
	OK(fv_dp_load(&bed_features, 3000, false, &err, &dp));
	assert_int_not_equal(dp->prog_id[FV_PROG_XDP_FROM_NS], id);
	OK(fv_dp_prepare(dp, &err, NULL));
	bed_fill_into(dp);
	bed_attach(dp, WEB, true);
	OK(fv_dp_commit(dp, &err));
	send(2);
	assert_int_equal(sent_by_web(), 2);
}

/* ---- what is not ours ---- */

static void assert_refused(const char *what, const char *message)
{
	struct fv_err err = {};
	int r;

	fv_dp_close(&dp);
	r = fv_dp_load(&bed_features, N_WHO, true, &err, &dp);
	if (r != -EINVAL && r != -EPERM && r != -ELOOP && r != -ENOTDIR && r != -EACCES)
		fail_msg("%s: load: %d %s", what, r, err.msg);
	if (!strstr(err.msg, message) || !strstr(err.msg, FV_PIN_DIR))
		fail_msg("%s: load says: %s", what, err.msg);
	err = (struct fv_err){};
	r = fv_dp_open(&err, &dp);
	if (!r || r == -ENOENT || !strstr(err.msg, message))
		fail_msg("%s: open: %d %s", what, r, err.msg);
}

static int make_map(enum bpf_map_type type, const char *name, __u32 value_size)
{
	int fd = bpf_map_create(type, name, 4, value_size, 1024, NULL);

	assert_true(fd >= 0);
	return fd;
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

static void plant(int fd, const char *path)
{
	unlink(path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

/* Each map's pin replaced by a map of another kind, one of another name, a program. */
static void assert_map_refused(enum fv_map map)
{
	const char *name = fv_map_names[map];
	char path[128], keep[128];

	snprintf(path, sizeof(path), MAPS "/%s", name);
	snprintf(keep, sizeof(keep), MAPS "/kept:%s", name);
	assert_int_equal(rename(path, keep), 0);
	plant(make_map(BPF_MAP_TYPE_LRU_HASH, name, 8), path);
	assert_refused(name, name);
	plant(make_map(BPF_MAP_TYPE_ARRAY, "other", 64), path);
	assert_refused(name, name);
	plant(make_prog(name), path);
	assert_refused(name, name);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(keep, path), 0);
}

static void maps_of_others_are_refused(void **state)
{
	(void)state;
	bed_raise(N_WHO, bed_features.xdp, &dp);
	for (int i = 0; i < FV_MAP_COUNT; i++)
		assert_map_refused(i);
	/* Nothing of it did harm. */
	OK(fv_dp_open(&err, &dp));
	send(1);
	assert_int_equal(sent_by_web(), 1);
}

static void a_map_of_others_is_refused_where_ours_are_missing(void **state)
{
	char path[128];

	(void)state;
	bed_raise(N_WHO, false, &dp);
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		snprintf(path, sizeof(path), MAPS "/%s", fv_map_names[i]);
		assert_int_equal(unlink(path), 0);
	}
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct stat before, after;

		snprintf(path, sizeof(path), MAPS "/%s", fv_map_names[i]);
		plant(make_map(BPF_MAP_TYPE_LRU_HASH, "other", 8), path);
		assert_int_equal(stat(path, &before), 0);
		assert_refused(fv_map_names[i], fv_map_names[i]);
		assert_int_equal(stat(path, &after), 0);
		assert_int_equal(before.st_ino, after.st_ino);
		assert_int_equal(unlink(path), 0);
	}
}

static void programs_of_others_are_refused(void **state)
{
	static const char *const names[] = { "fv_from_ns", "fv_to_ns", "fv_xdp_from_ns" };

	(void)state;
	bed_raise(N_WHO, true, &dp);
	for (size_t i = 0; i < FV_ARRAY_SIZE(names); i++) {
		char path[128], keep[128];

		snprintf(path, sizeof(path), PROGS "/%s", names[i]);
		snprintf(keep, sizeof(keep), PROGS "/kept:%s", names[i]);
		assert_int_equal(rename(path, keep), 0);
		plant(make_prog("other"), path);
		assert_refused(names[i], names[i]);
		plant(make_map(BPF_MAP_TYPE_HASH, names[i], 8), path);
		assert_refused(names[i], names[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(rename(keep, path), 0);
	}
}

static void directories_of_others_are_refused(void **state)
{
	(void)state;
	bed_raise(N_WHO, false, &dp);
	assert_int_equal(chmod(FV_PIN_DIR, 0755), 0);
	assert_refused("readable by all", "with mode 0755");
	assert_int_equal(chmod(FV_PIN_DIR, 0700), 0);
	assert_int_equal(chown(FV_PIN_DIR, 1000, 0), 0);
	assert_refused("somebody else's", "belongs to uid 1000");
	assert_int_equal(chown(FV_PIN_DIR, 0, 0), 0);
	assert_int_equal(rename(FV_PIN_DIR, FV_BPFFS "/elsewhere"), 0);
	assert_int_equal(symlink(FV_BPFFS "/elsewhere", FV_PIN_DIR), 0);
	assert_refused("a symbolic link", "");
	assert_int_equal(unlink(FV_PIN_DIR), 0);
	assert_int_equal(rename(FV_BPFFS "/elsewhere", FV_PIN_DIR), 0);
	OK(fv_dp_open(&err, &dp));
}

/* ---- links of other network namespaces, which the kernel lists among ours ---- */

static struct bpf_link_info info_of(int link)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &len), 0);
	return info;
}

/*
 * A link of a program with our name, on a device with WEB's number, in a namespace of its own, which
 * lives as long as @ret_ns.
 */
static int link_elsewhere(int *ret_ns)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	FV_AUTO_FD int prog =
		bpf_prog_load(BPF_PROG_TYPE_XDP, "fv_xdp_from_ns", "GPL", pass, 2, NULL);
	FV_AUTO_FD int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int link;

	assert_true(prog >= 0 && home >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	*ret_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(*ret_ns >= 0);
	bed_sh("ip link add other index %d type veth peer name otherpeer", bed[WEB].dp.ifindex);
	link = bpf_link_create(prog, bed[WEB].dp.ifindex, BPF_XDP, &opts);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	assert_true(link >= 0);
	return link;
}

static void a_link_of_another_namespace_is_not_adopted(void **state)
{
	static const char pin[] = FV_PIN_DIR "/links/fv-web:fv_xdp_from_ns";
	FV_AUTO_FD int ns = -1;
	/* Made before ours, so it is the first one to be found. */
	FV_AUTO_FD int elsewhere = link_elsewhere(&ns);
	FV_AUTO_FD int ours = -1;
	FV_AUTO_FD int adopted = -1;
	struct bpf_link_info other = info_of(elsewhere), mine;

	(void)state;
	bed_raise(N_WHO, true, &dp);
	ours = bpf_obj_get(pin);
	mine = info_of(ours);
	assert_true(other.id < mine.id);
	assert_int_equal(other.xdp.ifindex, mine.xdp.ifindex);
	assert_int_equal(unlink(pin), 0);
	bed_attach(dp, WEB, true);
	adopted = bpf_obj_get(pin);
	assert_int_equal(info_of(adopted).id, mine.id);
	assert_int_equal(info_of(elsewhere).prog_id, other.prog_id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_devices, remove_all)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(nothing_is_no_error),
		TEST(a_load_leaves_nothing),
		TEST(what_is_pinned_is_used_again),
		TEST(growing_keeps_counts_and_links),
		TEST(growing_keeps_counts_and_links_of_xdp),
		TEST(growing_takes_an_idle_xdp_program_along),
		TEST(maps_of_others_are_refused),
		TEST(a_map_of_others_is_refused_where_ours_are_missing),
		TEST(programs_of_others_are_refused),
		TEST(directories_of_others_are_refused),
		TEST(a_link_of_another_namespace_is_not_adopted),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
