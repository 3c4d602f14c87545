// SPDX-License-Identifier: GPL-2.0-only
/* Attached ports in a run: as they were, as they shall be, and the verbs that say so. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "net/gate.h"
#include "net/hooks.h"
#include "net/sysctl.h"
#include "guest.h"
#include "run.h"

const struct fv_dp_endpoint *fv_attached_find(const struct fv_dp_endpoint *eps, size_t n,
					      int ifindex)
{
	for (size_t i = 0; i < n; i++)
		if (eps[i].ifindex == ifindex)
			return &eps[i];
	return NULL;
}

int fv_run_read_attached(struct fv_run *run, struct fv_err *err)
{
	struct fv_dp *dp = NULL;
	size_t kept = 0;
	int r;

	if (run->undoing || run->was_attached)
		return 0;
	r = fv_dp_open(err, &dp);
	if (r == -ENOENT)
		return 0;
	r = r ?: fv_dp_attached(dp, err, &run->was_attached, &run->n_was_attached);
	fv_dp_close(&dp);
	if (r || run->reattach)
		return r;
	/* Asked again where there were none. */
	free(run->attached);
	run->attached = calloc(run->n_was_attached + 1, sizeof(*run->attached));
	if (!run->attached)
		return fv_err_oom(err);
	for (size_t i = 0; i < run->n_was_attached; i++)
		if (fv_host_ifindex(&run->host, run->was_attached[i].ifindex))
			run->attached[kept++] = run->was_attached[i];
	run->n_attached = kept;
	return 0;
}

/* ---- making ---- */

bool fv_run_no_sysctl(const struct fv_run *run)
{
	for (size_t i = 0; i < run->state.n_attached; i++)
		if (!run->state.attached[i].no_sysctl)
			return false;
	return run->state.n_attached;
}

const struct fv_saved *fv_run_liberal_saved(const struct fv_run *run)
{
	for (size_t i = 0; i < run->state.n_saved; i++)
		if (!strcmp(run->state.saved[i].path, FV_LIBERAL))
			return &run->state.saved[i];
	return NULL;
}

/* Do rules of these networks ask for conntrack? As user/nat writes them. */
static bool nets_track(const struct fv_topo *topo)
{
	for (size_t i = 0; i < topo->n_nets; i++) {
		const struct fv_net *net = &topo->nets[i];

		if (!net->internal)
			return true;
		for (size_t k = 0; k < net->n_eps; k++)
			if (net->eps[k].n_publish)
				return true;
	}
	return false;
}

bool fv_run_tracks(const struct fv_topo *topo)
{
	bool tracked = false;

	if (access(FV_LIBERAL, F_OK))
		return false;
	/* Also those that a run is about to make. */
	if (nets_track(topo))
		return true;
	/* Where that cannot be known, it might. */
	return fv_hooks_tracked(NULL, &tracked) || tracked;
}

/* What conntrack sees of a TCP flow are samples, which its windows would call invalid. */
static int make_liberal(struct fv_run *run, struct fv_err *err)
{
	const struct fv_saved *saved = fv_run_liberal_saved(run);
	bool changed = false;
	int r = 0;

	if (fv_run_no_sysctl(run) || !fv_run_tracks(&run->want)) {
		if (saved)
			r = fv_run_act(run, FV_OP_CHANGE, "sysctl", FV_LIBERAL, err, "%s again",
				       saved->old);
		return r ?: fv_host_restore_path(run, FV_LIBERAL, err);
	}
	r = fv_host_set(run, FV_LIBERAL, "1", err, &changed);
	if (!r && changed)
		r = fv_run_act(run, FV_OP_CHANGE, "sysctl", FV_LIBERAL, err,
			       "1; put back when nothing is attached any more");
	return r;
}

