// SPDX-License-Identifier: GPL-2.0-only
/* Maps and programs: loaded, compared with what is pinned, pinned. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dp/priv.h"
#include "fastveth_nat.skel.h"
#include "fastveth_tc.skel.h"
#include "fastveth_xdp.skel.h"

#define MIN_SLOTS 1024
#define MAX_SUBNETS (4 * FV_NETWORK_ID_MAX)
#define NAT_MARK ".rodata.nat" /* constants that fastveth_nat.bpf.c has beyond the other */
#define NO_FLOWS 16	       /* an LRU hash of less is refused by some kernels */

/* The first warning of libbpf since a load began: the others follow from it. */
static char libbpf_says[512];

static int keep_warning(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBBPF_WARN || *libbpf_says)
		return 0;
	vsnprintf(libbpf_says, sizeof(libbpf_says), fmt, ap);
	libbpf_says[strcspn(libbpf_says, "\n")] = '\0';
	return 0;
}

static void dp_init(struct fv_dp *dp)
{
	memset(dp, 0, sizeof(*dp));
	dp->dir = dp->maps_dir = dp->progs_dir = dp->links_dir = -1;
	memset(dp->prog, -1, sizeof(dp->prog));
	fv_maps_init(&dp->maps);
	fv_maps_init(&dp->old);
}

void fv_dp_close(struct fv_dp **dp_)
{
	struct fv_dp *dp = *dp_;

	if (!dp)
		return;
	fv_maps_fini(&dp->maps);
	fv_maps_fini(&dp->old);
	for (int i = 0; i < FV_PROG_COUNT; i++)
		if (dp->prog[i] >= 0)
			close(dp->prog[i]);
	fv_cleanup_fd(&dp->maps_dir);
	fv_cleanup_fd(&dp->progs_dir);
	fv_cleanup_fd(&dp->links_dir);
	fv_cleanup_fd(&dp->dir);
	free(dp);
	*dp_ = NULL;
}

/* Those that are open already stay. -ENOENT without a message where one is missing. */
static int open_dirs(struct fv_dp *dp, bool create, struct fv_err *err, bool *ret_mounted)
{
	FV_AUTO_FD int abi = -1;
	char name[16];
	int r = 0;

	if (dp->dir < 0)
		r = fv_pins_open(create, err, &dp->dir, ret_mounted);
	if (!r && dp->links_dir < 0)
		r = fv_pins_subdir(dp->dir, "links", create, err, &dp->links_dir);
	if (r)
		return r;
	snprintf(name, sizeof(name), "v%d", FV_ABI);
	r = fv_pins_subdir(dp->dir, name, create, err, &abi);
	if (!r && dp->maps_dir < 0)
		r = fv_pins_subdir(abi, "maps", create, err, &dp->maps_dir);
	if (!r && dp->progs_dir < 0)
		r = fv_pins_subdir(abi, "progs", create, err, &dp->progs_dir);
	return r;
}

int fv_dp_prepare(struct fv_dp *dp, struct fv_err *err, bool *ret_mounted)
{
	return open_dirs(dp, true, err, ret_mounted);
}

static int open_progs(struct fv_dp *dp, struct fv_err *err)
{
	for (int i = 0; i < FV_PROG_COUNT; i++) {
		struct bpf_prog_info info;
		int fd, r;

		fd = bpf_obj_get(fv_pin_at(dp->progs_dir, fv_prog_name(i)).s);
		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return fv_err_set(err, fd, "%s: opening the pin of %s: %s", FV_PIN_DIR,
					  fv_prog_name(i), strerror(-fd));
		dp->prog[i] = fd;
		r = fv_prog_info(fd, &info);
		if (r || strcmp(info.name, fv_prog_name(i)))
			return fv_err_set(
				err, r ?: -EINVAL,
				"%s: the pin of %s is something else, not made by fastveth; look "
				"at it and remove it",
				FV_PIN_DIR, fv_prog_name(i));
		dp->prog_id[i] = info.id;
	}
	return 0;
}

int fv_dp_open(struct fv_err *err, struct fv_dp **ret)
{
	FV_CLEANUP(fv_dp_close) struct fv_dp *dp = malloc(sizeof(*dp));
	int r;

	if (!dp)
		return fv_err_oom(err);
	libbpf_set_print(keep_warning);
	dp_init(dp);
	r = open_dirs(dp, false, err, NULL);
	r = r ?: fv_maps_open(dp->maps_dir, &dp->maps, err);
	r = r ?: open_progs(dp, err);
	if (r)
		return r;
	*ret = FV_TAKE_PTR(dp);
	return 0;
}

