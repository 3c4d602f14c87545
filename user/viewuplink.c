// SPDX-License-Identifier: GPL-2.0-only
/* What the verbs that look say of uplinks. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "view.h"

int fv_view_uplinks(struct fv_run *run, struct fv_err *err, struct fv_view *view)
{
	view->uplinks = calloc(run->n_attached + 1, sizeof(*view->uplinks));
	if (!view->uplinks)
		return fv_err_oom(err);
	for (size_t i = 0; i < run->n_attached; i++) {
		const struct fv_link *link = fv_host_ifindex(&run->host, run->attached[i].ifindex);
		struct fv_view_uplink *u = &view->uplinks[view->n_uplinks];

		if (!run->attached[i].uplink || !link)
			continue;
		view->n_uplinks++;
		u->ifindex = link->ifindex;
		u->declined = run->attached[i].declined;
		strcpy(u->device, link->name);
	}
	return 0;
}

bool fv_view_nat_came(const struct fv_run *run)
{
	return run->n_attached && run->dp && !fv_dp_reads_nat(run->dp) && fv_dp_could_nat();
}

const char *fv_view_not_current(const struct fv_run *run)
{
	return fv_view_nat_came(run)
		       ? "programs are not attached, or know no NAT: nf_conntrack was loaded since"
		       : "programs are not attached, or of another build";
}

static const struct fv_uplink *wanted_at(const struct fv_uplinks *wanted, int ifindex)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (wanted->u[i].link->ifindex == ifindex)
			return &wanted->u[i];
	return NULL;
}

static int judge_one(struct fv_run *run, const struct fv_uplinks *wanted, struct fv_view_uplink *u)
{
	const struct fv_dp_endpoint *at =
		fv_attached_find(run->attached, run->n_attached, u->ifindex);
	const struct fv_uplink *w = wanted_at(wanted, u->ifindex);
	struct fv_attached now = {};
	int r = 0;

	if (run->dp)
		fv_dp_query(run->dp, u->ifindex, u->device, &now);
	if (now.uplink)
		strcpy(u->hook, now.tcx ? "tcx" : "clsact");
	if (!now.uplink || !now.from_ns || !now.to_ns || !now.current)
		r = fv_view_line(&u->problems, "%s", fv_view_not_current(run));
	if (!r && !w)
		r = fv_view_line(&u->problems, "it does not lead out any more");
	if (r || !w)
		return r;
	r = fv_view_reasons(&w->reasons, wanted->allow, &u->objections);
	r = r ?: fv_view_reasons(&wanted->rules, wanted->allow, &u->objections);
	if (!r && at->no_tcp)
		r = fv_view_line(&u->objections, "window: TCP stays slow, its windows are strict "
						 "(--no-sysctl)");
	if (!r && w->declined != at->declined)
		r = fv_view_line(&u->problems,
				 at->declined ? "nothing speaks against the shortcut any more"
					      : "what speaks against the shortcut is new");
	return r;
}

const char *fv_view_no_nat(void)
{
	if (fv_dp_could_nat())
		return "nf_conntrack was loaded since: flows with NAT stay slow until the next "
		       "`fastveth attach`, or while `fastveth watch` runs they do not";
	if (access("/sys/module/nf_conntrack", F_OK))
		return "nf_conntrack is not loaded: flows with NAT would stay slow";
	return "this kernel's conntrack cannot be asked by BPF programs (5.18 and later can): "
	       "flows with NAT stay slow";
}

static int say_nat(struct fv_run *run, struct fv_view *view)
{
	if (!run->dp || fv_dp_reads_nat(run->dp))
		return 0;
	return fv_view_line(&view->warnings, "%s", fv_view_no_nat());
}

int fv_view_judge_uplinks(struct fv_run *run, const struct fv_gate_list *rules,
			  struct fv_view *view, struct fv_err *err)
{
	FV_CLEANUP(fv_uplinks_fini) struct fv_uplinks wanted = {};
	int r;

	r = fv_uplinks_find(run, &view->topo, err, &wanted);
	r = r ?: fv_uplinks_judge(run, rules, err, &wanted);
	if (r)
		return r;
	for (size_t i = 0; i < view->n_uplinks && !r; i++)
		r = judge_one(run, &wanted, &view->uplinks[i]);
	for (size_t i = 0; i < wanted.n && !r; i++) {
		const struct fv_link *link = wanted.u[i].link;

		if (!fv_attached_find(run->attached, run->n_attached, link->ifindex))
			r = fv_view_line(&view->warnings,
					 "uplink %s is not attached yet: run `fastveth attach`, or "
					 "keep `fastveth watch` running",
					 link->name);
	}
	for (const char *line = wanted.left_out; line && *line && !r;) {
		int n = strcspn(line, "\n");

		r = fv_view_line(&view->warnings, "%.*s", n, line);
		line += n + (line[n] == '\n');
	}
	if (!r && view->n_uplinks)
		r = say_nat(run, view);
	return r ? fv_err_oom(err) : 0;
}
