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

/* ---- attached.c: the part of a run that concerns them ---- */

#define FV_LIBERAL "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"

/* What the maps say is attached; with it run->attached, unless run->reattach. */
int fv_run_read_attached(struct fv_run *run, struct fv_err *err);
/* Sysctl, then programs onto ports that have none of this build. */
int fv_run_make_attached(struct fv_run *run, struct fv_err *err);
/* Programs off ports that shall not be attached any more. */
int fv_run_drop_attached(struct fv_run *run, struct fv_err *err);
bool fv_run_detaches(const struct fv_run *run);

#endif /* FV_GUEST_H */
