/* SPDX-License-Identifier: GPL-2.0-only */
/* Values below /proc/sys and /sys, and device features that only ethtool(8)'s interface reaches. */
#ifndef FV_NET_SYSCTL_H
#define FV_NET_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "net/rtnl.h"

/* fv_sysctl_get - value without its newline; -ENOENT without a message where it does not exist. */
int fv_sysctl_get(const char *path, struct fv_err *err, char *ret, size_t size);
int fv_sysctl_set(const char *path, const char *value, struct fv_err *err);

/*
 * What XDP on the other end of a veth needs from an endpoint's own device
 * (interface "ifname" in the namespace of rt): receive by NAPI (GRO on), and frames
 * that carry their checksums and VLAN tags themselves (transmit checksum, VLAN
 * offload off; TSO falls with them). _restore is the kernel's default for veth.
 */
int fv_ethtool_xdp_prepare(struct fv_rtnl *rt, const char *ifname, struct fv_err *err);
int fv_ethtool_xdp_restore(struct fv_rtnl *rt, const char *ifname, struct fv_err *err);
/* true where the device is as _prepare leaves it. */
int fv_ethtool_xdp_ready(struct fv_rtnl *rt, const char *ifname, struct fv_err *err, bool *ret);

/*
 * fv_ethtool_stat - one statistic by name ("rx_queue_0_xdp_drops", a "*" in place of the queue
 * number adds all queues up); 0 where the device has none of that name.
 */
int fv_ethtool_stat(struct fv_rtnl *rt, const char *ifname, const char *name, struct fv_err *err,
		    unsigned long long *ret);

#endif /* FV_NET_SYSCTL_H */
