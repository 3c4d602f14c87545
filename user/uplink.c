// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uplinks: devices that lead out of the host. In the maps, and in a run, they are attached ports with
 * a mark; they are there for as long as something is attached or an own network leads out.
 */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/gate.h"
#include "net/gate.h"
#include "guest.h"
#include "run.h"
#include "view.h"

/* ---- which ---- */

static bool is_target(const struct fv_run *run, const struct fv_link *link)
{
	for (size_t i = 0; i < run->state.n_attached; i++) {
		const char *target = run->state.attached[i].target;

		if (!strncmp(target, "bridge:", 7) && !strcmp(target + 7, link->name))
			return true;
	}
	for (size_t i = 0; i < run->n_attached; i++) {
		const struct fv_dp_endpoint *e = &run->attached[i];

		if (!e->uplink &&
		    (e->ifindex == link->ifindex || e->master == (uint32_t)link->ifindex))
			return true;
	}
	return false;
}

/* Why a device cannot be an uplink; NULL: it can. */
static const char *unfit(const struct fv_run *run, const struct fv_link *link)
{
	const struct fv_link *master =
		link->master ? fv_host_ifindex(&run->host, link->master) : NULL;

	if (link->loopback)
		return "it is a loopback";
	if (link->type != ARPHRD_ETHER)
		return "its frames have no Ethernet header";
	if (!strncmp(link->alias, FV_ALIAS_PREFIX, strlen(FV_ALIAS_PREFIX)))
		return "it is the port of one of fastveth's endpoints";
	if (is_target(run, link))
		return "it is attached itself";
	/* A flooded frame comes out of every port of it, and proves nothing. */
	if (master && !strcmp(master->kind, "bridge"))
		return "it is a port of a bridge";
	return NULL;
}

static int add(struct fv_uplinks *uplinks, const struct fv_link *link, struct fv_err *err)
{
	struct fv_uplink *u;

	for (size_t i = 0; i < uplinks->n; i++)
		if (uplinks->u[i].link == link)
			return 0;
	u = reallocarray(uplinks->u, uplinks->n + 1, sizeof(*u));
	if (!u)
		return fv_err_oom(err);
	uplinks->u = u;
	u[uplinks->n++] = (struct fv_uplink){ .link = link };
	return 0;
}

static int consider(const struct fv_run *run, const struct fv_link *link, struct fv_err *err,
		    struct fv_uplinks *ret)
{
	const char *why = unfit(run, link);

	if (!why)
		return add(ret, link, err);
	if (fv_view_line(&ret->left_out, "what leaves by %s stays slow: %s", link->name, why))
		return fv_err_oom(err);
	return 0;
}

static int by_default_route(const struct fv_run *run, const struct fv_route *route,
			    struct fv_err *err, struct fv_uplinks *ret)
{
	int r = 0;

	for (int i = -1; i < FV_ROUTE_HOPS && !r; i++) {
		int oif = i < 0 ? route->oif : route->hops[i];
		const struct fv_link *link = oif ? fv_host_ifindex(&run->host, oif) : NULL;

		if (link)
			r = consider(run, link, err, ret);
	}
	return r;
}

static bool leads_out(const struct fv_run *run, const struct fv_topo *topo)
{
	for (size_t i = 0; i < run->n_attached; i++)
		if (!run->attached[i].uplink)
			return true;
	for (size_t i = 0; i < topo->n_nets; i++)
		if (!topo->nets[i].internal && topo->nets[i].n_eps)
			return true;
	return false;
}

int fv_uplinks_find(struct fv_run *run, const struct fv_topo *topo, struct fv_err *err,
		    struct fv_uplinks *ret)
{
	FV_CLEANUP(fv_uplinks_fini) struct fv_uplinks found = {};
	int r = 0;

