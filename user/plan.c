// SPDX-License-Identifier: GPL-2.0-only
/* What differs between the topology as it shall be and the kernel. Changes nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/nat.h"
#include "guest.h"

#define FV_TODO_ALL                                                                                \
	(FV_TODO_PAIR | FV_TODO_INSIDE | FV_TODO_PORT | FV_TODO_ROUTE | FV_TODO_ATTACH |           \
	 FV_TODO_HOSTS)

static bool in_scope(const struct fv_scope *scope, const struct fv_net *net, const struct fv_ep *ep)
{
	if (!scope)
		return true;
	if (scope->endpoint)
		return !strcmp(scope->endpoint, ep->name);
	return scope->nets && fv_topo_net(scope->nets, net->name);
}

static const char *target_str(const struct fv_ep *ep)
{
	return ep->target_arg ?: "";
}

/* The pair of an endpoint that leads elsewhere by now, or to another name inside, is made anew. */
static bool must_restart(const struct fv_ep *old, const struct fv_ep *ep)
{
	return !old->share != !ep->share || old->target != ep->target ||
	       strcmp(target_str(old), target_str(ep)) || strcmp(old->port, ep->port) ||
	       (*old->ifname && strcmp(old->ifname, ep->ifname));
}

static int add_gone(struct fv_run *run, const struct fv_net *net, const struct fv_ep *ep,
		    bool with_net, bool keep_ns)
{
	run->gone[run->n_gone++] = (struct fv_run_gone){
		.net = net,
		.ep = ep,
		.with_net = with_net,
		.keep_ns = keep_ns,
	};
	return 0;
}

static int find_gone(struct fv_run *run, const struct fv_topo_index *wanted, struct fv_err *err)
{
	const struct fv_topo *old = &run->state.topo;
	size_t n = 0;

	for (size_t i = 0; i < old->n_nets; i++)
		n += old->nets[i].n_eps;
	run->gone = calloc(n + 1, sizeof(*run->gone));
	if (!run->gone)
		return fv_err_oom(err);
	for (size_t i = 0; i < old->n_nets; i++) {
		const struct fv_net *net = &old->nets[i];
		bool with_net = !fv_topo_net(&run->want, net->name);

		for (size_t k = 0; k < net->n_eps; k++) {
			const struct fv_ep *ep = &net->eps[k];
			struct fv_net *now_net = NULL;
			const struct fv_ep *now = fv_topo_index_ep(wanted, ep->name, &now_net);

			if (!now || strcmp(now_net->name, net->name))
				add_gone(run, net, ep, with_net, false);
			else if (must_restart(ep, now))
				add_gone(run, net, ep, false,
					 ep->target == FV_TARGET_OWN && now->target == ep->target &&
						 !ep->share && !now->share);
		}
	}
	return 0;
}

static int list_eps(struct fv_run *run, const struct fv_topo_index *known,
		    const struct fv_scope *scope, struct fv_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < run->want.n_nets; i++)
		n += run->want.nets[i].n_eps;
	run->eps = calloc(n + 1, sizeof(*run->eps));
	if (!run->eps)
		return fv_err_oom(err);
	for (size_t i = 0; i < run->want.n_nets; i++) {
		struct fv_net *net = &run->want.nets[i];

		for (size_t k = 0; k < net->n_eps; k++) {
			struct fv_run_ep *re = &run->eps[run->n_eps];
			struct fv_net *old_net = NULL;
			const struct fv_link *link;
			struct fv_ep *ep = &net->eps[k];

			if (ep->share)
				continue;
			run->n_eps++;
			re->net = net;
			re->ep = ep;
			re->ns = -1;
			re->checked = in_scope(scope, net, ep);
			re->old = fv_topo_index_ep(known, ep->name, &old_net);
			if (re->old && strcmp(old_net->name, net->name))
				re->old = NULL;
			if (re->old && !must_restart(re->old, ep)) {
				ep->ns_dev = re->old->ns_dev;
				ep->ns_ino = re->old->ns_ino;
			}
			link = fv_host_link(&run->host, ep->port);
			if (!link || !fv_link_is_ours(link, net->name, ep->name) ||
			    (re->old && must_restart(re->old, ep)))
				continue;
			re->ifindex = link->ifindex;
			re->peer_ifindex = link->peer_ifindex;
			re->peer_nsid = link->peer_nsid;
		}
	}
	return 0;
}

