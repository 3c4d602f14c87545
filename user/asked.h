/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files behind fv_explain share. */
#ifndef FV_ASKED_H
#define FV_ASKED_H

#include "dp/flows.h"
#include "fastveth/explain.h"
#include "run.h"

struct fv_asked {
	const struct fv_question *q;
	struct fv_view view;
	struct fv_dp *dp; /* NULL: nothing is loaded */
	struct fv_rtnl *rt;
	struct fv_link *links;
	size_t n_links;
	const struct fv_view_ep *from, *to; /* NULL where no endpoint has the address */
	struct fv_ip from_ip, to_ip;	    /* family 0: asked by name */
	bool from_world, to_world;	    /* said to be outside */
	double now, hz;			    /* ticks */
	struct fv_explain e;
};

/* fv_asked_say - that is the answer. 0 or -ENOMEM. */
int fv_asked_say(struct fv_asked *a, enum fv_way way, struct fv_err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* fv_asked_device - both ends of a pair are there and up, or it is said that they are not. */
int fv_asked_device(struct fv_asked *a, const struct fv_view_ep *v, struct fv_err *err);
int fv_asked_no_programs(struct fv_asked *a, const struct fv_view_ep *v, struct fv_err *err);
/* NULL: there is no such device. */
const struct fv_link *fv_asked_link(const struct fv_asked *a, int ifindex);
const struct fv_ip *fv_asked_ip(const struct fv_ep *ep, int family);

/* explainflow.c: what only takes the shortcut by proof */
int fv_asked_flows(struct fv_asked *a, struct fv_err *err);
/*
 * fv_asked_objections - what speaks against the shortcut on a device and counts, in one line of text.
 * @lines: one each
 */
void fv_asked_objections(const char *lines, char *ret, size_t size);

/* explainout.c: no flow from or to the outside is proven: why */
int fv_asked_outside(struct fv_asked *a, struct fv_err *err);
/* The uplink of that index in the view; NULL: it is none. */
const struct fv_view_uplink *fv_asked_uplink(const struct fv_asked *a, int ifindex);

#endif /* FV_ASKED_H */
