// SPDX-License-Identifier: GPL-2.0-only
/*
 * A run that is killed at any point of its work on maps, links and pins is completed by the next
 * one: afterwards what is attached uses the maps that are pinned, each program is there once, and
 * packets are counted where fastveth reads.
 *
 * wrap: fv_pin_replace bpf_link_create bpf_link_update bpf_map_update_elem bpf_map_delete_elem
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "bpf/run.h"

#define KILLED 42
#define LARGE 3000 /* endpoints: more than the least size of the maps */

/* ---- the fuse: a child ends at the point with this number ---- */

static int fuse = -1;
static bool in_maps; /* points are the writes into maps; else all the others */

static void point(bool map)
{
	if (map == in_maps && fuse >= 0 && fuse-- == 0)
		_exit(KILLED);
}

int __real_fv_pin_replace(int fd, int dir, const char *name, struct fv_err *err);
int __wrap_fv_pin_replace(int fd, int dir, const char *name, struct fv_err *err);
int __wrap_fv_pin_replace(int fd, int dir, const char *name, struct fv_err *err)
{
	char tmp[80];

	point(false);
	if (fuse != 0 || in_maps) {
		fuse -= fuse > 0 && !in_maps;
		return __real_fv_pin_replace(fd, dir, name, err);
	}
	/* Between its two steps. */
	snprintf(tmp, sizeof(tmp), "%s" FV_PIN_NEW, name);
	unlinkat(dir, tmp, 0);
	_exit(bpf_obj_pin(fd, fv_pin_at(dir, tmp).s) ? 1 : KILLED);
}

/* A function that is called by user/dp, with a point before it. */
#define WRAP(name, map, params, args)                                                              \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		point(map);                                                                        \
		return __real_##name args;                                                         \
	}

WRAP(bpf_link_create, false,
     (int prog, int target, enum bpf_attach_type type, const struct bpf_link_create_opts *opts),
     (prog, target, type, opts))
WRAP(bpf_link_update, false, (int link, int prog, const struct bpf_link_update_opts *opts),
     (link, prog, opts))
WRAP(bpf_map_update_elem, true, (int map, const void *key, const void *value, __u64 flags),
     (map, key, value, flags))
WRAP(bpf_map_delete_elem, true, (int map, const void *key), (map, key))

/* ---- one run, and what must be true after it ---- */

static struct fv_dp *dp;
static bool xdp; /* the hook that is wanted */

static void drop_dp(void)
{
	fv_dp_close(&dp);
}

/* Programs that are pinned or attached look into the maps that are pinned. */
static void assert_maps_of(uint32_t prog)
{
	__u32 ids[32], have = 0;
	struct bpf_prog_info info = { .nr_map_ids = FV_ARRAY_SIZE(ids),
				      .map_ids = (__u64)(long)ids };
	FV_AUTO_FD int fd = bpf_prog_get_fd_by_id(prog);
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	for (__u32 i = 0; i < info.nr_map_ids; i++) {
		FV_AUTO_FD int map = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info m, ours;

		assert_int_equal(fv_map_info(map, &m), 0);
		for (int j = 0; j < FV_MAP_COUNT; j++) {
			if (strcmp(m.name, fv_map_names[j]))
				continue;
			assert_int_equal(fv_map_info(dp->maps.fd[j], &ours), 0);
			if (m.id != ours.id)
				fail_msg("program %s uses another %s than the pinned one",
					 info.name, m.name);
			have++;
		}
	}
	assert_true(have >= 2);
}

/* The kernel detaches a moment later, a long one where it has much to do. */
static void assert_one(enum who who, enum bed_place place, enum fv_prog prog, bool wanted)
{
	uint32_t id = 0, must = wanted ? dp->prog_id[prog] : 0;

	for (int i = 0; bed_programs(who, place, &id) != wanted || id != must; i++) {
		if (i == 500)
			fail_msg("%s: %zu programs at place %d, the last %u; %s is %u",
				 bed[who].port, bed_programs(who, place, &id), place, id,
				 fv_prog_name(prog), must);
		usleep(20000);
	}
	if (wanted)
		assert_maps_of(id);
}

