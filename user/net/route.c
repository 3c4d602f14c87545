/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, routes and neighbours. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/cleanup.h"
#include "net/rtnl_priv.h"

static int check_ip(const struct fv_ip *ip, unsigned int len, const char *what, struct fv_err *err)
{
	if (ip->family != AF_INET && ip->family != AF_INET6)
		return fv_err_set(err, -EINVAL, "%s: neither IPv4 nor IPv6", what);
	if (len > fv_ip_bits(ip))
		return fv_err_set(err, -EINVAL, "%s: prefix length %u is too long", what, len);
	return 0;
}

static bool is_ip(int family)
{
	return family == AF_INET || family == AF_INET6;
}

/* ---- addresses ---- */

static int queue_addr(struct fv_rtnl *rt, uint16_t type, const struct fv_addr *addr,
		      struct fv_rtnl_req *req, struct fv_err *err)
{
	const struct fv_ip *ip = &addr->prefix.ip;
	uint32_t flags = IFA_F_NOPREFIXROUTE;
	struct ifaddrmsg *ifa;
	struct nlmsghdr *nlh;
	int r;

	r = check_ip(ip, addr->prefix.len, "address", err);
	if (r)
		return r;
	req->object = FV_OBJECT_ADDR;
	req->addr = *addr;
	nlh = fv_rtnl_begin(rt, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, req);
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = (uint8_t)ip->family;
	ifa->ifa_prefixlen = (uint8_t)addr->prefix.len;
	ifa->ifa_index = (uint32_t)addr->ifindex;
	fv_attr_put_ip(nlh, IFA_LOCAL, ip);
	fv_attr_put_ip(nlh, IFA_ADDRESS, ip);
	if (type == RTM_NEWADDR) {
		if (ip->family == AF_INET6)
			flags |= IFA_F_NODAD;
		mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
	}
	fv_rtnl_end(rt, nlh);
	return 0;
}

int fv_addr_add(struct fv_rtnl *rt, const struct fv_addr *addr, enum fv_rtnl_accept accept,
		struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "add", .accept = accept };

	return queue_addr(rt, RTM_NEWADDR, addr, &req, err);
}

int fv_addr_delete(struct fv_rtnl *rt, const struct fv_addr *addr, enum fv_rtnl_accept accept,
		   struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "delete", .accept = accept };

	return queue_addr(rt, RTM_DELADDR, addr, &req, err);
}

bool fv_addr_parse(const struct nlmsghdr *nlh, void *item)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_MAX + 1];
	struct fv_addr *addr = item;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) || nlh->nlmsg_type != RTM_NEWADDR ||
	    !is_ip(ifa->ifa_family))
		return false;
	fv_attr_table(nlh, sizeof(*ifa), tb, FV_ARRAY_SIZE(tb));
	addr->ifindex = (int)ifa->ifa_index;
	addr->prefix.len = ifa->ifa_prefixlen;
	/* With a peer IFA_ADDRESS is the peer's; most IPv6 addresses have no IFA_LOCAL. */
	return fv_attr_ip(tb[tb[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS], ifa->ifa_family,
			  &addr->prefix.ip);
}

int fv_addr_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_addr **ret, size_t *ret_n)
{
	static const struct fv_rtnl_dump dump = {
		.what = "addresses",
		.type = RTM_GETADDR,
		.header = sizeof(struct ifaddrmsg),
		.item = sizeof(struct fv_addr),
		.parse = fv_addr_parse,
	};
	void *addrs;
	int r = fv_rtnl_dump(rt, &dump, err, &addrs, ret_n);

	if (!r)
		*ret = addrs;
	return r;
}

/* ---- routes ---- */

static int check_route(const struct fv_route *route, struct fv_err *err)
{
	int family = route->dst.ip.family;
	int r;

	r = check_ip(&route->dst.ip, route->dst.len, "route", err);
	if (r)
		return r;
	if ((route->via.family && route->via.family != family) ||
	    (route->src.family && route->src.family != family))
		return fv_err_set(err, -EINVAL, "route: gateway or source of another family");
	return 0;
}

/* Where the next hop is, as the kernel wants to have it said. */
static uint8_t scope_of(const struct fv_route *route)
{
	if (route->type == RTN_LOCAL)
		return RT_SCOPE_HOST;
	if (route->via.family || (route->type && route->type != RTN_UNICAST))
		return RT_SCOPE_UNIVERSE;
	return RT_SCOPE_LINK;
}

static int queue_route(struct fv_rtnl *rt, uint16_t type, const struct fv_route *route,
		       struct fv_rtnl_req *req, struct fv_err *err)
{
	struct fv_prefix dst = fv_prefix_base(&route->dst);
	uint32_t table = route->table ? route->table : FV_ROUTE_MAIN;
	bool add = type == RTM_NEWROUTE;
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;
	int r;