/* A clsact qdisc that was not there is on disk as ours before it is made. */
static int note_clsact(struct fv_run *run, const struct fv_link *link, struct fv_err *err)
{
	FV_CLEANUP(fv_qdiscs_free) struct fv_qdiscs *qdiscs = NULL;
	int r;

	if (run->features.tcx || fv_state_clsact_has(&run->state, link->ifindex))
		return 0;
	r = fv_qdiscs_load(run->rt, err, &qdiscs);
	if (r || fv_qdiscs_clsact(qdiscs, link->ifindex))
		return r;
	r = fv_state_clsact_add(&run->state, link->name, link->ifindex, err);
	return r ?: fv_run_store(run, err);
}

const char *fv_attached_changed(const struct fv_dp_endpoint *was, const struct fv_dp_endpoint *e)
{
	if (was->declined != e->declined)
		return e->declined ? "declined" : "accelerated";
	if (was->no_tcp != e->no_tcp)
		return e->no_tcp ? "TCP stays slow" : "TCP, too";
	if (was->master != e->master)
		return "another bridge";
	if (memcmp(was->mac, e->mac, 6) || memcmp(was->port_mac, e->port_mac, 6))
		return "another MAC";
	return "";
}

static const char *kind_of(const struct fv_dp_endpoint *e)
{
	return e->uplink ? "uplink" : "port";
}

static int attach_port(struct fv_run *run, const struct fv_dp_endpoint *e, bool all,
		       struct fv_err *err)
{
	const struct fv_link *link = fv_host_ifindex(&run->host, e->ifindex);
	const struct fv_dp_endpoint *was =
		fv_attached_find(run->was_attached, run->n_was_attached, e->ifindex);
	const char *changed = was ? fv_attached_changed(was, e) : "";
	struct fv_attached now;
	bool lacks;
	int r = 0;

	if (!link)
		return 0;
	fv_dp_query(run->dp, link->ifindex, link->name, &now);
	lacks = all || !now.from_ns || !now.to_ns || !now.current;
	if (lacks) {
		struct fv_err cause = {};
		char name[IF_NAMESIZE];

		r = note_clsact(run, link, err);
		if (r)
			return r;
		r = fv_dp_attach(run->dp, &run->features, link->ifindex, link->name,
				 e->uplink ? FV_DP_UPLINK : FV_DP_TC, &cause);
		/* It went meanwhile: the next look forgets it. */
		if (r && !if_indextoname(link->ifindex, name))
			return 0;
		if (r)
			return fv_err_set(err, r, "%s", cause.msg);
	}
	if (!was)
		return fv_run_act(run, FV_OP_CREATE, kind_of(e), link->name, err, NULL);
	/* That all are replaced is told by the plan. */
	if ((!lacks || all) && !*changed)
		return 0;
	return fv_run_act(run, FV_OP_CHANGE, kind_of(e), link->name, err, "%s",
			  *changed ? changed : "programs");
}

int fv_run_make_attached(struct fv_run *run, struct fv_err *err)
{
	bool all = fv_dp_changed(run->dp), expedited;
	size_t n = 0;
	int r;

	if (!run->n_attached)
		return 0;
	r = make_liberal(run, err);
	if (r)
		return r;
	for (size_t i = 0; i < run->n_attached; i++)
		n += all || !fv_attached_find(run->was_attached, run->n_was_attached,
					      run->attached[i].ifindex);
	expedited = fv_host_expedite(run, n);
	for (size_t i = 0; i < run->n_attached && !r; i++) {
		r = attach_port(run, &run->attached[i], all, err);
		r = r ?: fv_run_interrupted(run, err);
		fv_run_progress(run, "programs", i + 1, run->n_attached);
	}
	if (expedited)
		r = fv_host_restore(run, true, r ? NULL : err) ?: r;
	return r;
}

/* ---- removing ---- */

static bool goes(const struct fv_run *run, size_t i)
{
	return !fv_attached_find(run->attached, run->n_attached, run->was_attached[i].ifindex);
}

