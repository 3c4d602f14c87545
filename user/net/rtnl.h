/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rtnetlink: one socket per network namespace, requests queued and sent many at
 * a time, each acknowledged. The only room that knows libmnl.
 *
 * Every request asks for an ack; the error text is the kernel's extended ack
 * where it gives one. Answers from another port id or with an unknown sequence
 * number are ignored; a dump that the kernel marks as interrupted is repeated.
 */
#ifndef FV_NET_RTNL_H
#define FV_NET_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ip.h"

struct fv_rtnl;

/* fv_rtnl_open - socket in the calling thread's network namespace. */
int fv_rtnl_open(struct fv_err *err, struct fv_rtnl **ret);
void fv_rtnl_close(struct fv_rtnl **rt);
/* The socket: also good for SIOCETHTOOL in its namespace. Borrowed. */
int fv_rtnl_fd(const struct fv_rtnl *rt);

/*
 * Queued requests. fv_link_*, fv_addr_*, fv_route_*, fv_neigh_* below queue one
 * request; it is sent by fv_rtnl_flush(), or earlier when the buffer is full.
 * The kernel carries them out in order, and goes on after one that failed.
 * fv_rtnl_flush - send what is queued, wait for every ack. Returns 0 or the
 * first failure since the last flush, with err naming its object; failures that
 * the request was told to accept do not count. Nothing is left queued.
 */
int fv_rtnl_flush(struct fv_rtnl *rt, struct fv_err *err);

enum fv_rtnl_accept {
	FV_ACCEPT_NONE = 0,
	FV_ACCEPT_EXISTS = 1, /* EEXIST is as good as done */
	FV_ACCEPT_GONE = 2,   /* so are ENOENT, ENODEV, ESRCH, EADDRNOTAVAIL */
};

/* ---- links ---- */

struct fv_veth {
	const char *port;	       /* name of the end in the socket's namespace */
	const char *ifname;	       /* name of the end in the other one */
	const uint8_t *port_mac, *mac; /* 6 bytes each */
	uint32_t mtu;
	uint32_t group; /* device group of the port end */
	int netns_fd;	/* namespace of the other end */
};

/* fv_link_probe_veth - -EOPNOTSUPP where the kernel has no veth; loads its module. Sent at once. */
int fv_link_probe_veth(struct fv_rtnl *rt, struct fv_err *err);
/* Both ends are down and have their MACs and MTU from the start (udev leaves a given MAC alone). */
int fv_link_create_veth(struct fv_rtnl *rt, const struct fv_veth *veth, struct fv_err *err);

struct fv_link_change {
	int ifindex;
	const char *what;   /* name for messages */
	int up;		    /* 1 up, 0 down, -1 leave */
	uint32_t mtu;	    /* 0: leave */
	const char *alias;  /* NULL: leave */
	const uint8_t *mac; /* NULL: leave */
	bool no_ip6_ll;	    /* IPv6 makes no link-local address (addr_gen_mode none) */
	uint32_t group;	    /* 0: leave */
};

int fv_link_change(struct fv_rtnl *rt, const struct fv_link_change *change, struct fv_err *err);
int fv_link_delete(struct fv_rtnl *rt, int ifindex, const char *what, enum fv_rtnl_accept accept,
		   struct fv_err *err);
/*
 * Deletes every device of a group in one go: the caller has made sure whose they are. An
 * empty group is fine; group 0, where everybody's devices are, is refused with -EINVAL.
 */
int fv_link_delete_group(struct fv_rtnl *rt, uint32_t group, struct fv_err *err);

struct fv_link {
	int ifindex;
	char name[16];
	char kind[16]; /* "veth", "bridge", ...; "" for a physical one */
	char alias[256];
	uint8_t mac[6];
	uint32_t mtu;
	uint32_t group;
	uint16_t type; /* ARPHRD_*: what a frame on it begins with */
	bool up;       /* IFF_UP */
	bool loopback;
	int peer_ifindex;  /* IFLA_LINK; 0: none */
	int peer_nsid;	   /* IFLA_LINK_NETNSID; -1: none, same namespace */
	int master;	   /* IFLA_MASTER: ifindex of the bridge (bond, ...) it is in; 0: none */
	bool no_ip6_ll;	   /* addr_gen_mode is none */
	uint32_t xdp_prog; /* id of the XDP program on it; 0: none */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, tx_dropped;
};

