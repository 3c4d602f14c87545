// SPDX-License-Identifier: GPL-2.0-only
/* Between an endpoint and the outside no flow is proven: what prevents it, as far as it can be known. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "asked.h"
#include "view.h"

const struct fv_view_uplink *fv_asked_uplink(const struct fv_asked *a, int ifindex)
{
	for (size_t i = 0; i < a->view.n_uplinks; i++)
		if (a->view.uplinks[i].ifindex == ifindex)
			return &a->view.uplinks[i];
	return NULL;
}

/* As the programs count such packets: of own networks nothing but outside. */
static const char *word(const struct fv_asked *a, enum fv_slow why)
{
	return fv_slow_name(a->from && !a->from->attached ? FV_SLOW_OUTSIDE : why);
}

static int no_uplink(struct fv_asked *a, const struct fv_link *link, struct fv_err *err)
{
	const char *outside = fv_slow_name(FV_SLOW_OUTSIDE);
	char buf[FV_IP_STRLEN];

	fv_ip_str(a->from ? &a->e.to.ip : &a->e.from.ip, buf);
	if (!link)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s: the host has no route to %s", outside,
				    buf);
	if (!a->view.n_uplinks)
		return fv_asked_say(
			a, FV_WAY_SLOW, err,
			"%s: no uplink is attached (`attach` and `up` take --uplink %s)", outside,
			link->name);
	return fv_asked_say(a, FV_WAY_SLOW, err,
			    "%s: %s, the host's way there, is no uplink (`attach` and `up` take "
			    "--uplink %s)",
			    outside, link->name, link->name);
}

/* Why there is no flow with NAT; NULL: there can be. */
static const char *no_nat(const struct fv_asked *a)
{
	if (a->q->proto == IPPROTO_ICMP)
		return "echoes with NAT go the host's way";
	return fv_dp_reads_nat(a->dp) ? NULL : fv_view_no_nat();
}

static int tell_uplink(struct fv_asked *a, const struct fv_view_uplink *u, struct fv_err *err)
{
	const struct fv_view_ep *ep = a->from ?: a->to;
	struct fv_dp_port_state state = {};
	const char *why = no_nat(a);
	char text[512];

	strcpy(a->e.uplink, u->device);
	if (!a->from) {
		strcpy(a->e.from.port, u->device);
		strcpy(a->e.from.hook, u->hook);
	}
	if (!*u->hook || fv_dp_port_state(a->dp, u->ifindex, &state))
		return fv_asked_say(a, FV_WAY_SLOW, err,
				    "no programs: none are attached to uplink %s: run `fastveth "
				    "attach`",
				    u->device);
	if (state.declined) {
		fv_asked_objections(u->objections, text, sizeof(text));
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s: uplink %s is declined: %s",
				    word(a, FV_SLOW_DECLINED), u->device, text);
	}
	if (state.no_tcp && a->q->proto == IPPROTO_TCP)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s", fv_slow_name(FV_SLOW_WINDOW));
	/* What own networks exchange with the outside is masqueraded or published. */
	if (why && ep && !ep->attached)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s: %s", word(a, FV_SLOW_UNPROVEN), why);
	if (why && a->q->proto != IPPROTO_ICMP)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s: if it has NAT: %s",
				    word(a, FV_SLOW_UNPROVEN), why);
	if (a->from && !a->from->attached)
		return fv_asked_say(a, FV_WAY_SLOW, err,
				    "%s: no packet of such a flow has come out of %s within two "
				    "seconds",
				    word(a, FV_SLOW_UNPROVEN), u->device);
	return fv_asked_say(a, FV_WAY_SLOW, err, "%s", fv_slow_name(FV_SLOW_UNPROVEN));
}

int fv_asked_outside(struct fv_asked *a, struct fv_err *err)
{
	const struct fv_ip *there = a->from ? &a->e.to.ip : &a->e.from.ip;
	const struct fv_view_ep *ep = a->from ?: a->to;
	const struct fv_view_uplink *u;
	struct fv_dp_verdict verdict;
	struct fv_route way = {};
	int r;

	/* The maps know no endpoint for an attached port, so what is left is the address. */
	if (a->from && a->from->attached &&
	    !fv_dp_decide(a->dp, a->from->ifindex, there, &verdict) && verdict.way == FV_DP_SLOW &&
	    verdict.slow != FV_SLOW_TARGET && verdict.slow != FV_SLOW_OUTSIDE)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s", fv_slow_name(verdict.slow));
	r = fv_route_get(a->rt, there, err, &way);
	if (r && r != -ENETUNREACH)
		return r;
	if (!r && way.type == RTN_LOCAL)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s: that is an address of the host",
				    fv_slow_name(FV_SLOW_OUTSIDE));
	if (ep && !ep->attached && ep->net->internal)
		return fv_asked_say(a, FV_WAY_SLOW, err, "%s: network %s is internal",
				    fv_slow_name(FV_SLOW_OUTSIDE), ep->net->name);
	u = r ? NULL : fv_asked_uplink(a, way.oif);
	return u ? tell_uplink(a, u, err) : no_uplink(a, r ? NULL : fv_asked_link(a, way.oif), err);
}
