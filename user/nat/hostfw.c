// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looks at every nftables chain on the forward hook (iptables-nft's are among
 * them), and writes one transaction for those whose owner has a place for us.
 *
 * Rules are written in the form that iptables-nft itself would use, a comment
 * included: one rule of another form and iptables refuses the whole table.
 */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/foreign.h"
#include "nat/hostfw.h"
#include "nat/legacy.h"
#include "nat/nft.h"

#define PORTS "fv-*" /* every host-side device of ours */
#define WHAT "the host's firewall"

struct survey {
	const char *const *uplinks;
	size_t n_uplinks;
	FILE *script; /* nft commands that would set things right */
	FILE *hints;
};

/* What nft takes as a name without quotes. The kernel takes anything. */
static bool is_plain(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789_-.")] == '\0';
}

/*
 * A foreign table that libnftables cannot list (an odd name, an expression it does not know, gone
 * meanwhile) is no reason to fail: it is judged by its policy alone.
 */
static void list_table(const json_t *chain, struct fv_listing *ret)
{
	const char *table = fv_json_str(chain, "table");
	char command[512];

	if (!is_plain(table))
		return;
	snprintf(command, sizeof(command), "list table %s %s", fv_json_str(chain, "family"), table);
	fv_listing_load(WHAT, command, NULL, ret);
}

static bool is_ours(const json_t *rule)
{
	return fv_json_is(rule, "comment", FV_HOSTFW_COMMENT);
}

static json_int_t handle_of(const json_t *rule)
{
	return json_integer_value(json_object_get(rule, "handle"));
}

static void delete_rule(FILE *script, const json_t *rule)
{
	fprintf(script, "delete rule %s %s %s handle %" JSON_INTEGER_FORMAT "\n",
		fv_json_str(rule, "family"), fv_json_str(rule, "table"), fv_json_str(rule, "chain"),
		handle_of(rule));
}

/* Ways that must be open: the first is between ports, then from and to each uplink. */
static size_t n_ways(const struct survey *survey)
{
	return 1 + 2 * survey->n_uplinks;
}

static struct fv_way way_at(const struct survey *survey, size_t i)
{
	const char *uplink = i ? survey->uplinks[(i - 1) / 2] : PORTS;

	return i % 2 ? (struct fv_way){ PORTS, uplink } : (struct fv_way){ uplink, PORTS };
}

static bool covers(const struct fv_way *rule, const struct fv_way *way)
{
	return (!rule->from || strcmp(rule->from, way->from) == 0) &&
	       (!rule->to || strcmp(rule->to, way->to) == 0);
}

/* Notes which ways the rule opens; true where one of them was not open before. */
static bool mark_open(const struct survey *survey, const struct fv_way *way, bool *open)
{
	bool useful = false;

	for (size_t i = 0; i < n_ways(survey); i++) {
		const struct fv_way wanted = way_at(survey, i);

		if (!open[i] && covers(way, &wanted))
			useful = open[i] = true;
	}
	return useful;
}

/*
 * Where ours stand: behind everything of the administrator's, so that what was denied there stays
 * denied, but before a rule that ends the chain (Docker before 28 has a RETURN there).
 * @ret_first: items before this one are too early for a rule of ours
 * @ret_end: handle of the rule that ends the chain; 0: none
 */
static void find_place(const struct fv_listing *table, const char *chain, size_t *ret_first,
		       json_int_t *ret_end)
{
	json_int_t end = 0;
	size_t first = 0, i;
	json_t *item;

	json_array_foreach (table->items, i, item) {
		const json_t *rule = fv_listing_rule(item, chain);

		if (rule && !end && fv_rule_final(rule))
			end = handle_of(rule);
		if (rule && !end && !is_ours(rule))
			first = i;
	}
	*ret_first = first;
	*ret_end = end;
}

