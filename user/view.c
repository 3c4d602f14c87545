// SPDX-License-Identifier: GPL-2.0-only
/* The verbs that look: list, stats, status, inspect. They take no lock and change nothing. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/cleanup.h"
#include "nat/hostfw.h"
#include "nat/nat.h"
#include "net/sysctl.h"
#include "guest.h"
#include "run.h"
#include "view.h"

int fv_view_line(char **lines, const char *fmt, ...)
{
	FV_AUTO_FREE char *line = NULL, *old = *lines;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0 || asprintf(lines, "%s%s%s", old ?: "", old ? "\n" : "", line) < 0) {
		line = n < 0 ? NULL : line;
		*lines = FV_TAKE_PTR(old);
		return -ENOMEM;
	}
	return 0;
}

void fv_view_fini(struct fv_view *view)
{
	for (size_t i = 0; i < view->n_eps; i++) {
		free(view->eps[i].problems);
		free(view->eps[i].objections);
	}
	free(view->eps);
	for (size_t i = 0; i < view->n_uplinks; i++) {
		free(view->uplinks[i].problems);
		free(view->uplinks[i].objections);
	}
	free(view->uplinks);
	free(view->problems);
	free(view->warnings);
	fv_topo_fini(&view->topo);
	fv_topo_fini(&view->others);
	memset(view, 0, sizeof(*view));
}

static int list_eps(struct fv_view *view, struct fv_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < view->topo.n_nets; i++)
		n += view->topo.nets[i].n_eps;
	view->eps = calloc(n + 1, sizeof(*view->eps));
	if (!view->eps)
		return fv_err_oom(err);
	for (size_t i = 0; i < view->topo.n_nets; i++) {
		for (size_t k = 0; k < view->topo.nets[i].n_eps; k++) {
			struct fv_view_ep *v = &view->eps[view->n_eps++];

			v->net = &view->topo.nets[i];
			v->ep = &view->topo.nets[i].eps[k];
			v->netns = v->ep->ns_ino;
		}
	}
	return 0;
}

static void find_devices(const struct fv_host *host, struct fv_view *view)
{
	for (size_t i = 0; i < view->n_eps; i++) {
		struct fv_view_ep *v = &view->eps[i];
		const struct fv_link *link;

		if (v->ep->share)
			continue;
		link = fv_host_link(host, v->ep->port);
		if (!link || !fv_link_is_ours(link, v->net->name, v->ep->name))
			continue;
		v->ifindex = link->ifindex;
		v->peer_ifindex = link->peer_ifindex;
	}
}

static void take_off(__u64 lost, __u64 *packets)
{
	*packets -= lost < *packets ? lost : *packets;
}

/*
 * A packet is counted before the device takes it. One that it then could not take (the
 * receiver's ring or backlog was full, its end was down) is not what the namespace received; the
 * device knows how many. Their bytes nobody knows.
 */
static int take_off_lost(struct fv_run *run, const struct fv_link *port, struct fv_err *err,
			 struct fv_counters *c)
{
	unsigned long long redirected = 0;
	int r;

	if (!port->tx_dropped)
		return 0;
	r = fv_ethtool_stat(run->rt, port->name, "tx_queue_*_xdp_xmit_errors", err, &redirected);
	if (r)
		return r;
	if (redirected > port->tx_dropped)
		redirected = port->tx_dropped;
	take_off(redirected, &c->rx_shortcut_packets);
	take_off(port->tx_dropped - redirected, &c->rx_other_packets);
	return 0;
}

static int read_stats(struct fv_run *run, struct fv_dp *dp, struct fv_view *view,
		      struct fv_err *err)
{
	for (size_t i = 0; i < view->n_eps; i++) {
		struct fv_view_ep *v = &view->eps[i];
		const struct fv_link *port;
		struct fv_stats s;
		int r;

		if (!v->ifindex)
			continue;
		r = fv_dp_stats(dp, v->ifindex, err, &s);
		if (r == -ENOENT)
			continue;
		port = fv_host_ifindex(&run->host, v->ifindex);
		if (!r && port)
			r = take_off_lost(run, port, err, &s.c);
		if (r)
			return r;
		v->counted = true;
		v->counters = s.c;
		v->reasons = s.r;
	}
	return 0;
}

static int read_uplink_stats(struct fv_dp *dp, struct fv_view *view, struct fv_err *err)
{
	int r = 0;

	for (size_t i = 0; i < view->n_uplinks && !r; i++) {
		struct fv_view_uplink *u = &view->uplinks[i];
		struct fv_stats s;

		r = fv_dp_stats(dp, u->ifindex, err, &s);
		if (r)
			return r == -ENOENT ? 0 : r;
		u->counted = true;
		u->counters = s.c;
		u->reasons = s.r;
	}
	return r;
}

