// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be said about a topology without asking the kernel, object by object.
 * What must not be twice is in unique.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/priv.h"

static int check_subnet(const struct fv_net *net, const struct fv_prefix *p, struct fv_err *err)
{
	char buf[FV_IP_STRLEN];

	if (fv_prefix_special(p))
		return fv_topo_err(
			net, NULL, err, -EINVAL,
			"network \"%s\": subnet %s holds loopback, link-local, multicast or "
			"reserved addresses; take one of a private range, as %s",
			net->name, fv_prefix_str(p, buf),
			p->ip.family == AF_INET ? "10.77.0.0/24" : "fd77::/64");
	if (fv_prefix_hosts(p) < 4)
		return fv_topo_err(
			net, NULL, err, -EINVAL,
			"network \"%s\": subnet %s is too small for a gateway and an endpoint; "
			"/%u is the smallest",
			net->name, fv_prefix_str(p, buf), fv_ip_bits(&p->ip) - 2);
	return 0;
}

static int check_net(const struct fv_net *net, struct fv_err *err)
{
	unsigned int least = net->subnet6.ip.family ? 1280 : 68;
	struct fv_err why = { 0 };
	int r;

	if (fv_name_check("network", net->name, &why))
		return fv_topo_err(net, NULL, err, -EINVAL, "%s", why.msg);
	if (!net->subnet4.ip.family && !net->subnet6.ip.family)
		return fv_topo_err(
			net, NULL, err, -EINVAL,
			"network \"%s\" has no subnet; give it \"subnet\", \"subnet6\" or both",
			net->name);
	if (net->subnet4.ip.family) {
		r = check_subnet(net, &net->subnet4, err);
		if (r)
			return r;
	}
	if (net->subnet6.ip.family) {
		r = check_subnet(net, &net->subnet6, err);
		if (r)
			return r;
	}
	if (net->mtu && (net->mtu < least || net->mtu > UINT16_MAX))
		return fv_topo_err(net, NULL, err, -EINVAL,
				   "network \"%s\": MTU %u is outside %u to %d%s", net->name,
				   net->mtu, least, UINT16_MAX,
				   least == 1280 ? " (with IPv6)" : "");
	return 0;
}

static int check_address(const struct fv_net *net, const struct fv_ep *ep, const struct fv_ip *ip,
			 const struct fv_prefix *subnet, struct fv_err *err)
{
	char a[FV_IP_STRLEN], s[FV_IP_STRLEN];
	const char *whose = NULL;
	struct fv_ip taken;

	if (!ip->family)
		return 0;
	if (!subnet->ip.family)
		return fv_topo_err(net, ep, err, -EINVAL,
				   "endpoint \"%s\": address %s needs a \"%s\" in network \"%s\"",
				   ep->name, fv_ip_str(ip, a),
				   ip->family == AF_INET ? "subnet" : "subnet6", net->name);
	if (!fv_ip_in(ip, subnet))
		return fv_topo_err(
			net, ep, err, -EINVAL,
			"endpoint \"%s\": address %s is outside subnet %s of network \"%s\"",
			ep->name, fv_ip_str(ip, a), fv_prefix_str(subnet, s), net->name);
	if (fv_prefix_host(subnet, 0, &taken) && fv_ip_equal(ip, &taken))
		whose = "the subnet's own";
	else if (fv_prefix_host(subnet, 1, &taken) && fv_ip_equal(ip, &taken))
		whose = "the gateway's";
	else if (ip->family == AF_INET &&
		 fv_prefix_host(subnet, fv_prefix_hosts(subnet) - 1, &taken) &&
		 fv_ip_equal(ip, &taken))
		whose = "the broadcast address";
	if (whose)
		return fv_topo_err(
			net, ep, err, -EINVAL,
			"endpoint \"%s\": address %s is %s in network \"%s\"; take another",
			ep->name, fv_ip_str(ip, a), whose, net->name);
	return 0;
}

static int check_share(const struct fv_topo_index *index, const struct fv_net *net,
		       const struct fv_ep *ep, struct fv_err *err)
{
	const struct fv_ep *to;

	if (ep->ip4.family || ep->ip6.family || ep->n_publish || *ep->ifname ||
	    ep->target != FV_TARGET_OWN)
		return fv_topo_err(
			net, ep, err, -EINVAL,
			"endpoint \"%s\" shares the namespace of \"%s\" and has no device of "
			"its own: address, ifname, publish and target make no sense there",
			ep->name, ep->share);
	if (!strcmp(ep->share, "host"))
		return 0;
	to = fv_topo_index_ep(index, ep->share, NULL);
	if (!to)
		return fv_topo_err(
			net, ep, err, -EINVAL,
			"endpoint \"%s\" shares the namespace of \"%s\", which does not exist; "
			"name an endpoint or \"host\"",
			ep->name, ep->share);
	if (to->share)
		return fv_topo_err(
			net, ep, err, -EINVAL,
			"endpoint \"%s\" shares the namespace of \"%s\", which is a share "
			"itself; name the endpoint that has the namespace",
			ep->name, ep->share);
	return 0;
}

static int check_ep(const struct fv_topo_index *index, const struct fv_net *net,
		    const struct fv_ep *ep, struct fv_err *err)
{
	struct fv_err why = { 0 };
	char buf[128];
	int r;

	if (fv_name_check("endpoint", ep->name, &why) ||
	    (*ep->ifname && fv_ifname_check(ep->ifname, &why)))
		return fv_topo_err(net, ep, err, -EINVAL, "%s", why.msg);
	if (!strcmp(ep->name, "host"))
		return fv_topo_err(
			net, ep, err, -EINVAL,
			"no endpoint can be named \"host\": it means the host's own namespace");
	if (ep->share)
		return check_share(index, net, ep, err);
	r = check_address(net, ep, &ep->ip4, &net->subnet4, err);
	if (r)
		return r;
	r = check_address(net, ep, &ep->ip6, &net->subnet6, err);
	if (r)
		return r;
	for (size_t i = 0; i < ep->n_publish; i++) {
		const struct fv_publish *p = &ep->publish[i];
		const struct fv_prefix *subnet =
			p->host_ip.family == AF_INET6 ? &net->subnet6 : &net->subnet4;

		if (p->host_ip.family && !subnet->ip.family)
			return fv_topo_err(
				net, ep, err, -EINVAL,
				"endpoint \"%s\": published port \"%s\" needs a \"%s\" in "
				"network \"%s\"",
				ep->name, fv_publish_str(p, buf),
				subnet == &net->subnet6 ? "subnet6" : "subnet", net->name);
	}
	return 0;
}

int fv_topo_check(const struct fv_topo *topo, struct fv_err *err)
{
	FV_CLEANUP(fv_topo_index_fini) struct fv_topo_index index = { 0 };
	int r = fv_topo_index_init(topo, err, &index);

	for (size_t i = 0; !r && i < topo->n_nets; i++) {
		const struct fv_net *net = &topo->nets[i];

		r = check_net(net, err);
		for (size_t j = 0; !r && j < net->n_eps; j++)
			r = check_ep(&index, net, &net->eps[j], err);
	}
	return r ? r : fv_topo_check_unique(topo, &index, err);
}
