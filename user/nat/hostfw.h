/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Other people's firewalls that drop forwarded packets: Docker, ufw, firewalld,
 * and what an administrator wrote.
 *
 * A drop there is final, whatever our own table accepts. Where the owner has a
 * chain that is meant for others (Docker: DOCKER-USER, ufw: ufw-user-forward)
 * our ports are accepted in it; everything else is left alone, and a hint says
 * what to add. Our rules stand after the administrator's own, carry the comment
 * "fastveth", and iptables lists them as if it had made them.
 */
#ifndef FV_NAT_HOSTFW_H
#define FV_NAT_HOSTFW_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define FV_HOSTFW_COMMENT "fastveth"

/*
 * fv_hostfw_apply - let our ports reach each other and the uplinks through a firewall that
 * drops by default. Rules for other uplinks that we wrote earlier go. Does nothing on a host whose
 * firewall lets them through already.
 * @uplinks: device names
 * @ret_changed: whether a rule was added or taken away
 * @ret_hint: one line for each firewall that only its owner can open, with the
 *   command to run; NULL where there is none (malloc'ed)
 * Needs CAP_NET_ADMIN. -EINVAL for an uplink whose name no rule can hold.
 */
int fv_hostfw_apply(const char *const *uplinks, size_t n_uplinks, struct fv_err *err,
		    bool *ret_changed, char **ret_hint);
/* fv_hostfw_check - the same without changing anything. */
int fv_hostfw_check(const char *const *uplinks, size_t n_uplinks, struct fv_err *err,
		    bool *ret_would_change, char **ret_hint);
/*
 * fv_hostfw_remove - delete our rules, and only those. A copy that iptables-restore made has
 * lost our comment's form and is the administrator's.
 */
int fv_hostfw_remove(struct fv_err *err);

#endif /* FV_NAT_HOSTFW_H */
