// SPDX-License-Identifier: GPL-2.0-only
/* A run from its beginning to its end: what differs, the intent on disk, the doing, the undoing. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest.h"
#include "run.h"

int fv_run_act(struct fv_run *run, enum fv_op op, const char *kind, const char *name,
	       struct fv_err *err, const char *detail, ...)
{
	struct fv_actions *list = run->actions;
	struct fv_action *a;
	va_list ap;

	/* What is undone has not happened. */
	if (run->undoing)
		return 0;
	a = realloc(list->a, (list->n + 1) * sizeof(*a));
	if (!a)
		return fv_err_oom(err);
	list->a = a;
	a += list->n;
	memset(a, 0, sizeof(*a));
	a->op = op;
	snprintf(a->kind, sizeof(a->kind), "%s", kind);
	a->name = strdup(name);
	va_start(ap, detail);
	if (detail && vasprintf(&a->detail, detail, ap) < 0)
		a->detail = NULL;
	va_end(ap);
	list->n++;
	return a->name ? 0 : fv_err_oom(err);
}

void fv_actions_fini(struct fv_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		free(actions->a[i].name);
		free(actions->a[i].detail);
	}
	free(actions->a);
	memset(actions, 0, sizeof(*actions));
}

int fv_run_interrupted(const struct fv_run *run, struct fv_err *err)
{
	if (run->undoing || !run->opts->interrupted || !*run->opts->interrupted)
		return 0;
	return fv_err_set(err, -EINTR, "interrupted");
}

void fv_run_progress(const struct fv_run *run, const char *what, size_t done, size_t total)
{
	if (run->opts->progress)
		run->opts->progress(run->undoing ? "undone" : what, done, total);
}

/* ---- beginning ---- */

/* A port that the state does not know: its file was lost, or a run was killed. */
static int recover_port(struct fv_state *state, const struct fv_link *link, struct fv_err *err)
{
	const char *p = link->alias + strlen(FV_ALIAS_PREFIX), *slash = strchr(p, '/');
	char name[FV_NAME_MAX + 1];
	struct fv_net *net;
	struct fv_ep *ep;

	if (strncmp(link->alias, FV_ALIAS_PREFIX, strlen(FV_ALIAS_PREFIX)) || !slash ||
	    slash - p > FV_NAME_MAX || link->group <= FV_GROUP_BASE ||
	    link->group > FV_GROUP_BASE + FV_NETWORK_ID_MAX)
		return 0;
	if (fv_topo_ep(&state->topo, slash + 1, NULL))
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(slash - p), p);
	/* Whoever may set an alias can write anything into it. */
	if (fv_name_check("network", name, NULL) || fv_name_check("endpoint", slash + 1, NULL))
		return 0;
	net = fv_topo_net(&state->topo, name);
	if (!net) {
		net = fv_topo_append(&state->topo);
		if (!net || !(net->name = strdup(name)))
			return fv_err_oom(err);
		net->id = link->group - FV_GROUP_BASE;
	}
	ep = fv_net_append(net);
	if (!ep || !(ep->name = strdup(slash + 1)))
		return fv_err_oom(err);
	snprintf(ep->port, sizeof(ep->port), "%s", link->name);
	memcpy(ep->port_mac, link->mac, 6);
	fv_mac_of(name, ep->name, "ns", ep->mac);
	return 0;
}

static bool known_port(const struct fv_topo *topo, const struct fv_link *link)
{
	const char *slash = strchr(link->alias, '/');
	struct fv_net *net;
	const struct fv_ep *ep = slash ? fv_topo_ep(topo, slash + 1, &net) : NULL;

	return ep && !strcmp(ep->port, link->name);
}

static int recover(struct fv_run *run, struct fv_err *err)
{
	size_t n_known = 0, n_ours = 0;
	int r = 0;

	for (size_t i = 0; i < run->state.topo.n_nets; i++)
		n_known += run->state.topo.nets[i].n_eps;
	for (size_t i = 0; i < run->host.n_links; i++)
		n_ours += !strncmp(run->host.links[i].alias, FV_ALIAS_PREFIX,
				   strlen(FV_ALIAS_PREFIX));
	/* Looking each of them up is worth it only where the numbers do not tell already. */
	if (!n_ours || (n_known && n_ours <= n_known && n_ours > 1000))
		return 0;
	for (size_t i = 0; i < run->host.n_links && !r; i++)
		if (*run->host.links[i].alias && !known_port(&run->state.topo, &run->host.links[i]))
			r = recover_port(&run->state, &run->host.links[i], err);
	return r;
}

