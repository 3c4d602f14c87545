// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules as iptables prints them ("-A FORWARD -m limit ... -j DROP"), and the tables that only
 * iptables-legacy and ebtables-legacy know.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/gate.h"

#define WORD_SIZE 64 /* names are shorter; what is cut off is none */
#define FOUND_MAX 16 /* extensions of one rule that matter */

static const struct extension {
	const char *name;
	bool target;
	enum fv_gate why;
} extensions[] = {
	{ "limit", false, FV_GATE_LIMIT },	   { "rateest", false, FV_GATE_LIMIT },
	{ "hashlimit", false, FV_GATE_HASHLIMIT }, { "quota", false, FV_GATE_QUOTA },
	{ "statistic", false, FV_GATE_STATISTIC }, { "helper", false, FV_GATE_HELPER },
	{ "string", false, FV_GATE_PAYLOAD },	   { "u32", false, FV_GATE_PAYLOAD },
	{ "bpf", false, FV_GATE_PAYLOAD },	   { "length", false, FV_GATE_LENGTH },
	{ "recent", false, FV_GATE_RECENT },	   { "connbytes", false, FV_GATE_CONNBYTES },
	{ "NFQUEUE", true, FV_GATE_QUEUE },	   { "QUEUE", true, FV_GATE_QUEUE },
	{ "RATEEST", true, FV_GATE_LIMIT },
};
static const struct extension ct_helper = { "CT --helper", true, FV_GATE_HELPER };

static const struct extension *find(const char *name, bool target)
{
	for (size_t i = 0; i < FV_ARRAY_SIZE(extensions); i++)
		if (extensions[i].target == target && strcmp(extensions[i].name, name) == 0)
			return &extensions[i];
	return NULL;
}

bool fv_gate_xt(const char *name, bool target, enum fv_gate *ret_why)
{
	const struct extension *e = find(name, target);

	if (e)
		*ret_why = e->why;
	return e;
}

/* ---- lines of rules ---- */

struct line {
	char chain[WORD_SIZE];	/* "" where it adds no rule */
	char target[WORD_SIZE]; /* of -j and -g; "" for none */
	const struct extension *found[FOUND_MAX];
	size_t n;
};

/* The next word of the line; false at its end. Quotes may hold spaces, and line ends. */
static bool next_word(const char **at, char word[WORD_SIZE])
{
	const char *p = *at + strspn(*at, " \t");
	bool quoted = false, any = false;
	size_t n = 0;

	for (; *p && (quoted || !strchr(" \t\n", *p)); p++) {
		any = true;
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		if (n < WORD_SIZE - 1)
			word[n++] = *p;
	}
	word[n] = '\0';
	*at = p;
	return any;
}

static void find_in(struct line *line, const struct extension *e)
{
	if (e && line->n < FOUND_MAX)
		line->found[line->n++] = e;
}

/* Reads one line, and its end. */
static void read_line(const char **at, struct line *ret)
{
	char option[WORD_SIZE], word[WORD_SIZE];

	*ret = (struct line){};
	while (next_word(at, option)) {
		if (strcmp(option, "--helper") == 0 && strcmp(ret->target, "CT") == 0)
			find_in(ret, &ct_helper);
		if (strcmp(option, "-A") == 0 && next_word(at, word))
			memcpy(ret->chain, word, sizeof(word));
		if (strcmp(option, "-m") == 0 && next_word(at, word))
			find_in(ret, find(word, false));
		if ((strcmp(option, "-j") == 0 || strcmp(option, "-g") == 0) &&
		    next_word(at, word)) {
			memcpy(ret->target, word, sizeof(word));
			find_in(ret, find(word, true));
		}
	}
	if (**at)
		++*at;
}

static bool acts(const struct line *line)
{
	return *line->target && strcmp(line->target, "LOG") != 0 &&
	       strcmp(line->target, "NFLOG") != 0;
}

/*
 * Chains that forwarded packets come to, as members of reached. Rules are gone through until
 * there is nothing new: chains are rarely more than a few jumps away.
 */
