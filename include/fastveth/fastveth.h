/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the command line is made of: one call for each verb. Nothing here
 * prints; a failed call leaves the host as it was before, or says what it could not
 * undo. All calls need root (the capabilities that fv_check_privilege names).
 */
#ifndef FV_FASTVETH_H
#define FV_FASTVETH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/topo.h"
#include "fastveth/abi.h"

struct fv_options {
	unsigned int wait;   /* seconds to wait for another run */
	const char *command; /* our command line, for those who wait for us */
	/* Called now and then by what takes long; may be NULL. */
	void (*progress)(const char *what, size_t done, size_t total);
	/* One line that is worth telling, though nothing failed; may be NULL. */
	void (*note)(const char *line);
	/* Set by a signal handler: stop, undo, return -EINTR. May be NULL. */
	const volatile int *interrupted;
};

struct fv_view_ep;

/* What a run did, or would do. */
enum fv_op {
	FV_OP_CREATE,
	FV_OP_CHANGE,
	FV_OP_REMOVE,
};

struct fv_action {
	enum fv_op op;
	char kind
		[16]; /* "network", "endpoint", "share", "sysctl", "nftables", "program", "firewall",
		       * "port", "uplink"
		       */
	char *name;
	char *detail; /* may be NULL */
};

struct fv_actions {
	struct fv_action *a;
	size_t n;
};

void fv_actions_fini(struct fv_actions *actions);

/* The caller has what is needed, or -EPERM naming the capability that is missing. */
int fv_check_privilege(struct fv_err *err);

/* Which devices lead out of the host, as the user says; kept until he says otherwise, or all is gone. */
struct fv_uplink_choice {
	bool said;		  /* else it stays as it was */
	bool none;		  /* there are to be none */
	const char *const *names; /* n 0: those of the default routes, as at first */
	size_t n;
};

/*
 * fv_up - create, or converge to, what the file says. With @dry nothing is changed (`plan`).
 * fv_down - remove networks: by name, or all of them (n 0). A name that no network has is an error
 *   unless @missing_ok.
 * fv_add - one endpoint; its network is made if there is none (its subnets then come from @net, or
 *   are the /24 and /64 around its addresses). @net, @ep: as wanted, not resolved.
 * fv_del - one endpoint.
 * @ret: what was done; valid after a failure too.
 */
int fv_up(const struct fv_options *opts, const char *file, const struct fv_uplink_choice *uplinks,
	  bool dry, struct fv_err *err, struct fv_actions *ret);
int fv_down(const struct fv_options *opts, const char *const *networks, size_t n, bool missing_ok,
	    struct fv_err *err, struct fv_actions *ret);
/* Names of the networks in a file, without looking at anything else in it. */
int fv_file_networks(const char *file, struct fv_err *err, char ***ret, size_t *ret_n);
int fv_add(const struct fv_options *opts, const struct fv_net *net, const struct fv_ep *ep,
	   struct fv_err *err, struct fv_actions *ret);
int fv_del(const struct fv_options *opts, const char *name, struct fv_err *err,
	   struct fv_actions *ret);

/*
 * fv_attach - the shortcut on ports of others: BRIDGE, CONTAINER, bridge:X, container:X, pid:N,
 *   netns:NAME, path:P. What is attached already is looked at again; with n 0 only that.
 * fv_detach - take it away; n 0: from all. What is not attached is fine, what does not exist is not.
 */
struct fv_attach {
	uint32_t allow; /* mask of enum fv_gate: reasons to decline that do not count */
	bool no_sysctl; /* leave nf_conntrack_tcp_be_liberal alone: TCP through conntrack stays slow */
	struct fv_uplink_choice uplinks;
};

int fv_attach(const struct fv_options *opts, const char *const *targets, size_t n,
	      const struct fv_attach *how, struct fv_err *err, struct fv_actions *ret);
int fv_detach(const struct fv_options *opts, const char *const *targets, size_t n,
	      struct fv_err *err, struct fv_actions *ret);

/*
 * fv_attach_look - is there anything that fv_attach with n 0 would change? Takes no lock, loads and
 *   writes nothing: for those who look often. What programs were attached by is not compared with
 *   those of this build: fv_attach does, once.
 * @ret_sum: of what is attached and what speaks against a shortcut: another number where that changed
 */
int fv_attach_look(struct fv_err *err, bool *ret_differs, uint64_t *ret_sum);

/*
 * fv_watch - fv_attach, then go on doing so whenever something changed, until *opts->interrupted. What
 *   is attached stays so.
 */
