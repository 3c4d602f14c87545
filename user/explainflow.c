// SPDX-License-Identifier: GPL-2.0-only
/* Flows that take the shortcut by proof: which are proven, and if none is, why. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asked.h"

static bool is_end(const struct fv_view_ep *v, const struct fv_ip *asked, const struct fv_ip *ip,
		   int ifindex)
{
	if (asked->family)
		return fv_ip_equal(asked, ip);
	/* Link-local ones are not known. */
	if (!fv_asked_ip(v->ep, ip->family)->family)
		return v->ifindex == ifindex;
	return fv_ip_equal(ip, fv_asked_ip(v->ep, ip->family));
}

static bool is_from(const struct fv_asked *a, const struct fv_dp_flow *flow)
{
	if (a->from)
		return is_end(a->from, &a->from_ip, &flow->from, flow->iif);
	return fv_asked_uplink(a, flow->iif) && fv_ip_equal(&a->from_ip, &flow->from);
}

/* What was asked by an address of the host's is a published port, so that of before NAT. */
static bool is_to(const struct fv_asked *a, const struct fv_dp_flow *flow)
{
	const struct fv_ip *to = flow->nat ? &flow->nat_to : &flow->to;

	if (a->to_ip.family && fv_ip_equal(&a->to_ip, &flow->to))
		return true;
	return a->to ? is_end(a->to, &a->to_ip, to, flow->oif) : fv_ip_equal(&a->to_ip, to);
}

static int add_flow(const struct fv_dp_flow *flow, void *arg)
{
	struct fv_asked *a = arg;
	struct fv_explain_flow *f;

	if (!is_from(a, flow) || !is_to(a, flow))
		return 0;
	/* Room for a power of two. */
	if (!(a->e.n_flows & (a->e.n_flows - 1))) {
		f = reallocarray(a->e.flows, a->e.n_flows ? 2 * a->e.n_flows : 1, sizeof(*f));
		if (!f)
			return -ENOMEM;
		a->e.flows = f;
	}
	f = &a->e.flows[a->e.n_flows++];
	*f = (struct fv_explain_flow){
		.from = flow->from,
		.to = flow->to,
		.proto = flow->proto,
		.sport = flow->sport,
		.dport = flow->dport,
		.length = flow->len,
		.nat = flow->nat,
		.nat_from = flow->nat_from,
		.nat_to = flow->nat_to,
		.nat_sport = flow->nat_sport,
		.nat_dport = flow->nat_dport,
		.iif = flow->iif,
		.oif = flow->oif,
		/* Ticks for now. */
		.since = flow->since,
		.last_proof = flow->proven,
	};
	return 0;
}

/* In the order of the programs. */
static void judge_flow(const struct fv_asked *a, struct fv_explain_flow *f)
{
	const struct fv_view_uplink *uplink =
		fv_asked_uplink(a, f->iif) ?: fv_asked_uplink(a, f->oif);
	const struct fv_link *link = fv_asked_link(a, f->oif);
	struct fv_dp_port_state from = {}, out = {};
	enum fv_slow slow;

	f->since = (a->now - f->since) / a->hz;
	f->last_proof = (a->now - f->last_proof) / a->hz;
	if (link)
		strcpy(f->port, link->name);
	if (uplink)
		strcpy(f->uplink, uplink->device);
	fv_dp_port_state(a->dp, f->iif, &from);
	f->way = FV_WAY_SLOW;
	if (from.declined)
		slow = FV_SLOW_DECLINED;
	else if (from.no_tcp && f->proto == IPPROTO_TCP)
		slow = FV_SLOW_WINDOW;
	else if (f->last_proof > 2)
		slow = FV_SLOW_STALE;
	else if (fv_dp_port_state(a->dp, f->oif, &out) || !out.alive)
		slow = FV_SLOW_TARGET;
	else if (out.declined)
		slow = FV_SLOW_DECLINED;
	else
		f->way = FV_WAY_SHORTCUT;
	f->why = f->way == FV_WAY_SHORTCUT ? "proven" : fv_slow_name(slow);
}

static int by_age(const void *a_, const void *b_)
{
	const struct fv_explain_flow *a = a_, *b = b_;

	return (a->last_proof > b->last_proof) - (a->last_proof < b->last_proof);
}

