/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of others, as libnftables lists them, and the meaning of their rules. */
#ifndef FV_NAT_FOREIGN_H
#define FV_NAT_FOREIGN_H

#include <jansson.h>
#include <stdbool.h>

#include "core/err.h"

struct fv_listing {
	char *text;    /* JSON */
	json_t *items; /* array of {"rule": ...}, {"chain": ...}, ...; NULL: nothing */
};

/* From one device to another; NULL: any. As rules name them: "fv-*" for all that begin so. */
struct fv_way {
	const char *from, *to;
};

/* fv_listing_load - what a list command says. Errors are those of fv_nft_run. */
int fv_listing_load(const char *what, const char *command, struct fv_err *err,
		    struct fv_listing *ret);
void fv_listing_fini(struct fv_listing *listing);

/* A member that is text; "" where it is absent. Borrowed. */
const char *fv_json_str(const json_t *object, const char *key);
bool fv_json_is(const json_t *object, const char *key, const char *value);

/* fv_listing_rule - the rule that an item is, if it is one of that chain; else NULL. */
const json_t *fv_listing_rule(const json_t *item, const char *chain);

/* true where the base chain drops what none of its conditions picked out. */
bool fv_listing_closed(const struct fv_listing *listing, const json_t *chain);
/* true where packets that enter one chain can come to the other by jumps. */
bool fv_listing_leads(const struct fv_listing *listing, const char *from, const char *to);

/*
 * fv_rule_final - what a rule does with every packet: "accept", "drop", "reject", "return",
 * "goto"; NULL where it has a condition, or goes on to the next rule.
 */
const char *fv_rule_final(const json_t *rule);
/* fv_rule_accepts - true for a rule that accepts by device names alone (borrowed from the rule). */
bool fv_rule_accepts(const json_t *rule, struct fv_way *ret_way);

#endif /* FV_NAT_FOREIGN_H */
