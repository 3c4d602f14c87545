/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices: made, changed, deleted, listed; the ids by which namespaces know one another. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "net/rtnl_priv.h"

static int check_ifname(const char *name, struct fv_err *err)
{
	if (!name[0] || strlen(name) >= IFNAMSIZ)
		return fv_err_set(err, -EINVAL, "device name \"%s\": must have 1 to %d bytes", name,
				  IFNAMSIZ - 1);
	return 0;
}

static struct ifinfomsg *put_ifinfo(struct nlmsghdr *nlh, int ifindex)
{
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	return ifi;
}

static void put_device(struct nlmsghdr *nlh, const char *name, const uint8_t *mac, uint32_t mtu)
{
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
}

/* A request that cannot be carried out (no queues at all): a kernel that knows veth says so. */
int fv_link_probe_veth(struct fv_rtnl *rt, struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "create", .object = FV_OBJECT_LINK, .link = "veth" };
	struct fv_err cause = {};
	struct nlmsghdr *nlh;
	struct nlattr *info;
	int r;

	nlh = fv_rtnl_begin(rt, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &req);
	put_ifinfo(nlh, 0);
	mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, 0);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_str(nlh, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(nlh, info);
	fv_rtnl_end(rt, nlh);
	r = fv_rtnl_flush(rt, &cause);
	if (r != -EOPNOTSUPP)
		return 0;
	return fv_err_set(err, r,
			  "this kernel has no veth devices: load the module veth or use a kernel "
			  "with CONFIG_VETH");
}

int fv_link_create_veth(struct fv_rtnl *rt, const struct fv_veth *veth, struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "create", .object = FV_OBJECT_LINK };
	struct nlattr *info, *data, *peer;
	struct nlmsghdr *nlh;
	int r;

	r = check_ifname(veth->port, err);
	if (!r)
		r = check_ifname(veth->ifname, err);
	if (r)
		return r;
	snprintf(req.link, sizeof(req.link), "veth %s with %s at its other end", veth->port,
		 veth->ifname);

	nlh = fv_rtnl_begin(rt, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &req);
	put_ifinfo(nlh, 0);
	put_device(nlh, veth->port, veth->port_mac, veth->mtu);
	mnl_attr_put_u32(nlh, IFLA_GROUP, veth->group);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_str(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	put_ifinfo(nlh, 0);
	put_device(nlh, veth->ifname, veth->mac, veth->mtu);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)veth->netns_fd);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	fv_rtnl_end(rt, nlh);
	return 0;
}

/*
 * A request of its own: a device without IPv6 (kernel without it, MTU below
 * 1280) refuses the whole request that carries this.
 */
static void queue_no_ip6_ll(struct fv_rtnl *rt, const struct fv_link_change *change,
			    struct fv_rtnl_req *req)
{
	struct nlattr *spec, *inet6;
	struct nlmsghdr *nlh;

	req->accept = FV_ACCEPT_NO_IP6;
	nlh = fv_rtnl_begin(rt, RTM_SETLINK, 0, req);
	put_ifinfo(nlh, change->ifindex);
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	fv_rtnl_end(rt, nlh);
	req->accept = FV_ACCEPT_NONE;
}

int fv_link_change(struct fv_rtnl *rt, const struct fv_link_change *change, struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "change", .object = FV_OBJECT_LINK };
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;

	if (change->alias && strlen(change->alias) >= sizeof(((struct fv_link *)NULL)->alias))
		return fv_err_set(err, -EINVAL, "alias of %s: longer than 255 bytes", change->what);
	snprintf(req.link, sizeof(req.link), "device %s", change->what);

	/* First: what is up already has made its link-local address. */
	if (change->no_ip6_ll)
		queue_no_ip6_ll(rt, change, &req);
	if (change->up < 0 && !change->mtu && !change->alias && !change->mac && !change->group)
		return 0;

	nlh = fv_rtnl_begin(rt, RTM_SETLINK, 0, &req);
	ifi = put_ifinfo(nlh, change->ifindex);
	if (change->up >= 0) {
		ifi->ifi_change = IFF_UP;
		ifi->ifi_flags = change->up ? IFF_UP : 0;
	}
	if (change->mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, 6, change->mac);
	if (change->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, change->mtu);
	if (change->alias)
		mnl_attr_put_strz(nlh, IFLA_IFALIAS, change->alias);
	if (change->group)
		mnl_attr_put_u32(nlh, IFLA_GROUP, change->group);
	fv_rtnl_end(rt, nlh);
	return 0;
}