/* All links; *ret is one malloc'ed array, sorted by ifindex. */
int fv_link_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_link **ret, size_t *ret_n);
/* Only those of a group (a filter of our own where the kernel has none). */
int fv_link_dump_group(struct fv_rtnl *rt, uint32_t group, struct fv_err *err, struct fv_link **ret,
		       size_t *ret_n);
/* -ENODEV without a message in err where there is none. */
int fv_link_find(struct fv_rtnl *rt, const char *name, struct fv_err *err, struct fv_link *ret);

/*
 * fv_link_peer - the device of this index in another namespace, without going there: a veth's
 * other end, by peer_nsid and peer_ifindex. -ENODEV without a message where there is none (any
 * more), or no namespace of this id. Ids are given again: what is returned is the other end only
 * if its own peer_ifindex leads back. All of the result is as the socket's namespace sees it, also
 * ret->peer_nsid: that is an id for itself, which the kernel gives it if it had none.
 * @nsid: id that the socket's namespace has for the other; -1: the same
 */
int fv_link_peer(struct fv_rtnl *rt, int nsid, int ifindex, struct fv_err *err,
		 struct fv_link *ret);

/*
 * fv_link_sends - does the device take packets: up, and its other end seen to be up, which is a
 * moment later than that is so. Asking makes the kernel see it (Linux 6.8).
 * @nsid: namespace of the device, by the id that the socket's namespace has for it; -1: the same
 */
int fv_link_sends(struct fv_rtnl *rt, int nsid, int ifindex, struct fv_err *err, bool *ret);

/* fv_nsid_of - id by which the socket's namespace knows another; -1: none yet. */
int fv_nsid_of(struct fv_rtnl *rt, int netns_fd, struct fv_err *err, int *ret);

/* ---- addresses, routes, neighbours ---- */

struct fv_addr {
	int ifindex;
	struct fv_prefix prefix; /* the address with its prefix length */
};

/* No duplicate address detection, no prefix route; permanent. */
int fv_addr_add(struct fv_rtnl *rt, const struct fv_addr *addr, enum fv_rtnl_accept accept,
		struct fv_err *err);
int fv_addr_delete(struct fv_rtnl *rt, const struct fv_addr *addr, enum fv_rtnl_accept accept,
		   struct fv_err *err);
int fv_addr_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_addr **ret, size_t *ret_n);

#define FV_RTPROT 0xf5 /* route protocol of all our routes: what proves them ours */
#define FV_ROUTE_MAIN 254

#define FV_ROUTE_HOPS 8

struct fv_route {
	struct fv_prefix dst; /* len 0 and the family: default */
	struct fv_ip via;     /* family 0: none */
	struct fv_ip src;     /* preferred source; family 0: none */
	int oif;	      /* 0: none */
	uint8_t type;	      /* RTN_UNICAST, RTN_UNREACHABLE, ...; 0 means RTN_UNICAST */
	uint8_t protocol;     /* RTPROT_*; to add or delete, 0 means FV_RTPROT */
	uint32_t table;	      /* 0 means main */
	uint32_t metric;
	bool onlink;
	int hops[FV_ROUTE_HOPS]; /* of several next hops, the devices; 0: no more */
};

int fv_route_add(struct fv_rtnl *rt, const struct fv_route *route, enum fv_rtnl_accept accept,
		 struct fv_err *err);
/* Only a route of this protocol goes. */
int fv_route_delete(struct fv_rtnl *rt, const struct fv_route *route, enum fv_rtnl_accept accept,
		    struct fv_err *err);
/*
 * Both families, every table; cached and local-table routes left out. One with several next
 * hops has neither oif nor via, but the devices of the first of them in hops.
 */
int fv_route_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_route **ret, size_t *ret_n);
/*
 * fv_route_get - the way of what the host itself sends there: oif and type (RTN_LOCAL: its own
 * address), nothing else. -ENETUNREACH without a message where there is none.
 */
int fv_route_get(struct fv_rtnl *rt, const struct fv_ip *to, struct fv_err *err,
		 struct fv_route *ret);

struct fv_neigh {
	int ifindex;
	struct fv_ip ip;
	uint8_t mac[6];
	bool permanent;
};

/* Creates or replaces a permanent entry. */
int fv_neigh_set(struct fv_rtnl *rt, const struct fv_neigh *neigh, struct fv_err *err);
int fv_neigh_delete(struct fv_rtnl *rt, const struct fv_neigh *neigh, enum fv_rtnl_accept accept,
		    struct fv_err *err);
int fv_neigh_dump(struct fv_rtnl *rt, struct fv_err *err, struct fv_neigh **ret, size_t *ret_n);

#endif /* FV_NET_RTNL_H */
