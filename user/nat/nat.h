/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one nftables table of own networks, `inet fastveth`: isolation, what the
 * outside may reach, masquerade, published ports, hairpin. Written whole in one
 * transaction. The only room that knows libnftables.
 */
#ifndef FV_NAT_NAT_H
#define FV_NAT_NAT_H

#include "core/err.h"
#include "core/topo.h"

#define FV_NFT_TABLE "inet fastveth"

/*
 * fv_nat_ruleset - text of the transaction that makes the table say what the
 * topology says (resolved, shares ignored), or that deletes it where there is no network.
 * Pure; *ret is malloc'ed. -EINVAL for a port published on a family that its endpoint
 * has no address of, or on ::1.
 */
int fv_nat_ruleset(const struct fv_topo *topo, struct fv_err *err, char **ret);

/*
 * fv_nat_apply - write it. Established connections keep their NAT.
 * @ret_listing: the table as the kernel lists it afterwards, without handles and counters
 *   (malloc'ed): what fv_nat_listing gives while nobody changed it; NULL where there is no network.
 * Needs CAP_NET_ADMIN (-EPERM). -EOPNOTSUPP where the kernel has no nftables, or lacks a part of
 * it (says which).
 */
int fv_nat_apply(const struct fv_topo *topo, struct fv_err *err, char **ret_listing);
/* *ret NULL where there is no such table. */
int fv_nat_listing(struct fv_err *err, char **ret);
/* fv_nat_probe - -EOPNOTSUPP where the kernel has no nftables. */
int fv_nat_probe(struct fv_err *err);
/* Delete our table; one that is absent is fine. */
int fv_nat_remove(struct fv_err *err);

#endif /* FV_NAT_NAT_H */