bool fv_dp_reads_nat(const struct fv_dp *dp)
{
	__u32 ids[64];
	struct bpf_prog_info info = { .nr_map_ids = FV_ARRAY_SIZE(ids),
				      .map_ids = (__u64)(unsigned long)ids };
	__u32 len = sizeof(info);
	FV_AUTO_FD int prog = bpf_obj_get(fv_pin_at(dp->progs_dir, fv_prog_name(FV_PROG_TO_NS)).s);

	if (prog < 0 || bpf_obj_get_info_by_fd(prog, &info, &len) ||
	    info.nr_map_ids > FV_ARRAY_SIZE(ids))
		return false;
	for (__u32 i = 0; i < info.nr_map_ids; i++) {
		FV_AUTO_FD int fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info map;

		if (fd >= 0 && !fv_map_info(fd, &map) && !strcmp(map.name, NAT_MARK))
			return true;
	}
	return false;
}

/* Are all maps of ours that a program uses of this set? */
static bool uses_maps(int prog, const struct fv_maps *maps)
{
	__u32 ids[64];
	struct bpf_prog_info info = { .nr_map_ids = FV_ARRAY_SIZE(ids),
				      .map_ids = (__u64)(unsigned long)ids };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog, &info, &len) || info.nr_map_ids > FV_ARRAY_SIZE(ids))
		return false;
	for (__u32 i = 0; i < info.nr_map_ids; i++) {
		FV_AUTO_FD int fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info used, ours;

		if (fd < 0 || fv_map_info(fd, &used))
			return false;
		for (int j = 0; j < FV_MAP_COUNT; j++)
			if (!strcmp(used.name, fv_map_names[j]) &&
			    (fv_map_info(maps->fd[j], &ours) || ours.id != used.id))
				return false;
	}
	return true;
}

/*
 * Pinned programs that use other maps than the pinned ones: what a run leaves that is killed after it
 * has pinned new maps. Their tags are those of this build all the same.
 */
static void drop_stale_progs(struct fv_dp *dp)
{
	for (int i = 0; i < FV_PROG_COUNT; i++) {
		if (dp->prog[i] < 0 || uses_maps(dp->prog[i], &dp->maps))
			continue;
		close(FV_TAKE_FD(dp->prog[i]));
		dp->prog_id[i] = 0;
	}
}

static uint32_t slots_for(size_t n_endpoints)
{
	uint32_t slots = MIN_SLOTS;

	while (slots < 2 * n_endpoints)
		slots *= 2;
	return slots;
}

/* Notes of each CPU: a power of two, and the index of every one fits skb->tc_index. */
static uint32_t notes_per_cpu(void)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t n = FV_NOTES_PER_CPU;

	while (n > 1 && (int64_t)n * cpus > FV_NOTES_MAX)
		n /= 2;
	return n;
}

/* The coarse clock goes with them. */
uint32_t fv_ticks_per_second(void)
{
	struct timespec res = {};

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &res) || !res.tv_nsec || res.tv_sec)
		return 100;
	return (1000000000 + res.tv_nsec / 2) / res.tv_nsec;
}

/* New maps get their sizes, existing ones are handed to the object. */
static int give_maps(struct bpf_object *obj, const struct fv_maps *maps, uint32_t slots, bool flows,
		     struct fv_err *err)
{
	const __u32 entries[FV_MAP_COUNT] = {
		[FV_MAP_PORTS] = 2 * slots,
		[FV_MAP_PORTS_X] = slots,
		[FV_MAP_ENDPOINTS] = 4 * slots,
		[FV_MAP_ENDPOINTS_X] = 2 * slots,
		[FV_MAP_SUBNETS] = MAX_SUBNETS,
		[FV_MAP_COUNTERS] = slots,
		[FV_MAP_REASONS] = slots,
		[FV_MAP_CARRIED] = slots,
		[FV_MAP_LIVE] = slots,
		[FV_MAP_FLOWS4] = flows ? FV_FLOWS : NO_FLOWS,
		[FV_MAP_FLOWS6] = flows ? FV_FLOWS : NO_FLOWS,
		[FV_MAP_NOTES] = flows ? notes_per_cpu() * libbpf_num_possible_cpus() : 1,
		[FV_MAP_NOTED] = flows ? FV_TRY_SETS : 1,
	};

	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, fv_map_names[i]);
		int r;

		if (!map)
			return fv_err_set(err, -ENOENT, "no map %s in the BPF object",
					  fv_map_names[i]);
		if (maps->fd[i] >= 0)
			r = bpf_map__reuse_fd(map, maps->fd[i]);
		else
			r = bpf_map__set_max_entries(map, entries[i]);
		if (r)
			return fv_err_set(err, r, "map %s: %s", fv_map_names[i], strerror(-r));
	}
	return 0;
}

