// SPDX-License-Identifier: GPL-2.0-only
/* The host as the kernel shows it, and the settings of its own that a run changes. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "net/sysctl.h"
#include "guest.h"
#include "run.h"

/* From so many attachments on, the kernel is asked to wait less between them. */
#define RCU_WORTH 4
#define RCU_EXPEDITED "/sys/kernel/rcu_expedited"

static int by_link_name(const void *a, const void *b, void *host_)
{
	const struct fv_host *host = host_;

	return strcmp(host->links[*(const size_t *)a].name, host->links[*(const size_t *)b].name);
}

static int by_route_oif(const void *a, const void *b, void *host_)
{
	const struct fv_host *host = host_;

	return host->routes[*(const size_t *)a].oif - host->routes[*(const size_t *)b].oif;
}

static int by_neigh_if(const void *a, const void *b, void *host_)
{
	const struct fv_host *host = host_;

	return host->neighs[*(const size_t *)a].ifindex - host->neighs[*(const size_t *)b].ifindex;
}

static size_t *sorted(size_t n, int (*cmp)(const void *, const void *, void *),
		      struct fv_host *host)
{
	size_t *p = calloc(n + 1, sizeof(*p));

	for (size_t i = 0; p && i < n; i++)
		p[i] = i;
	if (p)
		qsort_r(p, n, sizeof(*p), cmp, host);
	return p;
}

int fv_host_read_links(struct fv_rtnl *rt, struct fv_err *err, struct fv_host *ret)
{
	FV_CLEANUP(fv_host_fini) struct fv_host h = {};
	int r;

	r = fv_link_dump(rt, err, &h.links, &h.n_links);
	if (r)
		return r;
	h.by_name = sorted(h.n_links, by_link_name, &h);
	if (!h.by_name)
		return fv_err_oom(err);
	*ret = h;
	memset(&h, 0, sizeof(h));
	return 0;
}

int fv_host_read(struct fv_rtnl *rt, struct fv_err *err, struct fv_host *ret)
{
	FV_CLEANUP(fv_host_fini) struct fv_host h = {};
	int r;

	r = fv_host_read_links(rt, err, &h);
	r = r ?: fv_addr_dump(rt, err, &h.addrs, &h.n_addrs);
	r = r ?: fv_route_dump(rt, err, &h.routes, &h.n_routes);
	r = r ?: fv_neigh_dump(rt, err, &h.neighs, &h.n_neighs);
	if (r)
		return r;
	h.routes_by_oif = sorted(h.n_routes, by_route_oif, &h);
	h.neighs_by_if = sorted(h.n_neighs, by_neigh_if, &h);
	if (!h.routes_by_oif || !h.neighs_by_if)
		return fv_err_oom(err);
	h.lo = 1;
	for (size_t i = 0; i < h.n_links; i++)
		if (!strcmp(h.links[i].name, "lo"))
			h.lo = h.links[i].ifindex;
	*ret = h;
	memset(&h, 0, sizeof(h));
	return 0;
}

void fv_host_fini(struct fv_host *host)
{
	free(host->links);
	free(host->addrs);
	free(host->routes);
	free(host->neighs);
	free(host->by_name);
	free(host->routes_by_oif);
	free(host->neighs_by_if);
	memset(host, 0, sizeof(*host));
}

const struct fv_link *fv_host_link(const struct fv_host *host, const char *name)
{
	size_t lo = 0, hi = host->n_links;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct fv_link *l = &host->links[host->by_name[mid]];
		int c = strcmp(name, l->name);

		if (!c)
			return l;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

const struct fv_link *fv_host_ifindex(const struct fv_host *host, int ifindex)
{
	size_t lo = 0, hi = host->n_links;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct fv_link *l = &host->links[mid];

		if (l->ifindex == ifindex)
			return l;
		if (ifindex < l->ifindex)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static bool same_route(const struct fv_route *a, const struct fv_route *b)
{
	return a->oif == b->oif && a->dst.len == b->dst.len &&
	       fv_ip_equal(&a->dst.ip, &b->dst.ip) &&
	       (a->type ?: RTN_UNICAST) == (b->type ?: RTN_UNICAST) && a->protocol == b->protocol &&
	       fv_ip_equal(&a->src, &b->src) &&
	       (a->table ?: FV_ROUTE_MAIN) == (b->table ?: FV_ROUTE_MAIN);
}

bool fv_host_has_route(const struct fv_host *host, const struct fv_route *route)
{
	size_t lo = 0, hi = host->n_routes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (host->routes[host->routes_by_oif[mid]].oif < route->oif)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < host->n_routes; lo++) {
		const struct fv_route *r = &host->routes[host->routes_by_oif[lo]];

		if (r->oif != route->oif)
			break;
		if (same_route(r, route))
			return true;
	}
	return false;
}

bool fv_host_has_neigh(const struct fv_host *host, const struct fv_neigh *neigh)
{
	size_t lo = 0, hi = host->n_neighs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (host->neighs[host->neighs_by_if[mid]].ifindex < neigh->ifindex)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < host->n_neighs; lo++) {
		const struct fv_neigh *n = &host->neighs[host->neighs_by_if[lo]];

		if (n->ifindex != neigh->ifindex)
			break;
		if (n->permanent && fv_ip_equal(&n->ip, &neigh->ip) &&
		    !memcmp(n->mac, neigh->mac, 6))
			return true;
	}
	return false;
}

