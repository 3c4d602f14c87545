/* SPDX-License-Identifier: GPL-2.0-only */
/* Which way packets go now, as the programs find it in the maps. Changes nothing, counts nothing. */
#ifndef FV_DP_FLOWS_H
#define FV_DP_FLOWS_H

#include "dp/dp.h"

/* What they say of a port. */
struct fv_dp_port_state {
	bool attached;
	bool uplink;
	bool declined;
	bool no_tcp;
	bool alive; /* its device is there */
};

/* -ENOENT without a message where they do not know it. */
int fv_dp_port_state(struct fv_dp *dp, int ifindex, struct fv_dp_port_state *ret);

enum fv_dp_way { FV_DP_SHORTCUT, FV_DP_SLOW, FV_DP_DROP };

struct fv_dp_verdict {
	enum fv_dp_way way;
	enum fv_slow slow; /* of FV_DP_SLOW */
	enum fv_drop drop; /* of FV_DP_DROP */
	int ifindex;	   /* of FV_DP_SHORTCUT: port of the target */
};

/*
 * fv_dp_decide - a plain packet from a port of an own network to an address. -ENOENT without a message
 * where the maps do not know the port.
 */
int fv_dp_decide(struct fv_dp *dp, int ifindex, const struct fv_ip *to, struct fv_dp_verdict *ret);

/* Proven flows, as packets leave the port. Numbers in host order. */
struct fv_dp_flow {
	int iif, oif; /* ports or uplinks */
	struct fv_ip from, to;
	uint8_t proto;
	uint16_t sport, dport; /* of an echo: identifier and type */
	/* With nat, what packets say at the other end. */
	bool nat;
	struct fv_ip nat_from, nat_to;
	uint16_t nat_sport, nat_dport;
	uint32_t len;
	uint64_t since, proven; /* ticks */
};

/* 0, and family 0: any. With NAT, to and ports are those before or after it. */
struct fv_flow_match {
	int iif;
	struct fv_ip from, to;
	uint8_t proto;	      /* IPPROTO_ICMP: echoes of both families */
	uint16_t port, sport; /* these two in one order or the other; not of echoes */
};

/* fv_dp_flows - call fn for each that matches, in no order; stops at the first non-zero. */
int fv_dp_flows(struct fv_dp *dp, const struct fv_flow_match *match,
		int (*fn)(const struct fv_dp_flow *flow, void *arg), void *arg, struct fv_err *err);

/* fv_dp_clock - the tick of this moment, and how many there are a second. */
int fv_dp_clock(struct fv_err *err, uint64_t *ret_tick, uint32_t *ret_hz);

#endif /* FV_DP_FLOWS_H */
