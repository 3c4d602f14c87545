/* SPDX-License-Identifier: GPL-2.0-only */
/* Which way a flow takes now, and why. */
#ifndef FV_EXPLAIN_H
#define FV_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ip.h"

#define FV_WORLD "world:"

struct fv_question {
	/*
	 * Name or address of an endpoint; to: or any other address. One of them may be
	 * FV_WORLD and an address: one outside.
	 */
	const char *from, *to;
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP (echoes of both families); 0: any */
	uint16_t port, sport; /* of that end and of this one, or the other way round; 0: any */
};

enum fv_way {
	FV_WAY_SHORTCUT,
	FV_WAY_SLOW,
	FV_WAY_DROPPED, /* by us */
	FV_WAY_NONE,	/* no device to go through */
};

/* A flow that the host's own path has delivered. Ages in seconds. */
struct fv_explain_flow {
	enum fv_way way;
	const char *why;
	struct fv_ip from, to;
	uint8_t proto;
	uint16_t sport, dport; /* of an echo: identifier and type */
	uint32_t length;       /* layer 3 bytes of the longest packet proven */
	/* As it comes out: */
	bool nat; /* other addresses or ports, the next four */
	struct fv_ip nat_from, nat_to;
	uint16_t nat_sport, nat_dport;
	char port[16];	 /* device that it comes out of; "" where that is gone */
	char uplink[16]; /* the one of its two devices that leads out; "" for none */
	int iif, oif;
	double since, last_proof; /* ages of the first and the last proof */
};

struct fv_explain_end {
	char *name;	   /* endpoint; NULL: none has this address */
	char port[16];	   /* "" for none */
	char hook[8];	   /* "" for none */
	char network[121]; /* or bridge; "" for none */
	bool attached;
	struct fv_ip ip; /* family 0: unknown */
};

struct fv_explain {
	enum fv_way way;
	char *reason; /* WORD or WORD: more */
	bool proven;  /* a flow has decided, the first of flows: these two are its ages */
	double since, last_proof;
	char uplink[16]; /* device to or from the outside; "" for none */
	struct fv_explain_end from, to;
	struct fv_explain_flow *flows; /* that match, the freshest first */
	size_t n_flows;
};

/* -ENOENT where there is no such endpoint, -EINVAL for an address that is none of the outside. */
int fv_explain(const struct fv_question *question, struct fv_err *err, struct fv_explain *ret);
void fv_explain_fini(struct fv_explain *explain);

#endif /* FV_EXPLAIN_H */