static bool has_host_route(const struct fv_run *run, const struct fv_run_ep *re,
			   const struct fv_ip *ip, const struct fv_ip *gw)
{
	const struct fv_route route = {
		.dst = { *ip, fv_ip_bits(ip) },
		.src = *gw,
		.oif = re->ifindex,
		.protocol = FV_RTPROT,
	};
	struct fv_neigh neigh = { .ifindex = re->ifindex, .ip = *ip };

	if (!ip->family)
		return true;
	memcpy(neigh.mac, re->ep->mac, 6);
	return fv_host_has_route(&run->host, &route) && fv_host_has_neigh(&run->host, &neigh);
}

static bool attached(struct fv_run *run, const struct fv_run_ep *re, const struct fv_link *link)
{
	struct fv_attached a;

	fv_dp_query(run->dp, re->ifindex, re->ep->port, &a);
	if (!a.current || !a.to_ns || link->xdp_prog != a.xdp_from_ns)
		return false;
	if (re->net->hook == FV_HOOK_XDP)
		return a.xdp_from_ns && !a.from_ns;
	return a.from_ns && !a.xdp_from_ns;
}

/* An endpoint brings a default route along: beside another one it would lead nowhere. */
static int check_new_routes(const struct fv_run_ep *re, struct fv_rtnl *rt, struct fv_err *err)
{
	FV_AUTO_FREE struct fv_route *routes = NULL;
	size_t n = 0;
	int r;

	r = fv_route_dump(rt, err, &routes, &n);
	for (size_t i = 0; i < n && !r; i++) {
		const struct fv_route *route = &routes[i];
		int family = route->dst.ip.family;

		if (route->dst.len || !route->oif || route->table != FV_ROUTE_MAIN ||
		    route->type != RTN_UNICAST ||
		    (family != re->ep->ip4.family && family != re->ep->ip6.family))
			continue;
		r = fv_err_set(
			err, -EEXIST,
			"endpoint \"%s\": its target %s has an IPv%d default route already, and an "
			"endpoint needs its own: take that away first",
			re->ep->name, re->ep->target_arg, family == AF_INET ? 4 : 6);
	}
	return r;
}

/* The name of a namespace that is there already. */
static int name_is_taken(const struct fv_run *run, const struct fv_run_ep *re, struct fv_err *err)
{
	const char *name = re->ep->name;
	struct fv_net *net;
	const struct fv_ep *old = fv_topo_ep(&run->state.topo, name, &net);

	if (old && old->share)
		return fv_topo_err(re->net, re->ep, err, -EEXIST,
				   "namespace \"%s\" is a second name for \"%s\" now: remove it "
				   "first (fastveth del %s)",
				   name, old->share, name);
	if (old && strcmp(net->name, re->net->name))
		return fv_topo_err(re->net, re->ep, err, -EEXIST,
				   "endpoint \"%s\" is in network \"%s\" now: remove it first "
				   "(fastveth del %s)",
				   name, net->name, name);
	return fv_topo_err(re->net, re->ep, err, -EEXIST,
			   "namespace \"%s\" exists (%s/%s) and was not made by fastveth: choose "
			   "another name, or give it an endpoint with: fastveth add NAME --target "
			   "netns:%s",
			   name, FV_NETNS_DIR, name, name);
}