	if (!run->state.no_uplinks && leads_out(run, topo)) {
		for (size_t i = 0; i < run->state.n_uplinks && !r; i++) {
			const char *name = run->state.uplinks[i];
			const struct fv_link *link = fv_host_link(&run->host, name);

			/* What is gone may come again. */
			if (link)
				r = consider(run, link, err, &found);
			else if (fv_view_line(&found.left_out, "uplink %s: its device is gone",
					      name))
				r = fv_err_oom(err);
		}
		for (size_t i = 0; i < run->host.n_routes && !r; i++) {
			const struct fv_route *route = &run->host.routes[i];

			if (!run->state.n_uplinks && !route->dst.len &&
			    route->table == FV_ROUTE_MAIN && route->type == RTN_UNICAST)
				r = by_default_route(run, route, err, &found);
		}
	}
	if (r)
		return r;
	for (size_t i = 0; i < run->state.n_attached; i++)
		found.allow |= run->state.attached[i].allow;
	*ret = found;
	found = (struct fv_uplinks){};
	return 0;
}

void fv_uplinks_fini(struct fv_uplinks *uplinks)
{
	for (size_t i = 0; i < uplinks->n; i++)
		fv_gate_fini(&uplinks->u[i].reasons);
	free(uplinks->u);
	free(uplinks->left_out);
	fv_gate_fini(&uplinks->rules);
	*uplinks = (struct fv_uplinks){};
}

/* ---- gate ---- */

static int copy_rules(const struct fv_gate_list *from, struct fv_err *err, struct fv_gate_list *to)
{
	int r = 0;

	for (size_t i = 0; i < from->n && !r; i++)
		r = fv_gate_add(to, err, from->r[i].why, "%s", from->r[i].where);
	return r;
}

/*
 * On the way out a packet passes the device's qdisc and all programs there, shortcut or not. On the
 * way in those programs count that come after ours.
 */
static int judge_one(struct fv_run *run, const struct fv_qdiscs *qdiscs, struct fv_err *err,
		     struct fv_uplink *u)
{
	FV_CLEANUP(fv_gate_fini) struct fv_gate_list all = {};
	char in[16], out[16];
	int r;

	r = fv_gate_device(run->rt, qdiscs, u->link->ifindex, u->link->name, err, &all);
	for (size_t i = 0; i < all.n && !r; i++)
		if (all.r[i].why == FV_GATE_INGRESS_PROGRAM)
			r = fv_gate_add(&u->reasons, err, all.r[i].why, "%s", all.r[i].where);
	fv_dp_foreign(u->link->ifindex, in, out);
	if (!r && *in)
		r = fv_gate_add(&u->reasons, err, FV_GATE_INGRESS_PROGRAM,
				"program %s on %s ingress, behind ours", in, u->link->name);
	return r;
}

int fv_uplinks_judge(struct fv_run *run, const struct fv_gate_list *rules, struct fv_err *err,
		     struct fv_uplinks *uplinks)
{
	FV_CLEANUP(fv_qdiscs_free) struct fv_qdiscs *qdiscs = NULL;
	int r;

	if (!uplinks->n)
		return 0;
	if (rules) {
		r = copy_rules(rules, err, &uplinks->rules);
	} else {
		r = fv_gate_rules(err, &uplinks->rules);
		r = r ?: fv_gate_xfrm(err, &uplinks->rules);
	}
	r = r ?: fv_qdiscs_load(run->rt, err, &qdiscs);
	for (size_t i = 0; i < uplinks->n && !r; i++) {
		struct fv_uplink *u = &uplinks->u[i];

		r = judge_one(run, qdiscs, err, u);
		u->declined = (fv_gate_mask(&uplinks->rules) | fv_gate_mask(&u->reasons)) &
			      ~uplinks->allow;
	}
	return r;
}

/* ---- in a run ---- */

static const struct fv_dp_endpoint *was(const struct fv_run *run, int ifindex)
{
	for (size_t i = 0; i < run->n_was_attached; i++)
		if (run->was_attached[i].uplink && run->was_attached[i].ifindex == ifindex)
			return &run->was_attached[i];
	return NULL;
}

