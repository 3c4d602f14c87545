// SPDX-License-Identifier: GPL-2.0-only
/* The namespace's side of an endpoint: whose it is, what it lacks, and making it so. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "net/sysctl.h"
#include "run.h"

void fv_alias_of(const char *network, const char *name, char ret[320])
{
	snprintf(ret, 320, FV_ALIAS_PREFIX "%s/%s", network, name);
}

/* An alias of more than 255 bytes does not exist; the kernel's list cuts none. */
static bool alias_is(const char *alias, const char *network, const char *name)
{
	char want[320];

	fv_alias_of(network, name, want);
	return !strncmp(alias, want, 255);
}

bool fv_link_is_ours(const struct fv_link *link, const char *network, const char *name)
{
	uint8_t mac[6];

	if (strcmp(link->kind, "veth"))
		return false;
	if (alias_is(link->alias, network, name))
		return true;
	fv_mac_of(network, name, "port", mac);
	return !*link->alias && link->group >= FV_GROUP_BASE &&
	       link->group <= FV_GROUP_BASE + FV_NETWORK_ID_MAX && !memcmp(link->mac, mac, 6);
}

int fv_ep_open_ns(const struct fv_ep *ep, struct fv_err *err, int *ret)
{
	FV_AUTO_FD int fd = -1;
	dev_t dev;
	ino_t ino;
	int r;

	switch (ep->target) {
	case FV_TARGET_OWN:
		r = fv_netns_open_name(ep->name, err, &fd);
		break;
	case FV_TARGET_NETNS:
		r = fv_netns_open_name(ep->target_arg, err, &fd);
		break;
	case FV_TARGET_PATH:
		r = fv_netns_open_path(ep->target_arg, err, &fd);
		break;
	default:
		r = fv_netns_open_pid(atoi(ep->target_arg), err, &fd);
	}
	if (!r)
		r = fv_netns_id(fd, err, &dev, &ino);
	if (!r && (!ep->ns_ino || (ep->ns_dev == dev && ep->ns_ino == ino))) {
		*ret = FV_TAKE_FD(fd);
		return 0;
	}
	/* The name, the process or the path is gone, or leads elsewhere by now. */
	if (!ep->ns_ino)
		return r;
	if (err)
		memset(err, 0, sizeof(*err));
	return fv_netns_find(ep->ns_dev, ep->ns_ino, err, ret);
}

bool fv_share_leads(const struct fv_topo *topo, const struct fv_ep *share)
{
	const struct fv_ep *of = fv_topo_ep(topo, share->share, NULL);
	FV_AUTO_FD int fd = -1, now = -1;
	int r;

	r = of ? fv_ep_open_ns(of, NULL, &fd) : fv_netns_self(NULL, &fd);
	return !r && !fv_netns_open_name(share->name, NULL, &now) && fv_netns_same(fd, now);
}

bool fv_netns_taken(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), FV_NETNS_DIR "/%s", name);
	return !faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

bool fv_ns_is_ours(int fd, const char *network, const char *name)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct fv_link lo;

	return !fv_netns_rtnl(fd, NULL, &rt) && !fv_link_find(rt, "lo", NULL, &lo) &&
	       alias_is(lo.alias, network, name);
}

struct inside {
	struct fv_link *links;
	struct fv_host h; /* addresses, routes and neighbours in the namespace */
};

/*
 * The routes of one family. The default route names the address as its source: that keeps others from
 * being used, and it tells a later run which address was ours.
 */
static void fill_routes(const struct fv_run_ep *re, int family, struct fv_route *to_gw,
			struct fv_route *out)
{
	const struct fv_ip *gw = family == AF_INET ? &re->net->gw4 : &re->net->gw6;

	memset(to_gw, 0, sizeof(*to_gw));
	to_gw->dst.ip = *gw;
	to_gw->dst.len = fv_ip_bits(gw);
	to_gw->oif = re->peer_ifindex;
	to_gw->protocol = FV_RTPROT;
	memset(out, 0, sizeof(*out));
	out->dst.ip.family = family;
	out->via = *gw;
	out->src = family == AF_INET ? re->ep->ip4 : re->ep->ip6;
	out->oif = re->peer_ifindex;
	out->protocol = FV_RTPROT;
}

