// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks from the hooks that forwarded packets pass through every chain they can come to, by jumps
 * and by maps of verdicts, and looks at what the rules there depend on.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/foreign.h"
#include "nat/gate.h"
#include "nat/nft.h"

#define KEY_SIZE 640 /* family, table and chain or set: two names of up to 255 bytes */

/* Which packets come to a chain: the first one of each connection, or every one. */
enum reach { REACH_NONE, REACH_FIRST, REACH_EVERY };

struct walk {
	struct fv_err *err;
	struct fv_gate_list *add;
	struct fv_gate_unclear unclear;
	json_t *rules;	/* by chain: array of rules */
	json_t *sets;	/* by set or map: what it is */
	json_t *reach;	/* by chain: enum reach */
	json_t *queue;	/* chains to look at, as objects that have their names */
	json_t *walked; /* sets in this chain */
	const char *family, *table, *chain;
	enum reach now;
	size_t hits; /* jumps and reasons found */
	int r;	     /* first failure */
};

static const char *const iptables_tables[] = { "filter", "mangle", "raw", "security" };

static void oom(struct walk *w)
{
	if (!w->r)
		w->r = fv_err_oom(w->err);
}

static const char *key_of(const char *family, const char *table, const char *name,
			  char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%s %s %s", family, table, name);
	return key;
}

/* Packets come to a chain: look at it, unless that was done. */
static void reach(struct walk *w, const char *family, const char *table, const char *chain,
		  enum reach by)
{
	char key[KEY_SIZE];

	w->hits++;
	key_of(family, table, chain, key);
	if (json_integer_value(json_object_get(w->reach, key)) >= by)
		return;
	if (json_object_set_new(w->reach, key, json_integer(by)) ||
	    json_array_append_new(w->queue, json_pack("{s:s, s:s, s:s, s:i}", "family", family,
						      "table", table, "chain", chain, "reach", by)))
		oom(w);
}

static void note(struct walk *w, enum fv_gate why, const char *what)
{
	w->hits++;
	if (w->now == REACH_FIRST && why != FV_GATE_HELPER)
		return;
	if (!w->r)
		w->r = fv_gate_add(w->add, w->err, why, "table %s %s, chain %s: %s", w->family,
				   w->table, w->chain, what);
}

/* ---- what a rule depends on ---- */

/* Bits of a packet by position: those of the addresses and ports are the flow's, others vary. */
static void note_raw(struct walk *w, const json_t *payload)
{
	json_int_t at = json_integer_value(json_object_get(payload, "offset"));
	json_int_t end = at + json_integer_value(json_object_get(payload, "len"));
	const char *base = fv_json_str(payload, "base");
	json_int_t header = strcmp(w->family, "ip6") == 0 ? 320 : 160;
	char what[64];

	snprintf(what, sizeof(what), "@%s,%d,%d", base, (int)at, (int)(end - at));
	if (strcmp(base, "ll") == 0 && end <= 14 * 8)
		return;
	if (strcmp(base, "th") == 0 && end <= 4 * 8)
		return;
	if (strcmp(base, "nh") == 0 && end <= header) {
		/* Length and number of the packet, wherever IPv4 and IPv6 have them. */
		if (at < 48 && end > 16)
			note(w, FV_GATE_LENGTH, what);
		return;
	}
	note(w, FV_GATE_PAYLOAD, what);
}

static void note_field(struct walk *w, const char *of, const char *field)
{
	static const struct {
		const char *of, *field;
		enum fv_gate why;
	} fields[] = {
		{ "meta", "length", FV_GATE_LENGTH },	{ "meta", "random", FV_GATE_STATISTIC },
		{ "ct", "helper", FV_GATE_HELPER },	{ "ct", "packets", FV_GATE_CONNBYTES },
		{ "ct", "bytes", FV_GATE_CONNBYTES },	{ "ct", "avgpkt", FV_GATE_CONNBYTES },
		{ "ip", "length", FV_GATE_LENGTH },	{ "ip6", "length", FV_GATE_LENGTH },
		{ "udp", "length", FV_GATE_LENGTH },	{ "ip", "id", FV_GATE_PAYLOAD },
		{ "tcp", "sequence", FV_GATE_PAYLOAD }, { "tcp", "ackseq", FV_GATE_PAYLOAD },
		{ "tcp", "window", FV_GATE_PAYLOAD },
	};
	char what[64];

	for (size_t i = 0; i < FV_ARRAY_SIZE(fields); i++)
		if (strcmp(of, fields[i].of) == 0 && strcmp(field, fields[i].field) == 0) {
			snprintf(what, sizeof(what), "%s %s", of, field);
			note(w, fields[i].why, what);
		}
}

