/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What changes in a network namespace, told by the kernel: devices, default routes, traffic
 * control, nftables rules, IPsec policies.
 *
 * Everything is subscribed to when fv_monitor_open() returns: what is listed after that misses
 * nothing, as what changes during the listing comes as an event, too. An event says that something
 * was changed, not what it is now: more may have been done to it before the event is read. One's
 * own changes are told, too.
 *
 * No event comes of what the kernel does not tell: rules of iptables-legacy, ip6tables-legacy and
 * ebtables-legacy, sysctls, BPF programs attached by a BPF link (tcx, netfilter), alias and group
 * of a device that is down, and nothing of other namespaces: not the MAC of a veth's other end.
 * Who has to know of these looks at them from time to time.
 */
#ifndef FV_NET_MONITOR_H
#define FV_NET_MONITOR_H

#include <stdbool.h>

#include "core/err.h"

struct fv_monitor;

enum fv_event {
	FV_EVENT_LINK_NEW,  /* a device is there, or something about it changed */
	FV_EVENT_LINK_GONE, /* deleted, or moved to another namespace */
	FV_EVENT_ROUTE,	    /* a default route came or went */
	FV_EVENT_TC,	    /* a qdisc, class, filter, chain or action */
	FV_EVENT_RULES, /* nftables (so iptables-nft, too): one for all that was changed so far */
	FV_EVENT_XFRM,	/* IPsec policies: the same */
	FV_EVENT_LOST,	/* events are missing: list everything again */
};

struct fv_monitor_event {
	enum fv_event what;
	int ifindex; /* of LINK_*, TC; 0: several devices, or not told (a shared block, an action) */
	char name[16];	  /* of LINK_* */
	int master;	  /* of LINK_NEW: 0: none */
	bool up;	  /* of LINK_*: IFF_UP */
	bool from_bridge; /* LINK_NEW: what changed is how the device is a port of its bridge */
};

/* fv_monitor_open - events of the calling thread's namespace. Needs CAP_NET_ADMIN. */
int fv_monitor_open(struct fv_err *err, struct fv_monitor **ret);
void fv_monitor_close(struct fv_monitor **m);

/* An epoll descriptor, readable when there is something to read. Borrowed. */
int fv_monitor_fd(const struct fv_monitor *m);

/*
 * fv_monitor_read - the next event; does not wait. 1: *ret is one, 0: no more for now, negative:
 * error. To be called until it returns 0.
 */
int fv_monitor_read(struct fv_monitor *m, struct fv_err *err, struct fv_monitor_event *ret);

#endif /* FV_NET_MONITOR_H */