bool fv_run_detaches(const struct fv_run *run)
{
	for (size_t i = 0; i < run->n_was_attached; i++)
		if (goes(run, i))
			return true;
	return false;
}

/* Ours, and nobody has put anything into it? Then it goes. */
static int drop_clsact(struct fv_run *run, const struct fv_link *link, struct fv_err *err)
{
	FV_CLEANUP(fv_qdiscs_free) struct fv_qdiscs *qdiscs = NULL;
	FV_CLEANUP(fv_gate_fini) struct fv_gate_list found = {};
	const uint32_t filters = 1U << FV_GATE_INGRESS_PROGRAM | 1U << FV_GATE_EGRESS_PROGRAM;
	int r;

	if (!fv_state_clsact_has(&run->state, link->ifindex))
		return 0;
	r = fv_qdiscs_load(run->rt, err, &qdiscs);
	r = r ?: fv_gate_device(run->rt, qdiscs, link->ifindex, link->name, err, &found);
	if (!r && !(fv_gate_mask(&found) & filters))
		r = fv_dp_drop_clsact(link->ifindex, link->name, err);
	if (!r)
		fv_state_clsact_drop(&run->state, link->ifindex);
	return r;
}

int fv_run_drop_attached(struct fv_run *run, struct fv_err *err)
{
	FV_AUTO_FREE struct fv_dp_port *ports = calloc(run->n_was_attached + 1, sizeof(*ports));
	bool expedited;
	size_t n = 0;
	int r = 0;

	if (!ports)
		return fv_err_oom(err);
	for (size_t i = 0; i < run->n_was_attached && !r; i++) {
		int ifindex = run->was_attached[i].ifindex;
		const struct fv_link *link = fv_host_ifindex(&run->host, ifindex);
		char name[32];

		if (!goes(run, i))
			continue;
		if (link) {
			ports[n++] = (struct fv_dp_port){ ifindex, link->name };
			continue;
		}
		fv_state_clsact_drop(&run->state, ifindex);
		/* Maps know no names. */
		snprintf(name, sizeof(name), "ifindex %d", ifindex);
		r = fv_run_act(run, FV_OP_REMOVE, kind_of(&run->was_attached[i]), name, err,
			       "its device is gone");
	}
	if (!r && run->dp && n) {
		expedited = fv_host_expedite(run, n);
		r = fv_dp_detach(run->dp, ports, n, err);
		for (size_t i = 0; i < n && !r; i++) {
			r = drop_clsact(run, fv_host_ifindex(&run->host, ports[i].ifindex), err);
			if (!r)
				r = fv_run_act(run, FV_OP_REMOVE,
					       kind_of(fv_attached_find(run->was_attached,
									run->n_was_attached,
									ports[i].ifindex)),
					       ports[i].name, err, NULL);
		}
		if (expedited)
			r = fv_host_restore(run, true, r ? NULL : err) ?: r;
	}
	if (!r && run->dp && fv_run_detaches(run))
		r = fv_dp_sweep(run->dp, err);
	if (!r && !run->n_attached)
		r = fv_host_restore_path(run, FV_LIBERAL, err);
	return r;
}

/* ---- verbs ---- */

/* Will conntrack's windows be strict? What we made of it before is put back then. */
bool fv_run_strict_windows(const struct fv_run *run, const struct fv_topo *topo)
{
	const struct fv_saved *saved = fv_run_liberal_saved(run);
	char now[16];

	if (!fv_run_no_sysctl(run) || fv_sysctl_get(FV_LIBERAL, NULL, now, sizeof(now)) ||
	    !strcmp(saved ? saved->old : now, "1"))
		return false;
	return fv_run_tracks(topo);
}

