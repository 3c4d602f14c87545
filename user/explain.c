// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which way a flow takes now, and why: what the programs would find in their maps, asked in their
 * order. Takes no lock and changes nothing.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "asked.h"

static void asked_fini(struct fv_asked *a)
{
	fv_view_fini(&a->view);
	fv_dp_close(&a->dp);
	fv_rtnl_close(&a->rt);
	free(a->links);
	fv_explain_fini(&a->e);
}

void fv_explain_fini(struct fv_explain *explain)
{
	free(explain->reason);
	free(explain->from.name);
	free(explain->to.name);
	free(explain->flows);
	*explain = (struct fv_explain){};
}

int fv_asked_say(struct fv_asked *a, enum fv_way way, struct fv_err *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	a->e.way = way;
	va_start(ap, fmt);
	n = vasprintf(&a->e.reason, fmt, ap);
	va_end(ap);
	if (n >= 0)
		return 0;
	a->e.reason = NULL;
	return fv_err_oom(err);
}

/* ---- who is meant ---- */

/* A word that is somebody's name is that, whatever it looks like. */
static struct fv_ip address_of(const struct fv_view *view, const char *word, bool *ret_world)
{
	struct fv_ip ip = {};

	*ret_world = !strncmp(word, FV_WORLD, strlen(FV_WORLD));
	if (*ret_world) {
		fv_ip_parse(word + strlen(FV_WORLD), &ip);
		return ip;
	}

	for (size_t i = 0; i < view->n_eps; i++)
		if (!strcmp(view->eps[i].ep->name, word))
			return ip;
	fv_ip_parse(word, &ip);
	return ip;
}

static bool is_meant(const struct fv_view_ep *v, const char *word, const struct fv_ip *ip)
{
	if (!ip->family)
		return !strcmp(v->ep->name, word);
	return fv_ip_equal(ip, &v->ep->ip4) || fv_ip_equal(ip, &v->ep->ip6);
}

/* Of those that a word can mean the first, or the one that shares a network with the other. */
static void choose(struct fv_asked *a)
{
	const struct fv_view *view = &a->view;
	bool same = !strcmp(a->q->from, a->q->to);

	for (size_t i = 0; i < view->n_eps; i++) {
		const struct fv_view_ep *f = &view->eps[i];

		if (a->from_world || !is_meant(f, a->q->from, &a->from_ip))
			continue;
		a->from = a->from ?: f;
		for (size_t k = 0; k < view->n_eps && !same && !a->to_world; k++) {
			const struct fv_view_ep *t = &view->eps[k];

			if (f == t || f->net != t->net || !*f->net->name ||
			    !is_meant(t, a->q->to, &a->to_ip))
				continue;
			a->from = f;
			a->to = t;
			return;
		}
	}
	for (size_t i = 0; i < view->n_eps && !a->to && !a->to_world; i++)
		if (is_meant(&view->eps[i], a->q->to, &a->to_ip))
			a->to = &view->eps[i];
}

static int nobody(const char *word, struct fv_err *err)
{
	return fv_err_set(err, -ENOENT,
			  "endpoint \"%s\": there is none of that name or address (fastveth list "
			  "shows them)",
			  word);
}

/* An address that was said to be outside. */
static int check_world(const struct fv_asked *a, const char *word, const struct fv_ip *ip,
		       struct fv_err *err)
{
	if (!ip->family)
		return fv_err_set(err, -EINVAL, "\"%s\": must be " FV_WORLD " and an address",
				  word);
	for (size_t i = 0; i < a->view.n_eps; i++)
		if (is_meant(&a->view.eps[i], "", ip))
			return fv_err_set(err, -EINVAL,
					  "\"%s\": that is an address of endpoint \"%s\", which is "
					  "not outside",
					  word, a->view.eps[i].ep->name);
	return 0;
}

const struct fv_ip *fv_asked_ip(const struct fv_ep *ep, int family)
{
	return family == AF_INET ? &ep->ip4 : &ep->ip6;
}

/* A second name is another's first. */
static const struct fv_view_ep *sharer(const struct fv_view *view, const struct fv_view_ep *v)
{
	for (size_t i = 0; v && v->ep->share && i < view->n_eps; i++)
		if (!view->eps[i].attached && !view->eps[i].ep->share &&
		    !strcmp(view->eps[i].ep->name, v->ep->share))
			return &view->eps[i];
	return v;
}

