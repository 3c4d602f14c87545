/* SPDX-License-Identifier: GPL-2.0-only */
/* Who looks at the packets of this network namespace: functions on netfilter's hooks. */
#ifndef FV_NET_HOOKS_H
#define FV_NET_HOOKS_H

#include <stdbool.h>

#include "core/err.h"

/*
 * fv_hooks_tracked - does conntrack see packets of IPv4 or IPv6 in the caller's network namespace? It does
 * while some rule there needs it. -EOPNOTSUPP without a message where the kernel does not tell (before
 * 5.14, or built without nfnetlink_hook).
 */
int fv_hooks_tracked(struct fv_err *err, bool *ret);

#endif /* FV_NET_HOOKS_H */