static void note_unclear(struct walk *w, const json_t *xt)
{
	bool ct = fv_json_is(xt, "name", "CT");
	uint8_t *mask = ct ? &w->unclear.ct : &w->unclear.unnamed;
	bool ip6 = strcmp(w->family, "ip6") == 0;

	if (w->now == REACH_FIRST)
		return;
	for (size_t i = 0; i < FV_ARRAY_SIZE(iptables_tables); i++)
		if ((ip6 || strcmp(w->family, "ip") == 0) &&
		    strcmp(w->table, iptables_tables[i]) == 0) {
			*mask |= (uint8_t)(1U << (ip6 * 4 + i));
			return;
		}
	note(w, ct ? FV_GATE_HELPER : FV_GATE_PAYLOAD, ct ? "CT" : "an extension without a name");
}

static void note_xt(struct walk *w, const json_t *xt)
{
	bool target = fv_json_is(xt, "type", "target");
	const char *name = fv_json_str(xt, "name");
	enum fv_gate why;

	if (!*name || (target && strcmp(name, "CT") == 0))
		note_unclear(w, xt);
	else if (fv_gate_xt(name, target, &why))
		note(w, why, name);
}

static void note_member(struct walk *w, const char *key, const json_t *value)
{
	static const struct {
		const char *key;
		enum fv_gate why;
	} statements[] = {
		{ "limit", FV_GATE_LIMIT },	 { "quota", FV_GATE_QUOTA },
		{ "queue", FV_GATE_QUEUE },	 { "numgen", FV_GATE_STATISTIC },
		{ "ct helper", FV_GATE_HELPER },
	};

	for (size_t i = 0; i < FV_ARRAY_SIZE(statements); i++)
		if (strcmp(key, statements[i].key) == 0)
			note(w, statements[i].why, key);
	if (strcmp(key, "jump") == 0 || strcmp(key, "goto") == 0)
		reach(w, w->family, w->table, fv_json_str(value, "target"), w->now);
	else if (strcmp(key, "xt") == 0)
		note_xt(w, value);
	else if (strcmp(key, "meta") == 0 || strcmp(key, "ct") == 0)
		note_field(w, key, fv_json_str(value, "key"));
	else if (strcmp(key, "payload") == 0 && json_object_get(value, "base"))
		note_raw(w, value);
	else if (strcmp(key, "payload") == 0 && json_object_get(value, "tunnel"))
		note(w, FV_GATE_PAYLOAD, "inside a tunnel");
	else if (strcmp(key, "payload") == 0)
		note_field(w, fv_json_str(value, "protocol"), fv_json_str(value, "field"));
}

static void look_at(struct walk *w, json_t *value);

/*
 * A set or map that a rule names: its elements may jump, and have limits of their own. Once from
 * each chain, and never again where there is nothing of that: sets are large.
 */
static void look_at_set(struct walk *w, const char *name)
{
	size_t before = w->hits;
	char key[KEY_SIZE];
	json_t *set;

	set = json_object_get(w->sets, key_of(w->family, w->table, name, key));
	if (!set || json_object_get(w->walked, key))
		return;
	if (json_object_set_new(w->walked, key, json_true()))
		oom(w);
	look_at(w, set);
	if (w->hits == before)
		json_object_del(w->sets, key);
}

/* Everything below a value, whatever the statement that it belongs to. */
static void look_at(struct walk *w, json_t *value)
{
	const char *s = json_string_value(value), *key;
	json_t *part;
	size_t i;

	if (s && s[0] == '@')
		look_at_set(w, s + 1);
	json_array_foreach (value, i, part)
		look_at(w, part);
	json_object_foreach (value, key, part) {
		note_member(w, key, part);
		look_at(w, part);
	}
}

/* ---- rules and chains ---- */

/* false for a rule that leaves packets and everything that judges them as they are. */
static bool acts(const json_t *rule)
{
	static const char *const idle[] = { "match", "counter", "log",	   "last",
					    "limit", "quota",	"continue" };
	json_t *statement;
	size_t i, k;

	json_array_foreach (json_object_get(rule, "expr"), i, statement) {
		const json_t *xt = json_object_get(statement, "xt");

		for (k = 0; k < FV_ARRAY_SIZE(idle); k++)
			if (json_object_get(statement, idle[k]))
				break;
		if (k < FV_ARRAY_SIZE(idle) || fv_json_is(xt, "type", "match") ||
		    fv_json_is(xt, "name", "LOG") || fv_json_is(xt, "name", "NFLOG"))
			continue;
		return true;
	}
	return false;
}

static void look_at_chain(struct walk *w, const json_t *entry)
{
	char key[KEY_SIZE];
	json_t *rule;
	size_t i;

	w->family = fv_json_str(entry, "family");
	w->table = fv_json_str(entry, "table");
	w->chain = fv_json_str(entry, "chain");
	w->now = (enum reach)json_integer_value(json_object_get(entry, "reach"));
	key_of(w->family, w->table, w->chain, key);
	/* Reached by every packet meanwhile: it is in the queue once more. */
	if (json_integer_value(json_object_get(w->reach, key)) != w->now)
		return;
	json_object_clear(w->walked);
	json_array_foreach (json_object_get(w->rules, key), i, rule)
		if (acts(rule))
			look_at(w, json_object_get(rule, "expr"));
}