static const struct {
	unsigned int bit;
	const char *text;
} problems[] = {
	{ FV_TODO_PAIR, "its device is gone" },
	{ FV_TODO_INSIDE, "device, address, route or neighbour inside is not as set up" },
	{ FV_TODO_NAME, "its name in /run/netns is gone" },
	{ FV_TODO_PORT, "port is down, or its alias, MTU or group was changed" },
	{ FV_TODO_ROUTE, "the host's route or neighbour entry to it is gone" },
	{ FV_TODO_ATTACH, NULL /* fv_view_not_current */ },
	{ FV_TODO_HOSTS, "its hosts file is gone" },
};

/* Whoever it was given to has ended: nothing but its removal puts that right. */
static bool target_is_gone(const struct fv_ep *ep)
{
	FV_AUTO_FD int fd = -1;

	return ep->target != FV_TARGET_OWN && fv_ep_open_ns(ep, NULL, &fd);
}

static int read_health(struct fv_run *run, struct fv_view *view, struct fv_err *err)
{
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; i < run->n_eps && !r; i++) {
		const struct fv_run_ep *re = &run->eps[i];
		const struct fv_link *link;
		struct fv_view_ep *v;
		struct fv_attached a;

		/* Both lists are in the order of the topology; this one lacks the shares. */
		while (view->eps[at].ep->share)
			at++;
		v = &view->eps[at++];
		if ((re->todo & FV_TODO_PAIR) && target_is_gone(re->ep))
			r = fv_view_line(&v->problems,
					 "the namespace of %s is gone: run `fastveth del %s`",
					 re->ep->target_arg, re->ep->name);
		for (size_t k = 0; k < FV_ARRAY_SIZE(problems) && !r; k++) {
			if (re->todo & FV_TODO_PAIR && problems[k].bit != FV_TODO_PAIR)
				continue;
			if (re->todo & problems[k].bit)
				r = fv_view_line(&v->problems, "%s",
						 problems[k].text ?: fv_view_not_current(run));
		}
		if (!v->ifindex || !run->dp)
			continue;
		fv_dp_query(run->dp, v->ifindex, v->ep->port, &a);
		if (a.xdp_from_ns)
			strcpy(v->hook, "xdp");
		else if (a.from_ns)
			strcpy(v->hook, a.tcx ? "tcx" : "clsact");
		link = fv_host_ifindex(&run->host, v->ifindex);
		if (link && link->xdp_prog != a.xdp_from_ns && !r)
			r = fv_view_line(&v->problems,
					 "an XDP program of somebody else is on its port");
	}
	if (!r && run->dp && view->n_eps && fv_dp_changed(run->dp))
		r = fv_view_line(&view->problems, "the maps or programs in use are %s",
				 fv_view_nat_came(run) ? "from before nf_conntrack was loaded"
						       : "not those of this build, or not pinned");
	return r ? fv_err_oom(err) : 0;
}

static int check_nft(struct fv_run *run, struct fv_view *view, struct fv_err *err)
{
	FV_AUTO_FREE char *nft = NULL;
	int r;

	r = fv_nat_listing(err, &nft);
	if (r)
		return r;
	if (!nft)
		r = fv_view_line(&view->problems, "the nftables table " FV_NFT_TABLE " is gone");
	else if (!run->state.nft || strcmp(nft, run->state.nft))
		r = fv_view_line(&view->problems, "the nftables table " FV_NFT_TABLE
						  " was changed by somebody else");
	return r ? fv_err_oom(err) : 0;
}

/* Firewalls that came, or were loaded anew, after the last run. */
static int check_hostfw(struct fv_run *run, struct fv_view *view, struct fv_err *err)
{
	const struct fv_link *uplink = fv_host_uplink(&run->host);
	const char *names[] = { uplink ? uplink->name : NULL };
	FV_AUTO_FREE char *hint = NULL;
	bool differs = false;
	int r;

	r = fv_hostfw_check(names, uplink ? 1 : 0, err, &differs, &hint);
	if (r)
		return r;
	if (differs)
		r = fv_view_line(&view->problems,
				 "the host's firewall lacks the rules that let fv-* "
				 "through, or needs them no more");
	if (!r && hint)
		r = fv_view_line(&view->warnings, "%s", hint);
	return r ? fv_err_oom(err) : 0;
}

static int check_forwarding(const struct fv_view *view, char **lines)
{
	static const struct {
		size_t subnet;
		const char *path, *name;
	} families[] = {
		{ offsetof(struct fv_net, subnet4), "/proc/sys/net/ipv4/ip_forward", "IPv4" },
		{ offsetof(struct fv_net, subnet6), "/proc/sys/net/ipv6/conf/all/forwarding",
		  "IPv6" },
	};
	int r = 0;

	for (size_t f = 0; f < FV_ARRAY_SIZE(families) && !r; f++) {
		bool used = false;
		char now[16];

		for (size_t i = 0; i < view->topo.n_nets; i++) {
			const char *net = (const char *)&view->topo.nets[i];
			const struct fv_prefix *subnet = (const void *)(net + families[f].subnet);

			used |= subnet->ip.family != 0;
		}
		if (used && !fv_sysctl_get(families[f].path, NULL, now, sizeof(now)) &&
		    !strcmp(now, "0"))
			r = fv_view_line(lines, "forwarding of %s was switched off (%s)",
					 families[f].name, families[f].path);
	}
	return r;
}