static int plan_chain(const struct survey *survey, const char *family,
		      const struct fv_listing *table, const char *chain, struct fv_err *err)
{
	size_t n = n_ways(survey), first, i;
	FV_AUTO_FREE bool *open = calloc(n, sizeof(*open));
	bool ended = false;
	json_int_t end;
	json_t *item;

	if (!open)
		return fv_err_oom(err);
	find_place(table, chain, &first, &end);
	json_array_foreach (table->items, i, item) {
		const json_t *rule = fv_listing_rule(item, chain);
		bool useful = false;
		struct fv_way way;

		if (!rule)
			continue;
		ended |= handle_of(rule) == end;
		if (!ended && (!is_ours(rule) || i > first) && fv_rule_accepts(rule, &way))
			useful = mark_open(survey, &way, open);
		if (is_ours(rule) && !useful)
			delete_rule(survey->script, rule);
	}
	for (i = 0; i < n; i++) {
		const struct fv_way way = way_at(survey, i);

		if (open[i])
			continue;
		fprintf(survey->script, "%s rule %s filter %s ", end ? "insert" : "add", family,
			chain);
		if (end)
			fprintf(survey->script, "handle %" JSON_INTEGER_FORMAT " ", end);
		fprintf(survey->script,
			"iifname \"%s\" oifname \"%s\" counter accept comment \"%s\"\n", way.from,
			way.to, FV_HOSTFW_COMMENT);
	}
	return 0;
}

/* The chain that iptables' FORWARD is: the only one in which others keep a place for us. */
static bool is_iptables(const json_t *chain)
{
	return !fv_json_is(chain, "family", "inet") && fv_json_is(chain, "table", "filter") &&
	       fv_json_is(chain, "name", "FORWARD");
}

static void hint_at(FILE *hints, const json_t *chain)
{
	const char *family = fv_json_str(chain, "family"), *table = fv_json_str(chain, "table");
	const char *iptables = strcmp(family, "ip6") == 0 ? "ip6tables" : "iptables";
	const char *name = fv_json_str(chain, "name");

	fprintf(hints,
		"table %s %s, chain %s drops forwarded packets; to let own networks through, ",
		family, table, name);
	if (strcmp(family, "inet") == 0 && strcmp(table, "firewalld") == 0)
		fputs("run: firewall-cmd --zone=trusted --add-interface=fv-+ && "
		      "firewall-cmd --permanent --zone=trusted --add-interface=fv-+\n",
		      hints);
	else if (is_iptables(chain))
		fprintf(hints,
			"run: %s -I FORWARD -i fv-+ -j ACCEPT && %s -I FORWARD -o fv-+ -j ACCEPT\n",
			iptables, iptables);
	else if (is_plain(table) && is_plain(name))
		fprintf(hints,
			"run: nft 'insert rule %s %s %s iifname \"" PORTS "\" accept; "
			"insert rule %s %s %s oifname \"" PORTS "\" accept'\n",
			family, table, name, family, table, name);
	else
		fputs("accept iifname and oifname \"" PORTS "\" there\n", hints);
}

/*
 * ufw before Docker: where both are, FORWARD comes to DOCKER-USER first, and an accept there
 * would pass over what the administrator told ufw to deny.
 */
static const char *place_for_us(const json_t *chain, const struct fv_listing *table)
{
	bool ip6 = fv_json_is(chain, "family", "ip6");
	const char *places[] = { ip6 ? "ufw6-user-forward" : "ufw-user-forward", "DOCKER-USER" };

	for (size_t i = 0; i < FV_ARRAY_SIZE(places); i++)
		if (fv_listing_leads(table, "FORWARD", places[i]))
			return places[i];
	return NULL;
}

/* Ours in any chain but one: left from when the firewall was another. */
static void delete_ours(FILE *script, const struct fv_listing *table, const char *but)
{
	json_t *item;
	size_t i;

	json_array_foreach (table->items, i, item) {
		const json_t *rule = json_object_get(item, "rule");

		if (rule && is_ours(rule) && (!but || !fv_json_is(rule, "chain", but)))
			delete_rule(script, rule);
	}
}

static bool filters_forwarding(const json_t *chain)
{
	static const char *const ip_families[] = { "ip", "ip6", "inet" };

	for (size_t i = 0; i < FV_ARRAY_SIZE(ip_families); i++)
		if (fv_json_is(chain, "family", ip_families[i]))
			return fv_json_is(chain, "hook", "forward") &&
			       fv_json_is(chain, "type", "filter") &&
			       !fv_json_is(chain, "table", "fastveth");
	return false;
}

static int look_at(const struct survey *survey, const json_t *chain, struct fv_err *err)
{
	FV_CLEANUP(fv_listing_fini) struct fv_listing table = {};
	const char *place = NULL;
	bool drops;

	if (!filters_forwarding(chain))
		return 0;
	list_table(chain, &table);
	drops = fv_listing_closed(&table, chain);
	if (is_iptables(chain)) {
		place = drops ? place_for_us(chain, &table) : NULL;
		delete_ours(survey->script, &table, place);
	}
	if (place)
		return plan_chain(survey, fv_json_str(chain, "family"), &table, place, err);
	if (drops && (!table.text || !strstr(table.text, "\"" PORTS "\"")))
		hint_at(survey->hints, chain);
	return 0;
}

