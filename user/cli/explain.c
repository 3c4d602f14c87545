// SPDX-License-Identifier: GPL-2.0-only
/* explain. JSON keys are documented in the man page: they only grow. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "fastveth/explain.h"

static const struct {
	const char *name, *color;
} ways[] = {
	[FV_WAY_SHORTCUT] = { "shortcut", "green" },
	[FV_WAY_SLOW] = { "slow", "yellow" },
	[FV_WAY_DROPPED] = { "dropped", "red" },
	[FV_WAY_NONE] = { "none", "red" },
};

/* ---- options ---- */

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		return NULL;
	}
}

static int set_proto(const char *arg, uint8_t *ret)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

	for (size_t i = 0; i < FV_ARRAY_SIZE(protos); i++) {
		if (strcmp(arg, proto_name(protos[i])))
			continue;
		*ret = protos[i];
		return 0;
	}
	return cli_usage("explain", "--proto %s: must be tcp, udp or icmp", arg);
}

static int set_port(const char *option, const char *arg, uint16_t *ret)
{
	size_t len = strlen(arg);
	unsigned long n = 0;

	if (len && len <= 5 && strspn(arg, "0123456789") == len)
		n = strtoul(arg, NULL, 10);
	if (!n || n > UINT16_MAX)
		return cli_usage("explain", "%s %s: must be a port, 1 to 65535", option, arg);
	*ret = n;
	return 0;
}

static int set_question(int val, const char *arg, void *data)
{
	struct fv_question *q = data;

	switch (val) {
	case 'P':
		return set_proto(arg, &q->proto);
	case 'p':
		return set_port("--port", arg, &q->port);
	case 's':
		return set_port("--sport", arg, &q->sport);
	}
	return 0;
}

static bool is_world(const char *word)
{
	return !strncmp(word, FV_WORLD, strlen(FV_WORLD));
}

/* A word that begins with world: must go on with an address. */
static int check_world(const char *word)
{
	const char *address = word + strlen(FV_WORLD);
	struct fv_prefix prefix;
	struct fv_ip ip;

	if (!is_world(word) || !fv_ip_parse(address, &ip))
		return 0;
	if (!fv_prefix_parse(address, &prefix))
		return cli_usage("explain", "%s: must be one address, not a network", word);
	return cli_usage("explain", "%s: must be " FV_WORLD " and an IPv4 or IPv6 address", word);
}

/* ---- JSON ---- */

/* A tick is a millisecond at the least. */
static json_t *seconds(double s)
{
	return json_real((double)(uint64_t)(s * 1000 + 0.5) / 1000);
}

static json_t *string_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static json_t *ip_json(const struct fv_ip *ip)
{
	char buf[FV_IP_STRLEN];

	return string_or_null(fv_ip_str(ip, buf));
}

static json_t *port_or_null(uint16_t port)
{
	return port ? json_integer(port) : json_null();
}

static json_t *nat_json(const struct fv_explain_flow *f)
{
	if (!f->nat)
		return json_null();
	return json_pack("{s:o, s:o, s:i, s:i}", "from", ip_json(&f->nat_from), "to",
			 ip_json(&f->nat_to), "sport", (int)f->nat_sport, "dport",
			 (int)f->nat_dport);
}

static json_t *flows_json(const struct fv_explain *e)
{
	json_t *flows = json_array();

	for (size_t i = 0; i < e->n_flows; i++) {
		const struct fv_explain_flow *f = &e->flows[i];

		json_array_append_new(
			flows,
			json_pack(
				"{s:s, s:s, s:o, s:o, s:s, s:i, s:i, s:o, s:o, s:I, s:o, s:o, s:o}",
				"way", ways[f->way].name, "reason", f->why, "from",
				ip_json(&f->from), "to", ip_json(&f->to), "proto",
				proto_name(f->proto) ?: "?", "sport", (int)f->sport, "dport",
				(int)f->dport, "since", seconds(f->since), "last_proof",
				seconds(f->last_proof), "length", (json_int_t)f->length, "port_to",
				string_or_null(f->port), "nat", nat_json(f), "uplink",
				string_or_null(f->uplink)));
	}
	return flows;
}

