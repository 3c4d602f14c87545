/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of others whose outcome differs from packet to packet of one flow.
 *
 * Not counted are rules that only count or log (they then see the sample), and all but conntrack
 * helpers in chains of type nat: only the first packet of a connection comes there, shortcut or
 * not.
 */
#ifndef FV_NAT_GATE_H
#define FV_NAT_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/gate.h"

/*
 * fv_gate_rules - nftables (iptables-nft among it), iptables-legacy and ebtables-legacy of the
 * caller's network namespace. A kernel that lacks them has no such rules. What cannot be read
 * counts as FV_GATE_PAYLOAD.
 */
int fv_gate_rules(struct fv_err *err, struct fv_gate_list *add);

/* ---- what it is made of ---- */

/* Tables of iptables-nft, of which the listing left something out: bit FAMILY * 4 + TABLE. */
struct fv_gate_unclear {
	uint8_t unnamed; /* an extension without its name (libnftables before 1.0.6) */
	uint8_t ct;	 /* a CT target, which may set a helper, or not */
};

/* fv_gate_judge_json - from what "nft -j list ruleset" prints. */
int fv_gate_judge_json(const char *json, struct fv_err *err, struct fv_gate_list *add,
		       struct fv_gate_unclear *ret_unclear);
/*
 * fv_gate_judge_text - from what "iptables -t TABLE -S" prints.
 * @where: "table ip filter", for messages
 */
int fv_gate_judge_text(const char *rules, const char *table, const char *where, struct fv_err *err,
		       struct fv_gate_list *add);
/* fv_gate_ask - the same, from what that program says; *ret_read is false where it did not. */
int fv_gate_ask(const char *program, const char *table, const char *where, struct fv_err *err,
		struct fv_gate_list *add, bool *ret_read);
/* fv_gate_legacy - the old tables alone, and conntrack's own choice of helpers. */
int fv_gate_legacy(struct fv_err *err, struct fv_gate_list *add);
/* fv_gate_xt - what an extension of iptables depends on; false: nothing that matters. */
bool fv_gate_xt(const char *name, bool target, enum fv_gate *ret_why);

#endif /* FV_NAT_GATE_H */
