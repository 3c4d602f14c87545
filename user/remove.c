// SPDX-License-Identifier: GPL-2.0-only
/* What a run takes away: names, devices, routes, and with the last network everything else. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/hostfw.h"
#include "nat/nat.h"
#include "guest.h"
#include "run.h"

/* A second name that a killed run gave: it could not note of what, but nothing else had it. */
static bool is_second_name(const struct fv_run *run, const struct fv_ep *ep, int fd)
{
	FV_AUTO_FD int of = -1;
	struct fv_net *net;
	const struct fv_ep *to;

	if (!ep->share)
		return false;
	if (!strcmp(ep->share, "host"))
		return !fv_netns_self(NULL, &of) && fv_netns_same(fd, of);
	to = fv_topo_ep(&run->state.topo, ep->share, &net);
	return to && (fv_ns_is_ours(fd, net->name, to->name) ||
		      (!fv_ep_open_ns(to, NULL, &of) && fv_netns_same(fd, of)));
}

/* The name of a namespace that we made, or a second name that we gave. */
static int drop_name(struct fv_run *run, const struct fv_run_gone *gone, struct fv_err *err)
{
	const struct fv_ep *ep = gone->ep;
	FV_AUTO_FD int fd = -1;
	dev_t dev = 0;
	ino_t ino = 0;
	bool ours;
	int r;

	if (gone->keep_ns || (ep->target != FV_TARGET_OWN && !ep->share))
		return 0;
	r = fv_netns_open_name(ep->name, NULL, &fd);
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = fv_netns_id(fd, err, &dev, &ino);
	ours = !r && ((ep->ns_ino && ep->ns_ino == ino && ep->ns_dev == dev) ||
		      (!ep->share && fv_ns_is_ours(fd, gone->net->name, ep->name)) ||
		      is_second_name(run, ep, fd));
	if (ours)
		return fv_netns_unname(ep->name, err);
	if (run->opts->note) {
		char line[320];

		snprintf(line, sizeof(line),
			 "%s/%s is not the namespace that fastveth made: left alone", FV_NETNS_DIR,
			 ep->name);
		run->opts->note(line);
	}
	return 0;
}

static const struct fv_link *port_of(const struct fv_run *run, const struct fv_run_gone *gone)
{
	const struct fv_link *link =
		gone->ep->share ? NULL : fv_host_link(&run->host, gone->ep->port);

	return link && fv_link_is_ours(link, gone->net->name, gone->ep->name) ? link : NULL;
}

/* Every device of the group is a port of this network that goes: then one request deletes all. */
static bool whole_group(const struct fv_run *run, const struct fv_net *net)
{
	for (size_t i = 0; i < run->host.n_links; i++) {
		const struct fv_link *link = &run->host.links[i];
		bool found = false;

		if (link->group != FV_GROUP_BASE + net->id)
			continue;
		if (!strncmp(link->alias, FV_ALIAS_PREFIX, strlen(FV_ALIAS_PREFIX)))
			found = !strncmp(link->alias + strlen(FV_ALIAS_PREFIX), net->name,
					 strlen(net->name)) &&
				link->alias[strlen(FV_ALIAS_PREFIX) + strlen(net->name)] == '/';
		for (size_t k = 0; k < run->n_gone && !found; k++)
			found = run->gone[k].net == net && port_of(run, &run->gone[k]) == link;
		if (!found)
			return false;
	}
	return true;
}

static int drop_ports(struct fv_run *run, struct fv_err *err)
{
	const struct fv_net *net = NULL;
	bool whole = false;
	int r = 0;

	for (size_t i = 0; i < run->n_gone && !r; i++) {
		const struct fv_run_gone *gone = &run->gone[i];
		const struct fv_link *link = port_of(run, gone);

		if (!link)
			continue;
		if (gone->net != net) {
			net = gone->net;
			whole = gone->with_net && whole_group(run, net);
			if (whole)
				r = fv_link_delete_group(run->rt, FV_GROUP_BASE + net->id, err);
		}
		if (!r && !whole)
			r = fv_link_delete(run->rt, link->ifindex, link->name, FV_ACCEPT_GONE, err);
	}
	return r ?: fv_rtnl_flush(run->rt, err);
}

static bool wanted_subnet(const struct fv_run *run, const struct fv_prefix *p)
{
	for (size_t i = 0; i < run->want.n_nets; i++) {
		const struct fv_net *net = &run->want.nets[i];

		if ((net->subnet4.ip.family && p->len == net->subnet4.len &&
		     fv_ip_equal(&p->ip, &net->subnet4.ip)) ||
		    (net->subnet6.ip.family && p->len == net->subnet6.len &&
		     fv_ip_equal(&p->ip, &net->subnet6.ip)))
			return true;
	}
	return false;
}

/* Where somebody took away the route, the state knows whose the address was. */
static int drop_gateway(struct fv_run *run, const struct fv_prefix *subnet, const struct fv_ip *gw,
			struct fv_err *err)
{
	const struct fv_addr addr = { .ifindex = run->host.lo, .prefix = { *gw, fv_ip_bits(gw) } };

	if (!subnet->ip.family || wanted_subnet(run, subnet) ||
	    fv_host_has_subnet(&run->host, subnet))
		return 0;
	return fv_addr_delete(run->rt, &addr, FV_ACCEPT_GONE, err);
}

/*
 * Our routes in the host that nobody wants. The one to a subnet proves that the
 * gateway address on lo is ours, so it goes after that.
 */