static void assert_nothing_attached(void)
{
	for (enum who who = 0; who < N_WHO; who++) {
		assert_one(who, BED_INGRESS, FV_PROG_FROM_NS, false);
		assert_one(who, BED_EGRESS, FV_PROG_TO_NS, false);
		assert_one(who, BED_XDP, FV_PROG_XDP_FROM_NS, false);
	}
}

/* Back to nothing. Filters, which hold no pin, go with their devices. */
static void start_over(void)
{
	drop_dp();
	OK(fv_dp_remove(false, &err));
	if (!bed_features.tcx) {
		bed_delete_devices();
		bed_make_devices();
	}
	assert_nothing_attached();
}

static uint64_t sent(void)
{
	struct fv_stats s;

	OK(fv_dp_stats(dp, bed[WEB].dp.ifindex, &err, &s));
	return s.c.tx_shortcut_packets;
}

/* A packet by what is attached to WEB. */
static void send(void)
{
	static const struct spec spec = { .family = 4 };
	static struct outcome out;
	static struct frame f;
	uint32_t id;
	FV_AUTO_FD int fd = -1;

	frame_make(&spec, &f);
	bed_programs(WEB, xdp ? BED_XDP : BED_INGRESS, &id);
	fd = bpf_prog_get_fd_by_id(id);
	if (xdp)
		assert_int_equal(run_xdp(fd, bed[WEB].dp.ifindex, &f, &out), 0);
	else
		assert_int_equal(run_tc(fd, bed[WEB].dp.ifindex, &f, &(struct meta){}, &out), 0);
	assert_int_equal(out.ret, xdp ? (int)XDP_REDIRECT : TC_REDIRECT);
}

static void assert_whole(void)
{
	struct fv_dp_endpoint eps[N_WHO];
	bool same = false;
	uint64_t before;
	glob_t left;

	drop_dp();
	OK(fv_dp_open(&err, &dp));
	OK(fv_dp_filled(dp, eps, bed_endpoints(eps), bed_subnets, N_SUBNETS, &err, &same));
	assert_true(same);
	for (int i = 0; i < FV_PROG_COUNT; i++)
		if (dp->prog[i] >= 0)
			assert_maps_of(dp->prog_id[i]);
	for (enum who who = 0; who < N_WHO; who++) {
		if (bed[who].absent)
			continue;
		assert_one(who, BED_INGRESS, FV_PROG_FROM_NS, !xdp);
		assert_one(who, BED_EGRESS, FV_PROG_TO_NS, true);
		assert_one(who, BED_XDP, FV_PROG_XDP_FROM_NS, xdp);
	}
	before = sent();
	send();
	assert_int_equal(sent(), before + 1);
	assert_int_equal(glob(FV_PIN_DIR "/links/*" FV_PIN_NEW, 0, NULL, &left), GLOB_NOMATCH);
	assert_int_equal(glob(FV_PIN_DIR "/v*/*/*" FV_PIN_NEW, 0, NULL, &left), GLOB_NOMATCH);
	/* And the next run finds nothing to do. */
	drop_dp();
	OK(fv_dp_load(&bed_features, N_WHO, xdp, &err, &dp));
	assert_false(fv_dp_changed(dp));
	drop_dp();
}

/* The exit code of a child that does this and is killed at a point. */
static int run_until(int n, void (*work)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		fuse = n;
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != KILLED))
		fail_msg("point %d: the run ended with status %#x", n, status);
	return WEXITSTATUS(status);
}

static size_t wanted; /* endpoints */

static void raise_wanted(void)
{
	bed_raise(wanted, xdp, &dp);
}

/*
 * Kill a run at every point, up to that which it does not reach. @start makes what is there
 * before; @n, @want_xdp: what the run wants.
 */
static void kill_everywhere(void (*start)(void), size_t n, bool want_xdp)
{
	int code = KILLED, points = 0;

	in_maps = false;
	for (; code == KILLED; points++) {
		start_over();
		start();
		drop_dp();
		xdp = want_xdp && bed_features.xdp;
		wanted = n;
		code = run_until(points, raise_wanted);
		raise_wanted();
		assert_whole();
	}
	print_message("# %d points\n", points);
	assert_true(points > (bed_features.tcx ? 30 : 15));
}

static void from_nothing(void)
{
}