	r = check_route(route, err);
	if (r)
		return r;
	req->object = FV_OBJECT_ROUTE;
	req->route = *route;
	nlh = fv_rtnl_begin(rt, type, add ? NLM_F_CREATE | NLM_F_EXCL : 0, req);
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (uint8_t)dst.ip.family;
	rtm->rtm_dst_len = (uint8_t)dst.len;
	rtm->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = route->protocol ? route->protocol : FV_RTPROT;
	rtm->rtm_type = route->type ? route->type : RTN_UNICAST;
	/* NOWHERE matches every scope of an existing route. */
	rtm->rtm_scope = add ? scope_of(route) : RT_SCOPE_NOWHERE;
	rtm->rtm_flags = route->onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	if (dst.len)
		fv_attr_put_ip(nlh, RTA_DST, &dst.ip);
	if (route->via.family)
		fv_attr_put_ip(nlh, RTA_GATEWAY, &route->via);
	if (route->src.family)
		fv_attr_put_ip(nlh, RTA_PREFSRC, &route->src);
	if (route->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)route->oif);
	if (route->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	fv_rtnl_end(rt, nlh);
	return 0;
}

int fv_route_add(struct fv_rtnl *rt, const struct fv_route *route, enum fv_rtnl_accept accept,
		 struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "add", .accept = accept };

	return queue_route(rt, RTM_NEWROUTE, route, &req, err);
}

int fv_route_delete(struct fv_rtnl *rt, const struct fv_route *route, enum fv_rtnl_accept accept,
		    struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "delete", .accept = accept };

	return queue_route(rt, RTM_DELROUTE, route, &req, err);
}

/* IPv4 through an IPv6 gateway. */
static void parse_via(const struct nlattr *attr, struct fv_ip *ret)
{
	const struct rtvia *via;

	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(*via) + sizeof(ret->b))
		return;
	via = mnl_attr_get_payload(attr);
	if (via->rtvia_family != AF_INET6)
		return;
	ret->family = AF_INET6;
	memcpy(ret->b, via->rtvia_addr, sizeof(ret->b));
}

static void parse_hops(const struct nlattr *attr, int hops[FV_ROUTE_HOPS])
{
	const struct rtnexthop *nh = mnl_attr_get_payload(attr);
	int left = mnl_attr_get_payload_len(attr);

	for (size_t i = 0; i < FV_ROUTE_HOPS && RTNH_OK(nh, left); i++) {
		hops[i] = nh->rtnh_ifindex;
		left -= RTNH_ALIGN(nh->rtnh_len);
		nh = RTNH_NEXT(nh);
	}
}

bool fv_route_parse(const struct nlmsghdr *nlh, void *item)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1];
	struct fv_route *route = item;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) || nlh->nlmsg_type != RTM_NEWROUTE ||
	    !is_ip(rtm->rtm_family) || rtm->rtm_flags & RTM_F_CLONED)
		return false;
	fv_attr_table(nlh, sizeof(*rtm), tb, FV_ARRAY_SIZE(tb));

	route->table = rtm->rtm_table;
	fv_attr_bytes(tb[RTA_TABLE], &route->table, sizeof(route->table));
	if (route->table == RT_TABLE_LOCAL)
		return false;
	route->dst.ip.family = rtm->rtm_family;
	route->dst.len = rtm->rtm_dst_len;
	fv_attr_ip(tb[RTA_DST], rtm->rtm_family, &route->dst.ip);
	fv_attr_ip(tb[RTA_GATEWAY], rtm->rtm_family, &route->via);
	parse_via(tb[RTA_VIA], &route->via);
	fv_attr_ip(tb[RTA_PREFSRC], rtm->rtm_family, &route->src);
	fv_attr_bytes(tb[RTA_OIF], &route->oif, sizeof(route->oif));
	if (tb[RTA_MULTIPATH])
		parse_hops(tb[RTA_MULTIPATH], route->hops);
	fv_attr_bytes(tb[RTA_PRIORITY], &route->metric, sizeof(route->metric));
	route->type = rtm->rtm_type;
	route->protocol = rtm->rtm_protocol;
	route->onlink = rtm->rtm_flags & RTNH_F_ONLINK;
	return true;
}

int fv_route_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_route **ret, size_t *ret_n)
{
	/* One family at a time: all of them would bring multicast and MPLS along. */
	static const struct fv_rtnl_dump dump = {
		.what = "routes",
		.type = RTM_GETROUTE,
		.header = sizeof(struct rtmsg),
		.families = { AF_INET, AF_INET6 },
		.item = sizeof(struct fv_route),
		.parse = fv_route_parse,
	};
	void *routes;
	int r = fv_rtnl_dump(rt, &dump, err, &routes, ret_n);

	if (!r)
		*ret = routes;
	return r;
}