/* After a load: keep descriptors of the maps that the object made. */
static int take_maps(struct bpf_object *obj, struct fv_maps *maps, struct fv_err *err)
{
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		if (maps->fd[i] >= 0)
			continue;
		maps->fd[i] = dup(bpf_map__fd(bpf_object__find_map_by_name(obj, fv_map_names[i])));
		if (maps->fd[i] < 0)
			return fv_err_set(err, -errno, "map %s: %s", fv_map_names[i],
					  strerror(errno));
	}
	return maps->ports ? 0 : fv_maps_map(maps, err);
}

/* After a load: a program equal to the pinned one is dropped in favour of that. */
static int take_prog(struct fv_dp *dp, struct bpf_object *obj, enum fv_prog which,
		     struct fv_err *err)
{
	struct bpf_prog_info fresh, pinned;
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, fv_prog_name(which));
	int fd, r;

	if (!prog)
		return fv_err_set(err, -ENOENT, "no program %s in the BPF object",
				  fv_prog_name(which));
	r = fv_prog_info(bpf_program__fd(prog), &fresh);
	if (!r && dp->prog[which] >= 0)
		r = fv_prog_info(dp->prog[which], &pinned);
	if (r)
		return fv_err_set(err, r, "program %s: %s", fv_prog_name(which), strerror(-r));
	if (dp->prog[which] >= 0 && !dp->new_maps && !memcmp(fresh.tag, pinned.tag, BPF_TAG_SIZE))
		return 0;
	fd = dup(bpf_program__fd(prog));
	if (fd < 0)
		return fv_err_set(err, -errno, "program %s: %s", fv_prog_name(which),
				  strerror(errno));
	if (dp->prog[which] >= 0)
		close(dp->prog[which]);
	dp->prog[which] = fd;
	dp->prog_id[which] = fresh.id;
	dp->new_prog[which] = true;
	return 0;
}

static int load_failed(const char *what, int r, struct fv_err *err)
{
	return fv_err_set(err, r, "loading the %s programs failed: %s%s%s", what, strerror(-r),
			  *libbpf_says ? ": " : "", libbpf_says);
}

static void drop_tc(struct fastveth_tc **skel)
{
	fastveth_tc__destroy(*skel);
}

static void drop_nat(struct fastveth_nat **skel)
{
	fastveth_nat__destroy(*skel);
}

static void drop_xdp(struct fastveth_xdp **skel)
{
	fastveth_xdp__destroy(*skel);
}

/* The programs that prove flows, where they can ask conntrack. After load_tc. */
static int load_nat(struct fv_dp *dp, struct fv_err *err)
{
	FV_CLEANUP(drop_nat) struct fastveth_nat *skel = fastveth_nat__open();
	int r;

	*libbpf_says = '\0';
	if (!skel)
		return load_failed("NAT", -errno, err);
	skel->rodata->fv_port_mask = dp->maps.n_ports - 1;
	skel->rodata->fv_endpoint_mask = dp->maps.n_endpoints - 1;
	skel->rodata->fv_note_mask = notes_per_cpu() - 1;
	skel->rodata->fv_hz = fv_ticks_per_second();
	r = give_maps(skel->obj, &dp->maps, dp->maps.slots, true, err);
	if (r)
		return r;
	r = fastveth_nat__load(skel);
	if (r)
		return load_failed("NAT", r, err);
	r = take_prog(dp, skel->obj, FV_PROG_TO_NS, err);
	return r ?: take_prog(dp, skel->obj, FV_PROG_TO_UPLINK, err);
}

static int load_tc(struct fv_dp *dp, uint32_t slots, bool flows, struct fv_err *err)
{
	const bool nat = flows && fv_dp_could_nat();

	FV_CLEANUP(drop_tc) struct fastveth_tc *skel = fastveth_tc__open();
	int r;

	*libbpf_says = '\0';
	if (!skel)
		return load_failed("TC", -errno, err);
	skel->rodata->fv_port_mask = 2 * slots - 1;
	skel->rodata->fv_endpoint_mask = 4 * slots - 1;
	skel->rodata->fv_note_mask = flows ? notes_per_cpu() - 1 : 0;
	skel->rodata->fv_hz = fv_ticks_per_second();
	bpf_program__set_autoload(skel->progs.fv_to_ns, !nat);
	bpf_program__set_autoload(skel->progs.fv_from_uplink, flows);
	bpf_program__set_autoload(skel->progs.fv_to_uplink, flows && !nat);
	r = give_maps(skel->obj, &dp->maps, slots, flows, err);
	if (r)
		return r;
	r = fastveth_tc__load(skel);
	if (r)
		return load_failed("TC", r, err);
	r = take_maps(skel->obj, &dp->maps, err);
	r = r ?: take_prog(dp, skel->obj, FV_PROG_FROM_NS, err);
	if (!r && flows)
		r = take_prog(dp, skel->obj, FV_PROG_FROM_UPLINK, err);
	if (!r && nat)
		return load_nat(dp, err);
	r = r ?: take_prog(dp, skel->obj, FV_PROG_TO_NS, err);
	return r || !flows ? r : take_prog(dp, skel->obj, FV_PROG_TO_UPLINK, err);
}