/* A run killed between making a name and mounting there, or the reverse, left an empty file. */
static void sweep_names(const struct fv_topo *topo)
{
	char path[sizeof(FV_NETNS_DIR) + FV_NAME_MAX + 2];
	struct stat st;

	for (size_t i = 0; i < topo->n_nets; i++) {
		for (size_t k = 0; k < topo->nets[i].n_eps; k++) {
			snprintf(path, sizeof(path), FV_NETNS_DIR "/%s", topo->nets[i].eps[k].name);
			/* A mounted namespace has mode 0444. */
			if (!lstat(path, &st) && S_ISREG(st.st_mode) && !(st.st_mode & 0777) &&
			    !st.st_size)
				unlink(path);
		}
	}
}

int fv_run_open(struct fv_run *run, const struct fv_options *opts, bool dry, struct fv_err *err,
		struct fv_actions *actions)
{
	struct rlimit files;
	int r;

	memset(run, 0, sizeof(*run));
	run->lock = -1;
	run->opts = opts;
	run->dry = dry;
	run->actions = actions;
	r = fv_check_privilege(err);
	r = r ?: fv_dp_probe(err, &run->features);
	if (!r && !dry)
		r = fv_lock_take(opts->wait, opts->command, err, &run->lock);
	r = r ?: fv_state_load(err, &run->state);
	r = r ?: fv_rtnl_open(err, &run->rt);
	/* A run that was killed while it had set this must not leave it so. */
	if (!r && !dry)
		r = fv_host_restore(run, true, err);
	r = r ?: fv_host_read(run->rt, err, &run->host);
	r = r ?: recover(run, err);
	if (!r && !dry)
		sweep_names(&run->state.topo);
	if (!r && !getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (r)
		fv_run_close(run);
	return r;
}

static void forget_plan(struct fv_run *run)
{
	free(FV_TAKE_PTR(run->eps));
	free(FV_TAKE_PTR(run->gone));
	run->n_eps = run->n_gone = 0;
}

void fv_run_close(struct fv_run *run)
{
	forget_plan(run);
	free(run->attached);
	free(run->was_attached);
	fv_state_fini(&run->was);
	fv_dp_close(&run->dp);
	fv_host_fini(&run->host);
	fv_rtnl_close(&run->rt);
	fv_topo_fini(&run->intent);
	fv_topo_fini(&run->want);
	fv_state_fini(&run->state);
	if (run->lock >= 0)
		close(FV_TAKE_FD(run->lock));
}

/* ---- doing ---- */

/* Move the endpoints of an old network that are not wanted into a topology that has the wanted. */
static int add_gone(struct fv_topo *topo, const struct fv_net *old, struct fv_err *err)
{
	FV_CLEANUP(fv_net_fini) struct fv_net copy = {};
	struct fv_net *net = fv_topo_net(topo, old->name);
	int r;

	r = fv_net_copy(old, err, &copy);
	if (r)
		return r;
	if (!net) {
		net = fv_topo_append(topo);
		if (!net)
			return fv_err_oom(err);
		*net = copy;
		memset(&copy, 0, sizeof(copy));
		return 0;
	}
	for (size_t i = 0; i < copy.n_eps; i++) {
		struct fv_ep *ep;

		if (fv_topo_ep(topo, copy.eps[i].name, NULL))
			continue;
		ep = fv_net_append(net);
		if (!ep)
			return fv_err_oom(err);
		*ep = copy.eps[i];
		memset(&copy.eps[i], 0, sizeof(copy.eps[i]));
	}
	return 0;
}

/* On disk before the first change: what shall be, and what is still to be removed. */
static int store_intent(struct fv_run *run, struct fv_err *err)
{
	int r;

	r = fv_topo_copy(&run->want, err, &run->intent);
	for (size_t i = 0; i < run->state.topo.n_nets && !r; i++)
		r = add_gone(&run->intent, &run->state.topo.nets[i], err);
	/* Until they are given anew, second names lead where they led. */
	for (size_t i = 0; i < run->intent.n_nets && !r; i++) {
		for (size_t k = 0; k < run->intent.nets[i].n_eps; k++) {
			struct fv_ep *ep = &run->intent.nets[i].eps[k];
			const struct fv_ep *old =
				ep->share ? fv_topo_ep(&run->state.topo, ep->name, NULL) : NULL;

			if (old && !ep->ns_ino) {
				ep->ns_dev = old->ns_dev;
				ep->ns_ino = old->ns_ino;
			}
		}
	}
	if (r)
		return r;
	/* So is what will have to be made and has no mark of ours on it. */
	if (run->want.n_nets || run->n_attached)
		run->state.mounted_bpffs |= !fv_dp_mounted();
	if (run->want.n_nets) {
		run->state.made_run_netns |= access(FV_NETNS_DIR, F_OK) && errno == ENOENT;
		fv_hosts_foresee(&run->state);
	}
	return fv_run_store(run, err);
}

int fv_run_store(const struct fv_run *run, struct fv_err *err)
{
	struct fv_state state = run->state;

	if (run->intent.n_nets)
		state.topo = run->intent;
	return fv_state_store(&state, err);
}

static int execute(struct fv_run *run, struct fv_err *err)
{
	int r;

	r = fv_run_remove(run, err);
	return r ?: fv_run_make(run, err);
}

/* The topology that now holds becomes the state. */
static int finish(struct fv_run *run, struct fv_err *err)
{
	int r = 0;

	/* What was said of uplinks was said for these. */
	if (!run->want.n_nets && !run->state.n_attached)
		r = fv_state_set_uplinks(&run->state, NULL, 0, false, err);
	if (r)
		return r;
	fv_topo_fini(&run->state.topo);
	run->state.topo = run->want;
	memset(&run->want, 0, sizeof(run->want));
	forget_plan(run);
	fv_topo_fini(&run->intent);
	return fv_run_store(run, err);
}

/* What was attached shall be, and what shall be may be by now. */
static void swap_attached(struct fv_run *run)
{
	struct fv_dp_endpoint *attached = run->attached;
	struct fv_attached_to *targets = run->state.attached;
	size_t n = run->n_attached, n_targets = run->state.n_attached;

	run->attached = run->was_attached;
	run->n_attached = run->n_was_attached;
	run->was_attached = attached;
	run->n_was_attached = n;
	if (run->rechosen)
		fv_uplinks_swap(&run->state, &run->was);
	if (!run->reattach)
		return;
	run->state.attached = run->was.attached;
	run->state.n_attached = run->was.n_attached;
	run->was.attached = targets;
	run->was.n_attached = n_targets;
}

/* Back to what was: the same work with the old topology wanted. */
static void undo(struct fv_run *run, struct fv_err *cause)
{
	struct fv_topo old = {};
	struct fv_err err = {};
	int r;

	run->undoing = true;
	swap_attached(run);
	r = fv_topo_copy(&run->state.topo, &err, &old);
	fv_topo_fini(&run->state.topo);
	run->state.topo = run->want;
	memset(&run->want, 0, sizeof(run->want));
	forget_plan(run);
	fv_dp_close(&run->dp);
	fv_host_fini(&run->host);
	r = r ?: fv_host_read(run->rt, &err, &run->host);
	r = r ?: fv_run_plan(run, &old, NULL, &err);
	r = r ?: execute(run, &err);
	r = r ?: finish(run, &err);
	if (r) {
		size_t n = strlen(cause->msg);

		snprintf(cause->msg + n, sizeof(cause->msg) - n, "; and undoing it failed: %.200s",
			 err.msg);
	}
	fv_topo_fini(&old);
	fv_actions_fini(run->actions);
}

static bool nothing_to_do(const struct fv_run *run)
{
	if (run->n_gone)
		return false;
	for (size_t i = 0; i < run->n_eps; i++)
		if (run->eps[i].todo)
			return false;
	return true;
}

int fv_run_converge(struct fv_run *run, struct fv_topo *want, const struct fv_scope *scope,
		    struct fv_err *err)
{
	int r;

	r = fv_run_plan(run, want, scope, err);
	if (!r && run->dry)
		r = fv_run_foresee(run, err);
	if (r || run->dry)
		return r;
	/* A host that never had a network, and shall have none, stays untouched. */
	if (!run->want.n_nets && !run->state.topo.n_nets && !run->n_attached &&
	    !run->n_was_attached && nothing_to_do(run))
		return fv_run_store(run, err);
	r = store_intent(run, err);
	if (r)
		return r;
	r = execute(run, err);
	if (!r)
		return finish(run, err);
	undo(run, err);
	return r;
}