bool fv_host_has_addr(const struct fv_host *host, const struct fv_addr *addr)
{
	for (size_t i = 0; i < host->n_addrs; i++)
		if (host->addrs[i].ifindex == addr->ifindex &&
		    host->addrs[i].prefix.len == addr->prefix.len &&
		    fv_ip_equal(&host->addrs[i].prefix.ip, &addr->prefix.ip))
			return true;
	return false;
}

const struct fv_link *fv_host_uplink(const struct fv_host *host)
{
	const struct fv_route *best = NULL;

	for (size_t i = 0; i < host->n_routes; i++) {
		const struct fv_route *r = &host->routes[i];

		if (r->dst.len || !r->oif || r->table != FV_ROUTE_MAIN || r->type != RTN_UNICAST)
			continue;
		/* IPv4 first: its MTU is the one that nothing negotiates. */
		if (!best || (r->dst.ip.family == AF_INET && best->dst.ip.family != AF_INET) ||
		    (r->dst.ip.family == best->dst.ip.family && r->metric < best->metric))
			best = r;
	}
	return best ? fv_host_ifindex(host, best->oif) : NULL;
}

static const char *link_name(const struct fv_host *host, int ifindex)
{
	const struct fv_link *l = fv_host_ifindex(host, ifindex);

	return l ? l->name : "?";
}

/* What somebody has taken from beside it does not make a gateway's address the host's own. */
static bool known_gateway(const struct fv_run *run, const struct fv_addr *addr)
{
	for (size_t i = 0; i < run->state.topo.n_nets; i++) {
		const struct fv_net *net = &run->state.topo.nets[i];

		if (addr->ifindex == run->host.lo &&
		    addr->prefix.len == fv_ip_bits(&addr->prefix.ip) &&
		    (fv_ip_equal(&addr->prefix.ip, &net->gw4) ||
		     fv_ip_equal(&addr->prefix.ip, &net->gw6)))
			return true;
	}
	return false;
}

static int check_subnet(const struct fv_run *run, const struct fv_net *net,
			const struct fv_prefix *subnet, struct fv_err *err)
{
	const struct fv_host *host = &run->host;
	char a[FV_IP_STRLEN], b[FV_IP_STRLEN];

	for (size_t i = 0; i < host->n_routes; i++) {
		const struct fv_route *r = &host->routes[i];

		if (!r->dst.len || r->protocol == FV_RTPROT || !fv_prefix_overlap(&r->dst, subnet))
			continue;
		return fv_err_set(
			err, -EADDRINUSE,
			"network \"%s\": subnet %s collides with the host's route %s%s%s: "
			"choose another subnet, or remove the route",
			net->name, fv_prefix_str(subnet, a), fv_prefix_str(&r->dst, b),
			r->oif ? " dev " : "", r->oif ? link_name(host, r->oif) : "");
	}
	for (size_t i = 0; i < host->n_addrs; i++) {
		const struct fv_addr *addr = &host->addrs[i];

		if (!fv_ip_in(&addr->prefix.ip, subnet) || known_gateway(run, addr))
			continue;
		return fv_err_set(
			err, -EADDRINUSE,
			"network \"%s\": subnet %s holds the host's address %s on %s: choose "
			"another subnet",
			net->name, fv_prefix_str(subnet, a), fv_prefix_str(&addr->prefix, b),
			link_name(host, addr->ifindex));
	}
	return 0;
}

bool fv_host_has_subnet(const struct fv_host *host, const struct fv_prefix *subnet)
{
	const struct fv_route route = {
		.dst = *subnet,
		.type = RTN_UNREACHABLE,
		.protocol = FV_RTPROT,
		.oif = 0,
	};

	for (size_t i = 0; i < host->n_routes; i++)
		if (host->routes[i].type == RTN_UNREACHABLE &&
		    host->routes[i].protocol == FV_RTPROT &&
		    host->routes[i].dst.len == route.dst.len &&
		    fv_ip_equal(&host->routes[i].dst.ip, &route.dst.ip))
			return true;
	return false;
}

