// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports of others: which devices a target of `attach` stands for, and what speaks against a
 * shortcut there. Everything is asked of the kernel anew each time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "engine/engine.h"
#include "nat/gate.h"
#include "net/gate.h"
#include "guest.h"
#include "run.h"

#define BRIDGE "bridge:"
#define CONTAINER "container:"

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* ---- targets ---- */

static int no_bridge(const struct fv_host *host, const char *name, struct fv_err *err)
{
	const struct fv_link *link = fv_host_link(host, name);

	if (!link)
		return fv_err_set(err, -ENODEV, "bridge \"%s\": there is no device of that name",
				  name);
	if (strcmp(link->kind, "bridge"))
		return fv_err_set(err, -EINVAL,
				  "bridge \"%s\": that device is %s%s; name a bridge, "
				  "container:NAME, pid:N, netns:NAME or path:P",
				  name, *link->kind ? "of kind " : "no bridge", link->kind);
	return 0;
}

int fv_target_name(struct fv_run *run, const char *word, struct fv_err *err, char **ret)
{
	FV_CLEANUP(fv_container_fini) struct fv_container container = {};
	const struct fv_link *link = fv_host_link(&run->host, word);
	struct fv_ep ep = {};
	int r = 0;

	if (begins(word, BRIDGE)) {
		r = no_bridge(&run->host, word + strlen(BRIDGE), err);
	} else if (begins(word, CONTAINER)) {
		r = fv_engine_find(word + strlen(CONTAINER), err, &container);
	} else if (strchr(word, ':') || strchr(word, '/')) {
		r = fv_target_parse(word, &ep, err);
		fv_ep_fini(&ep);
	} else if (link && !strcmp(link->kind, "bridge")) {
		return asprintf(ret, BRIDGE "%s", word) < 0 ? fv_err_oom(err) : 0;
	} else {
		r = fv_engine_find(word, err, &container);
		if (r == -ENOENT && err && link)
			*err = (struct fv_err){};
		if (r == -ENOENT && link)
			return no_bridge(&run->host, word, err);
	}
	if (r)
		return r;
	if (container.name)
		return asprintf(ret, CONTAINER "%s", container.name) < 0 ? fv_err_oom(err) : 0;
	*ret = strdup(word);
	return *ret ? 0 : fv_err_oom(err);
}

/* The namespace that a target other than a bridge names. */
static int open_target(const struct fv_attached_to *to, struct fv_err *err, int *ret)
{
	FV_CLEANUP(fv_container_fini) struct fv_container container = {};
	FV_AUTO_FD int fd = -1, self = -1;
	struct fv_ep ep = {};
	struct stat st;
	int r;

	if (begins(to->target, CONTAINER)) {
		r = fv_engine_find(to->target + strlen(CONTAINER), err, &container);
		r = r ?: fv_netns_open_pid(container.pid, err, &fd);
		/* The process may have ended, and its number be another's. */
		if (!r && container.ns_ino &&
		    (fstat(fd, &st) || st.st_ino != container.ns_ino ||
		     st.st_dev != container.ns_dev))
			r = fv_err_set(err, -ESRCH, "container \"%s\": it ended just now",
				       container.name);
	} else {
		r = fv_target_parse(to->target, &ep, err);
		r = r ?: fv_ep_open_ns(&ep, err, &fd);
		if (r == -ENOENT)
			fv_err_set(err, r, "target \"%s\": there is no such namespace", to->target);
		fv_ep_fini(&ep);
	}
	if (r)
		return r;
	if (!fv_netns_self(NULL, &self) && fv_netns_same(fd, self))
		return fv_err_set(
			err, -EINVAL,
			"target \"%s\": that is the host's own network namespace, which has "
			"no port",
			to->target);
	*ret = FV_TAKE_FD(fd);
	return 0;
}

/* Veths whose other end is elsewhere, and that are not ours already. */
static bool can_be_port(const struct fv_link *link)
{
	return !strcmp(link->kind, "veth") && link->peer_nsid >= 0 && link->peer_ifindex > 0 &&
	       !begins(link->alias, FV_ALIAS_PREFIX);
}

static int add_guest(struct fv_guests *guests, const struct fv_link *link,
		     const struct fv_attached_to *to, struct fv_err *err)
{
	struct fv_guest *g;

	for (size_t i = 0; i < guests->n; i++) {
		g = &guests->g[i];
		if (g->link != link)
			continue;
		g->allow |= to->allow;
		return 0;
	}
	g = reallocarray(guests->g, guests->n + 1, sizeof(*g));
	if (!g)
		return fv_err_oom(err);
	guests->g = g;
	g += guests->n++;
	*g = (struct fv_guest){ .link = link, .allow = to->allow };
	return 0;
}

/*
 * The same for a target of before, which is not looked for in vain while its engine does not answer, or
 * after its process has ended: the namespace is what was attached. Nor is a number that was used
 * again taken for the process that had it.
 */