struct fv_watcher {
	/* A port came, went (then @v is as it was), or is judged or connected otherwise. */
	void (*port)(enum fv_op op, const struct fv_view_ep *v, void *data);
	/* What else was done: sysctl, program. */
	void (*action)(const struct fv_action *action, void *data);
	/* It is tried again. No message is told twice in a row of failures. */
	void (*failed)(const struct fv_err *err, void *data);
	void (*ready)(void *data); /* attached for the first time; may be NULL */
	void *data;
	int wake; /* an eventfd: written to, it ends the wait, and all is looked at; -1: none */
};

int fv_watch(const struct fv_options *opts, const char *const *targets, size_t n,
	     const struct fv_attach *how, const struct fv_watcher *to, struct fv_err *err);

/* fv_exec - become a command in an endpoint's namespace. Returns only on failure. */
int fv_exec(const char *name, char *const argv[], struct fv_err *err);

/* ---- looking ---- */

struct fv_view_ep {
	const struct fv_net *net;
	const struct fv_ep *ep;
	uint64_t netns; /* inode of the namespace; 0: unknown */
	int ifindex;	/* host side; 0: there is no such device */
	int peer_ifindex;
	bool counted; /* the two below are known */
	struct fv_counters counters;
	struct fv_reasons reasons;
	bool attached;	       /* a port of somebody else; net is its bridge (name "" for none) */
	bool declined;	       /* attached, but only counted: objections say why */
	const char *container; /* name; NULL: none, or unknown */
	char *objections;      /* lines: what speaks against a shortcut; NULL: nothing */
	char hook[8];	       /* "tcx", "clsact", "xdp"; "" for none */
	char *problems;	       /* lines, NULL: healthy (fv_look with FV_LOOK_HEALTH) */
};

/* A device that leads out of the host. Counters are seen from outside: tx is what came in by it. */
struct fv_view_uplink {
	char device[16];
	int ifindex;
	bool counted; /* the two below are known */
	struct fv_counters counters;
	struct fv_reasons reasons;
	bool declined;	  /* only counted: objections say why */
	char *objections; /* lines: what speaks against a shortcut; NULL: nothing */
	char hook[8];	  /* "tcx", "clsact"; "" for none */
	char *problems;	  /* lines, NULL: healthy */
};

/* What this kernel offers, and so which ways of doing things are in use. */
struct fv_view_kernel {
	bool known; /* else it cannot run fastveth, or may not be asked: a warning says why */
	char release[65];
	const char *hook;    /* of networks with hook tc: "tcx" or "clsact" */
	bool xdp, xdp_frags; /* hook xdp is possible; with frames of more than one buffer */
	const char *
		conntrack; /* lookups of conntrack from programs: "built-in", "module"; NULL: none */
	const char *memory; /* maps count against: "cgroup" or "memlock" */
	bool peer_counters; /* devices inside count packets of the shortcut */
};

struct fv_view {
	struct fv_topo topo;
	struct fv_topo others; /* bridges with attached ports */
	struct fv_view_ep *eps;
	size_t n_eps;
	struct fv_view_uplink *uplinks;
	size_t n_uplinks;
	struct fv_view_kernel kernel; /* with FV_LOOK_KERNEL */
	char *problems;		      /* of the host as a whole, lines; NULL: none */
	char *warnings;		      /* lines; NULL: none */
};

enum fv_look {
	FV_LOOK_STATS = 1,
	FV_LOOK_HEALTH = 2, /* hook and problems */
	FV_LOOK_KERNEL = 4,
	FV_LOOK_ADDRESSES = 8, /* of attached ports */
	FV_LOOK_ATTACHED = 16, /* as HEALTH, of attached ports alone: loads nothing */
};

int fv_look(unsigned int what, struct fv_err *err, struct fv_view *ret);
void fv_view_fini(struct fv_view *view);

struct fv_inspect_prog {
	char name[16], tag[17], pin[128];
	uint32_t id;
	uint64_t run_ns, run_cnt; /* 0 unless kernel.bpf_stats_enabled */
};

struct fv_inspect_map {
	char name[16], pin[128];
	uint32_t id, entries;
};

struct fv_inspect_link {
	char device[16], pin[128];
	uint32_t id, prog_id;
};

/* A program on a port, whatever holds it there: with clsact there are no links. */
struct fv_inspect_at {
	char device[16];
	uint32_t prog_id;
};

struct fv_inspect {
	struct fv_inspect_prog *progs;
	struct fv_inspect_map *maps;
	struct fv_inspect_link *links;
	struct fv_inspect_at *at;
	size_t n_progs, n_maps, n_links, n_at;
	struct fv_view_kernel kernel;
};

/* Empty where nothing is loaded. */
int fv_inspect(struct fv_err *err, struct fv_inspect *ret);
void fv_inspect_fini(struct fv_inspect *inspect);

const char *fv_slow_name(enum fv_slow why);
const char *fv_drop_name(enum fv_drop why);

#endif /* FV_FASTVETH_H */
