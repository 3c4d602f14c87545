// SPDX-License-Identifier: GPL-2.0-only
/* Programs onto ports, and what the namespaces behind them notice of it. */
#include <stdlib.h>

#include "core/cleanup.h"
#include "net/sysctl.h"
#include "run.h"

/*
 * Segmentation offload inside comes back when the port's XDP program has gone; older
 * kernels (6.1) must be asked for it then.
 */
static int offloads_back(struct fv_run_ep *re, struct fv_err *err)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FD int ns = -1;
	int r;

	r = fv_ep_open_ns(re->ep, err, &ns);
	r = r ?: fv_netns_rtnl(ns, err, &rt);
	return r ?: fv_ethtool_xdp_restore(rt, re->now, err);
}

static int attach_port(struct fv_run *run, struct fv_run_ep *re, struct fv_err *err)
{
	bool xdp = re->net->hook == FV_HOOK_XDP;
	struct fv_attached before;
	int r;

	fv_dp_query(run->dp, re->ifindex, re->ep->port, &before);
	r = fv_dp_attach(run->dp, &run->features, re->ifindex, re->ep->port,
			 xdp ? FV_DP_XDP : FV_DP_TC, err);
	return r || xdp || !before.xdp_from_ns ? r : offloads_back(re, err);
}

int fv_run_attach(struct fv_run *run, struct fv_err *err)
{
	/* New maps or programs concern every port, also those outside the scope. */
	bool all = fv_dp_changed(run->dp), expedited;
	size_t n = 0, done = 0;
	int r = 0;

	for (size_t i = 0; i < run->n_eps; i++)
		n += run->eps[i].ifindex && (all || (run->eps[i].todo & FV_TODO_ATTACH));
	expedited = fv_host_expedite(run, n);
	for (size_t i = 0; i < run->n_eps && !r; i++) {
		struct fv_run_ep *re = &run->eps[i];

		if (!re->ifindex || !(all || (re->todo & FV_TODO_ATTACH)))
			continue;
		r = attach_port(run, re, err);
		r = r ?: fv_run_interrupted(run, err);
		fv_run_progress(run, "programs", ++done, n);
	}
	if (expedited)
		r = fv_host_restore(run, true, r ? NULL : err) ?: r;
	return r;
}