static bool has_family(const struct fv_run_ep *re, const struct fv_host *h, int family)
{
	const struct fv_ip *ip = family == AF_INET ? &re->ep->ip4 : &re->ep->ip6;
	const struct fv_ip *gw = family == AF_INET ? &re->net->gw4 : &re->net->gw6;
	const struct fv_addr addr = {
		.ifindex = re->peer_ifindex,
		.prefix = { *ip, fv_ip_bits(ip) },
	};
	struct fv_neigh neigh = { .ifindex = re->peer_ifindex, .ip = *gw, .permanent = true };
	struct fv_route to_gw, out;

	if (!ip->family)
		return true;
	memcpy(neigh.mac, re->ep->port_mac, 6);
	fill_routes(re, family, &to_gw, &out);
	return fv_host_has_addr(h, &addr) && fv_host_has_neigh(h, &neigh) &&
	       fv_host_has_route(h, &to_gw) && fv_host_has_route(h, &out);
}

/* A route of ours that is not wanted any more: the subnet or the address was another. */
static bool is_old(const struct fv_run_ep *re, const struct fv_route *route)
{
	bool ip4 = route->dst.ip.family == AF_INET;
	const struct fv_ip *gw = ip4 ? &re->net->gw4 : &re->net->gw6;

	if (route->protocol != FV_RTPROT || route->oif != re->peer_ifindex)
		return false;
	if (route->dst.len)
		return !fv_ip_equal(&route->dst.ip, gw);
	return !fv_ip_equal(&route->via, gw) ||
	       !fv_ip_equal(&route->src, ip4 ? &re->ep->ip4 : &re->ep->ip6);
}

static bool has_old(const struct fv_run_ep *re, const struct fv_host *h)
{
	for (size_t i = 0; i < h->n_routes; i++)
		if (is_old(re, &h->routes[i]))
			return true;
	return false;
}

/* Is it the port's other end, whatever its root has made of it? */
static bool is_other_end(const struct fv_run_ep *re, const struct fv_link *link, struct fv_rtnl *rt)
{
	FV_AUTO_FD int self = -1;
	int nsid = -1;

	return link->peer_ifindex == re->ifindex && link->peer_nsid >= 0 &&
	       !fv_netns_self(NULL, &self) && !fv_nsid_of(rt, self, NULL, &nsid) &&
	       nsid == link->peer_nsid;
}

int fv_ep_check_inside(struct fv_run_ep *re, struct fv_err *err, unsigned int *ret)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_CLEANUP(fv_host_fini) struct fv_host h = {};
	FV_AUTO_FD int fd = -1;
	const struct fv_link *link;
	bool ready = true;
	int r;

	r = fv_ep_open_ns(re->ep, err, &fd);
	if (r)
		return r;
	r = fv_netns_id(fd, err, &re->ep->ns_dev, &re->ep->ns_ino);
	r = r ?: fv_netns_rtnl(fd, err, &rt);
	r = r ?: fv_host_read(rt, err, &h);
	if (r)
		return r;
	link = fv_host_ifindex(&h, re->peer_ifindex);
	re->other_mac = link && memcmp(link->mac, re->ep->mac, 6);
	/* Another device with that number: the pair leads into some other namespace. */
	if (!link || (re->other_mac && !is_other_end(re, link, rt)))
		return -ENOENT;
	/* Its name inside is its root's business. */
	snprintf(re->now, sizeof(re->now), "%s", link->name);
	if (re->net->hook == FV_HOOK_XDP) {
		r = fv_ethtool_xdp_ready(rt, link->name, err, &ready);
		if (r)
			return r;
	}
	if (!ready || re->other_mac || !link->up || link->mtu != re->net->mtu ||
	    !has_family(re, &h, AF_INET) || !has_family(re, &h, AF_INET6) || has_old(re, &h))
		*ret |= FV_TODO_INSIDE;
	return 0;
}

static int make_family(struct fv_rtnl *rt, const struct fv_run_ep *re, int family,
		       struct fv_err *err)
{
	const struct fv_ip *ip = family == AF_INET ? &re->ep->ip4 : &re->ep->ip6;
	const struct fv_ip *gw = family == AF_INET ? &re->net->gw4 : &re->net->gw6;
	struct fv_addr addr = { .ifindex = re->peer_ifindex, .prefix = { *ip, fv_ip_bits(ip) } };
	struct fv_neigh neigh = { .ifindex = re->peer_ifindex, .ip = *gw };
	struct fv_route to_gw, out;
	int r;

