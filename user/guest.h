/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports of others: which they are, what speaks against a shortcut, and their part of a run. */
#ifndef FV_GUEST_H
#define FV_GUEST_H

#include "core/gate.h"
#include "run.h"

/* A port of somebody else that a target of `attach` covers. */
struct fv_guest {
	const struct fv_link *link; /* in the host's links */
	char ifname[FV_IFNAME_SIZE];
	uint8_t mac[6]; /* of the device inside */
	uint32_t allow; /* by the targets that cover it */
	bool declined;
	struct fv_gate_list reasons; /* those of its device */
};

struct fv_guests {
	struct fv_guest *g;
	size_t n;
	struct fv_gate_list rules; /* reasons that concern all of them */
};

/* ---- guest.c: ports of others ---- */

/*
 * fv_target_name - "docker0" to "bridge:docker0" or "container:docker0", and so on: how a target is kept.
 * *ret is malloc'ed. Refuses what is neither, and what is nothing.
 */
int fv_target_name(struct fv_run *run, const char *word, struct fv_err *err, char **ret);
/*
 * fv_guests_find - the ports of all targets of the state, and what speaks against a shortcut.
 * @strict: targets that must be there; of the others those that are gone have no ports
 */
int fv_guests_find(struct fv_run *run, const char *const *strict, size_t n_strict,
		   struct fv_err *err, struct fv_guests *ret);
void fv_guests_fini(struct fv_guests *guests);

/* ---- uplink.c: devices that lead out of the host ---- */

/* One that a run is to have programs on. */
struct fv_uplink {
	const struct fv_link *link; /* in the host's links */
	bool declined;
	struct fv_gate_list reasons; /* those of its device */
};

struct fv_uplinks {
	struct fv_uplink *u;
	size_t n;
	uint32_t allow;		   /* by all targets together */
	struct fv_gate_list rules; /* reasons that concern all of them */
	char *left_out;		   /* lines: what leads out but can be none; NULL: nothing */
};

/*
 * fv_uplinks_find - those that the state names, else by default routes. None where nothing is attached
 * and no network of the topology leads out.
 * fv_uplinks_judge - what speaks against a shortcut there. @rules: of the host; NULL: not read yet
 */
int fv_uplinks_find(struct fv_run *run, const struct fv_topo *topo, struct fv_err *err,
		    struct fv_uplinks *ret);
int fv_uplinks_judge(struct fv_run *run, const struct fv_gate_list *rules, struct fv_err *err,
		     struct fv_uplinks *uplinks);
void fv_uplinks_fini(struct fv_uplinks *uplinks);
/* run->attached with the uplinks that are to be; after fv_run_read_attached. */
int fv_run_want_uplinks(struct fv_run *run, const struct fv_topo *topo, struct fv_err *err);
/* What the user says of them becomes part of the state, and what was is kept for undoing. */
int fv_run_set_uplinks(struct fv_run *run, const struct fv_uplink_choice *choice,
		       struct fv_err *err);
/* What a dry run would do to them: says it. */
int fv_uplinks_foresee(struct fv_run *run, struct fv_err *err);
/* Choices of uplinks, exchanged. */
void fv_uplinks_swap(struct fv_state *a, struct fv_state *b);

/* ---- attached.c: the part of a run that concerns them ---- */

#define FV_LIBERAL "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"

/* The entry of a device; NULL: none. */
const struct fv_dp_endpoint *fv_attached_find(const struct fv_dp_endpoint *eps, size_t n,
					      int ifindex);
/* What is another than it was about a port that was attached before; "": nothing. */
const char *fv_attached_changed(const struct fv_dp_endpoint *was, const struct fv_dp_endpoint *e);
/* Did every target say so? */
bool fv_run_no_sysctl(const struct fv_run *run);
/* run->attached is to be these ports. */
int fv_run_want_guests(struct fv_run *run, const struct fv_guests *guests, struct fv_err *err);
/* What the maps say is attached; with it run->attached, unless run->reattach. */
int fv_run_read_attached(struct fv_run *run, struct fv_err *err);
/* Sysctl, then programs onto ports that have none of this build. */
int fv_run_make_attached(struct fv_run *run, struct fv_err *err);
/* Programs off ports that shall not be attached any more. */
int fv_run_drop_attached(struct fv_run *run, struct fv_err *err);
bool fv_run_detaches(const struct fv_run *run);
/*
 * fv_run_tracks - does conntrack see flows, with own networks as in @topo? Else its windows are no
 * matter. fv_run_strict_windows - will they be strict when the run is done?
 */
bool fv_run_tracks(const struct fv_topo *topo);
bool fv_run_strict_windows(const struct fv_run *run, const struct fv_topo *topo);
/* What FV_LIBERAL was before it was set; NULL: it was not. */
const struct fv_saved *fv_run_liberal_saved(const struct fv_run *run);

#endif /* FV_GUEST_H */