static json_t *explain_json(const struct fv_question *q, const struct fv_explain *e)
{
	json_t *j =
		json_pack("{s:s, s:s, s:o, s:o, s:s?, s:s?}", "way", ways[e->way].name, "reason",
			  e->reason, "since", e->proven ? seconds(e->since) : json_null(),
			  "last_proof", e->proven ? seconds(e->last_proof) : json_null(), "from",
			  e->from.name, "to", e->to.name);

	json_object_set_new(j, "address_from", ip_json(&e->from.ip));
	json_object_set_new(j, "address_to", ip_json(&e->to.ip));
	json_object_set_new(j, "port_from", string_or_null(e->from.port));
	json_object_set_new(j, "port_to", string_or_null(e->to.port));
	json_object_set_new(j, "network_from", string_or_null(e->from.network));
	json_object_set_new(j, "network_to", string_or_null(e->to.network));
	json_object_set_new(j, "hook", string_or_null(e->from.hook));
	json_object_set_new(j, "proto", string_or_null(proto_name(q->proto)));
	json_object_set_new(j, "port", port_or_null(q->port));
	json_object_set_new(j, "sport", port_or_null(q->sport));
	json_object_set_new(j, "nat", e->proven ? nat_json(&e->flows[0]) : json_null());
	json_object_set_new(j, "uplink", string_or_null(e->uplink));
	json_object_set_new(j, "flows", flows_json(e));
	return j;
}

/* ---- text ---- */

static void print_end(const struct fv_explain_end *end)
{
	char buf[FV_IP_STRLEN];

	fv_ip_str(&end->ip, buf);
	if (end->name && *buf)
		printf("%s (%s)", end->name, buf);
	else
		printf("%s", end->name ?: buf);
}

static void print_question(const struct fv_question *q, const struct fv_explain *e)
{
	print_end(&e->from);
	printf(" -> ");
	print_end(&e->to);
	if (q->proto || q->port || q->sport)
		printf(",");
	if (q->proto)
		printf(" %s", proto_name(q->proto));
	if (q->port)
		printf(" port %u", q->port);
	if (q->sport)
		printf(" from port %u", q->sport);
	printf(": ");
}

/* What a word alone does not say. */
static const char *more_on(const char *reason)
{
	static const struct {
		const char *reason, *more;
	} rows[] = {
		{ "isolation", "the two are in different networks" },
		{ "outside", "no endpoint has that address; the host, the outside, or nobody" },
		{ "target", "the device that the host delivered it to is gone" },
		{ "window", "TCP stays slow, conntrack's windows are strict (--no-sysctl)" },
		{ "declined", "the port that the host delivered it to takes no shortcut" },
	};

	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].reason, reason))
			return rows[i].more;
	return NULL;
}

/* "[fd05::2]:80" */
static const char *socket_str(const struct fv_ip *ip, uint16_t port, char ret[FV_IP_STRLEN + 10])
{
	char buf[FV_IP_STRLEN];

	snprintf(ret, FV_IP_STRLEN + 10, strchr(fv_ip_str(ip, buf), ':') ? "[%s]:%u" : "%s:%u", buf,
		 port);
	return ret;
}

static void print_nat(const struct fv_explain_flow *f)
{
	char from[FV_IP_STRLEN + 10], to[FV_IP_STRLEN + 10];

	if (f->nat)
		printf(", NAT to %s -> %s", socket_str(&f->nat_from, f->nat_sport, from),
		       socket_str(&f->nat_to, f->nat_dport, to));
}

