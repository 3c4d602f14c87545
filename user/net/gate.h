/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel does to packets on a device, or on their way, that a shortcut would pass over. */
#ifndef FV_NET_GATE_H
#define FV_NET_GATE_H

#include <stdbool.h>

#include "core/err.h"
#include "core/gate.h"
#include "net/rtnl.h"

/*
 * fv_gate_xfrm - IPsec policies of the caller's network namespace: one reason, which names the
 * first and says how many more there are. Policies of single sockets do not count. A kernel
 * without them gives none.
 */
int fv_gate_xfrm(struct fv_err *err, struct fv_gate_list *add);

/* Qdiscs of all devices: read once, asked for each. */
struct fv_qdiscs;

int fv_qdiscs_load(struct fv_rtnl *rt, struct fv_err *err, struct fv_qdiscs **ret);
void fv_qdiscs_free(struct fv_qdiscs **qdiscs);
bool fv_qdiscs_clsact(const struct fv_qdiscs *qdiscs, int ifindex);

/*
 * fv_gate_device - reasons of one device: a qdisc that does more than queue, filters on clsact or
 * ingress that are not ours. The kernel is asked only where there is such a qdisc.
 * @name: of the device, for messages
 */
int fv_gate_device(struct fv_rtnl *rt, const struct fv_qdiscs *qdiscs, int ifindex,
		   const char *name, struct fv_err *err, struct fv_gate_list *add);

#endif /* FV_NET_GATE_H */
