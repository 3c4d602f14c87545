/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One run of a command that changes something, shared by the files right in
 * user/: these join the rooms.
 *
 * Every such command is the same thing: the topology as it shall be is compared
 * with the kernel, and what differs is done (fv_run_converge). `down` is a topology with a
 * network less, `add` one with an endpoint more, and undoing a failed run is
 * converging to the topology from before.
 */
#ifndef FV_RUN_H
#define FV_RUN_H

#include "core/gate.h"
#include "core/state.h"
#include "dp/dp.h"
#include "fastveth/fastveth.h"
#include "net/netns.h"
#include "net/rtnl.h"

#define FV_ALIAS_PREFIX "fastveth:"
/* Requests are sent for so many endpoints at a time. */
#define FV_BATCH 64

/* What an endpoint lacks. */
enum fv_todo {
	FV_TODO_PAIR = 1 << 0,	 /* namespace (if it is ours) and veth pair */
	FV_TODO_INSIDE = 1 << 1, /* device, addresses, routes, neighbour in the namespace */
	FV_TODO_NAME = 1 << 2,	 /* name in /run/netns */
	FV_TODO_PORT = 1 << 3,	 /* alias, group, MTU, up */
	FV_TODO_ROUTE = 1 << 4,	 /* host routes and neighbours */
	FV_TODO_ATTACH = 1 << 5, /* programs */
	FV_TODO_HOSTS = 1 << 6,	 /* /etc/netns/NAME/hosts */
};

/* An endpoint in the topology as it shall be. */
struct fv_run_ep {
	struct fv_net *net;
	struct fv_ep *ep;
	const struct fv_ep *old; /* as it was; NULL: new */
	unsigned int todo;
	int ifindex, peer_ifindex; /* 0: no pair yet */
	int peer_nsid;		   /* the namespace, as the host numbers it */
	char now[FV_IFNAME_SIZE];  /* what the device inside is called now; "": no pair yet */
	bool other_mac;		   /* and it has not the MAC that it was given */
	bool checked;		   /* in this run's scope */
	bool restart;		   /* has a pair that must be made anew */
	int ns;			   /* descriptor while working on it; -1 */
	struct fv_rtnl *rt;	   /* socket in the namespace, likewise */
};

/* Something that was and shall not be. */
struct fv_run_gone {
	const struct fv_net *net; /* in old */
	const struct fv_ep *ep;
	bool with_net; /* its whole network goes */
	bool keep_ns;  /* made anew in the same namespace: its name stays */
};

/* The host as the kernel shows it. */
struct fv_host {
	struct fv_link *links;
	struct fv_addr *addrs;
	struct fv_route *routes;
	struct fv_neigh *neighs;
	size_t n_links, n_addrs, n_routes, n_neighs;
	int lo;		       /* ifindex */
	size_t *by_name;       /* positions in links, sorted by name */
	size_t *routes_by_oif; /* positions in routes, sorted by oif */
	size_t *neighs_by_if;  /* positions in neighs, sorted by ifindex */
};

struct fv_run {
	const struct fv_options *opts;
	bool dry;
	int lock;
	struct fv_rtnl *rt;    /* in the host's namespace */
	struct fv_state state; /* topo: as it was; saved: sysctls and the like */
	struct fv_features features;
	struct fv_dp *dp;
	struct fv_host host;
	struct fv_actions *actions;
	bool undoing;
	bool looking; /* for `status`: what is wrong is found, not refused */

	struct fv_topo intent; /* while it runs, what the state file says: old and new */
	struct fv_topo want;
	struct fv_run_ep *eps; /* every endpoint of want but shares */
	size_t n_eps;
	struct fv_run_gone *gone;
	size_t n_gone;

	/*
	 * Attached ports and uplinks: as they were, and as they shall be. Ports are the same unless
	 * reattach.
	 */
	bool reattach;
	bool rejudge;			  /* what speaks against uplinks is asked again */
	bool rechosen;			  /* uplinks are others than in was */
	const struct fv_gate_list *rules; /* of the host, where they have been read; or NULL */
	struct fv_dp_endpoint *was_attached, *attached;
	size_t n_was_attached, n_attached;
	struct fv_state was; /* its targets and uplinks alone: for undoing */
};

/* fv_run_open - lock, state, host; what a killed run left half done becomes part of state. */
int fv_run_open(struct fv_run *run, const struct fv_options *opts, bool dry, struct fv_err *err,
		struct fv_actions *actions);
void fv_run_close(struct fv_run *run);

/* fv_run_store - the state file: the intent where there is one, and what is saved by now. */
int fv_run_store(const struct fv_run *run, struct fv_err *err);

/*
 * fv_run_converge - make the host what @want says (moved into the run).
 * @scope: check endpoints of this network only, and of it only this endpoint; NULL: all.
 *   What is outside the scope is taken to be as the state says.
 * On failure the run converges back.
 */
struct fv_scope {
	const struct fv_topo *nets; /* networks by name; NULL: none */
	const char *endpoint;	    /* only this one; NULL: all */
};
int fv_run_converge(struct fv_run *run, struct fv_topo *want, const struct fv_scope *scope,
		    struct fv_err *err);

/* plan.c: what is to be done for run->want (moved from @want); changes nothing. */
int fv_run_plan(struct fv_run *run, struct fv_topo *want, const struct fv_scope *scope,
		struct fv_err *err);