static int find_chains(const char *rules, json_t *reached)
{
	size_t before;

	if (json_object_set_new(reached, "FORWARD", json_true()) ||
	    json_object_set_new(reached, "PREROUTING", json_true()) ||
	    json_object_set_new(reached, "POSTROUTING", json_true()))
		return -ENOMEM;
	do {
		before = json_object_size(reached);
		for (const char *at = rules; *at;) {
			struct line line;

			read_line(&at, &line);
			if (*line.target && json_object_get(reached, line.chain) &&
			    !json_object_get(reached, line.target) &&
			    json_object_set_new(reached, line.target, json_true()))
				return -ENOMEM;
		}
	} while (json_object_size(reached) > before);
	return 0;
}

int fv_gate_judge_text(const char *rules, const char *table, const char *where, struct fv_err *err,
		       struct fv_gate_list *add)
{
	json_auto_t *reached = json_object();
	int r = 0;

	/* Of each connection only the first packet comes there, and helpers are set in raw. */
	if (strcmp(table, "nat") == 0)
		return 0;
	if (!reached || find_chains(rules, reached))
		return fv_err_oom(err);
	for (const char *at = rules; !r && *at;) {
		struct line line;

		read_line(&at, &line);
		if (!acts(&line) || !json_object_get(reached, line.chain))
			continue;
		for (size_t i = 0; !r && i < line.n; i++)
			r = fv_gate_add(add, err, line.found[i]->why, "%s, chain %s: %s", where,
					line.chain, line.found[i]->name);
	}
	return r;
}

/* ---- asking ---- */

int fv_gate_ask(const char *program, const char *table, const char *where, struct fv_err *err,
		struct fv_gate_list *add, bool *ret_read)
{
	FV_AUTO_FREE char *rules = NULL;
	size_t size = 0;
	char command[96];
	ssize_t n;
	FILE *f;

	*ret_read = false;
	snprintf(command, sizeof(command), "%s -w 2 -t %s -S 2>/dev/null", program, table);
	f = popen(command, "re");
	if (!f)
		return 0;
	n = getdelim(&rules, &size, '\0', f);
	if (pclose(f) != 0 || n < 0)
		return 0;
	*ret_read = true;
	return fv_gate_judge_text(rules, table, where, err, add);
}

/*
 * Only what the kernel says is in use: the program would create a table by looking. A table that
 * cannot be read may hold anything.
 */
static int ask_legacy(const char *names, const char *program, struct fv_err *err,
		      struct fv_gate_list *add)
{
	static const char *const tables[] = { "filter", "mangle", "raw", "security" };
	FV_AUTO_FILE FILE *f = fopen(names, "re");
	char line[64], where[96];
	int r = 0;

	while (!r && f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; !r && i < FV_ARRAY_SIZE(tables); i++) {
			bool read;

			if (strcmp(line, tables[i]) != 0)
				continue;
			snprintf(where, sizeof(where), "%s table %s", program, tables[i]);
			r = fv_gate_ask(program, tables[i], where, err, add, &read);
			if (!r && !read)
				r = fv_gate_add(add, err, FV_GATE_PAYLOAD,
						"%s: in use, but the program cannot read it",
						where);
		}
	}
	return r;
}

/*
 * ebtables-legacy: the kernel tells no one which tables are in use, and creates one that is asked
 * for. But each rule with a limit holds its module, in whichever namespace it is. Where that is
 * built in there is no telling, nor from the module of its string match, which iptables has, too.
 */
static int ask_ebtables(struct fv_err *err, struct fv_gate_list *add)
{
	FV_AUTO_FILE FILE *f = fopen("/sys/module/ebt_limit/refcnt", "re");
	int n = 0;

	if (!f || fscanf(f, "%d", &n) != 1 || n <= 0)
		return 0;
	return fv_gate_add(add, err, FV_GATE_LIMIT, "ebtables: limit");
}

/* Before Linux 6.0 conntrack may be told to choose helpers by port, without any rule. */
static int ask_helpers(struct fv_err *err, struct fv_gate_list *add)
{
	FV_AUTO_FILE FILE *f = fopen("/proc/sys/net/netfilter/nf_conntrack_helper", "re");

	if (!f || fgetc(f) != '1')
		return 0;
	return fv_gate_add(add, err, FV_GATE_HELPER, "net.netfilter.nf_conntrack_helper=1");
}

int fv_gate_legacy(struct fv_err *err, struct fv_gate_list *add)
{
	int r;

	r = ask_helpers(err, add);
	r = r ?: ask_legacy("/proc/thread-self/net/ip_tables_names", "iptables-legacy", err, add);
	r = r ?: ask_legacy("/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy", err, add);
	return r ?: ask_ebtables(err, add);
}