static int check_subnet(const struct fv_run *run, const struct fv_net *net,
			const struct fv_prefix *subnet, const struct fv_ip *gw, char **lines)
{
	const struct fv_addr addr = { .ifindex = run->host.lo, .prefix = { *gw, fv_ip_bits(gw) } };
	char buf[FV_IP_STRLEN];
	int r = 0;

	if (!subnet->ip.family)
		return 0;
	if (!fv_host_has_subnet(&run->host, subnet))
		r = fv_view_line(lines, "network \"%s\": the host's route to %s is gone", net->name,
				 fv_prefix_str(subnet, buf));
	if (!r && !fv_host_has_addr(&run->host, &addr))
		r = fv_view_line(lines, "network \"%s\": the gateway's address %s is gone from lo",
				 net->name, fv_ip_str(gw, buf));
	return r;
}

static int check_host(struct fv_run *run, struct fv_view *view, struct fv_err *err)
{
	int r;

	if (!view->topo.n_nets)
		return 0;
	r = check_nft(run, view, err);
	r = r ?: check_hostfw(run, view, err);
	if (r)
		return r;
	r = check_forwarding(view, &view->problems);
	for (size_t i = 0; i < view->topo.n_nets && !r; i++) {
		const struct fv_net *net = &view->topo.nets[i];

		r = check_subnet(run, net, &net->subnet4, &net->gw4, &view->problems);
		r = r ?: check_subnet(run, net, &net->subnet6, &net->gw6, &view->problems);
		for (size_t k = 0; k < net->n_eps && !r; k++)
			if (net->eps[k].share && !fv_share_leads(&view->topo, &net->eps[k]))
				r = fv_view_line(
					&view->problems,
					"the name \"%s\" in " FV_NETNS_DIR
					", a second one for \"%s\", is gone or leads elsewhere",
					net->eps[k].name, net->eps[k].share);
	}
	return r ? fv_err_oom(err) : 0;
}

/* A kernel that cannot be used is no failure of those who look at it. */
static int read_kernel(struct fv_view *view, struct fv_err *err)
{
	static const char *const conntrack[] = {
		[FV_CONNTRACK_BUILT_IN] = "built-in",
		[FV_CONNTRACK_MODULE] = "module",
	};
	struct fv_view_kernel *k = &view->kernel;
	struct fv_err why = {};
	struct fv_kernel found;
	struct utsname u;

	if (!uname(&u))
		snprintf(k->release, sizeof(k->release), "%s", u.release);
	if (fv_dp_kernel(&why, &found))
		return fv_view_line(&view->warnings, "%s", why.msg) ? fv_err_oom(err) : 0;
	k->known = true;
	k->hook = found.features.tcx ? "tcx" : "clsact";
	k->xdp = found.features.xdp;
	k->xdp_frags = found.features.xdp_frags;
	k->conntrack = conntrack[found.conntrack];
	k->memory = found.memlock ? "memlock" : "cgroup";
	k->peer_counters = found.peer_counted;
	return 0;
}

int fv_look(unsigned int what, struct fv_err *err, struct fv_view *ret)
{
	FV_CLEANUP(fv_view_fini) struct fv_view view = {};
	FV_CLEANUP(fv_actions_fini) struct fv_actions none = {};
	const struct fv_options opts = {};
	struct fv_topo want = {};
	struct fv_dp *dp = NULL;
	struct fv_run run;
	int r;

	r = fv_run_open(&run, &opts, true, err, &none);
	if (r)
		return r;
	run.looking = true;
	r = fv_topo_copy(&run.state.topo, err, &view.topo);
	r = r ?: list_eps(&view, err);
	if (!r)
		find_devices(&run.host, &view);
	r = r ?: fv_view_attached(&run, what, err, &view);
	if (!r && (what & FV_LOOK_STATS)) {
		r = fv_dp_open(err, &dp);
		if (!r)
			r = read_stats(&run, dp, &view, err);
		r = r ?: read_uplink_stats(dp, &view, err);
		fv_dp_close(&dp);
		r = r == -ENOENT ? 0 : r;
	}
	if (!r && (what & FV_LOOK_HEALTH)) {
		r = fv_topo_copy(&run.state.topo, err, &want);
		r = r ?: fv_run_plan(&run, &want, NULL, err);
		r = r ?: read_health(&run, &view, err);
		r = r ?: check_host(&run, &view, err);
	}
	r = r ?: fv_view_judge(&run, what, &view, err);
	if (!r && (what & FV_LOOK_KERNEL))
		r = read_kernel(&view, err);
	fv_run_close(&run);
	if (r)
		return r;
	*ret = view;
	memset(&view, 0, sizeof(view));
	return 0;
}