int fv_run_want_guests(struct fv_run *run, const struct fv_guests *guests, struct fv_err *err)
{
	const bool strict = fv_run_strict_windows(run, &run->state.topo);

	run->reattach = true;
	run->attached = calloc(guests->n + 1, sizeof(*run->attached));
	if (!run->attached)
		return fv_err_oom(err);
	for (size_t i = 0; i < guests->n; i++) {
		const struct fv_guest *g = &guests->g[i];
		struct fv_dp_endpoint *e = &run->attached[run->n_attached++];

		e->attached = true;
		e->ifindex = g->link->ifindex;
		e->master = g->link->master;
		e->declined = g->declined;
		e->no_tcp = strict;
		memcpy(e->mac, g->mac, 6);
		memcpy(e->port_mac, g->link->mac, 6);
	}
	return 0;
}

/* What the state says is attached, made so. */
static int converge(struct fv_run *run, const char *const *strict, size_t n_strict,
		    const struct fv_uplink_choice *uplinks, struct fv_err *err)
{
	FV_CLEANUP(fv_guests_fini) struct fv_guests guests = {};
	FV_CLEANUP(fv_topo_fini) struct fv_topo want = {};
	const struct fv_scope scope = {};
	int r;

	r = fv_guests_find(run, strict, n_strict, err, &guests);
	r = r ?: fv_run_want_guests(run, &guests, err);
	if (!r && uplinks)
		r = fv_run_set_uplinks(run, uplinks, err);
	r = r ?: fv_topo_copy(&run->state.topo, err, &want);
	run->rules = guests.n ? &guests.rules : NULL;
	r = r ?: fv_run_converge(run, &want, &scope, err);
	run->rules = NULL;
	return r;
}

/* For undoing. */
static int keep_targets(struct fv_run *run, struct fv_err *err)
{
	int r = 0;

	for (size_t i = 0; i < run->state.n_attached && !r; i++) {
		const struct fv_attached_to *a = &run->state.attached[i];

		r = fv_state_attach(&run->was, a->target, a->allow, a->no_sysctl, err);
	}
	return r;
}

int fv_attach(const struct fv_options *opts, const char *const *targets, size_t n,
	      const struct fv_attach *how, struct fv_err *err, struct fv_actions *ret)
{
	FV_AUTO_FREE char **names = calloc(n + 1, sizeof(*names));
	struct fv_run run;
	int r;

	if (!names)
		return fv_err_oom(err);
	r = fv_run_open(&run, opts, false, err, ret);
	if (r)
		return r;
	r = keep_targets(&run, err);
	for (size_t i = 0; i < n && !r; i++) {
		r = fv_target_name(&run, targets[i], err, &names[i]);
		r = r ?: fv_state_attach(&run.state, names[i], how->allow, how->no_sysctl, err);
	}
	r = r ?: converge(&run, (const char *const *)names, n, how ? &how->uplinks : NULL, err);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	fv_run_close(&run);
	return r;
}

/* What is not attached need not be detached, but must be something. */
static int forget(struct fv_run *run, const char *word, struct fv_err *err)
{
	static const char *const kinds[] = { "", "bridge:", "container:" };
	FV_AUTO_FREE char *name = NULL;

	for (size_t i = 0; i < FV_ARRAY_SIZE(kinds); i++) {
		char target[512];
		size_t at;

		snprintf(target, sizeof(target), "%s%s", kinds[i], word);
		at = fv_state_attached(&run->state, target);
		if (at == run->state.n_attached)
			continue;
		fv_state_detach(&run->state, at);
		return 0;
	}
	return fv_target_name(run, word, err, &name);
}

int fv_detach(const struct fv_options *opts, const char *const *targets, size_t n,
	      struct fv_err *err, struct fv_actions *ret)
{
	struct fv_run run;
	int r;

	r = fv_run_open(&run, opts, false, err, ret);
	if (r)
		return r;
	r = keep_targets(&run, err);
	while (!r && !n && run.state.n_attached)
		fv_state_detach(&run.state, 0);
	for (size_t i = 0; i < n && !r; i++)
		r = forget(&run, targets[i], err);
	r = r ?: converge(&run, NULL, 0, NULL, err);
	fv_run_close(&run);
	return r;
}