static int check_new_ns(const struct fv_run *run, const struct fv_run_ep *re, struct fv_err *err)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FD int fd = -1, self = -1;
	struct fv_link link;
	int r;

	if (re->ep->target == FV_TARGET_OWN) {
		if (!fv_netns_open_name(re->ep->name, NULL, &fd)) {
			if (fv_ns_is_ours(fd, re->net->name, re->ep->name))
				return 0;
		} else if (!fv_netns_taken(re->ep->name)) {
			return 0;
		}
		return name_is_taken(run, re, err);
	}
	r = fv_ep_open_ns(re->ep, err, &fd);
	if (r == -ENOENT && re->ep->ns_ino)
		return fv_err_set(err, r,
				  "endpoint \"%s\": the namespace of its target %s is gone: remove "
				  "it (fastveth del %s)",
				  re->ep->name, re->ep->target_arg, re->ep->name);
	r = r ?: fv_netns_self(err, &self);
	if (r)
		return r;
	if (fv_netns_same(fd, self))
		return fv_err_set(
			err, -EINVAL,
			"endpoint \"%s\": its target %s is the host's own network namespace, which "
			"needs no endpoint",
			re->ep->name, re->ep->target_arg);
	r = fv_netns_rtnl(fd, err, &rt);
	if (r)
		return r;
	if (!fv_link_find(rt, re->ep->ifname, NULL, &link))
		return fv_err_set(
			err, -EEXIST,
			"endpoint \"%s\": its target has a device %s already; choose another name "
			"with --ifname",
			re->ep->name, re->ep->ifname);
	return check_new_routes(re, rt, err);
}

static int check_ep(struct fv_run *run, struct fv_run_ep *re, struct fv_err *err)
{
	const struct fv_link *link = fv_host_ifindex(&run->host, re->ifindex);
	char alias[320];
	int fd, r;

	if (!link) {
		re->todo = FV_TODO_ALL;
		/* Its namespace may still be there, without its device. */
		if (re->ep->target == FV_TARGET_OWN && !fv_netns_taken(re->ep->name))
			re->todo |= FV_TODO_NAME;
		return re->old && !run->looking ? check_new_ns(run, re, err) : 0;
	}
	r = fv_ep_check_inside(re, err, &re->todo);
	if (r == -ENOENT) {
		/* The pair leads to a namespace that nobody can name any more: a new one. */
		memset(err, 0, sizeof(*err));
		re->restart = true;
		re->todo = FV_TODO_ALL | (re->ep->target == FV_TARGET_OWN ? FV_TODO_NAME : 0);
		return 0;
	}
	if (r)
		return r;
	if (re->ep->target == FV_TARGET_OWN) {
		r = fv_netns_open_name(re->ep->name, NULL, &fd);
		if (r)
			re->todo |= FV_TODO_NAME;
		else
			close(fd);
	}
	fv_alias_of(re->net->name, re->ep->name, alias);
	if (strncmp(link->alias, alias, 255) || link->mtu != re->net->mtu || !link->up ||
	    !link->no_ip6_ll || link->group != FV_GROUP_BASE + re->net->id ||
	    (re->old && !re->old->n_publish && re->ep->n_publish))
		re->todo |= FV_TODO_PORT;
	if (!has_host_route(run, re, &re->ep->ip4, &re->net->gw4) ||
	    !has_host_route(run, re, &re->ep->ip6, &re->net->gw6))
		re->todo |= FV_TODO_ROUTE;
	if (!attached(run, re, link))
		re->todo |= FV_TODO_ATTACH;
	if (!fv_hosts_linked(re->net->name, re->ep->name))
		re->todo |= FV_TODO_HOSTS;
	return 0;
}

/* ---- what cannot be, said before anything is changed ---- */

static int check_share(const struct fv_run *run, const struct fv_net *net, const struct fv_ep *ep,
		       struct fv_err *err)
{
	if (fv_topo_ep(&run->state.topo, ep->name, NULL) || !fv_netns_taken(ep->name))
		return 0;
	return fv_topo_err(
		net, ep, err, -EEXIST,
		"namespace \"%s\" exists (%s/%s) and was not made by fastveth: choose another "
		"name",
		ep->name, FV_NETNS_DIR, ep->name);
}

static int check_hooks(const struct fv_run *run, struct fv_err *err)
{
	for (size_t i = 0; i < run->want.n_nets; i++) {
		const struct fv_net *net = &run->want.nets[i];

		if (net->hook != FV_HOOK_XDP)
			continue;
		if (!run->features.xdp)
			return fv_topo_err(
				net, NULL, err, -EOPNOTSUPP,
				"network \"%s\": this kernel cannot redirect XDP frames to a veth "
				"(needs 5.13): use hook tc",
				net->name);
		if (!run->features.xdp_frags && net->mtu > FV_XDP_MTU_MAX)
			return fv_topo_err(
				net, NULL, err, -EOPNOTSUPP,
				"network \"%s\": on this kernel hook xdp takes an MTU of at most "
				"%d, not %u",
				net->name, FV_XDP_MTU_MAX, net->mtu);
	}
	return 0;
}

