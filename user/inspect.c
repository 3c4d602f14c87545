// SPDX-License-Identifier: GPL-2.0-only
/* Programs, maps and links with their ids: what a user hands to bpftool. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "run.h"

void fv_inspect_fini(struct fv_inspect *inspect)
{
	free(inspect->progs);
	free(inspect->maps);
	free(inspect->links);
	free(inspect->at);
	memset(inspect, 0, sizeof(*inspect));
}

static int inspect_all(struct fv_dp *dp, struct fv_err *err, struct fv_inspect *in)
{
	FV_AUTO_FREE struct fv_dp_prog *progs = NULL;
	FV_AUTO_FREE struct fv_dp_map *maps = NULL;
	FV_AUTO_FREE struct fv_dp_link *links = NULL;
	int r;

	r = fv_dp_inspect_progs(dp, err, &progs, &in->n_progs);
	r = r ?: fv_dp_inspect_maps(dp, err, &maps, &in->n_maps);
	r = r ?: fv_dp_inspect_links(dp, err, &links, &in->n_links);
	if (r)
		return r;
	in->progs = calloc(in->n_progs + 1, sizeof(*in->progs));
	in->maps = calloc(in->n_maps + 1, sizeof(*in->maps));
	in->links = calloc(in->n_links + 1, sizeof(*in->links));
	if (!in->progs || !in->maps || !in->links)
		return fv_err_oom(err);
	for (size_t i = 0; i < in->n_progs; i++) {
		struct fv_inspect_prog *p = &in->progs[i];

		p->id = progs[i].id;
		p->run_ns = progs[i].run_ns;
		p->run_cnt = progs[i].run_cnt;
		strcpy(p->name, fv_prog_name(progs[i].prog));
		strcpy(p->tag, progs[i].tag);
		strcpy(p->pin, progs[i].pin);
	}
	for (size_t i = 0; i < in->n_maps; i++) {
		in->maps[i].id = maps[i].id;
		in->maps[i].entries = maps[i].entries;
		strcpy(in->maps[i].name, maps[i].name);
		strcpy(in->maps[i].pin, maps[i].pin);
	}
	for (size_t i = 0; i < in->n_links; i++) {
		in->links[i].id = links[i].id;
		in->links[i].prog_id = links[i].prog_id;
		strcpy(in->links[i].pin, links[i].pin);
		if (links[i].ifindex && !if_indextoname(links[i].ifindex, in->links[i].device))
			*in->links[i].device = '\0';
	}
	return 0;
}

static void inspect_at(struct fv_dp *dp, int ifindex, const char *device, struct fv_inspect *in)
{
	struct fv_attached a = {};

	if (ifindex)
		fv_dp_query(dp, ifindex, device, &a);
	for (int k = 0; k < FV_PROG_COUNT; k++) {
		const uint32_t ids[FV_PROG_COUNT] = {
			[FV_PROG_FROM_NS] = a.uplink ? 0 : a.from_ns,
			[FV_PROG_TO_NS] = a.uplink ? 0 : a.to_ns,
			[FV_PROG_XDP_FROM_NS] = a.xdp_from_ns,
			[FV_PROG_FROM_UPLINK] = a.uplink ? a.from_ns : 0,
			[FV_PROG_TO_UPLINK] = a.uplink ? a.to_ns : 0,
		};

		if (!ids[k])
			continue;
		in->at[in->n_at].prog_id = ids[k];
		strcpy(in->at[in->n_at++].device, device);
	}
}

static int inspect_ports(struct fv_dp *dp, const struct fv_view *view, struct fv_err *err,
			 struct fv_inspect *in)
{
	in->at = calloc(FV_PROG_COUNT * (view->n_eps + view->n_uplinks) + 1, sizeof(*in->at));
	if (!in->at)
		return fv_err_oom(err);
	for (size_t i = 0; i < view->n_eps; i++)
		inspect_at(dp, view->eps[i].ifindex, view->eps[i].ep->port, in);
	for (size_t i = 0; i < view->n_uplinks; i++)
		inspect_at(dp, view->uplinks[i].ifindex, view->uplinks[i].device, in);
	return 0;
}

int fv_inspect(struct fv_err *err, struct fv_inspect *ret)
{
	FV_CLEANUP(fv_inspect_fini) struct fv_inspect in = {};
	FV_CLEANUP(fv_view_fini) struct fv_view view = {};
	struct fv_dp *dp = NULL;
	int r;

	r = fv_look(FV_LOOK_KERNEL, err, &view);
	if (!r)
		in.kernel = view.kernel;
	r = r ?: fv_dp_open(err, &dp);
	r = r ?: inspect_all(dp, err, &in);
	r = r ?: inspect_ports(dp, &view, err, &in);
	fv_dp_close(&dp);
	if (r && r != -ENOENT)
		return r;
	*ret = in;
	memset(&in, 0, sizeof(in));
	return 0;
}