static int describe(const struct fv_view_ep *v, const struct fv_ip *ip, struct fv_err *err,
		    struct fv_explain_end *ret)
{
	ret->ip = *ip;
	if (!v)
		return 0;
	ret->name = strdup(v->ep->name);
	if (!ret->name)
		return fv_err_oom(err);
	strcpy(ret->port, v->ep->port);
	strcpy(ret->hook, v->hook);
	snprintf(ret->network, sizeof(ret->network), "%s", v->net->name);
	ret->attached = v->attached;
	return 0;
}

/* Addresses that both ends have the family of; what was asked by address is that. */
static void pair(const struct fv_asked *a, int family, struct fv_ip *ret_from, struct fv_ip *ret_to)
{
	*ret_from = a->from_ip.family ? a->from_ip : *fv_asked_ip(a->from->ep, family);
	*ret_to = a->to_ip.family ? a->to_ip : a->to ? *fv_asked_ip(a->to->ep, family) : a->to_ip;
}

static bool is_pair(const struct fv_ip *from, const struct fv_ip *to, int family)
{
	return from->family == family && to->family == family;
}

static int find_ends(struct fv_asked *a, struct fv_err *err)
{
	struct fv_ip from, to;
	int r;

	a->from_ip = address_of(&a->view, a->q->from, &a->from_world);
	a->to_ip = address_of(&a->view, a->q->to, &a->to_world);
	if (a->from_world && a->to_world)
		return fv_err_set(
			err, -EINVAL,
			"\"%s\" and \"%s\": what passes through the host from outside "
			"to outside takes no shortcut; one of the two must be an endpoint",
			a->q->from, a->q->to);
	r = a->from_world ? check_world(a, a->q->from, &a->from_ip, err) : 0;
	r = r ?: a->to_world ? check_world(a, a->q->to, &a->to_ip, err) : 0;
	if (r)
		return r;
	choose(a);
	if (!a->from && !a->from_world)
		return nobody(a->q->from, err);
	if (!a->to && !a->to_ip.family)
		return nobody(a->q->to, err);
	a->from = sharer(&a->view, a->from);
	a->to = sharer(&a->view, a->to);
	pair(a, AF_INET, &from, &to);
	if (!is_pair(&from, &to, AF_INET)) {
		struct fv_ip from6, to6;

		pair(a, AF_INET6, &from6, &to6);
		if (is_pair(&from6, &to6, AF_INET6) || !from.family)
			from = from6;
		if (is_pair(&from6, &to6, AF_INET6) || !to.family)
			to = to6;
	}
	r = describe(a->from, &from, err, &a->e.from);
	return r ?: describe(a->to, &to, err, &a->e.to);
}

/* ---- devices ---- */

const struct fv_link *fv_asked_link(const struct fv_asked *a, int ifindex)
{
	for (size_t i = 0; i < a->n_links; i++)
		if (a->links[i].ifindex == ifindex)
			return &a->links[i];
	return NULL;
}

int fv_asked_device(struct fv_asked *a, const struct fv_view_ep *v, struct fv_err *err)
{
	const struct fv_link *link = v->ifindex ? fv_asked_link(a, v->ifindex) : NULL;
	struct fv_link peer = {};
	int r;

	if (!link)
		return fv_asked_say(a, FV_WAY_NONE, err, "no device: that of %s is gone",
				    v->ep->name);
	if (!link->up)
		return fv_asked_say(a, FV_WAY_NONE, err, "down: %s, the port of %s, is down",
				    link->name, v->ep->name);
	r = fv_link_peer(a->rt, link->peer_nsid, link->peer_ifindex, err, &peer);
	if (r && r != -ENODEV)
		return r;
	if (r || peer.peer_ifindex != link->ifindex)
		return fv_asked_say(a, FV_WAY_NONE, err, "no device: that of %s is gone",
				    v->ep->name);
	if (!peer.up)
		return fv_asked_say(a, FV_WAY_NONE, err, "down: %s in %s is down", peer.name,
				    v->ep->name);
	return 0;
}

/* ---- a port without programs ---- */

int fv_asked_no_programs(struct fv_asked *a, const struct fv_view_ep *v, struct fv_err *err)
{
	return fv_asked_say(
		a, FV_WAY_SLOW, err, "no programs: none are attached to %s%s", v->ep->port,
		v->attached ? ": run `fastveth attach`"
			    : ": run `fastveth up`, or the `fastveth add` that made it, again");
}

