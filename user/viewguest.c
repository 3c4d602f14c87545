// SPDX-License-Identifier: GPL-2.0-only
/* What the verbs that look say of attached ports. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "engine/engine.h"
#include "net/sysctl.h"
#include "guest.h"
#include "run.h"
#include "view.h"

struct around {
	struct fv_nsid *spaces;
	size_t n_spaces;
	struct fv_container *containers;
	size_t n_containers;
};

static void around_fini(struct around *a)
{
	free(a->spaces);
	fv_containers_free(a->containers, a->n_containers);
}

static const struct fv_nsid *space_of(const struct around *a, int nsid)
{
	for (size_t i = 0; i < a->n_spaces; i++)
		if (a->spaces[i].nsid == nsid)
			return &a->spaces[i];
	return NULL;
}

/* The network that stands for a bridge; "" for ports that are in none. */
static struct fv_net *net_of(struct fv_run *run, int master, struct fv_view *view)
{
	const struct fv_link *bridge = fv_host_ifindex(&run->host, master);
	const char *name = bridge ? bridge->name : "";
	struct fv_net *net = fv_topo_net(&view->others, name);

	if (net)
		return net;
	net = fv_topo_append(&view->others);
	if (net)
		net->name = strdup(name);
	return net && net->name ? net : NULL;
}

/* Addresses of the device inside: the first of each family that is not link-local. */
static void read_addresses(const struct fv_nsid *space, int ifindex, struct fv_ep *ep)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FREE struct fv_addr *addrs = NULL;
	FV_AUTO_FD int fd = -1;
	size_t n = 0;

	if (fv_netns_find(space->dev, space->ino, NULL, &fd) || fv_netns_rtnl(fd, NULL, &rt) ||
	    fv_addr_dump(rt, NULL, &addrs, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct fv_ip *ip = &addrs[i].prefix.ip;

		if (addrs[i].ifindex != ifindex)
			continue;
		if (fv_ip_bits(ip) == 32 && !ep->ip4.family)
			ep->ip4 = *ip;
		if (fv_ip_bits(ip) == 128 && !ep->ip6.family &&
		    !(ip->b[0] == 0xfe && ip->b[1] == 0x80))
			ep->ip6 = *ip;
	}
}

static int add_port(struct fv_run *run, const struct fv_dp_endpoint *at,
		    const struct around *around, bool addresses, struct fv_err *err,
		    struct fv_view *view)
{
	const struct fv_link *link = fv_host_ifindex(&run->host, at->ifindex);
	const struct fv_nsid *space = space_of(around, link->peer_nsid);
	const char *container = NULL, *name = link->name;
	struct fv_net *net = net_of(run, link->master, view);
	struct fv_ep *ep = net ? fv_net_append(net) : NULL;
	struct fv_link peer = {};

	if (space) {
		container = fv_container_of(around->containers, around->n_containers, space->dev,
					    space->ino);
		name = container ?: *space->name ? container ?: space->name : name;
	}
	if (!ep || !(ep->name = strdup(name)))
		return fv_err_oom(err);
	/* Nobody asks for it as one of ours: container and inode go in fields that ours do not use. */
	if (container && !(ep->target_arg = strdup(container)))
		return fv_err_oom(err);
	strcpy(ep->port, link->name);
	memcpy(ep->mac, at->mac, 6);
	ep->ns_ino = space ? space->ino : 0;
	if (!fv_link_peer(run->rt, link->peer_nsid, link->peer_ifindex, NULL, &peer))
		strcpy(ep->ifname, peer.name);
	if (addresses && space)
		read_addresses(space, link->peer_ifindex, ep);
	return 0;
}

/* After all networks and endpoints are there: pointers to them stay. */
static int list_ports(struct fv_run *run, struct fv_view *view, struct fv_err *err)
{
	size_t n = view->n_eps;
	struct fv_view_ep *eps;

	for (size_t i = 0; i < view->others.n_nets; i++)
		n += view->others.nets[i].n_eps;
	eps = reallocarray(view->eps, n + 1, sizeof(*eps));
	if (!eps)
		return fv_err_oom(err);
	view->eps = eps;
	for (size_t i = 0; i < view->others.n_nets; i++) {
		struct fv_net *net = &view->others.nets[i];

		for (size_t k = 0; k < net->n_eps; k++) {
			const struct fv_link *link = fv_host_link(&run->host, net->eps[k].port);
			struct fv_view_ep *v = &view->eps[view->n_eps++];

			*v = (struct fv_view_ep){
				.net = net,
				.ep = &net->eps[k],
				.container = net->eps[k].target_arg,
				.netns = net->eps[k].ns_ino,
				.attached = true,
			};
			if (!link)
				continue;
			v->ifindex = link->ifindex;
			v->peer_ifindex = link->peer_ifindex;
		}
	}
	return 0;
}

int fv_view_attached(struct fv_run *run, unsigned int what, struct fv_err *err,
		     struct fv_view *view)
{
	FV_CLEANUP(around_fini) struct around around = {};
	struct fv_err why = {};
	int r;

	r = fv_run_read_attached(run, err);
	r = r ?: fv_view_uplinks(run, err, view);
	if (r || view->n_uplinks == run->n_attached)
		return r;
	r = fv_nsid_map(run->rt, err, &around.spaces, &around.n_spaces);
	if (r)
		return r;
	/* Names are all that is asked of it: without an engine there are none. */
	if (fv_engine_list(&why, &around.containers, &around.n_containers))
		r = fv_view_line(&view->warnings, "%s", why.msg);
	for (size_t i = 0; i < run->n_attached && !r; i++)
		if (!run->attached[i].uplink)
			r = add_port(run, &run->attached[i], &around, what & FV_LOOK_ADDRESSES, err,
				     view);
	return r ?: list_ports(run, view, err);
}