static int check_possible(struct fv_run *run, struct fv_err *err)
{
	int r = 0;

	if (run->n_eps)
		r = fv_link_probe_veth(run->rt, err);
	if (!r && run->want.n_nets)
		r = fv_nat_probe(err);
	r = r ?: check_hooks(run, err);
	r = r ?: fv_host_check_subnets(run, err);
	for (size_t i = 0; i < run->n_eps && !r; i++)
		if (run->eps[i].checked && !run->eps[i].old)
			r = check_new_ns(run, &run->eps[i], err);
	for (size_t i = 0; i < run->want.n_nets; i++) {
		const struct fv_net *net = &run->want.nets[i];

		for (size_t k = 0; k < net->n_eps && !r; k++)
			if (net->eps[k].share)
				r = check_share(run, net, &net->eps[k], err);
	}
	return r;
}

/* ---- saying it ---- */

static int say_ep(struct fv_run *run, const struct fv_run_ep *re, struct fv_err *err)
{
	static const struct {
		unsigned int bit;
		const char *what;
	} parts[] = {
		{ FV_TODO_INSIDE, "configuration inside" },
		{ FV_TODO_NAME, "name" },
		{ FV_TODO_PORT, "port" },
		{ FV_TODO_ROUTE, "host route" },
		{ FV_TODO_ATTACH, "programs" },
		{ FV_TODO_HOSTS, "hosts file" },
	};
	char name[2 * FV_NAME_MAX + 2], what[160] = "", ip4[FV_IP_STRLEN], ip6[FV_IP_STRLEN];

	snprintf(name, sizeof(name), "%s/%s", re->net->name, re->ep->name);
	fv_ip_str(&re->ep->ip4, ip4);
	fv_ip_str(&re->ep->ip6, ip6);
	if (re->todo & FV_TODO_PAIR)
		return fv_run_act(run, re->old && !re->restart ? FV_OP_CHANGE : FV_OP_CREATE,
				  "endpoint", name, err, "%s%s%s port %s", ip4,
				  *ip4 && *ip6 ? " " : "", ip6, re->ep->port);
	if (re->old && (!fv_ip_equal(&re->old->ip4, &re->ep->ip4) ||
			!fv_ip_equal(&re->old->ip6, &re->ep->ip6)))
		return fv_run_act(run, FV_OP_CHANGE, "endpoint", name, err, "address %s%s%s", ip4,
				  *ip4 && *ip6 ? " " : "", ip6);
	for (size_t i = 0; i < FV_ARRAY_SIZE(parts); i++)
		if (re->todo & parts[i].bit)
			snprintf(what + strlen(what), sizeof(what) - strlen(what), "%s%s",
				 *what ? ", " : "", parts[i].what);
	return fv_run_act(run, FV_OP_CHANGE, "endpoint", name, err, "%s", what);
}

static bool lacks_subnet(const struct fv_run *run, const struct fv_prefix *subnet,
			 const struct fv_ip *gw)
{
	const struct fv_addr addr = { .ifindex = run->host.lo, .prefix = { *gw, fv_ip_bits(gw) } };

	return subnet->ip.family &&
	       (!fv_host_has_subnet(&run->host, subnet) || !fv_host_has_addr(&run->host, &addr));
}