int fv_link_delete(struct fv_rtnl *rt, int ifindex, const char *what, enum fv_rtnl_accept accept,
		   struct fv_err *err)
{
	struct fv_rtnl_req req = { .verb = "delete", .object = FV_OBJECT_LINK, .accept = accept };
	struct nlmsghdr *nlh;

	/* Without an index the request would mean something else. */
	if (ifindex <= 0)
		return fv_err_set(err, -EINVAL, "device %s: no interface index", what);
	snprintf(req.link, sizeof(req.link), "device %s", what);
	nlh = fv_rtnl_begin(rt, RTM_DELLINK, 0, &req);
	put_ifinfo(nlh, ifindex);
	fv_rtnl_end(rt, nlh);
	return 0;
}

int fv_link_delete_group(struct fv_rtnl *rt, uint32_t group, struct fv_err *err)
{
	struct fv_rtnl_req req = {
		.verb = "delete",
		.object = FV_OBJECT_GROUP,
		.accept = FV_ACCEPT_GONE,
		.group = group,
	};
	struct nlmsghdr *nlh;

	if (!group)
		return fv_err_set(err, -EINVAL, "device group 0 is everybody's: not deleted");
	nlh = fv_rtnl_begin(rt, RTM_DELLINK, 0, &req);
	put_ifinfo(nlh, 0);
	mnl_attr_put_u32(nlh, IFLA_GROUP, group);
	fv_rtnl_end(rt, nlh);
	return 0;
}

/* ---- what there is ---- */

static void parse_stats(const struct nlattr *attr, struct fv_link *link)
{
	struct rtnl_link_stats64 stats = { 0 };
	size_t size = mnl_attr_get_payload_len(attr);

	/* Newer kernels have more of it. */
	if (size > sizeof(stats))
		size = sizeof(stats);
	memcpy(&stats, mnl_attr_get_payload(attr), size);
	link->rx_packets = stats.rx_packets;
	link->rx_bytes = stats.rx_bytes;
	link->tx_packets = stats.tx_packets;
	link->tx_bytes = stats.tx_bytes;
	link->tx_dropped = stats.tx_dropped;
}

bool fv_link_parse(const struct nlmsghdr *nlh, void *item)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1];
	struct fv_link *link = item;
	uint8_t mode = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi) || nlh->nlmsg_type != RTM_NEWLINK)
		return false;
	fv_attr_table(nlh, sizeof(*ifi), tb, FV_ARRAY_SIZE(tb));

	link->ifindex = ifi->ifi_index;
	link->type = ifi->ifi_type;
	link->up = ifi->ifi_flags & IFF_UP;
	link->loopback = ifi->ifi_flags & IFF_LOOPBACK;
	link->peer_nsid = -1;
	fv_attr_str(tb[IFLA_IFNAME], link->name, sizeof(link->name));
	fv_attr_str(tb[IFLA_IFALIAS], link->alias, sizeof(link->alias));
	fv_attr_str(fv_attr_nested(tb[IFLA_LINKINFO], IFLA_INFO_KIND), link->kind,
		    sizeof(link->kind));
	fv_attr_bytes(tb[IFLA_ADDRESS], link->mac, sizeof(link->mac));
	fv_attr_bytes(tb[IFLA_MTU], &link->mtu, sizeof(link->mtu));
	fv_attr_bytes(tb[IFLA_GROUP], &link->group, sizeof(link->group));
	fv_attr_bytes(tb[IFLA_LINK], &link->peer_ifindex, sizeof(link->peer_ifindex));
	fv_attr_bytes(tb[IFLA_LINK_NETNSID], &link->peer_nsid, sizeof(link->peer_nsid));
	fv_attr_bytes(tb[IFLA_MASTER], &link->master, sizeof(link->master));
	fv_attr_bytes(fv_attr_nested(fv_attr_nested(tb[IFLA_AF_SPEC], AF_INET6),
				     IFLA_INET6_ADDR_GEN_MODE),
		      &mode, sizeof(mode));
	link->no_ip6_ll = mode == IN6_ADDR_GEN_MODE_NONE;
	fv_attr_bytes(fv_attr_nested(tb[IFLA_XDP], IFLA_XDP_PROG_ID), &link->xdp_prog,
		      sizeof(link->xdp_prog));
	if (tb[IFLA_STATS64])
		parse_stats(tb[IFLA_STATS64], link);
	return true;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct fv_link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