int fv_run_act(struct fv_run *run, enum fv_op op, const char *kind, const char *name,
	       struct fv_err *err, const char *detail, ...) __attribute__((format(printf, 6, 7)));
int fv_run_interrupted(const struct fv_run *run, struct fv_err *err);
void fv_run_progress(const struct fv_run *run, const char *what, size_t done, size_t total);

/* ---- host.c: the host's own settings ---- */

int fv_host_read(struct fv_rtnl *rt, struct fv_err *err, struct fv_host *ret);
/* fv_host_read_links - devices alone. */
int fv_host_read_links(struct fv_rtnl *rt, struct fv_err *err, struct fv_host *ret);
void fv_host_fini(struct fv_host *host);
const struct fv_link *fv_host_link(const struct fv_host *host, const char *name);
const struct fv_link *fv_host_ifindex(const struct fv_host *host, int ifindex);
bool fv_host_has_route(const struct fv_host *host, const struct fv_route *route);
bool fv_host_has_neigh(const struct fv_host *host, const struct fv_neigh *neigh);
bool fv_host_has_addr(const struct fv_host *host, const struct fv_addr *addr);

/* The device that leads out: of the default route with the lowest metric; NULL: none. */
const struct fv_link *fv_host_uplink(const struct fv_host *host);

/* Our own route to a subnet: proves that the gateway's address on lo beside it is ours too. */
bool fv_host_has_subnet(const struct fv_host *host, const struct fv_prefix *subnet);

/* Networks of want that are not in old must not meet routes or addresses of the host. */
int fv_host_check_subnets(const struct fv_run *run, struct fv_err *err);

/* Remember the value of @path and set it; nothing if it is that already or does not exist. */
int fv_host_set(struct fv_run *run, const char *path, const char *value, struct fv_err *err,
		bool *ret_changed);
/* Let the host forward packets of a family, devices that did so by themselves remembered. */
int fv_host_forward(struct fv_run *run, int family, struct fv_err *err, bool *ret_changed);
/*
 * fv_host_expedite - before attaching to or deleting @n devices: each waits for an
 * RCU grace period, 12 ms on an idle machine, 0.2 ms with rcu_expedited. True where it was
 * switched on; fv_host_restore(only_transient) switches it off. Where it cannot be (a
 * read-only /sys) things take longer.
 */
bool fv_host_expedite(struct fv_run *run, size_t n);
/* Put back every value (only_transient: of /sys/kernel/rcu_expedited alone). */
int fv_host_restore(struct fv_run *run, bool only_transient, struct fv_err *err);
/* The value of one path; nothing where it was not changed. */
int fv_host_restore_path(struct fv_run *run, const char *path, struct fv_err *err);

/* ---- ns.c: the endpoint's side ---- */

void fv_alias_of(const char *network, const char *name, char ret[320]);
/* Is the device ours by its alias, or (a run was killed before that) by group and MAC? */
bool fv_link_is_ours(const struct fv_link *link, const char *network, const char *name);

/* Open the endpoint's namespace; -ENOENT without a message where it is gone. */
int fv_ep_open_ns(const struct fv_ep *ep, struct fv_err *err, int *ret);
/* Does the second name lead to the namespace of the endpoint (or host) it is for? */
bool fv_share_leads(const struct fv_topo *topo, const struct fv_ep *share);
/* Is there anything of this name in /run/netns? */
bool fv_netns_taken(const char *name);
/* Did fastveth make this namespace? (alias of its lo) */
bool fv_ns_is_ours(int fd, const char *network, const char *name);

/* What the namespace side lacks, as fv_todo bits. */
int fv_ep_check_inside(struct fv_run_ep *re, struct fv_err *err, unsigned int *ret);
/* Queue and send all that the namespace side needs. */
int fv_ep_make_inside(struct fv_run_ep *re, struct fv_err *err);

/* ---- make.c and remove.c: phases of a run ---- */

int fv_run_make(struct fv_run *run, struct fv_err *err);
/* attach.c: what ports lack of programs; all of them where maps or programs are new. */
int fv_run_attach(struct fv_run *run, struct fv_err *err);
/* What a dry run would do to the host's settings and rules: says it, changes nothing. */
int fv_run_foresee(struct fv_run *run, struct fv_err *err);
int fv_run_remove(struct fv_run *run, struct fv_err *err);
int fv_run_fill(struct fv_run *run, struct fv_err *err);

/* ---- hosts.c: /etc/netns/NAME ---- */

int fv_hosts_write(const struct fv_net *net, struct fv_err *err);
int fv_hosts_remove(const char *network, struct fv_err *err);
/* The link from /etc/netns/NAME to the network's files; what is not ours is left alone. */
bool fv_hosts_linked(const char *network, const char *name);
int fv_hosts_link(struct fv_state *state, const char *network, const char *name,
		  struct fv_err *err);
/* fv_hosts_foresee - will /etc/netns have to be made? Noted in @state before it is. */
void fv_hosts_foresee(struct fv_state *state);
/* fv_hosts_rmdir - /etc/netns, if it was made by us and nobody else uses it */
void fv_hosts_rmdir(struct fv_state *state);
int fv_hosts_unlink(const char *network, const char *name, struct fv_err *err);

#endif /* FV_RUN_H */