	if (!ip->family)
		return 0;
	memcpy(neigh.mac, re->ep->port_mac, 6);
	fill_routes(re, family, &to_gw, &out);
	r = fv_addr_add(rt, &addr, FV_ACCEPT_EXISTS, err);
	r = r ?: fv_neigh_set(rt, &neigh, err);
	r = r ?: fv_route_add(rt, &to_gw, FV_ACCEPT_EXISTS, err);
	return r ?: fv_route_add(rt, &out, FV_ACCEPT_EXISTS, err);
}

static int drop_old(const struct fv_run_ep *re, struct fv_rtnl *rt, struct fv_err *err)
{
	FV_AUTO_FREE struct fv_route *routes = NULL;
	size_t n;
	int r;

	r = fv_route_dump(rt, err, &routes, &n);
	if (r)
		return r;
	/* The default routes lean on those to the gateways: they go first. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			const struct fv_route *route = &routes[i];
			const struct fv_ip *src = &route->src;
			const struct fv_addr addr = { .ifindex = re->peer_ifindex,
						      .prefix = { *src, fv_ip_bits(src) } };

			if (!!route->dst.len != pass || !is_old(re, route))
				continue;
			if (src->family && !fv_ip_equal(src, &re->ep->ip4) &&
			    !fv_ip_equal(src, &re->ep->ip6))
				r = fv_addr_delete(rt, &addr, FV_ACCEPT_GONE, err);
			r = r ?: fv_route_delete(rt, route, FV_ACCEPT_GONE, err);
			if (r)
				return r;
		}
	}
	return fv_rtnl_flush(rt, err);
}

/* A namespace may have IPv6 switched off, as containers without it have. */
static int enable_ip6(void *ifname, struct fv_err *err)
{
	char path[96], now[16];
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", (char *)ifname);
	r = fv_sysctl_get(path, err, now, sizeof(now));
	if (r == -ENOENT || (!r && !strcmp(now, "0")))
		return 0;
	return r ?: fv_sysctl_set(path, "0", err);
}

int fv_ep_make_inside(struct fv_run_ep *re, struct fv_err *err)
{
	struct fv_link_change lo = { .ifindex = 1, .what = "lo", .up = 1 };
	struct fv_link_change dev = {
		.ifindex = re->peer_ifindex,
		.what = re->now,
		.up = 1,
		.mtu = re->net->mtu,
		.no_ip6_ll = true,
	};
	char alias[320];
	int r = 0;

	if (re->other_mac)
		dev.mac = re->ep->mac;
	if (re->todo & FV_TODO_PAIR)
		snprintf(re->now, sizeof(re->now), "%s", re->ep->ifname);
	if (re->ep->target == FV_TARGET_OWN) {
		/* What proves later that this namespace is ours. */
		fv_alias_of(re->net->name, re->ep->name, alias);
		alias[255] = '\0';
		lo.alias = alias;
	}
	if (re->ep->ip6.family && re->ep->target != FV_TARGET_OWN)
		r = fv_netns_run(re->ns, enable_ip6, re->now, err);
	if (!r && !(re->todo & FV_TODO_PAIR))
		r = drop_old(re, re->rt, err);
	r = r ?: fv_link_change(re->rt, &lo, err);
	r = r ?: fv_link_change(re->rt, &dev, err);
	r = r ?: make_family(re->rt, re, AF_INET, err);
	r = r ?: make_family(re->rt, re, AF_INET6, err);
	r = r ?: fv_rtnl_flush(re->rt, err);
	if (r) {
		fv_err_add(err, "endpoint \"%s\"", re->ep->name);
		return r;
	}
	if (re->net->hook == FV_HOOK_XDP)
		return fv_ethtool_xdp_prepare(re->rt, re->now, err);
	/* A device that never was prepared for XDP is as the kernel made it. */
	if (re->old && !(re->todo & FV_TODO_PAIR))
		return fv_ethtool_xdp_restore(re->rt, re->now, err);
	return 0;
}