/* ---- own networks ---- */

static bool is_outside(const struct fv_dp_verdict *verdict)
{
	return verdict->way == FV_DP_SLOW && verdict->slow == FV_SLOW_OUTSIDE;
}

static int tell_verdict(struct fv_asked *a, const struct fv_dp_verdict *verdict, struct fv_err *err)
{
	if (verdict->way == FV_DP_SHORTCUT)
		return fv_asked_say(a, FV_WAY_SHORTCUT, err, "own network");
	if (verdict->way == FV_DP_DROP)
		return fv_asked_say(a, FV_WAY_DROPPED, err, "%s", fv_drop_name(verdict->drop));
	if (verdict->slow == FV_SLOW_TARGET)
		return fv_asked_say(a, FV_WAY_SLOW, err, "target: %s",
				    a->from == a->to ? "that is the endpoint itself"
						     : "its device is on its way out");
	return fv_asked_say(a, FV_WAY_SLOW, err, "%s", fv_slow_name(verdict->slow));
}

/* Both families are asked for; the one that fares worse is told. */
static int own_way(struct fv_asked *a, struct fv_err *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct fv_dp_verdict verdict = {};
	bool any = false;
	int r;

	for (size_t i = 0; i < FV_ARRAY_SIZE(families); i++) {
		struct fv_dp_verdict v;
		struct fv_ip from, to;

		pair(a, families[i], &from, &to);
		if (!is_pair(&from, &to, families[i]))
			continue;
		r = fv_dp_decide(a->dp, a->from->ifindex, &to, &v);
		if (r)
			return fv_asked_no_programs(a, a->from, err);
		if (any && (verdict.way != FV_DP_SHORTCUT || v.way == FV_DP_SHORTCUT))
			continue;
		any = true;
		verdict = v;
		a->e.from.ip = from;
		a->e.to.ip = to;
	}
	/* The addresses of attached ports can be unknown. */
	if (!any && a->to && a->to->attached)
		return fv_asked_flows(a, err);
	if (!any)
		return fv_asked_say(a, FV_WAY_NONE, err,
				    "no address: the two have none of the same family");
	if (is_outside(&verdict))
		return fv_asked_flows(a, err);
	/* What is dropped is so before it can meet a device that is down. */
	if (verdict.way != FV_DP_DROP && a->to) {
		r = fv_asked_device(a, a->to, err);
		if (r || a->e.reason)
			return r;
	}
	return tell_verdict(a, &verdict, err);
}

static int find_way(struct fv_asked *a, struct fv_err *err)
{
	const struct fv_view_ep *host = a->from && a->from->ep->share ? a->from
					: a->to && a->to->ep->share   ? a->to
								      : NULL;
	int r;

	if (host)
		return fv_asked_say(a, FV_WAY_SLOW, err, "outside: %s is the host itself",
				    host->ep->name);
	/* An endpoint's name can stand for addresses that nobody knows: family 0. */
	if (a->e.from.ip.family && a->e.to.ip.family && a->e.from.ip.family != a->e.to.ip.family &&
	    (a->from_world || (a->from_ip.family && a->to_ip.family)))
		return fv_asked_say(a, FV_WAY_NONE, err,
				    "no address: the two are of different families");
	r = fv_rtnl_open(err, &a->rt);
	r = r ?: fv_link_dump(a->rt, err, &a->links, &a->n_links);
	r = r ?: a->from ? fv_asked_device(a, a->from, err) : 0;
	if (r || a->e.reason)
		return r;
	r = fv_dp_open(err, &a->dp);
	if (r && r != -ENOENT)
		return r;
	if (r && !a->from)
		return fv_asked_say(a, FV_WAY_SLOW, err, "no programs: none are attached");
	if (r || (a->from && !*a->from->hook))
		return fv_asked_no_programs(a, a->from, err);
	return !a->from || a->from->attached ? fv_asked_flows(a, err) : own_way(a, err);
}

int fv_explain(const struct fv_question *question, struct fv_err *err, struct fv_explain *ret)
{
	FV_CLEANUP(asked_fini) struct fv_asked a = { .q = question };
	int r;

	r = fv_look(FV_LOOK_HEALTH | FV_LOOK_ADDRESSES, err, &a.view);
	r = r ?: find_ends(&a, err);
	r = r ?: find_way(&a, err);
	if (r)
		return r;
	*ret = a.e;
	a.e = (struct fv_explain){};
	return 0;
}