static int check_uplinks(const struct survey *survey, struct fv_err *err)
{
	for (size_t i = 0; i < survey->n_uplinks; i++)
		if (strpbrk(survey->uplinks[i], "\"\\*\n"))
			return fv_err_set(err, -EINVAL,
					  "uplink %s: its name cannot be written into a firewall "
					  "rule; rename it",
					  survey->uplinks[i]);
	return 0;
}

static int run_survey(struct survey *survey, struct fv_err *err, char **ret_script, char **ret_hint)
{
	FV_AUTO_FREE char *script = NULL, *hints = NULL;
	FV_AUTO_FILE FILE *script_file = NULL, *hints_file = NULL;
	FV_CLEANUP(fv_listing_fini) struct fv_listing chains = {};
	size_t script_size, hints_size, i;
	json_t *item;
	int r;

	r = check_uplinks(survey, err);
	if (r < 0)
		return r;
	r = fv_listing_load(WHAT, "list chains", err, &chains);
	if (r < 0)
		return r;
	script_file = open_memstream(&script, &script_size);
	hints_file = open_memstream(&hints, &hints_size);
	if (!script_file || !hints_file)
		return fv_err_oom(err);
	survey->script = script_file;
	survey->hints = hints_file;
	json_array_foreach (chains.items, i, item) {
		r = look_at(survey, json_object_get(item, "chain"), err);
		if (r < 0)
			return r;
	}
	fv_legacy_hint(hints_file);
	if (fclose(FV_TAKE_PTR(script_file)) != 0 || fclose(FV_TAKE_PTR(hints_file)) != 0)
		return fv_err_oom(err);
	if (hints_size)
		hints[hints_size - 1] = '\0';
	*ret_hint = hints_size ? FV_TAKE_PTR(hints) : NULL;
	*ret_script = FV_TAKE_PTR(script);
	return 0;
}

int fv_hostfw_check(const char *const *uplinks, size_t n_uplinks, struct fv_err *err,
		    bool *ret_would_change, char **ret_hint)
{
	struct survey survey = { .uplinks = uplinks, .n_uplinks = n_uplinks };
	FV_AUTO_FREE char *script = NULL;
	int r;

	r = run_survey(&survey, err, &script, ret_hint);
	if (r < 0)
		return r;
	*ret_would_change = script[0] != '\0';
	return 0;
}

int fv_hostfw_apply(const char *const *uplinks, size_t n_uplinks, struct fv_err *err,
		    bool *ret_changed, char **ret_hint)
{
	struct survey survey = { .uplinks = uplinks, .n_uplinks = n_uplinks };
	FV_AUTO_FREE char *script = NULL, *hint = NULL;
	int r;

	r = run_survey(&survey, err, &script, &hint);
	if (r < 0)
		return r;
	if (script[0]) {
		r = fv_nft_run(WHAT, script, FV_NFT_TEXT, err, NULL);
		if (r < 0)
			return r;
	}
	*ret_changed = script[0] != '\0';
	*ret_hint = FV_TAKE_PTR(hint);
	return 0;
}

int fv_hostfw_remove(struct fv_err *err)
{
	static const char *const tables[] = { "list table ip filter", "list table ip6 filter" };
	FV_AUTO_FREE char *script = NULL;
	FV_AUTO_FILE FILE *f = NULL;
	size_t size;
	int r;

	f = open_memstream(&script, &size);
	if (!f)
		return fv_err_oom(err);
	for (size_t i = 0; i < FV_ARRAY_SIZE(tables); i++) {
		FV_CLEANUP(fv_listing_fini) struct fv_listing table = {};
		struct fv_err cause = {};

		r = fv_listing_load(WHAT, tables[i], &cause, &table);
		if (r < 0 && r != -ENOENT)
			return fv_err_set(err, r, "%s", cause.msg);
		delete_ours(f, &table, NULL);
	}
	if (fclose(FV_TAKE_PTR(f)) != 0)
		return fv_err_oom(err);
	return script[0] ? fv_nft_run(WHAT, script, FV_NFT_TEXT, err, NULL) : 0;
}