static bool parse_way(const struct nlmsghdr *nlh, void *ret)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1];
	struct fv_route *route = ret;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) || nlh->nlmsg_type != RTM_NEWROUTE)
		return false;
	fv_attr_table(nlh, sizeof(*rtm), tb, FV_ARRAY_SIZE(tb));
	*route = (struct fv_route){ .type = rtm->rtm_type };
	fv_attr_bytes(tb[RTA_OIF], &route->oif, sizeof(route->oif));
	return true;
}

int fv_route_get(struct fv_rtnl *rt, const struct fv_ip *to, struct fv_err *err,
		 struct fv_route *ret)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fv_route found = {};
	struct fv_err cause = {};
	struct rtmsg *rtm;
	int r;

	r = check_ip(to, 0, "route", err);
	if (r)
		return r;
	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (uint8_t)to->family;
	rtm->rtm_dst_len = (uint8_t)fv_ip_bits(to);
	fv_attr_put_ip(nlh, RTA_DST, to);
	r = fv_rtnl_ask(rt, nlh, "look up a route", 0, parse_way, &cause, &found);
	/* Routes of the types unreachable, prohibit, blackhole, throw, too. IPv6 gives them as answers. */
	if (r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EACCES || r == -EINVAL ||
	    r == -EAGAIN || (!r && found.type != RTN_LOCAL && !found.oif) ||
	    (!r && (found.type == RTN_UNREACHABLE || found.type == RTN_PROHIBIT ||
		    found.type == RTN_BLACKHOLE || found.type == RTN_THROW)))
		return -ENETUNREACH;
	if (r)
		return fv_err_set(err, r, "%s", cause.msg);
	*ret = found;
	return 0;
}

/* ---- neighbours ---- */

static int queue_neigh(struct fv_rtnl *rt, uint16_t type, const struct fv_neigh *neigh,
		       struct fv_rtnl_req *req, struct fv_err *err)
{
	bool set = type == RTM_NEWNEIGH;
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;
	int r;

	r = check_ip(&neigh->ip, 0, "neighbour", err);
	if (r)
		return r;
	req->object = FV_OBJECT_NEIGH;
	req->neigh = *neigh;
	nlh = fv_rtnl_begin(rt, type, set ? NLM_F_CREATE | NLM_F_REPLACE : 0, req);
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = (uint8_t)neigh->ip.family;
	ndm->ndm_ifindex = neigh->ifindex;
	fv_attr_put_ip(nlh, NDA_DST, &neigh->ip);
	if (set) {
		ndm->ndm_state = NUD_PERMANENT;
		mnl_attr_put(nlh, NDA_LLADDR, sizeof(neigh->mac), neigh->mac);
	}
	fv_rtnl_end(rt, nlh);
	return 0;
}

int fv_neigh_set(struct fv_rtnl *rt, const struct fv_neigh *neigh, struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "set" };

	return queue_neigh(rt, RTM_NEWNEIGH, neigh, &req, err);
}

int fv_neigh_delete(struct fv_rtnl *rt, const struct fv_neigh *neigh, enum fv_rtnl_accept accept,
		    struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "delete", .accept = accept };

	return queue_neigh(rt, RTM_DELNEIGH, neigh, &req, err);
}

bool fv_neigh_parse(const struct nlmsghdr *nlh, void *item)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_MAX + 1];
	struct fv_neigh *neigh = item;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) || nlh->nlmsg_type != RTM_NEWNEIGH ||
	    !is_ip(ndm->ndm_family))
		return false;
	fv_attr_table(nlh, sizeof(*ndm), tb, FV_ARRAY_SIZE(tb));
	neigh->ifindex = ndm->ndm_ifindex;
	neigh->permanent = ndm->ndm_state & NUD_PERMANENT;
	fv_attr_bytes(tb[NDA_LLADDR], neigh->mac, sizeof(neigh->mac));
	return fv_attr_ip(tb[NDA_DST], ndm->ndm_family, &neigh->ip);
}

int fv_neigh_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_neigh **ret, size_t *ret_n)
{
	static const struct fv_rtnl_dump dump = {
		.what = "neighbours",
		.type = RTM_GETNEIGH,
		.header = sizeof(struct ndmsg),
		.item = sizeof(struct fv_neigh),
		.parse = fv_neigh_parse,
	};
	void *neighs;
	int r = fv_rtnl_dump(rt, &dump, err, &neighs, ret_n);

	if (!r)
		*ret = neighs;
	return r;
}