int fv_link_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_link **ret, size_t *ret_n)
{
	static const struct fv_rtnl_dump dump = {
		.what = "devices",
		.type = RTM_GETLINK,
		.header = sizeof(struct ifinfomsg),
		.item = sizeof(struct fv_link),
		.parse = fv_link_parse,
	};
	void *links;
	int r;

	r = fv_rtnl_dump(rt, &dump, err, &links, ret_n);
	if (r)
		return r;
	*ret = links;
	if (*ret_n)
		qsort(*ret, *ret_n, sizeof(**ret), by_ifindex);
	return 0;
}

int fv_link_dump_group(struct fv_rtnl *rt, uint32_t group, struct fv_err *err, struct fv_link **ret,
		       size_t *ret_n)
{
	size_t n, kept = 0;
	struct fv_link *links;
	int r;

	r = fv_link_dump(rt, err, &links, &n);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (links[i].group == group)
			links[kept++] = links[i];
	}
	*ret = links;
	*ret_n = kept;
	return 0;
}

int fv_link_find(struct fv_rtnl *rt, const char *name, struct fv_err *err, struct fv_link *ret)
{
	char buf[256] __attribute__((aligned(8))), what[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fv_link link = { 0 };
	int r;

	if (!name[0] || strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	nlh->nlmsg_type = RTM_GETLINK;
	put_ifinfo(nlh, 0);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	snprintf(what, sizeof(what), "look up device %s", name);
	r = fv_rtnl_ask(rt, nlh, what, ENODEV, fv_link_parse, err, &link);
	if (!r)
		*ret = link;
	return r;
}

/*
 * Asks for a device by index, here (nsid -1) or in a namespace that has this id here. -ENODEV
 * without a message if there is none; the kernel's word for an id without a namespace is EINVAL.
 */
static int ask_device(struct fv_rtnl *rt, int nsid, int ifindex,
		      bool (*parse)(const struct nlmsghdr *nlh, void *ret), struct fv_err *err,
		      void *ret)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fv_err cause = { 0 };
	int r;

	/* Without an index the request would mean something else. */
	if (ifindex <= 0)
		return -ENODEV;
	nlh->nlmsg_type = RTM_GETLINK;
	put_ifinfo(nlh, ifindex);
	if (nsid >= 0)
		mnl_attr_put_u32(nlh, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	r = fv_rtnl_ask(rt, nlh, "look up a device", ENODEV, parse, &cause, ret);
	if (r == -EINVAL && nsid >= 0)
		return -ENODEV;
	if (r && err && !err->code)
		*err = cause;
	return r;
}

int fv_link_peer(struct fv_rtnl *rt, int nsid, int ifindex, struct fv_err *err, struct fv_link *ret)
{
	struct fv_link link = { 0 };
	int r;

	r = ask_device(rt, nsid, ifindex, fv_link_parse, err, &link);
	if (!r)
		*ret = link;
	return r;
}

static bool parse_running(const struct nlmsghdr *nlh, void *ret)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi) || nlh->nlmsg_type != RTM_NEWLINK)
		return false;
	*(bool *)ret = ifi->ifi_flags & IFF_RUNNING;
	return true;
}

int fv_link_sends(struct fv_rtnl *rt, int nsid, int ifindex, struct fv_err *err, bool *ret)
{
	return ask_device(rt, nsid, ifindex, parse_running, err, ret);
}

static bool parse_nsid(const struct nlmsghdr *nlh, void *ret)
{
	const struct nlattr *tb[NETNSA_MAX + 1];

	fv_attr_table(nlh, sizeof(struct rtgenmsg), tb, FV_ARRAY_SIZE(tb));
	return fv_attr_bytes(tb[NETNSA_NSID], ret, sizeof(int));
}

int fv_nsid_of(struct fv_rtnl *rt, int netns_fd, struct fv_err *err, int *ret)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETNSID;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)netns_fd);
	return fv_rtnl_ask(rt, nlh, "look up a namespace's id", 0, parse_nsid, err, ret);
}