int fv_host_check_subnets(const struct fv_run *run, struct fv_err *err)
{
	for (size_t i = 0; i < run->want.n_nets; i++) {
		const struct fv_net *net = &run->want.nets[i];
		const struct fv_prefix *subnets[] = { &net->subnet4, &net->subnet6 };

		for (size_t k = 0; k < FV_ARRAY_SIZE(subnets); k++) {
			int r;

			if (!subnets[k]->ip.family || fv_host_has_subnet(&run->host, subnets[k]))
				continue;
			r = check_subnet(run, net, subnets[k], err);
			if (r)
				return r;
		}
	}
	return 0;
}

/* ---- values ---- */

static struct fv_saved *find_saved(struct fv_state *state, const char *path)
{
	for (size_t i = 0; i < state->n_saved; i++)
		if (!strcmp(state->saved[i].path, path))
			return &state->saved[i];
	return NULL;
}

static int save(struct fv_run *run, const char *path, const char *old, const char *set,
		struct fv_err *err)
{
	struct fv_saved *s;

	if (find_saved(&run->state, path))
		return 0;
	s = realloc(run->state.saved, (run->state.n_saved + 1) * sizeof(*s));
	if (!s)
		return fv_err_oom(err);
	run->state.saved = s;
	s += run->state.n_saved;
	s->path = strdup(path);
	s->old = strdup(old);
	s->set = strdup(set);
	run->state.n_saved++;
	return s->path && s->old && s->set ? 0 : fv_err_oom(err);
}

int fv_host_set(struct fv_run *run, const char *path, const char *value, struct fv_err *err,
		bool *ret_changed)
{
	char old[256];
	int r;

	r = fv_sysctl_get(path, err, old, sizeof(old));
	if (r == -ENOENT || (!r && !strcmp(old, value)))
		return 0;
	if (r)
		return r;
	*ret_changed = true;
	if (run->dry)
		return 0;
	/* What will be put back must be on disk before it is changed. */
	r = save(run, path, old, value, err);
	r = r ?: fv_run_store(run, err);
	if (r)
		return r;
	return fv_sysctl_set(path, value, err);
}

int fv_host_forward(struct fv_run *run, int family, struct fv_err *err, bool *ret_changed)
{
	const char *ip = family == AF_INET ? "ipv4" : "ipv6";
	char path[96], now[16];
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/all/forwarding", ip);
	r = fv_sysctl_get(path, err, now, sizeof(now));
	if (r == -ENOENT || (!r && !strcmp(now, "1")))
		return 0;
	/*
	 * Switching it off again will switch it off on every device, also where it
	 * was on by itself: what is found to be 0 then becomes 1 again.
	 */
	for (size_t i = 0; i <= run->host.n_links && !r; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", ip,
			 i < run->host.n_links ? run->host.links[i].name : "default");
		r = fv_sysctl_get(path, err, now, sizeof(now));
		if (!r && !strcmp(now, "1"))
			r = save(run, path, "1", "0", err);
		r = r == -ENOENT ? 0 : r;
	}
	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/all/forwarding", ip);
	return r ?: fv_host_set(run, path, "1", err, ret_changed);
}

bool fv_host_expedite(struct fv_run *run, size_t n)
{
	bool changed = false;

	return n >= RCU_WORTH && !fv_host_set(run, RCU_EXPEDITED, "1", NULL, &changed) && changed;
}

static void drop_saved(struct fv_state *state, size_t i)
{
	free(state->saved[i].path);
	free(state->saved[i].old);
	free(state->saved[i].set);
	state->n_saved--;
	memmove(&state->saved[i], &state->saved[i + 1],
		(state->n_saved - i) * sizeof(*state->saved));
}

static int restore_saved(struct fv_state *state, size_t i, struct fv_err *err)
{
	const struct fv_saved *s = &state->saved[i];
	char now[256];
	int r;

	r = fv_sysctl_get(s->path, err, now, sizeof(now));
	/* Somebody else has set it since: it is theirs now. */
	if (!r && !strcmp(now, s->set))
		r = fv_sysctl_set(s->path, s->old, err);
	if (r && r != -ENOENT)
		return r;
	drop_saved(state, i);
	return 0;
}

int fv_host_restore(struct fv_run *run, bool only_transient, struct fv_err *err)
{
	struct fv_state *state = &run->state;
	int first = 0;

	/* Backwards: a later value may depend on an earlier one. */
	for (size_t i = state->n_saved; i-- > 0;) {
		const char *path = state->saved[i].path;
		int r;

		if ((only_transient && strcmp(path, RCU_EXPEDITED)) ||
		    (run->n_attached && !strcmp(path, FV_LIBERAL)))
			continue;
		r = restore_saved(state, i, err);
		first = first ?: r;
	}
	return first;
}

int fv_host_restore_path(struct fv_run *run, const char *path, struct fv_err *err)
{
	for (size_t i = run->state.n_saved; i-- > 0;)
		if (!strcmp(run->state.saved[i].path, path))
			return restore_saved(&run->state, i, err);
	return 0;
}
