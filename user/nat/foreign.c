// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libnftables lists as JSON, and what rules of others mean: only as much as
 * is needed to tell whether our packets pass. A rule that is not understood
 * never counts as one that lets them through.
 */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/foreign.h"
#include "nat/nft.h"

#define JUMPS_MAX 16 /* nf_tables' own limit (NFT_JUMP_STACK_SIZE) */

const char *fv_json_str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

bool fv_json_is(const json_t *object, const char *key, const char *value)
{
	return strcmp(fv_json_str(object, key), value) == 0;
}

int fv_listing_load(const char *what, const char *command, struct fv_err *err,
		    struct fv_listing *ret)
{
	FV_AUTO_FREE char *text = NULL;
	json_t *root, *items;
	int r;

	r = fv_nft_run(what, command, FV_NFT_JSON, err, &text);
	if (r < 0)
		return r;
	root = json_loads(text, 0, NULL);
	items = json_incref(json_object_get(root, "nftables"));
	json_decref(root);
	if (!items)
		return fv_err_set(err, -EPROTO, "nftables: %s: libnftables gave no JSON for \"%s\"",
				  what, command);
	ret->items = items;
	ret->text = FV_TAKE_PTR(text);
	return 0;
}

void fv_listing_fini(struct fv_listing *listing)
{
	free(listing->text);
	json_decref(listing->items);
	*listing = (struct fv_listing){};
}

const json_t *fv_listing_rule(const json_t *item, const char *chain)
{
	const json_t *rule = json_object_get(item, "rule");

	return rule && fv_json_is(rule, "chain", chain) ? rule : NULL;
}

static bool is_xt(const json_t *statement, const char *type, const char *name)
{
	const json_t *xt = json_object_get(statement, "xt");

	return xt && fv_json_is(xt, "type", type) && fv_json_is(xt, "name", name);
}

static bool is_neutral(const json_t *statement)
{
	return json_object_get(statement, "counter") || json_object_get(statement, "log") ||
	       is_xt(statement, "match", "comment");
}

const char *fv_rule_final(const json_t *rule)
{
	static const char *const verdicts[] = { "accept", "drop", "reject", "return", "goto" };
	const char *verdict = NULL;
	json_t *statement;
	size_t i;

	json_array_foreach (json_object_get(rule, "expr"), i, statement) {
		const char *found = is_xt(statement, "target", "REJECT") ? "reject" : NULL;

		for (size_t v = 0; v < FV_ARRAY_SIZE(verdicts); v++)
			if (json_object_get(statement, verdicts[v]))
				found = verdicts[v];
		if (!found && !is_neutral(statement))
			return NULL;
		if (found)
			verdict = found;
	}
	return verdict;
}

bool fv_rule_accepts(const json_t *rule, struct fv_way *ret_way)
{
	struct fv_way way = {};
	bool accept = false;
	json_t *statement;
	size_t i;

	json_array_foreach (json_object_get(rule, "expr"), i, statement) {
		const json_t *match = json_object_get(statement, "match");
		const json_t *meta = json_object_get(json_object_get(match, "left"), "meta");

		if (json_object_get(statement, "accept"))
			accept = true;
		else if (fv_json_is(match, "op", "==") && fv_json_is(meta, "key", "iifname"))
			way.from = fv_json_str(match, "right");
		else if (fv_json_is(match, "op", "==") && fv_json_is(meta, "key", "oifname"))
			way.to = fv_json_str(match, "right");
		else if (!is_neutral(statement))
			return false;
	}
	*ret_way = way;
	return accept;
}

bool fv_listing_closed(const struct fv_listing *listing, const json_t *chain)
{
	bool drop = fv_json_is(chain, "policy", "drop");
	json_t *item;
	size_t i;

	json_array_foreach (listing->items, i, item) {
		const json_t *rule = fv_listing_rule(item, fv_json_str(chain, "name"));
		const char *verdict = rule ? fv_rule_final(rule) : NULL;

		if (verdict && strcmp(verdict, "accept") == 0)
			return false;
		if (verdict && (strcmp(verdict, "drop") == 0 || strcmp(verdict, "reject") == 0))
			return true;
		if (verdict)
			break;
	}
	return drop;
}

static const char *target_of(const json_t *statement)
{
	const json_t *jump = json_object_get(statement, "jump");

	return fv_json_str(jump ? jump : json_object_get(statement, "goto"), "target");
}

/* Searched backwards: few rules jump to the chains we ask for, many lead away from a hook. */
static bool reached_from(const struct fv_listing *listing, const char *to, const char *from,
			 int depth)
{
	json_t *item, *statement;
	size_t i, j;

	if (strcmp(from, to) == 0)
		return true;
	if (depth == JUMPS_MAX)
		return false;
	json_array_foreach (listing->items, i, item) {
		const json_t *rule = json_object_get(item, "rule");

		json_array_foreach (json_object_get(rule, "expr"), j, statement) {
			if (strcmp(target_of(statement), to) == 0 &&
			    reached_from(listing, fv_json_str(rule, "chain"), from, depth + 1))
				return true;
		}
	}
	return false;
}

bool fv_listing_leads(const struct fv_listing *listing, const char *from, const char *to)
{
	return reached_from(listing, to, from, 0);
}
