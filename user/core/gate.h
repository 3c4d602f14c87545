/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a shortcut would change what happens to packets: a sample of about one packet
 * a second still takes the kernel's own way, and these are what such a sample
 * falsifies. Each has a name, in `status` and after `--allow`.
 */
#ifndef FV_CORE_GATE_H
#define FV_CORE_GATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum fv_gate {
	FV_GATE_LIMIT,	   /* packets or bytes in a time */
	FV_GATE_QUOTA,	   /* bytes in all */
	FV_GATE_QUEUE,	   /* a program judges each packet */
	FV_GATE_HASHLIMIT, /* as limit, by address or port */
	FV_GATE_STATISTIC, /* each nth packet, or at random */
	FV_GATE_HELPER,	   /* conntrack reads what the packets say */
	FV_GATE_PAYLOAD,   /* what packets say; also rules that cannot be read */
	FV_GATE_LENGTH,	   /* how long they are */
	FV_GATE_RECENT,	   /* when an address was seen last */
	FV_GATE_CONNBYTES, /* how much a connection has sent */
	FV_GATE_XFRM,	   /* IPsec policies */
	FV_GATE_QDISC,	   /* shaping */
	FV_GATE_EGRESS_PROGRAM,
	FV_GATE_INGRESS_PROGRAM,
	FV_GATE_COUNT
};

/* Sets of reasons are masks: bit 1U << why. */
#define FV_GATE_ALL ((1U << FV_GATE_COUNT) - 1)
#define FV_GATE_STRLEN 160 /* room for all names */

/* "limit", "egress-program"; "" for none of them. */
const char *fv_gate_name(enum fv_gate why);
/* "limit,quota" to a mask; -EINVAL says which word is wrong and what the names are. */
int fv_gate_parse(const char *list, struct fv_err *err, uint32_t *ret_mask);
/* The reverse, in the order above; "" for an empty mask. Returns buf. */
const char *fv_gate_str(uint32_t mask, char buf[FV_GATE_STRLEN]);

struct fv_gate_reason {
	enum fv_gate why;
	char *where; /* "table ip filter, chain FORWARD: limit": one line, fit for a terminal */
};

/* Begins as {}. */
struct fv_gate_list {
	struct fv_gate_reason *r;
	size_t n;
};

/* fv_gate_add - one more reason, unless it is there already. 0 or -ENOMEM. */
int fv_gate_add(struct fv_gate_list *list, struct fv_err *err, enum fv_gate why, const char *fmt,
		...) __attribute__((format(printf, 4, 5)));
void fv_gate_fini(struct fv_gate_list *list);
/* fv_gate_mask - all reasons of a list as a mask. */
uint32_t fv_gate_mask(const struct fv_gate_list *list);

#endif /* FV_CORE_GATE_H */