static int open_again(struct fv_attached_to *to, int *ret)
{
	FV_AUTO_FD int fd = -1;
	ino_t ino = 0;
	dev_t dev = 0;
	int r;

	r = open_target(to, NULL, &fd);
	r = r ?: fv_netns_id(fd, NULL, &dev, &ino);
	if (!r && (!to->ns_ino || begins(to->target, CONTAINER) ||
		   (dev == to->ns_dev && ino == to->ns_ino))) {
		to->ns_dev = dev;
		to->ns_ino = ino;
		*ret = FV_TAKE_FD(fd);
		return 0;
	}
	return to->ns_ino ? fv_netns_find(to->ns_dev, to->ns_ino, NULL, ret) : r ?: -ESRCH;
}

static int open_first(struct fv_attached_to *to, struct fv_err *err, int *ret)
{
	int r = open_target(to, err, ret);

	return r ?: fv_netns_id(*ret, err, &to->ns_dev, &to->ns_ino);
}

static int add_target(struct fv_run *run, struct fv_attached_to *to, struct fv_err *err,
		      struct fv_guests *guests)
{
	const struct fv_host *host = &run->host;
	const struct fv_link *bridge = NULL;
	size_t before = guests->n;
	FV_AUTO_FD int ns = -1;
	int nsid = -1, r = 0;

	if (begins(to->target, BRIDGE)) {
		r = no_bridge(host, to->target + strlen(BRIDGE), err);
		bridge = fv_host_link(host, to->target + strlen(BRIDGE));
	} else {
		r = err ? open_first(to, err, &ns) : open_again(to, &ns);
		r = r ?: fv_nsid_of(run->rt, ns, err, &nsid);
	}
	for (size_t i = 0; i < host->n_links && !r; i++) {
		const struct fv_link *link = &host->links[i];

		if (can_be_port(link) &&
		    (bridge ? link->master == bridge->ifindex : link->peer_nsid == nsid))
			r = add_guest(guests, link, to, err);
	}
	if (!r && !bridge && guests->n == before && nsid < 0)
		r = fv_err_set(
			err, -ENODEV,
			"target \"%s\": no veth of this host leads there, or it is fastveth's "
			"own already",
			to->target);
	return r;
}

/* ---- gate ---- */

/* What is inside: the name there, and the MAC that frames for it carry. */
static int look_inside(struct fv_run *run, struct fv_guests *guests, struct fv_err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < guests->n; i++) {
		struct fv_guest *g = &guests->g[i];
		struct fv_link peer = {};
		int r;

		r = fv_link_peer(run->rt, g->link->peer_nsid, g->link->peer_ifindex, err, &peer);
		if (r && r != -ENODEV)
			return r;
		/* On its way out. */
		if (r || peer.peer_ifindex != g->link->ifindex) {
			fv_gate_fini(&g->reasons);
			continue;
		}
		memcpy(g->mac, peer.mac, 6);
		strcpy(g->ifname, peer.name);
		guests->g[kept++] = *g;
	}
	guests->n = kept;
	return 0;
}

static int judge(struct fv_run *run, struct fv_guests *guests, struct fv_err *err)
{
	FV_CLEANUP(fv_qdiscs_free) struct fv_qdiscs *qdiscs = NULL;
	int r;

	if (!guests->n)
		return 0;
	r = fv_gate_rules(err, &guests->rules);
	r = r ?: fv_gate_xfrm(err, &guests->rules);
	r = r ?: fv_qdiscs_load(run->rt, err, &qdiscs);
	for (size_t i = 0; i < guests->n && !r; i++) {
		struct fv_guest *g = &guests->g[i];
		char in[16], out[16];

		r = fv_gate_device(run->rt, qdiscs, g->link->ifindex, g->link->name, err,
				   &g->reasons);
		fv_dp_foreign(g->link->ifindex, in, out);
		if (!r && *in)
			r = fv_gate_add(&g->reasons, err, FV_GATE_INGRESS_PROGRAM,
					"program %s on %s ingress, behind ours", in, g->link->name);
		if (!r && *out)
			r = fv_gate_add(&g->reasons, err, FV_GATE_EGRESS_PROGRAM,
					"program %s on %s egress", out, g->link->name);
		g->declined =
			(fv_gate_mask(&guests->rules) | fv_gate_mask(&g->reasons)) & ~g->allow;
	}
	return r;
}

static bool is_one_of(const char *target, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(target, names[i]))
			return true;
	return false;
}

int fv_guests_find(struct fv_run *run, const char *const *strict, size_t n_strict,
		   struct fv_err *err, struct fv_guests *ret)
{
	FV_CLEANUP(fv_guests_fini) struct fv_guests guests = {};
	int r = 0;

	for (size_t i = 0; i < run->state.n_attached && !r; i++) {
		struct fv_attached_to *to = &run->state.attached[i];
		bool must = is_one_of(to->target, strict, n_strict);

		r = add_target(run, to, must ? err : NULL, &guests);
		/* What is gone may come again: the target stays. */
		if (r && !must && r != -ENOMEM)
			r = 0;
	}
	r = r ?: look_inside(run, &guests, err);
	r = r ?: judge(run, &guests, err);
	if (r)
		return r;
	*ret = guests;
	guests = (struct fv_guests){};
	return 0;
}

void fv_guests_fini(struct fv_guests *guests)
{
	for (size_t i = 0; i < guests->n; i++)
		fv_gate_fini(&guests->g[i].reasons);
	free(guests->g);
	fv_gate_fini(&guests->rules);
	*guests = (struct fv_guests){};
}