/* ---- health ---- */

static const struct fv_dp_endpoint *attached_at(const struct fv_run *run, int ifindex)
{
	for (size_t i = 0; i < run->n_attached; i++)
		if (run->attached[i].ifindex == ifindex)
			return &run->attached[i];
	return NULL;
}

static const struct fv_guest *guest_at(const struct fv_guests *guests, int ifindex)
{
	for (size_t i = 0; i < guests->n; i++)
		if (guests->g[i].link->ifindex == ifindex)
			return &guests->g[i];
	return NULL;
}

int fv_view_reasons(const struct fv_gate_list *list, uint32_t allow, char **lines)
{
	int r = 0;

	for (size_t i = 0; i < list->n && !r; i++)
		r = fv_view_line(lines, "%s: %s%s", fv_gate_name(list->r[i].why), list->r[i].where,
				 allow & 1U << list->r[i].why ? " (allowed)" : "");
	return r;
}

static int judge_port(struct fv_run *run, const struct fv_guests *guests, struct fv_view_ep *v)
{
	const struct fv_dp_endpoint *at = attached_at(run, v->ifindex);
	const struct fv_guest *g = guest_at(guests, v->ifindex);
	struct fv_attached now = {};
	int r = 0;

	if (!at)
		return 0;
	v->declined = at->declined;
	if (run->dp)
		fv_dp_query(run->dp, v->ifindex, v->ep->port, &now);
	if (now.from_ns)
		strcpy(v->hook, now.tcx ? "tcx" : "clsact");
	if (!now.from_ns || !now.to_ns || !now.current)
		r = fv_view_line(&v->problems, "%s", fv_view_not_current(run));
	if (!r && !g)
		r = fv_view_line(&v->problems, "no target of `attach` covers it any more");
	if (r || !g)
		return r;
	r = fv_view_reasons(&g->reasons, g->allow, &v->objections);
	r = r ?: fv_view_reasons(&guests->rules, g->allow, &v->objections);
	if (!r && at->no_tcp)
		r = fv_view_line(&v->objections, "window: TCP stays slow, its windows are strict "
						 "(--no-sysctl)");
	if (!r && g->declined != at->declined)
		r = fv_view_line(&v->problems,
				 at->declined ? "nothing speaks against the shortcut any more"
					      : "what speaks against the shortcut is new");
	if (!r && (memcmp(at->mac, g->mac, 6) || at->master != (uint32_t)g->link->master))
		r = fv_view_line(&v->problems, "its MAC inside, or its bridge, was changed");
	return r;
}

static int say_liberal(struct fv_run *run, struct fv_view *view)
{
	const struct fv_saved *saved = fv_run_liberal_saved(run);
	bool tcp = false;
	char now[16];

	for (size_t i = 0; i < run->n_attached; i++)
		tcp |= !run->attached[i].no_tcp;
	if (!tcp || fv_sysctl_get(FV_LIBERAL, NULL, now, sizeof(now)))
		return 0;
	if (strcmp(now, "1"))
		return !fv_run_tracks(&view->topo)
			       ? 0
			       : fv_view_line(&view->problems,
					      "net.netfilter.nf_conntrack_tcp_be_liberal is %s: "
					      "conntrack would take what it sees of TCP flows for "
					      "invalid",
					      now);
	return !saved ? 0
		      : fv_view_line(&view->warnings,
				     "net.netfilter.nf_conntrack_tcp_be_liberal is 1, and was %s: "
				     "conntrack sees samples of TCP flows; `detach` and `down` put "
				     "it back",
				     saved->old);
}

int fv_view_judge(struct fv_run *run, unsigned int what, struct fv_view *view, struct fv_err *err)
{
	FV_CLEANUP(fv_guests_fini) struct fv_guests guests = {};
	int r = 0;

	if (!(what & (FV_LOOK_HEALTH | FV_LOOK_ATTACHED)) ||
	    (!run->n_attached && !run->state.n_attached && !view->topo.n_nets))
		return 0;
	if (!run->dp)
		r = fv_dp_open(err, &run->dp);
	r = r && r != -ENOENT ? r : fv_guests_find(run, NULL, 0, err, &guests);
	if (r)
		return r;
	for (size_t i = 0; i < view->n_eps && !r; i++)
		if (view->eps[i].attached)
			r = judge_port(run, &guests, &view->eps[i]);
	r = r ?: fv_view_judge_uplinks(run, guests.n ? &guests.rules : NULL, view, err);
	for (size_t i = 0; i < guests.n && !r; i++)
		if (!attached_at(run, guests.g[i].link->ifindex))
			r = fv_view_line(
				&view->warnings,
				"port %s is not attached yet: run `fastveth attach`, or keep "
				"`fastveth watch` running",
				guests.g[i].link->name);
	r = r ?: say_liberal(run, view);
	if (!r && run->n_attached > view->n_uplinks)
		r = fv_view_line(
			&view->warnings,
			"of a flow that takes the shortcut, rule counters and tcpdump on the "
			"bridge show about one packet a second");
	return r ? fv_err_oom(err) : 0;
}