static void print_way(const struct cli *cli, const struct fv_explain *e)
{
	const char *more = more_on(e->reason);

	printf("%s%s%s", cli_color(cli, ways[e->way].color), ways[e->way].name,
	       cli_color(cli, "off"));
	if (e->way == FV_WAY_SHORTCUT && e->proven) {
		printf(", proven by the host's own path since %.1f s, last %.1f s ago", e->since,
		       e->last_proof);
		if (*e->uplink)
			printf(", by uplink %s", e->uplink);
		print_nat(&e->flows[0]);
		putchar('\n');
	} else if (e->way == FV_WAY_SHORTCUT)
		printf(" (%s on %s): both are in network %s, which needs no proof\n", e->from.hook,
		       e->from.port, e->from.network);
	else if (!strcmp(e->reason, "unproven"))
		printf(": not proven yet: no packet of such a flow has come out of %s within two "
		       "seconds (it starts with the first packets; NAT %s, or a rule that drops, "
		       "prevents it)\n",
		       *e->to.port ? e->to.port : e->uplink,
		       *e->uplink ? "that is not conntrack's" : "between ports");
	else
		printf(": %s%s%s%s\n", e->reason, more ? ": " : "", more ?: "",
		       strncmp(e->reason, "stale:", 6)
			       ? ""
			       : " (it pauses, or something on the host stops it)");
}

static void print_flows(const struct fv_explain *e)
{
	static const char *const columns[] = { "<FLOW",	 "<FROM", "SPORT", "<TO",
					       "DPORT",	 "<PORT", "SINCE", "LAST-PROOF",
					       "LENGTH", "<WAY",  NULL };
	struct table *t = table_new(columns);

	for (size_t i = 0; i < e->n_flows; i++) {
		const struct fv_explain_flow *f = &e->flows[i];
		char buf[FV_IP_STRLEN];

		table_cell(t, "%s", proto_name(f->proto) ?: "?");
		table_cell(t, "%s", fv_ip_str(&f->from, buf));
		table_cell(t, "%u", f->sport);
		table_cell(t, "%s", fv_ip_str(&f->to, buf));
		table_cell(t, "%u", f->dport);
		table_cell(t, "%s", *f->port ? f->port : "-");
		table_cell(t, "%.1f", f->since);
		table_cell(t, "%.1f", f->last_proof);
		table_cell(t, "%u", f->length);
		table_cell(t, f->way == FV_WAY_SHORTCUT ? "%s" : "%s: %s", ways[f->way].name,
			   f->why);
	}
	table_print(&t);
}

static void explain_text(const struct cli *cli, const struct fv_question *q,
			 const struct fv_explain *e)
{
	print_question(q, e);
	print_way(cli, e);
	if (cli->verbose && e->n_flows)
		print_flows(e);
	else if (e->n_flows > 1 && e->proven)
		printf("That is the freshest of %zu flows (-v lists them).\n", e->n_flows);
}

int cmd_explain(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = {
		{ "proto", required_argument, NULL, 'P' },
		{ "port", required_argument, NULL, 'p' },
		{ "sport", required_argument, NULL, 's' },
		{},
	};
	FV_CLEANUP(fv_explain_fini) struct fv_explain e = {};
	struct fv_question q = {};
	int at = cli_options(cli, argc, argv, own, set_question, &q, 2, 2);
	struct fv_err err = {};

	if (at < 0)
		return EXIT_USAGE;
	if (q.proto == IPPROTO_ICMP && (q.port || q.sport))
		return cli_usage(argv[0], "explain: --proto icmp goes without ports");
	q.from = argv[at];
	q.to = argv[at + 1];
	if (is_world(q.from) && is_world(q.to))
		return cli_usage(argv[0],
				 "explain: FROM or TO must be an endpoint, not both " FV_WORLD);
	if (check_world(q.from) || check_world(q.to))
		return EXIT_USAGE;
	if (fv_explain(&q, &err, &e))
		return cli_failed(&err);
	if (cli->json)
		return cli_json(explain_json(&q, &e));
	if (!cli->quiet)
		explain_text(cli, &q, &e);
	return EXIT_DONE;
}