static int drop_subnets(struct fv_run *run, struct fv_err *err)
{
	for (size_t i = 0; i < run->host.n_routes; i++) {
		const struct fv_route *route = &run->host.routes[i];
		struct fv_addr gw = { .ifindex = run->host.lo };
		int r = 0;

		if (route->protocol != FV_RTPROT || route->type != RTN_UNREACHABLE ||
		    wanted_subnet(run, &route->dst))
			continue;
		gw.prefix.len = fv_ip_bits(&route->dst.ip);
		if (fv_prefix_host(&route->dst, 1, &gw.prefix.ip))
			r = fv_addr_delete(run->rt, &gw, FV_ACCEPT_GONE, err);
		r = r ?: fv_route_delete(run->rt, route, FV_ACCEPT_GONE, err);
		if (r)
			return r;
	}
	for (size_t i = 0; i < run->state.topo.n_nets; i++) {
		const struct fv_net *net = &run->state.topo.nets[i];
		int r;

		r = drop_gateway(run, &net->subnet4, &net->gw4, err);
		r = r ?: drop_gateway(run, &net->subnet6, &net->gw6, err);
		if (r)
			return r;
	}
	return fv_rtnl_flush(run->rt, err);
}

static int by_oif(const void *key, const void *elem)
{
	const struct fv_run_ep *re = elem;

	return *(const int *)key - re->ifindex;
}

static int eps_by_oif(const void *a, const void *b)
{
	return ((const struct fv_run_ep *)a)->ifindex - ((const struct fv_run_ep *)b)->ifindex;
}

/* Host routes and neighbours of addresses that an endpoint had before. */
static int drop_addresses(struct fv_run *run, struct fv_err *err)
{
	FV_AUTO_FREE struct fv_run_ep *eps = calloc(run->n_eps + 1, sizeof(*eps));
	int r = 0;

	if (!eps)
		return fv_err_oom(err);
	memcpy(eps, run->eps, run->n_eps * sizeof(*eps));
	qsort(eps, run->n_eps, sizeof(*eps), eps_by_oif);
	for (size_t i = 0; i < run->host.n_routes && !r; i++) {
		const struct fv_route *route = &run->host.routes[i];
		struct fv_neigh neigh = { .ifindex = route->oif, .ip = route->dst.ip };
		const struct fv_run_ep *re;

		if (route->protocol != FV_RTPROT || route->type != RTN_UNICAST || !route->oif)
			continue;
		re = bsearch(&route->oif, eps, run->n_eps, sizeof(*eps), by_oif);
		if (!re || fv_ip_equal(&route->dst.ip, &re->ep->ip4) ||
		    fv_ip_equal(&route->dst.ip, &re->ep->ip6))
			continue;
		r = fv_route_delete(run->rt, route, FV_ACCEPT_GONE, err);
		r = r ?: fv_neigh_delete(run->rt, &neigh, FV_ACCEPT_GONE, err);
	}
	return r ?: fv_rtnl_flush(run->rt, err);
}

/* What networks had in common, and what attached ports do not need. */
static int drop_last(struct fv_run *run, struct fv_err *err)
{
	FV_AUTO_FREE char *table = NULL;
	int r;

	r = fv_nat_listing(err, &table);
	if (!r && table)
		r = fv_nat_remove(err);
	r = r ?: fv_hostfw_remove(err);
	r = r ?: fv_host_restore(run, false, err);
	if (r)
		return r;
	free(FV_TAKE_PTR(run->state.nft));
	fv_hosts_rmdir(&run->state);
	return 0;
}

static int drop_dp(struct fv_run *run, struct fv_err *err)
{
	int r;

	fv_dp_close(&run->dp);
	r = fv_dp_remove(run->state.mounted_bpffs, err);
	if (!r)
		run->state.mounted_bpffs = false;
	return r;
}

int fv_run_remove(struct fv_run *run, struct fv_err *err)
{
	bool expedited = false;
	int r = 0;

	/* Out of the maps first: nothing is redirected to a device that is about to go. */
	if ((run->n_gone || fv_run_detaches(run)) && run->dp &&
	    (run->want.n_nets || run->n_attached))
		r = fv_run_fill(run, err);
	r = r ?: fv_run_drop_attached(run, err);
	/* Devices before pins: letting go of a link costs a grace period, of a dead one nothing. */
	if (!r)
		expedited = fv_host_expedite(run, run->n_gone);
	r = r ?: drop_ports(run, err);
	for (size_t i = 0; i < run->n_gone && !r; i++) {
		const struct fv_run_gone *gone = &run->gone[i];

		if (run->dp && port_of(run, gone))
			r = fv_dp_forget(run->dp, gone->ep->port, err);
		if (!r && !gone->keep_ns)
			r = fv_hosts_unlink(gone->net->name, gone->ep->name, err);
	}
	r = r ?: drop_addresses(run, err);
	r = r ?: drop_subnets(run, err);
	for (size_t i = 0; i < run->state.topo.n_nets && !r; i++)
		if (!fv_topo_net(&run->want, run->state.topo.nets[i].name))
			r = fv_hosts_remove(run->state.topo.nets[i].name, err);
	if (expedited)
		r = fv_host_restore(run, true, r ? NULL : err) ?: r;
	if (!r && !run->want.n_nets && run->state.topo.n_nets)
		r = drop_last(run, err);
	if (!r && !run->want.n_nets && !run->n_attached)
		r = drop_dp(run, err);
	/*
	 * Names at the end: the kernel then takes the namespaces apart, and whatever needs its locks
	 * waits for that.
	 */
	for (size_t i = 0; i < run->n_gone && !r; i++) {
		r = drop_name(run, &run->gone[i], err);
		fv_run_progress(run, "removed", i + 1, run->n_gone);
	}
	if (!r && !run->want.n_nets && run->state.made_run_netns) {
		r = fv_netns_rmdir(err);
		run->state.made_run_netns = r != 0;
	}
	return r;
}