int fv_run_want_uplinks(struct fv_run *run, const struct fv_topo *topo, struct fv_err *err)
{
	FV_CLEANUP(fv_uplinks_fini) struct fv_uplinks found = {};
	const bool strict = fv_run_strict_windows(run, topo);
	bool judge = run->reattach || run->rejudge;
	struct fv_dp_endpoint *all;
	size_t n = 0;
	int r;

	/* Those of before are what is looked at, or is to be again. */
	if (run->looking || run->undoing)
		return 0;
	r = fv_uplinks_find(run, topo, err, &found);
	/* Where ports are not looked at anew, neither are uplinks: rules take time to read. */
	for (size_t i = 0; i < found.n; i++)
		judge |= !was(run, found.u[i].link->ifindex);
	if (!r && judge)
		r = fv_uplinks_judge(run, run->rules, err, &found);
	if (r)
		return r;
	all = calloc(run->n_attached + found.n + 1, sizeof(*all));
	if (!all)
		return fv_err_oom(err);
	for (size_t i = 0; i < run->n_attached; i++) {
		if (run->attached[i].uplink)
			continue;
		all[n] = run->attached[i];
		all[n++].no_tcp = strict;
	}
	for (size_t i = 0; i < found.n; i++) {
		const struct fv_uplink *u = &found.u[i];
		const struct fv_dp_endpoint *old = was(run, u->link->ifindex);

		all[n++] = (struct fv_dp_endpoint){
			.ifindex = u->link->ifindex,
			.attached = true,
			.uplink = true,
			.declined = judge ? u->declined : old->declined,
			.no_tcp = strict,
			.master = u->link->master,
		};
	}
	free(run->attached);
	run->attached = all;
	run->n_attached = n;
	return 0;
}

int fv_run_set_uplinks(struct fv_run *run, const struct fv_uplink_choice *choice,
		       struct fv_err *err)
{
	int r;

	if (!choice->said)
		return 0;
	r = fv_run_read_attached(run, err);
	if (r)
		return r;
	for (size_t i = 0; i < choice->n; i++) {
		const struct fv_link *link = fv_host_link(&run->host, choice->names[i]);
		const char *why = link ? unfit(run, link) : "there is no device of that name";

		if (why)
			return fv_err_set(err, link ? -EINVAL : -ENODEV,
					  "uplink \"%s\": %s; name a device that leads out of the "
					  "host, or none",
					  choice->names[i], why);
	}
	fv_uplinks_swap(&run->state, &run->was);
	run->rechosen = true;
	return fv_state_set_uplinks(&run->state, choice->names, choice->n, choice->none, err);
}

int fv_uplinks_foresee(struct fv_run *run, struct fv_err *err)
{
	int r = 0;

	for (size_t i = 0; i < run->n_attached && !r; i++) {
		const struct fv_dp_endpoint *e = &run->attached[i];

		if (e->uplink && !was(run, e->ifindex))
			r = fv_run_act(run, FV_OP_CREATE, "uplink",
				       fv_host_ifindex(&run->host, e->ifindex)->name, err, NULL);
	}
	for (size_t i = 0; i < run->n_was_attached && !r; i++) {
		const struct fv_dp_endpoint *e = &run->was_attached[i];
		const struct fv_link *link = fv_host_ifindex(&run->host, e->ifindex);

		if (e->uplink && link &&
		    !fv_attached_find(run->attached, run->n_attached, e->ifindex))
			r = fv_run_act(run, FV_OP_REMOVE, "uplink", link->name, err, NULL);
	}
	return r;
}

void fv_uplinks_swap(struct fv_state *a, struct fv_state *b)
{
	char **names = a->uplinks;
	size_t n = a->n_uplinks;
	bool none = a->no_uplinks;

	a->uplinks = b->uplinks;
	a->n_uplinks = b->n_uplinks;
	a->no_uplinks = b->no_uplinks;
	b->uplinks = names;
	b->n_uplinks = n;
	b->no_uplinks = none;
}
