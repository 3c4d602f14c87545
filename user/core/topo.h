/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the user wants: networks and their endpoints. Comes from a YAML file
 * (core/yaml.h), from the command line, or from the saved state (core/state.h).
 *
 * "Wanted" is what was written; "resolved" means that every endpoint has
 * addresses, MACs and a host-side device name. Nothing here asks the kernel.
 */
#ifndef FV_CORE_TOPO_H
#define FV_CORE_TOPO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "core/ip.h"

/* Bytes of a network's or endpoint's name: two of them must fit a device's ifalias (255). */
#define FV_NAME_MAX 120
#define FV_IFNAME_SIZE 16 /* IFNAMSIZ */

enum fv_hook {
	FV_HOOK_TC, /* tcx, else clsact */
	FV_HOOK_XDP,
};

/* What a host port leads to: "[HOST_IP:]HOST_PORT[-LAST]:PORT[-LAST][/tcp|udp]". */
struct fv_publish {
	struct fv_ip
		host_ip; /* family 0: every local address; 0.0.0.0, ::: every one of that family */
	uint16_t host_port; /* host order, first of count */
	uint16_t port;	    /* host order, first of count */
	uint16_t count;	    /* 1 or more */
	uint8_t proto;	    /* IPPROTO_TCP, IPPROTO_UDP */
};

enum fv_target {
	FV_TARGET_OWN, /* a namespace that fastveth creates: /run/netns/NAME */
	FV_TARGET_PID,
	FV_TARGET_NETNS, /* a named one that somebody else created */
	FV_TARGET_PATH,
};

struct fv_ep {
	char *name;
	char *share; /* second name for this endpoint's namespace, or "host"; else NULL */
	enum fv_target target;
	char *target_arg;	     /* pid, name or path as text; NULL for FV_TARGET_OWN */
	char ifname[FV_IFNAME_SIZE]; /* inside the namespace */
	struct fv_ip ip4, ip6;	     /* given or resolved; family 0: none (yet) */
	struct fv_publish *publish;
	size_t n_publish;
	/* resolved: */
	char port[FV_IFNAME_SIZE]; /* host-side device */
	uint8_t mac[6], port_mac[6];
	/* known once it exists: identity of the namespace, as stat(2) tells; 0: unknown */
	dev_t ns_dev;
	ino_t ns_ino;
	unsigned int line, column; /* in the network's file; 0: not from there */
};

struct fv_net {
	char *name;
	uint32_t id;			   /* 1..FV_NETWORK_ID_MAX once resolved; 0: not yet */
	struct fv_prefix subnet4, subnet6; /* host bits cleared; family 0: none */
	struct fv_ip gw4, gw6;		   /* first address of each subnet */
	uint32_t mtu;			   /* 0: the uplink's */
	enum fv_hook hook;
	bool internal;
	struct fv_ep *eps;
	size_t n_eps;
	/* where it was written, for messages; NULL, 0: not from a file */
	char *file;
	unsigned int line, column;
};

struct fv_topo {
	struct fv_net *nets;
	size_t n_nets;
};

void fv_topo_fini(struct fv_topo *topo);
void fv_net_fini(struct fv_net *net);
void fv_ep_fini(struct fv_ep *ep);
int fv_net_copy(const struct fv_net *net, struct fv_err *err, struct fv_net *ret);
/* fv_topo_copy - append copies of all networks of one topology to another. */
int fv_topo_copy(const struct fv_topo *from, struct fv_err *err, struct fv_topo *ret);

/*
 * Append an empty element and return it (zeroed); NULL when out of memory. Moves the array.
 * The arrays come from these functions alone: they have room for a power of two.
 */
struct fv_net *fv_topo_append(struct fv_topo *topo);
struct fv_ep *fv_net_append(struct fv_net *net);
/* Remove by position; the order of the rest stays. */
void fv_topo_remove(struct fv_topo *topo, size_t i);
void fv_net_remove(struct fv_net *net, size_t i);

struct fv_net *fv_topo_net(const struct fv_topo *topo, const char *name);
/* Endpoint names are unique over all networks. ret_net may be NULL. */
struct fv_ep *fv_topo_ep(const struct fv_topo *topo, const char *name, struct fv_net **ret_net);
struct fv_ep *fv_net_ep(const struct fv_net *net, const char *name);