static int load_xdp(struct fv_dp *dp, bool frags, struct fv_err *err)
{
	FV_CLEANUP(drop_xdp) struct fastveth_xdp *skel = fastveth_xdp__open();
	int r;

	*libbpf_says = '\0';
	if (!skel)
		return load_failed("XDP", -errno, err);
	skel->rodata->fv_port_mask = dp->maps.n_ports - 1;
	skel->rodata->fv_endpoint_mask = dp->maps.n_endpoints - 1;
	skel->rodata->fv_xdp_frags = frags;
	if (frags)
		bpf_program__set_flags(skel->progs.fv_xdp_from_ns,
				       1U << 5 /* BPF_F_XDP_HAS_FRAGS */);
	r = give_maps(skel->obj, &dp->maps, dp->maps.slots, dp->maps.n_notes > 1, err);
	if (r)
		return r;
	r = fastveth_xdp__load(skel);
	if (r)
		return load_failed("XDP", r, err);
	return take_prog(dp, skel->obj, FV_PROG_XDP_FROM_NS, err);
}

int fv_dp_load(const struct fv_features *features, size_t n_endpoints, unsigned int what,
	       struct fv_err *err, struct fv_dp **ret)
{
	FV_CLEANUP(fv_dp_close) struct fv_dp *dp = malloc(sizeof(*dp));
	bool had_xdp, flows = what & FV_LOAD_FLOWS;
	uint32_t slots = slots_for(n_endpoints);
	int r;

	if (!dp)
		return fv_err_oom(err);
	libbpf_set_print(keep_warning);
	dp_init(dp);
	r = open_dirs(dp, false, err, NULL);
	r = r ?: open_progs(dp, err);
	had_xdp = dp->prog[FV_PROG_XDP_FROM_NS] >= 0;
	r = r ?: fv_maps_open(dp->maps_dir, &dp->maps, err);
	if (r && r != -ENOENT)
		return r;
	if (!r && (dp->maps.slots < n_endpoints || (flows && dp->maps.n_notes <= 1))) {
		if (slots < dp->maps.slots)
			slots = dp->maps.slots;
		dp->old = dp->maps;
		fv_maps_init(&dp->maps);
		r = -ENOENT;
	}
	dp->new_maps = r == -ENOENT;
	if (!dp->new_maps) {
		slots = dp->maps.slots;
		flows = dp->maps.n_notes > 1;
		drop_stale_progs(dp);
	}
	r = load_tc(dp, slots, flows, err);
	/* A pinned XDP program must go on with the same maps. */
	if (!r && ((what & FV_LOAD_XDP) ||
		   (had_xdp && (dp->new_maps || dp->prog[FV_PROG_XDP_FROM_NS] < 0))))
		r = load_xdp(dp, features->xdp_frags, err);
	if (r)
		return r;
	*ret = FV_TAKE_PTR(dp);
	return 0;
}

bool fv_dp_changed(const struct fv_dp *dp)
{
	bool changed = dp->new_maps;

	for (int i = 0; i < FV_PROG_COUNT; i++)
		changed |= dp->new_prog[i];
	return changed;
}

/* What a killed run left between the two steps of fv_pin_replace. */
static int drop_half_pinned(int dir, const char *name, void *arg, struct fv_err *err)
{
	size_t n = strlen(name), tail = strlen(FV_PIN_NEW);

	(void)arg;
	if (n <= tail || strcmp(name + n - tail, FV_PIN_NEW))
		return 0;
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return fv_err_set(err, -errno, "%s: %s: %s", FV_PIN_DIR, name, strerror(errno));
	return 0;
}

int fv_dp_commit(struct fv_dp *dp, struct fv_err *err)
{
	int r;

	if (dp->old.ports) {
		r = fv_stats_carry(dp, err);
		if (r)
			return r;
	}
	for (int i = 0; dp->new_maps && i < FV_MAP_COUNT; i++) {
		r = fv_pin_replace(dp->maps.fd[i], dp->maps_dir, fv_map_names[i], err);
		if (r)
			return r;
	}
	dp->new_maps = false;
	for (int i = 0; i < FV_PROG_COUNT; i++) {
		if (!dp->new_prog[i])
			continue;
		r = fv_pin_replace(dp->prog[i], dp->progs_dir, fv_prog_name(i), err);
		if (r)
			return r;
		dp->new_prog[i] = false;
	}
	fv_maps_fini(&dp->old);
	r = fv_pins_each(dp->maps_dir, drop_half_pinned, NULL, err);
	r = r ?: fv_pins_each(dp->progs_dir, drop_half_pinned, NULL, err);
	return r ?: fv_pins_drop_others(dp->dir, err);
}