static int say(struct fv_run *run, struct fv_err *err)
{
	int r = 0;

	for (size_t i = 0; i < run->want.n_nets && !r; i++) {
		const struct fv_net *net = &run->want.nets[i];
		char s4[FV_IP_STRLEN], s6[FV_IP_STRLEN];

		if (!fv_topo_net(&run->state.topo, net->name))
			r = fv_run_act(run, FV_OP_CREATE, "network", net->name, err, "%s%s%s",
				       fv_prefix_str(&net->subnet4, s4),
				       net->subnet4.ip.family && net->subnet6.ip.family ? " " : "",
				       fv_prefix_str(&net->subnet6, s6));
		else if (lacks_subnet(run, &net->subnet4, &net->gw4) ||
			 lacks_subnet(run, &net->subnet6, &net->gw6))
			r = fv_run_act(run, FV_OP_CHANGE, "network", net->name, err,
				       "the host's route or address");
		for (size_t k = 0; run->dry && k < net->n_eps && !r; k++)
			if (net->eps[k].share && !fv_share_leads(&run->want, &net->eps[k]))
				r = fv_run_act(run, FV_OP_CREATE, "share", net->eps[k].name, err,
					       "namespace of %s", net->eps[k].share);
	}
	for (size_t i = 0; i < run->n_eps && !r; i++)
		if (run->eps[i].todo)
			r = say_ep(run, &run->eps[i], err);
	for (size_t i = 0; i < run->n_gone && !r; i++) {
		const struct fv_run_gone *gone = &run->gone[i];
		char name[2 * FV_NAME_MAX + 2];

		snprintf(name, sizeof(name), "%s/%s", gone->net->name, gone->ep->name);
		if (!fv_topo_ep(&run->want, gone->ep->name, NULL))
			r = fv_run_act(run, FV_OP_REMOVE, gone->ep->share ? "share" : "endpoint",
				       name, err, NULL);
	}
	for (size_t i = 0; i < run->state.topo.n_nets && !r; i++)
		if (!fv_topo_net(&run->want, run->state.topo.nets[i].name))
			r = fv_run_act(run, FV_OP_REMOVE, "network", run->state.topo.nets[i].name,
				       err, NULL);
	if (!r && run->dp && (run->want.n_nets || run->n_attached) && fv_dp_changed(run->dp) &&
	    (run->state.topo.n_nets || run->n_was_attached))
		r = fv_run_act(run, FV_OP_CHANGE, "program", "all", err, "replaced in place");
	return r;
}

static int open_dp(struct fv_run *run, struct fv_err *err)
{
	int r = fv_run_read_attached(run, err);
	unsigned int what;

	r = r ?: fv_run_want_uplinks(run, &run->want, err);
	if (r)
		return r;
	if (!run->want.n_nets && !run->n_attached) {
		r = fv_dp_open(err, &run->dp);
		return r == -ENOENT ? 0 : r;
	}
	what = run->n_attached ? FV_LOAD_FLOWS : 0;
	for (size_t i = 0; i < run->want.n_nets; i++)
		if (run->want.nets[i].hook == FV_HOOK_XDP)
			what |= FV_LOAD_XDP;
	return fv_dp_load(&run->features, run->n_eps + run->n_attached, what, err, &run->dp);
}

/* Made anew although old and new say the same: its remains are removed like those of the gone. */
static void restart_eps(struct fv_run *run)
{
	for (size_t i = 0; i < run->n_eps; i++) {
		struct fv_run_ep *re = &run->eps[i];

		if (!re->restart)
			continue;
		if (re->old) {
			for (size_t k = 0; k < run->state.topo.n_nets; k++)
				if (!strcmp(run->state.topo.nets[k].name, re->net->name))
					add_gone(run, &run->state.topo.nets[k], re->old, false,
						 false);
		}
		re->ifindex = re->peer_ifindex = 0;
		re->ep->ns_dev = re->ep->ns_ino = 0;
	}
}

int fv_run_plan(struct fv_run *run, struct fv_topo *want, const struct fv_scope *scope,
		struct fv_err *err)
{
	FV_CLEANUP(fv_topo_index_fini) struct fv_topo_index known = {}, wanted = {};
	int r;

	run->want = *want;
	memset(want, 0, sizeof(*want));
	r = fv_topo_index_init(&run->state.topo, err, &known);
	r = r ?: fv_topo_index_init(&run->want, err, &wanted);
	r = r ?: find_gone(run, &wanted, err);
	r = r ?: list_eps(run, &known, scope, err);
	if (!r && !run->undoing && !run->looking)
		r = check_possible(run, err);
	r = r ?: open_dp(run, err);
	for (size_t i = 0; i < run->n_eps && !r; i++)
		r = run->eps[i].checked ? check_ep(run, &run->eps[i], err) : 0;
	if (r)
		return r;
	restart_eps(run);
	return say(run, err);
}
