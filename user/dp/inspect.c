// SPDX-License-Identifier: GPL-2.0-only
/* Ids and pins of programs, maps and links: what a user hands to bpftool. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dp/priv.h"

int fv_dp_inspect_progs(struct fv_dp *dp, struct fv_err *err, struct fv_dp_prog **ret,
			size_t *ret_n)
{
	FV_AUTO_FREE struct fv_dp_prog *progs = calloc(FV_PROG_COUNT, sizeof(*progs));
	size_t n = 0;

	if (!progs)
		return fv_err_oom(err);
	for (int i = 0; i < FV_PROG_COUNT; i++) {
		struct bpf_prog_info info;
		struct fv_dp_prog *p = &progs[n];
		int r;

		if (dp->prog[i] < 0)
			continue;
		r = fv_prog_info(dp->prog[i], &info);
		if (r)
			return fv_err_set(err, r, "program %s: %s", fv_prog_name(i), strerror(-r));
		p->prog = i;
		p->id = info.id;
		p->run_ns = info.run_time_ns;
		p->run_cnt = info.run_cnt;
		for (int b = 0; b < BPF_TAG_SIZE; b++)
			snprintf(p->tag + 2 * b, 3, "%02x", info.tag[b]);
		snprintf(p->pin, sizeof(p->pin), FV_PIN_DIR "/v%d/progs/%s", FV_ABI,
			 fv_prog_name(i));
		n++;
	}
	*ret = FV_TAKE_PTR(progs);
	*ret_n = n;
	return 0;
}

int fv_dp_inspect_maps(struct fv_dp *dp, struct fv_err *err, struct fv_dp_map **ret, size_t *ret_n)
{
	FV_AUTO_FREE struct fv_dp_map *maps = calloc(FV_MAP_COUNT, sizeof(*maps));

	if (!maps)
		return fv_err_oom(err);
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map_info info;
		int r = fv_map_info(dp->maps.fd[i], &info);

		if (r)
			return fv_err_set(err, r, "map %s: %s", fv_map_names[i], strerror(-r));
		snprintf(maps[i].name, sizeof(maps[i].name), "%s", fv_map_names[i]);
		maps[i].id = info.id;
		maps[i].entries = info.max_entries;
		snprintf(maps[i].pin, sizeof(maps[i].pin), FV_PIN_DIR "/v%d/maps/%s", FV_ABI,
			 fv_map_names[i]);
	}
	*ret = FV_TAKE_PTR(maps);
	*ret_n = FV_MAP_COUNT;
	return 0;
}

struct links {
	struct fv_dp_link *l;
	size_t n, room;
};

static int add_link(int dir, const char *name, void *arg, struct fv_err *err)
{
	struct links *links = arg;
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	struct fv_dp_link *l;
	int r;

	FV_AUTO_FD int fd = bpf_obj_get(fv_pin_at(dir, name).s);

	if (fd < 0)
		return fv_err_set(err, fd, "%s/links/%s: %s", FV_PIN_DIR, name, strerror(-fd));
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r)
		return fv_err_set(err, r, "%s/links/%s: %s", FV_PIN_DIR, name, strerror(-r));
	if (links->n == links->room) {
		links->room = links->room ? 2 * links->room : 64;
		l = realloc(links->l, links->room * sizeof(*l));
		if (!l)
			return fv_err_oom(err);
		links->l = l;
	}
	l = &links->l[links->n++];
	l->id = info.id;
	l->prog_id = info.prog_id;
	l->ifindex = fv_link_ifindex(&info);
	snprintf(l->pin, sizeof(l->pin), FV_PIN_DIR "/links/%s", name);
	return 0;
}

int fv_dp_inspect_links(struct fv_dp *dp, struct fv_err *err, struct fv_dp_link **ret,
			size_t *ret_n)
{
	struct links links = {};
	int r = fv_pins_each(dp->links_dir, add_link, &links, err);

	if (r) {
		free(links.l);
		return r;
	}
	*ret = links.l;
	*ret_n = links.n;
	return 0;
}
