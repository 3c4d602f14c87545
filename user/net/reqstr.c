/* SPDX-License-Identifier: GPL-2.0-only */
/* A queued request in words, for the message of one that failed. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "net/rtnl_priv.h"

/* if_indextoname() would ask in the thread's namespace, not in the socket's. */
static const char *device(const struct fv_rtnl *rt, int ifindex, char ret[32])
{
	struct ifreq ifr = { .ifr_ifindex = ifindex };

	if (ioctl(fv_rtnl_fd(rt), SIOCGIFNAME, &ifr) == 0)
		snprintf(ret, 32, "%.*s", IFNAMSIZ, ifr.ifr_name);
	else
		snprintf(ret, 32, "device %d", ifindex);
	return ret;
}

static void route_str(const struct fv_rtnl *rt, const struct fv_route *route, char *buf,
		      size_t size)
{
	char dst[FV_IP_STRLEN], via[FV_IP_STRLEN], dev[32];

	snprintf(buf, size, "route %s%s%s%s%s", fv_prefix_str(&route->dst, dst),
		 route->via.family ? " via " : "", fv_ip_str(&route->via, via),
		 route->oif ? " on " : "", route->oif ? device(rt, route->oif, dev) : "");
}

const char *fv_req_str(const struct fv_rtnl *rt, const struct fv_rtnl_req *req, char *buf,
		       size_t size)
{
	int n = snprintf(buf, size, "%s ", req->verb);
	char ip[FV_IP_STRLEN], dev[32];
	char *end = buf + n;

	size -= (size_t)n;
	switch (req->object) {
	case FV_OBJECT_LINK:
		snprintf(end, size, "%s", req->link);
		break;
	case FV_OBJECT_GROUP:
		snprintf(end, size, "the devices of group %#x", req->group);
		break;
	case FV_OBJECT_ADDR:
		snprintf(end, size, "address %s on %s", fv_prefix_str(&req->addr.prefix, ip),
			 device(rt, req->addr.ifindex, dev));
		break;
	case FV_OBJECT_ROUTE:
		route_str(rt, &req->route, end, size);
		break;
	case FV_OBJECT_NEIGH:
		snprintf(end, size, "neighbour %s on %s", fv_ip_str(&req->neigh.ip, ip),
			 device(rt, req->neigh.ifindex, dev));
		break;
	}
	return buf;
}