static void from_xdp(void)
{
	xdp = bed_features.xdp;
	bed_raise(N_WHO, xdp, &dp);
	send();
}

/* All pins are there again after the first of the new ones: maps of two sets, of one size. */
static void from_a_missing_map(void)
{
	from_xdp();
	assert_int_equal(unlink(BED_PINS "/maps/fv_ports"), 0);
}

static void a_first_run_is_completed(void **state)
{
	(void)state;
	kill_everywhere(from_nothing, N_WHO, true);
}

static void need_xdp(void)
{
	if (!bed_features.xdp) {
		print_message("# skip: networks cannot have hook xdp on this kernel\n");
		skip();
	}
}

static void growing_with_xdp_is_completed(void **state)
{
	(void)state;
	need_xdp();
	kill_everywhere(from_xdp, LARGE, true);
}

static void growing_without_the_pinned_xdp_program_is_completed(void **state)
{
	(void)state;
	need_xdp();
	kill_everywhere(from_xdp, LARGE, false);
}

static void the_loss_of_a_pin_is_made_up_for(void **state)
{
	(void)state;
	kill_everywhere(from_a_missing_map, N_WHO, true);
}

static void fill_dp(void)
{
	bed_fill_into(dp);
}

/* Other endpoints into maps that are in use: TWIN and CROWD, in their hashes, for SMALL. */
static void a_fill_is_completed(void **state)
{
	int code = KILLED, points = 0;

	(void)state;
	start_over();
	wanted = N_WHO;
	xdp = false;
	raise_wanted();
	in_maps = true;
	for (; code == KILLED; points++) {
		struct fv_dp_endpoint eps[N_WHO];
		bool same = false;

		for (int i = 0; i < 2; i++) {
			bed[TWIN].absent = bed[CROWD].absent = i;
			bed[SMALL].absent = !i;
			if (i)
				code = run_until(points, fill_dp);
			fill_dp();
			OK(fv_dp_filled(dp, eps, bed_endpoints(eps), bed_subnets, N_SUBNETS, &err,
					&same));
			assert_true(same);
			send();
		}
	}
	print_message("# %d points\n", points);
	assert_true(points > 8);
}

/*
 * Room for flows came, but for one map, of which the pin is still that of the set before. What is used
 * then has the room.
 */
static void a_set_of_two_sizes_is_made_anew(void **state)
{
	const char *path = BED_PINS "/maps/fv_noted";
	struct bpf_map_info info;
	__u32 entries;
	int left;

	(void)state;
	drop_dp();
	OK(fv_dp_remove(false, &err));
	bed_raise(N_WHO, false, &dp);
	left = dup(dp->maps.fd[FV_MAP_NOTED]);
	drop_dp();
	OK(fv_dp_load(&bed_features, N_WHO, FV_LOAD_FLOWS, &err, &dp));
	OK(fv_map_info(dp->maps.fd[FV_MAP_NOTED], &info));
	entries = info.max_entries;
	OK(fv_map_info(left, &info));
	assert_int_not_equal(info.max_entries, entries);
	OK(fv_dp_prepare(dp, &err, NULL));
	bed_fill_into(dp);
	OK(fv_dp_commit(dp, &err));
	drop_dp();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(left, path), 0);
	close(left);
	OK(fv_dp_load(&bed_features, N_WHO, FV_LOAD_FLOWS, &err, &dp));
	OK(fv_map_info(dp->maps.fd[FV_MAP_NOTED], &info));
	assert_int_equal(info.max_entries, entries);
}

static int make_devices(void **state)
{
	(void)state;
	for (enum who who = SMALL; who < N_WHO; who++)
		bed[who].absent = who != TWIN;
	bed_make_devices();
	bed_has_filters = !bed_features.tcx;
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	drop_dp();
	OK(fv_dp_remove(false, &err));
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_run_is_completed),
		cmocka_unit_test(growing_with_xdp_is_completed),
		cmocka_unit_test(growing_without_the_pinned_xdp_program_is_completed),
		cmocka_unit_test(the_loss_of_a_pin_is_made_up_for),
		cmocka_unit_test(a_fill_is_completed),
		cmocka_unit_test(a_set_of_two_sizes_is_made_anew),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, make_devices, remove_all);
}
