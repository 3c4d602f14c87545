// SPDX-License-Identifier: GPL-2.0-only
/* What a run creates and changes: networks, pairs, programs, in that order. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "nat/hostfw.h"
#include "nat/nat.h"
#include "net/sysctl.h"
#include "guest.h"
#include "run.h"

/* Milliseconds in all that a run waits for new pairs to be usable. */
#define AWAIT_STEPS 1000

/* ---- the host ---- */

static bool ra_uplink(const struct fv_run *run, const struct fv_link *link)
{
	for (size_t i = 0; i < run->host.n_routes; i++) {
		const struct fv_route *r = &run->host.routes[i];

		if (r->oif == link->ifindex && r->protocol == RTPROT_RA)
			return true;
	}
	return false;
}

/*
 * A host that forwards IPv6 ignores router advertisements: a device that lives
 * on them must be told otherwise first, or it loses its address and its route.
 */
static int keep_ra(struct fv_run *run, struct fv_err *err, bool *changed)
{
	for (size_t i = 0; i < run->host.n_links; i++) {
		char path[96], now[16];
		int r;

		if (!ra_uplink(run, &run->host.links[i]))
			continue;
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra",
			 run->host.links[i].name);
		r = fv_sysctl_get(path, err, now, sizeof(now));
		if (!r && !strcmp(now, "1"))
			r = fv_host_set(run, path, "2", err, changed);
		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

static int make_sysctls(struct fv_run *run, struct fv_err *err)
{
	bool ip4 = false, ip6 = false, changed = false;
	int r = 0;

	for (size_t i = 0; i < run->want.n_nets; i++) {
		ip4 |= run->want.nets[i].subnet4.ip.family != 0;
		ip6 |= run->want.nets[i].subnet6.ip.family != 0;
	}
	if (ip4)
		r = fv_host_forward(run, AF_INET, err, &changed);
	if (!r && ip6)
		r = keep_ra(run, err, &changed);
	if (!r && ip6)
		r = fv_host_forward(run, AF_INET6, err, &changed);
	if (!r && changed)
		r = fv_run_act(run, FV_OP_CHANGE, "sysctl", "forwarding", err,
			       "on; put back when the last network goes");
	return r;
}

static int make_subnet(struct fv_run *run, const struct fv_prefix *subnet, const struct fv_ip *gw,
		       struct fv_err *err)
{
	const struct fv_addr addr = { .ifindex = run->host.lo, .prefix = { *gw, fv_ip_bits(gw) } };
	const struct fv_route route = {
		.dst = *subnet,
		.type = RTN_UNREACHABLE,
		.protocol = FV_RTPROT,
	};
	int r;

	if (!subnet->ip.family)
		return 0;
	/* The route first: it proves later that the address is ours. */
	r = fv_route_add(run->rt, &route, FV_ACCEPT_EXISTS, err);
	return r ?: fv_addr_add(run->rt, &addr, FV_ACCEPT_EXISTS, err);
}

static int make_networks(struct fv_run *run, struct fv_err *err)
{
	int r = 0;

	for (size_t i = 0; i < run->want.n_nets && !r; i++) {
		const struct fv_net *net = &run->want.nets[i];

		r = make_subnet(run, &net->subnet4, &net->gw4, err);
		r = r ?: make_subnet(run, &net->subnet6, &net->gw6, err);
		r = r ?: fv_hosts_write(net, err);
	}
	return r ?: fv_rtnl_flush(run->rt, err);
}

static int make_nft(struct fv_run *run, struct fv_err *err)
{
	FV_AUTO_FREE char *before = NULL, *after = NULL, *now = NULL;
	int r;

	r = fv_nat_ruleset(&run->want, err, &after);
	r = r ?: fv_nat_ruleset(&run->state.topo, err, &before);
	r = r ?: fv_nat_listing(err, &now);
	if (r)
		return r;
	if (now && run->state.nft && !strcmp(now, run->state.nft) && !strcmp(before, after))
		return 0;
	if (!run->dry) {
		free(FV_TAKE_PTR(now));
		r = fv_nat_apply(&run->want, err, &now);
		if (r)
			return r;
		free(run->state.nft);
		run->state.nft = FV_TAKE_PTR(now);
	}
	return fv_run_act(run, FV_OP_CHANGE, "nftables", FV_NFT_TABLE, err, "written");
}

static int make_hostfw(struct fv_run *run, struct fv_err *err)
{
	const struct fv_link *uplink = fv_host_uplink(&run->host);
	const char *names[] = { uplink ? uplink->name : NULL };
	FV_AUTO_FREE char *hint = NULL;
	bool changed = false;
	char *line, *save = NULL;
	int r;

	if (run->dry)
		r = fv_hostfw_check(names, uplink ? 1 : 0, err, &changed, &hint);
	else
		r = fv_hostfw_apply(names, uplink ? 1 : 0, err, &changed, &hint);
	if (!r && changed)
		r = fv_run_act(run, FV_OP_CHANGE, "firewall", "forward", err,
			       "let fv-* through a policy of drop");
	if (r || !hint || !run->opts->note)
		return r;
	for (line = strtok_r(hint, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		run->opts->note(line);
	return 0;
}

int fv_run_foresee(struct fv_run *run, struct fv_err *err)
{
	int r;

	if (!run->want.n_nets)
		return 0;
	r = make_sysctls(run, err);
	r = r ?: make_nft(run, err);
	r = r ?: fv_uplinks_foresee(run, err);
	return r ?: make_hostfw(run, err);
}

/* ---- endpoints ---- */

static void ep_close(struct fv_run_ep *re)
{
	fv_rtnl_close(&re->rt);
	if (re->ns >= 0)
		close(FV_TAKE_FD(re->ns));
}

static int open_ns(struct fv_run_ep *re, struct fv_err *err)
{
	int r;

	if (re->ns >= 0)
		return 0;
	r = fv_ep_open_ns(re->ep, err, &re->ns);
	/* A namespace that only a killed run knew of is gone with it. */
	if (r == -ENOENT && re->ep->target == FV_TARGET_OWN && (re->todo & FV_TODO_PAIR)) {
		memset(err, 0, sizeof(*err));
		re->todo |= FV_TODO_NAME;
		return fv_netns_create(err, &re->ns, &re->rt);
	}
	if (r)
		return fv_err_set(err, r, "endpoint \"%s\": its namespace is gone", re->ep->name);
	return fv_netns_rtnl(re->ns, err, &re->rt);
}

static int queue_pair(struct fv_run *run, struct fv_run_ep *re, struct fv_err *err)
{
	const struct fv_veth veth = {
		.port = re->ep->port,
		.ifname = re->ep->ifname,
		.port_mac = re->ep->port_mac,
		.mac = re->ep->mac,
		.mtu = re->net->mtu,
		.group = FV_GROUP_BASE + re->net->id,
		.netns_fd = re->ns,
	};
	int r = fv_link_create_veth(run->rt, &veth, err);

	if (r)
		fv_err_add(err, "endpoint \"%s\"", re->ep->name);
	return r;
}

static int finish_pair(struct fv_run *run, struct fv_run_ep *re, struct fv_err *err)
{
	bool made_dir = false;
	struct fv_link link;
	int r;

	if (re->todo & FV_TODO_PAIR) {
		r = fv_link_find(run->rt, re->ep->port, err, &link);
		if (r)
			return fv_err_set(err, r, "%s: gone right after it was made: %s",
					  re->ep->port, strerror(-r));
		re->ifindex = link.ifindex;
		re->peer_ifindex = link.peer_ifindex;
		re->peer_nsid = link.peer_nsid;
	}
	r = re->todo & FV_TODO_INSIDE ? fv_ep_make_inside(re, err) : 0;
	r = r ?: fv_netns_id(re->ns, err, &re->ep->ns_dev, &re->ep->ns_ino);
	/* The name last: a namespace with a name has our device in it, so whose it is shows. */
	if (!r && (re->todo & FV_TODO_NAME)) {
		r = fv_netns_name(re->ep->name, re->ns, err, &made_dir);
		run->state.made_run_netns |= made_dir;
	}
	if (!r && (re->todo & FV_TODO_HOSTS))
		r = fv_hosts_link(&run->state, re->net->name, re->ep->name, err);
	ep_close(re);
	return r;
}

static int make_batch(struct fv_run *run, size_t first, size_t end, struct fv_err *err)
{
	const unsigned int inner = FV_TODO_PAIR | FV_TODO_INSIDE | FV_TODO_NAME | FV_TODO_HOSTS;
	int r = 0;

	for (size_t i = first; i < end && !r; i++) {
		if (!(run->eps[i].todo & inner))
			continue;
		r = open_ns(&run->eps[i], err);
		if (!r && (run->eps[i].todo & FV_TODO_PAIR))
			r = queue_pair(run, &run->eps[i], err);
	}
	r = r ?: fv_rtnl_flush(run->rt, err);
	for (size_t i = first; i < end; i++) {
		if (!r && (run->eps[i].todo & inner))
			r = finish_pair(run, &run->eps[i], err);
		ep_close(&run->eps[i]);
	}
	return r;
}

static int make_pairs(struct fv_run *run, struct fv_err *err)
{
	for (size_t i = 0; i < run->n_eps; i += FV_BATCH) {
		size_t end = i + FV_BATCH < run->n_eps ? i + FV_BATCH : run->n_eps;
		int r = make_batch(run, i, end, err);

		r = r ?: fv_run_interrupted(run, err);
		if (r)
			return r;
		fv_run_progress(run, "namespaces", end, run->n_eps);
	}
	return 0;
}

static int make_port(struct fv_run *run, struct fv_run_ep *re, struct fv_err *err)
{
	struct fv_link_change change = {
		.ifindex = re->ifindex,
		.what = re->ep->port,
		.up = 1,
		.mtu = re->net->mtu,
		.no_ip6_ll = true,
		.group = FV_GROUP_BASE + re->net->id,
	};
	char alias[320], path[96];
	int r;

	fv_alias_of(re->net->name, re->ep->name, alias);
	alias[255] = '\0';
	change.alias = alias;
	r = fv_link_change(run->rt, &change, err);
	/* `curl localhost:PORT` on the host: our own device, so there is nothing to put back. */
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/route_localnet", re->ep->port);
	if (!r && re->ep->n_publish)
		r = fv_sysctl_set(path, "1", err);
	return r;
}

static int make_route(struct fv_run *run, struct fv_run_ep *re, const struct fv_ip *ip,
		      const struct fv_ip *gw, struct fv_err *err)
{
	struct fv_route route = {
		.dst = { *ip, fv_ip_bits(ip) },
		.src = *gw,
		.oif = re->ifindex,
		.protocol = FV_RTPROT,
	};
	struct fv_neigh neigh = { .ifindex = re->ifindex, .ip = *ip };
	int r;

	if (!ip->family)
		return 0;
	memcpy(neigh.mac, re->ep->mac, 6);
	r = fv_neigh_set(run->rt, &neigh, err);
	return r ?: fv_route_add(run->rt, &route, FV_ACCEPT_EXISTS, err);
}

static int make_ports(struct fv_run *run, struct fv_err *err)
{
	int r = 0;

	for (size_t i = 0; i < run->n_eps && !r; i++) {
		struct fv_run_ep *re = &run->eps[i];

		if (re->todo & (FV_TODO_PORT | FV_TODO_PAIR))
			r = make_port(run, re, err);
		if (!r && (re->todo & (FV_TODO_ROUTE | FV_TODO_PAIR)))
			r = make_route(run, re, &re->ep->ip4, &re->net->gw4, err)
				    ?: make_route(run, re, &re->ep->ip6, &re->net->gw6, err);
	}
	return r ?: fv_rtnl_flush(run->rt, err);
}

/*
 * What an endpoint sends is dropped until the kernel has seen that the other end of its pair is
 * up too, which waits for a lock that the whole machine shares.
 */
static int await_pairs(struct fv_run *run, struct fv_err *err)
{
	const unsigned int may_be_new = FV_TODO_PAIR | FV_TODO_INSIDE | FV_TODO_PORT;
	const struct timespec step = { .tv_nsec = 1000000 };
	int steps = AWAIT_STEPS, r = 0;

	for (size_t i = 0; i < run->n_eps && !r; i++) {
		const struct fv_run_ep *re = &run->eps[i];
		bool port = false, inside = false;

		if (!(re->todo & may_be_new))
			continue;
		for (;;) {
			r = fv_link_sends(run->rt, -1, re->ifindex, err, &port);
			r = r
				    ?: fv_link_sends(run->rt, re->peer_nsid, re->peer_ifindex, err,
						     &inside);
			if (r || (port && inside) || steps-- <= 0)
				break;
			nanosleep(&step, NULL);
		}
		/* Whoever deletes it meanwhile has no use for it. */
		r = r == -ENODEV ? 0 : r;
	}
	return r;
}

/* Second names: bind mounts of another endpoint's namespace, or the host's. */
static int make_share(struct fv_run *run, const struct fv_net *net, struct fv_ep *ep,
		      struct fv_err *err)
{
	const struct fv_ep *of = fv_topo_ep(&run->want, ep->share, NULL);
	FV_AUTO_FD int fd = -1, now = -1;
	bool made_dir = false;
	int r;

	r = strcmp(ep->share, "host") ? fv_ep_open_ns(of, err, &fd) : fv_netns_self(err, &fd);
	r = r ?: fv_netns_id(fd, err, &ep->ns_dev, &ep->ns_ino);
	if (r)
		return r;
	r = fv_netns_open_name(ep->name, NULL, &now);
	if (!r && fv_netns_same(fd, now))
		return 0;
	/* It leads to the namespace that the other endpoint had before. */
	if (!r && fv_topo_ep(&run->state.topo, ep->name, NULL))
		r = fv_netns_unname(ep->name, err);
	r = r == -ENOENT ? 0 : r;
	r = r ?: fv_netns_name(ep->name, fd, err, &made_dir);
	run->state.made_run_netns |= made_dir;
	r = r ?: fv_hosts_link(&run->state, net->name, ep->name, err);
	return r
		       ?: fv_run_act(run, FV_OP_CREATE, "share", ep->name, err, "namespace of %s",
				     ep->share);
}

static int make_shares(struct fv_run *run, struct fv_err *err)
{
	for (size_t i = 0; i < run->want.n_nets; i++) {
		struct fv_net *net = &run->want.nets[i];

		for (size_t k = 0; k < net->n_eps; k++) {
			int r = net->eps[k].share ? make_share(run, net, &net->eps[k], err) : 0;

			if (r)
				return r;
		}
	}
	return 0;
}

int fv_run_fill(struct fv_run *run, struct fv_err *err)
{
	FV_AUTO_FREE struct fv_dp_endpoint *eps =
		calloc(run->n_eps + run->n_attached + 1, sizeof(*eps));
	FV_AUTO_FREE struct fv_dp_subnet *subnets =
		calloc(4 * run->want.n_nets + 1, sizeof(*subnets));
	const bool strict = fv_run_strict_windows(run, &run->want);
	size_t n_eps = 0, n_subnets = 0;

	if (!eps || !subnets)
		return fv_err_oom(err);
	for (size_t i = 0; i < run->n_eps; i++) {
		const struct fv_run_ep *re = &run->eps[i];
		struct fv_dp_endpoint *e = &eps[n_eps];

		if (!re->ifindex)
			continue;
		n_eps++;
		e->network = re->net->id;
		e->ifindex = re->ifindex;
		e->mtu = re->net->mtu;
		e->no_tcp = strict;
		e->ip4 = re->ep->ip4;
		e->ip6 = re->ep->ip6;
		memcpy(e->mac, re->ep->mac, 6);
		memcpy(e->port_mac, re->ep->port_mac, 6);
	}
	for (size_t i = 0; i < run->n_attached; i++)
		eps[n_eps++] = run->attached[i];
	for (size_t i = 0; i < run->want.n_nets; i++) {
		const struct fv_net *net = &run->want.nets[i];
		const struct fv_prefix *subnet[] = { &net->subnet4, &net->subnet6 };
		const struct fv_ip *gw[] = { &net->gw4, &net->gw6 };

		for (size_t k = 0; k < FV_ARRAY_SIZE(subnet); k++) {
			if (!subnet[k]->ip.family)
				continue;
			subnets[n_subnets].prefix = *subnet[k];
			subnets[n_subnets++].network = net->id;
			/* The gateway's address is the host's: no other network. */
			subnets[n_subnets].prefix.ip = *gw[k];
			subnets[n_subnets++].prefix.len = fv_ip_bits(gw[k]);
		}
	}
	return fv_dp_fill(run->dp, eps, n_eps, subnets, n_subnets, err);
}

int fv_run_make(struct fv_run *run, struct fv_err *err)
{
	bool mounted = false;
	int r = 0;

	if (!run->want.n_nets && !run->n_attached)
		return 0;
	if (run->want.n_nets)
		r = make_sysctls(run, err);
	r = r ?: fv_dp_prepare(run->dp, err, &mounted);
	run->state.mounted_bpffs |= mounted;
	if (run->want.n_nets) {
		r = r ?: make_networks(run, err);
		r = r ?: make_nft(run, err);
		r = r ?: make_pairs(run, err);
	}
	/* Maps are full before programs are attached, and those before the link is up. */
	r = r ?: fv_run_fill(run, err);
	r = r ?: fv_run_make_attached(run, err);
	if (run->want.n_nets) {
		r = r ?: fv_run_attach(run, err);
		r = r ?: make_ports(run, err);
		r = r ?: await_pairs(run, err);
		r = r ?: make_shares(run, err);
		r = r ?: make_hostfw(run, err);
	}
	return r ?: fv_dp_commit(run->dp, err);
}