/*
 * fv_topo_index_init - endpoints of all networks by name, for those who look up many: fv_topo_ep
 * and fv_net_ep search linearly. Valid until an element is appended to or removed from topo.
 */
struct fv_ep_ref {
	struct fv_net *net;
	struct fv_ep *ep;
};
struct fv_topo_index {
	struct fv_ep_ref *refs; /* sorted by name, equal ones by position */
	size_t n;
};
int fv_topo_index_init(const struct fv_topo *topo, struct fv_err *err, struct fv_topo_index *ret);
void fv_topo_index_fini(struct fv_topo_index *index);
/* ret_net may be NULL. */
struct fv_ep *fv_topo_index_ep(const struct fv_topo_index *index, const char *name,
			       struct fv_net **ret_net);

/*
 * fv_topo_err - fv_err_set with "FILE:LINE:COLUMN: " of the endpoint (or, where ep is NULL, of
 * the network) before the message, if it has one.
 */
int fv_topo_err(const struct fv_net *net, const struct fv_ep *ep, struct fv_err *err, int code,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/*
 * fv_name_check - [A-Za-z0-9][A-Za-z0-9_.-]*, at most FV_NAME_MAX.
 * @what: "network", "endpoint": for the message. Returns 0 or -EINVAL.
 */
int fv_name_check(const char *what, const char *name, struct fv_err *err);
/* 1-15 printable ASCII characters but '/', ':', '%'; not ".", "..", "lo", "all", "default". */
int fv_ifname_check(const char *name, struct fv_err *err);
/* Parse "pid:N", "netns:NAME", "path:P" (absolute) into ep->target and ep->target_arg. */
int fv_target_parse(const char *s, struct fv_ep *ep, struct fv_err *err);
int fv_publish_parse(const char *s, struct fv_err *err, struct fv_publish *ret);
/* Writes "[HOST_IP:]8080:80/tcp", which fv_publish_parse reads back. */
const char *fv_publish_str(const struct fv_publish *p, char buf[128]);

/*
 * fv_topo_check - everything that can be said about a topology alone: names,
 * subnets present, large enough (at least 2 addresses behind the gateway: /30, /126) and not
 * overlapping, no special ranges, addresses inside their subnet, not the gateway's,
 * not twice, MTU 1280 (with IPv6; else 68) to 65535, published ports not twice, shares that
 * lead somewhere and have nothing of their own, no endpoint name twice, an endpoint named
 * "host" refused.
 * Messages begin with "FILE:LINE:COLUMN: " where the object has one.
 * Returns 0, -EINVAL, -EEXIST (duplicate).
 */
int fv_topo_check(const struct fv_topo *topo, struct fv_err *err);

/*
 * fv_topo_resolve - give every network an id and every endpoint its addresses
 * (in order from the second address on, around those taken), MACs, interface
 * name (eth0 where none is given) and host-side device name. What is given or
 * already resolved stays. Shares get nothing: they have no device.
 * @known: topology that is already up (may be NULL, may hold the same
 *   networks): an endpoint of the same network and name keeps its addresses (if they are
 *   still inside the subnet and nobody else named them), device name and MACs, a network its
 *   id; ids and device names of other networks are not given out again.
 * MACs are derived from "network/endpoint", locally administered, so that a
 * device is recognised without any saved state.
 * Returns 0, -ENOSPC (subnet exhausted; which, how many fit), -ENOMEM.
 */
int fv_topo_resolve(struct fv_topo *topo, const struct fv_topo *known, struct fv_err *err);

/*
 * fv_port_name - "fv-NAME" where that fits 15 bytes and differs, else shortened
 * with a hash of "network/name": "fv-" + start of NAME + "-" + 5 hex digits.
 * @salt: 0 for the first try, counted up when the name is taken (gives a hashed name).
 */
void fv_port_name(const char *network, const char *name, unsigned int salt,
		  char ret[FV_IFNAME_SIZE]);
/* fv_mac_of - MAC of one end ("ns" or "port") of network/name; always the same one. */
void fv_mac_of(const char *network, const char *name, const char *end, uint8_t ret[6]);

#endif /* FV_CORE_TOPO_H */