/*
 * A forwarded packet is local to the bridge that it comes in by, or leaves by: there all hooks
 * count.
 */
static bool is_passed(const json_t *chain)
{
	static const char *const hooks[] = { "prerouting", "forward", "postrouting", "ingress",
					     "egress" };

	if (!json_object_get(chain, "hook") || fv_json_is(chain, "family", "arp"))
		return false;
	if (fv_json_is(chain, "family", "bridge"))
		return true;
	for (size_t i = 0; i < FV_ARRAY_SIZE(hooks); i++)
		if (fv_json_is(chain, "hook", hooks[i]))
			return true;
	return false;
}

static bool is_ours(const json_t *object)
{
	return fv_json_is(object, "family", "inet") && fv_json_is(object, "table", "fastveth");
}

static void index_item(struct walk *w, const json_t *item)
{
	json_t *rule = json_object_get(item, "rule"), *chain = json_object_get(item, "chain");
	json_t *set = json_object_get(item, "set") ?: json_object_get(item, "map");
	json_t *object = rule ?: chain ?: set, *rules;
	char key[KEY_SIZE];

	if (!object || is_ours(object))
		return;
	key_of(fv_json_str(object, "family"), fv_json_str(object, "table"),
	       fv_json_str(object, rule ? "chain" : "name"), key);
	if (set && json_object_set(w->sets, key, set))
		oom(w);
	if (rule && !json_object_get(w->rules, key) &&
	    json_object_set_new(w->rules, key, json_array()))
		oom(w);
	rules = json_object_get(w->rules, key);
	if (rule && json_array_append(rules, rule))
		oom(w);
	if (chain && is_passed(chain))
		reach(w, fv_json_str(chain, "family"), fv_json_str(chain, "table"),
		      fv_json_str(chain, "name"),
		      fv_json_is(chain, "type", "nat") ? REACH_FIRST : REACH_EVERY);
}

static int judge(const json_t *items, struct fv_err *err, struct fv_gate_list *add,
		 struct fv_gate_unclear *ret_unclear)
{
	json_auto_t *rules = json_object(), *sets = json_object(), *reached = json_object();
	json_auto_t *walked = json_object(), *queue = json_array();
	struct walk w = {
		.err = err,
		.add = add,
		.rules = rules,
		.sets = sets,
		.reach = reached,
		.queue = queue,
		.walked = walked,
	};
	json_t *item;
	size_t i;

	if (!rules || !sets || !reached || !walked || !queue)
		return fv_err_oom(err);
	json_array_foreach (items, i, item)
		index_item(&w, item);
	/* It grows meanwhile. */
	for (i = 0; !w.r && i < json_array_size(queue); i++)
		look_at_chain(&w, json_array_get(queue, i));
	*ret_unclear = w.unclear;
	return w.r;
}

int fv_gate_judge_json(const char *json, struct fv_err *err, struct fv_gate_list *add,
		       struct fv_gate_unclear *ret_unclear)
{
	json_auto_t *root = json_loads(json, 0, NULL);
	const json_t *items = json_object_get(root, "nftables");

	if (!items)
		return fv_err_set(err, -EPROTO, "nftables: a ruleset that is no JSON");
	return judge(items, err, add, ret_unclear);
}

/* iptables-nft knows its own extensions. It only reads here: the table is there. */
static int clear_up(const struct fv_gate_unclear *unclear, struct fv_err *err,
		    struct fv_gate_list *add)
{
	int r = 0;

	for (unsigned int bit = 0; !r && bit < 8; bit++) {
		const char *program = bit < 4 ? "iptables-nft" : "ip6tables-nft";
		const char *table = iptables_tables[bit % 4];
		bool unnamed = unclear->unnamed & 1U << bit, ct = unclear->ct & 1U << bit;
		char where[64];
		bool read;

		if (!unnamed && !ct)
			continue;
		snprintf(where, sizeof(where), "table %s %s", bit < 4 ? "ip" : "ip6", table);
		r = fv_gate_ask(program, table, where, err, add, &read);
		if (!r && !read && unnamed)
			r = fv_gate_add(add, err, FV_GATE_PAYLOAD,
					"%s: extensions without a name, and %s cannot read it",
					where, program);
		if (!r && !read && ct)
			r = fv_gate_add(add, err, FV_GATE_HELPER,
					"%s: CT, and %s cannot read what it sets", where, program);
	}
	return r;
}

int fv_gate_rules(struct fv_err *err, struct fv_gate_list *add)
{
	FV_CLEANUP(fv_listing_fini) struct fv_listing listing = {};
	struct fv_gate_unclear unclear = {};
	struct fv_err cause = {};
	int r;

	r = fv_listing_load("the host's rules", "list ruleset", &cause, &listing);
	if (r && r != -EOPNOTSUPP)
		return fv_err_set(err, r, "%s", cause.msg);
	if (!r)
		r = judge(listing.items, err, add, &unclear);
	else
		r = 0;
	r = r ?: clear_up(&unclear, err, add);
	return r ?: fv_gate_legacy(err, add);
}