static int find_flows(struct fv_asked *a, struct fv_err *err)
{
	const struct fv_flow_match match = {
		.iif = a->from ? a->from->ifindex : 0,
		.from = a->from_ip,
		.to = a->to_ip,
		.proto = a->q->proto,
		.port = a->q->port,
		.sport = a->q->sport,
	};
	uint64_t now = 0;
	uint32_t hz = 0;
	int r;

	r = fv_dp_flows(a->dp, &match, add_flow, a, err);
	if (r == -ENOMEM)
		return fv_err_oom(err);
	/* After them, so that none is of the future. */
	r = r ?: fv_dp_clock(err, &now, &hz);
	if (r)
		return r;
	a->now = now;
	a->hz = hz;
	for (size_t i = 0; i < a->e.n_flows; i++)
		judge_flow(a, &a->e.flows[i]);
	if (a->e.n_flows)
		qsort(a->e.flows, a->e.n_flows, sizeof(*a->e.flows), by_age);
	return 0;
}

void fv_asked_objections(const char *line, char *text, size_t size)
{
	static const char allowed[] = " (allowed)", window[] = "window: ";
	const size_t tail = sizeof(allowed) - 1;

	*text = '\0';

	while (line && *line) {
		size_t n = strcspn(line, "\n"), at = strlen(text);

		if (!(n >= tail && !memcmp(line + n - tail, allowed, tail)) &&
		    strncmp(line, window, sizeof(window) - 1))
			snprintf(text + at, size - at, "%s%.*s", at ? "; " : "", (int)n, line);
		line += n + (line[n] == '\n');
	}
	if (!*text)
		snprintf(text, size, "nothing speaks against it any more: run `fastveth attach`");
}

static int declined(struct fv_asked *a, const struct fv_view_ep *v, struct fv_err *err)
{
	char text[512];

	fv_asked_objections(v->objections, text, sizeof(text));
	return fv_asked_say(a, FV_WAY_SLOW, err, "declined: %s", text);
}

static int tell_flow(struct fv_asked *a, struct fv_err *err)
{
	const struct fv_explain_flow *f = &a->e.flows[0];

	a->e.proven = true;
	a->e.since = f->since;
	a->e.last_proof = f->last_proof;
	a->e.from.ip = f->from;
	a->e.to.ip = a->to && f->nat ? f->nat_to : f->to;
	strcpy(a->e.uplink, f->uplink);
	if (!a->to)
		strcpy(a->e.to.port, f->port);
	if (!a->from)
		strcpy(a->e.from.port, f->uplink);
	if (f->way == FV_WAY_SLOW && !strcmp(f->why, fv_slow_name(FV_SLOW_STALE)))
		return fv_asked_say(a, FV_WAY_SLOW, err,
				    "stale: the host has not delivered it for %.1f s",
				    f->last_proof);
	return fv_asked_say(a, f->way, err, "%s", f->why);
}

/* None is proven: can one be? */
static int tell_unproven(struct fv_asked *a, struct fv_err *err)
{
	if (!a->from->attached)
		return fv_asked_say(
			a, FV_WAY_SLOW, err,
			"outside: %s is no endpoint of network %s, but an attached port",
			a->to->ep->name, a->from->net->name);
	if (!a->to->attached)
		return fv_asked_say(
			a, FV_WAY_SLOW, err,
			"unproven: %s is an endpoint of network %s, not an attached port",
			a->to->ep->name, a->to->net->name);
	if (!*a->to->hook)
		return fv_asked_no_programs(a, a->to, err);
	return fv_asked_say(a, FV_WAY_SLOW, err, "%s", fv_slow_name(FV_SLOW_UNPROVEN));
}

int fv_asked_flows(struct fv_asked *a, struct fv_err *err)
{
	struct fv_dp_port_state from = {}, to;
	int r;

	if (a->from && fv_dp_port_state(a->dp, a->from->ifindex, &from))
		return fv_asked_no_programs(a, a->from, err);
	if (a->from == a->to && a->from)
		return fv_asked_say(a, FV_WAY_SLOW, err, "target: that is the endpoint itself");
	r = a->to ? fv_asked_device(a, a->to, err) : 0;
	if (r || a->e.reason)
		return r;
	r = find_flows(a, err);
	if (r)
		return r;
	if (from.declined)
		return declined(a, a->from, err);
	if (a->to && !fv_dp_port_state(a->dp, a->to->ifindex, &to) && to.declined)
		return declined(a, a->to, err);
	if (from.no_tcp && a->q->proto == IPPROTO_TCP)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s", fv_slow_name(FV_SLOW_WINDOW));
	if (a->e.n_flows)
		return tell_flow(a, err);
	return a->from && a->to ? tell_unproven(a, err) : fv_asked_outside(a, err);
}
