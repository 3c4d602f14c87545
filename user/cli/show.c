// SPDX-License-Identifier: GPL-2.0-only
/* list, status, stats. JSON keys are documented in the man page: they only grow. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"

json_t *str_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

json_t *int_or_null(uint64_t n)
{
	return n ? json_integer(n) : json_null();
}

json_t *lines_json(const char *lines)
{
	json_t *list = json_array();

	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");

		json_array_append_new(list, json_stringn(lines, n));
		lines += n + (lines[n] == '\n');
	}
	return list;
}

static json_t *addresses_json(const struct fv_ep *ep)
{
	const struct fv_ip *ips[] = { &ep->ip4, &ep->ip6 };
	json_t *list = json_array();
	char buf[FV_IP_STRLEN];

	for (size_t i = 0; i < FV_ARRAY_SIZE(ips); i++)
		if (ips[i]->family)
			json_array_append_new(list, json_string(fv_ip_str(ips[i], buf)));
	return list;
}

static const char *addresses_str(const struct fv_ep *ep, char buf[2 * FV_IP_STRLEN])
{
	char a[FV_IP_STRLEN], b[FV_IP_STRLEN];

	snprintf(buf, 2 * FV_IP_STRLEN, "%s%s%s", fv_ip_str(&ep->ip4, a),
		 ep->ip4.family && ep->ip6.family ? "," : "", fv_ip_str(&ep->ip6, b));
	return *buf ? buf : "-";
}

static const char *prefix_or_null(const struct fv_prefix *p, char buf[FV_IP_STRLEN])
{
	return p->ip.family ? fv_prefix_str(p, buf) : NULL;
}

static const char *hook_str(const struct fv_net *net)
{
	return net->hook == FV_HOOK_XDP ? "xdp" : "tc";
}

/* Of one of our own networks, a PID tells no container's name. */
static json_t *ep_json(const struct fv_view_ep *v)
{
	return json_pack("{s:s, s:o, s:s?, s:o, s:o, s:o}", "name", v->ep->name, "network",
			 str_or_null(v->net->name), "container", v->container, "netns",
			 int_or_null(v->netns), "port", str_or_null(v->ep->port), "ifindex",
			 int_or_null(v->ifindex));
}

static json_t *list_json(const struct fv_view *view)
{
	json_t *nets = json_array(), *eps = json_array();
	char a[FV_IP_STRLEN], b[FV_IP_STRLEN], mac[FV_MAC_STRLEN];

	for (size_t i = 0; i < view->topo.n_nets; i++) {
		const struct fv_net *net = &view->topo.nets[i];

		json_array_append_new(
			nets, json_pack("{s:s, s:s?, s:s?, s:i, s:s, s:b}", "name", net->name,
					"subnet", prefix_or_null(&net->subnet4, a), "subnet6",
					prefix_or_null(&net->subnet6, b), "mtu", (int)net->mtu,
					"hook", hook_str(net), "internal", net->internal));
	}
	for (size_t i = 0; i < view->n_eps; i++) {
		const struct fv_view_ep *v = &view->eps[i];
		json_t *ep = ep_json(v), *publish = json_array();
		char buf[128];

		for (size_t k = 0; k < v->ep->n_publish; k++)
			json_array_append_new(publish,
					      json_string(fv_publish_str(&v->ep->publish[k], buf)));
		json_object_set_new(ep, "addresses", addresses_json(v->ep));
		json_object_set_new(ep, "mac",
				    v->ep->share ? json_null()
						 : json_string(fv_mac_str(v->ep->mac, mac)));
		json_object_set_new(ep, "peer_ifindex", int_or_null(v->peer_ifindex));
		json_object_set_new(ep, "ifname", str_or_null(v->ep->ifname));
		json_object_set_new(ep, "share", str_or_null(v->ep->share));
		json_object_set_new(ep, "publish", publish);
		json_array_append_new(eps, ep);
	}
	return json_pack("{s:o, s:o}", "networks", nets, "endpoints", eps);
}

static void list_text(const struct cli *cli, const struct fv_view *view)
{
	static const char *const columns[] = { "<NAME", "<NETWORK", "<ADDRESSES",
					       "<PORT", "IFINDEX",  "PEER",
					       "NETNS", "<PUBLISH", NULL };
	struct table *t;

	for (size_t i = 0; i < view->topo.n_nets; i++) {
		const struct fv_net *net = &view->topo.nets[i];
		char a[FV_IP_STRLEN], b[FV_IP_STRLEN];

		printf("%snetwork %s%s  %s%s%s  mtu %u  hook %s%s\n", cli_color(cli, "bold"),
		       net->name, cli_color(cli, "off"), fv_prefix_str(&net->subnet4, a),
		       net->subnet4.ip.family && net->subnet6.ip.family ? "  " : "",
		       fv_prefix_str(&net->subnet6, b), net->mtu, hook_str(net),
		       net->internal ? "  internal" : "");
	}
	if (!view->n_eps) {
		printf("no endpoints\n");
		return;
	}
	t = table_new(columns);
	for (size_t i = 0; i < view->n_eps; i++) {
		const struct fv_view_ep *v = &view->eps[i];
		char buf[2 * FV_IP_STRLEN], published[512] = "";

		for (size_t k = 0; k < v->ep->n_publish; k++) {
			char p[128];
			size_t n = strlen(published);

			snprintf(published + n, sizeof(published) - n, "%s%s", n ? "," : "",
				 fv_publish_str(&v->ep->publish[k], p));
		}
		table_cell(t, "%s", v->ep->name);
		table_cell(t, "%s", *v->net->name ? v->net->name : "-");
		if (v->ep->share)
			table_cell(t, "(shares %s)", v->ep->share);
		else
			table_cell(t, "%s", addresses_str(v->ep, buf));
		table_cell(t, "%s", *v->ep->port ? v->ep->port : "-");
		table_cell(t, v->ifindex ? "%d" : "-", v->ifindex);
		table_cell(t, v->peer_ifindex ? "%d" : "-", v->peer_ifindex);
		table_cell(t, v->netns ? "%lu" : "-", (unsigned long)v->netns);
		table_cell(t, "%s", *published ? published : "-");
	}
	table_print(&t);
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
	FV_CLEANUP(fv_view_fini) struct fv_view view = {};
	struct fv_err err = {};

	if (cli_options(cli, argc, argv, NULL, NULL, NULL, 0, 0) < 0)
		return EXIT_USAGE;
	if (fv_look(FV_LOOK_ADDRESSES, &err, &view))
		return cli_failed(&err);
	if (cli->json)
		return cli_json(list_json(&view));
	if (!cli->quiet)
		list_text(cli, &view);
	return EXIT_DONE;
}

/* ---- stats ---- */

static json_t *way_json(uint64_t packets, uint64_t bytes, uint64_t shortcut_packets,
			uint64_t shortcut_bytes)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "packets", (json_int_t)packets, "bytes",
			 (json_int_t)bytes, "shortcut_packets", (json_int_t)shortcut_packets,
			 "shortcut_bytes", (json_int_t)shortcut_bytes);
}

json_t *counters_json(json_t *to, const struct fv_counters *c, const struct fv_reasons *r)
{
	json_t *slow = json_object(), *drop = json_object();

	json_object_set_new(to, "rx",
			    way_json(c->rx_shortcut_packets + c->rx_other_packets,
				     c->rx_shortcut_bytes + c->rx_other_bytes,
				     c->rx_shortcut_packets, c->rx_shortcut_bytes));
	json_object_set_new(to, "tx",
			    way_json(c->tx_shortcut_packets + c->tx_other_packets,
				     c->tx_shortcut_bytes + c->tx_other_bytes,
				     c->tx_shortcut_packets, c->tx_shortcut_bytes));
	for (int i = 0; i < FV_SLOW_COUNT; i++)
		if (r->slow[i])
			json_object_set_new(slow, fv_slow_name(i), json_integer(r->slow[i]));
	for (int i = 0; i < FV_DROP_COUNT; i++)
		if (r->drop[i])
			json_object_set_new(drop, fv_drop_name(i), json_integer(r->drop[i]));
	json_object_set_new(to, "slow", slow);
	json_object_set_new(to, "drop", drop);
	return to;
}

void counters_cells(struct table *t, const struct fv_counters *c, const struct fv_reasons *r)
{
	uint64_t slow = 0, drop = 0;
	char why[512] = "";

	for (int i = 0; i < FV_SLOW_COUNT; i++) {
		slow += r->slow[i];
		if (r->slow[i])
			snprintf(why + strlen(why), sizeof(why) - strlen(why), " %s %lu",
				 fv_slow_name(i), (unsigned long)r->slow[i]);
	}
	for (int i = 0; i < FV_DROP_COUNT; i++) {
		drop += r->drop[i];
		if (r->drop[i])
			snprintf(why + strlen(why), sizeof(why) - strlen(why), " %s %lu",
				 fv_drop_name(i), (unsigned long)r->drop[i]);
	}
	table_cell(t, "%lu", (unsigned long)(c->rx_shortcut_packets + c->rx_other_packets));
	table_cell(t, "%lu", (unsigned long)(c->rx_shortcut_bytes + c->rx_other_bytes));
	table_cell(t, "%lu", (unsigned long)c->rx_shortcut_packets);
	table_cell(t, "%lu", (unsigned long)(c->tx_shortcut_packets + c->tx_other_packets));
	table_cell(t, "%lu", (unsigned long)(c->tx_shortcut_bytes + c->tx_other_bytes));
	table_cell(t, "%lu", (unsigned long)c->tx_shortcut_packets);
	table_cell(t, "%lu", (unsigned long)slow);
	table_cell(t, "%lu", (unsigned long)drop);
	table_cell(t, "%s", *why ? why + 1 : "-");
}

int cmd_stats(struct cli *cli, int argc, char **argv)
{
	static const char *const columns[] = { "<NAME",	      "RX-PACKETS", "RX-BYTES",
					       "RX-SHORTCUT", "TX-PACKETS", "TX-BYTES",
					       "TX-SHORTCUT", "SLOW",	    "DROP",
					       "<WHY",	      NULL };
	FV_CLEANUP(fv_view_fini) struct fv_view view = {};
	int at = cli_options(cli, argc, argv, NULL, NULL, NULL, 0, 1);
	json_t *eps = NULL;
	struct table *t = NULL;
	struct fv_err err = {};
	bool found = at == argc;

	if (at < 0)
		return EXIT_USAGE;
	if (fv_look(FV_LOOK_STATS, &err, &view))
		return cli_failed(&err);
	for (size_t i = 0; i < view.n_eps && !found; i++)
		found = !strcmp(argv[at], view.eps[i].ep->name);
	if (!found) {
		fv_err_set(&err, -ENOENT,
			   "endpoint \"%s\": there is none of that name (fastveth list "
			   "shows them)",
			   argv[at]);
		return cli_failed(&err);
	}
	if (cli->quiet && !cli->json)
		return EXIT_DONE;
	if (cli->json)
		eps = json_array();
	else
		t = table_new(columns);
	for (size_t i = 0; i < view.n_eps; i++) {
		const struct fv_view_ep *v = &view.eps[i];

		if ((at < argc && strcmp(argv[at], v->ep->name)) || v->ep->share)
			continue;
		if (cli->json) {
			json_array_append_new(eps,
					      counters_json(ep_json(v), &v->counters, &v->reasons));
		} else {
			table_cell(t, "%s", v->ep->name);
			counters_cells(t, &v->counters, &v->reasons);
		}
	}
	if (cli->json)
		return cli_json(json_pack("{s:o, s:o}", "endpoints", eps, "uplinks",
					  at < argc ? json_array() : uplinks_stats_json(&view)));
	table_print(&t);
	if (at == argc)
		uplinks_stats_text(&view);
	return EXIT_DONE;
}

/* ---- status ---- */

json_t *kernel_json(const struct fv_view_kernel *k)
{
	if (!k->known)
		return json_null();
	return json_pack("{s:s, s:s, s:b, s:b, s:s?, s:s, s:b}", "release", k->release, "hook",
			 k->hook, "xdp", k->xdp, "xdp_frags", k->xdp_frags, "conntrack",
			 k->conntrack, "memory", k->memory, "peer_counters", k->peer_counters);
}

void kernel_text(const struct fv_view_kernel *k)
{
	if (!k->known)
		return;
	printf("kernel %s: tc by %s, xdp%s, conntrack%s%s, maps count against %s%s\n", k->release,
	       k->hook,
	       k->xdp_frags ? ""
	       : k->xdp	    ? " without fragments"
			    : " not possible",
	       k->conntrack ? " " : " not available", k->conntrack ?: "", k->memory,
	       k->peer_counters ? "" : ", devices inside do not count the shortcut");
}

static bool healthy(const struct fv_view *view)
{
	bool ok = !view->problems;

	for (size_t i = 0; i < view->n_eps; i++)
		ok &= !view->eps[i].problems;
	for (size_t i = 0; i < view->n_uplinks; i++)
		ok &= !view->uplinks[i].problems;
	return ok;
}

static const char *state_of(const struct fv_view_ep *v)
{
	if (!v->attached)
		return "own";
	return v->declined ? "declined" : "accelerated";
}

json_t *port_json(const struct fv_view_ep *v)
{
	json_t *reasons = lines_json(v->objections), *problems = lines_json(v->problems);

	json_array_extend(reasons, problems);
	json_decref(problems);
	return json_pack("{s:s, s:s, s:o, s:s?, s:o, s:o, s:o, s:s, s:o}", "port", v->ep->port,
			 "endpoint", v->ep->name, "network", str_or_null(v->net->name), "container",
			 v->container, "netns", int_or_null(v->netns), "ifname",
			 str_or_null(v->ep->ifname), "hook", str_or_null(v->hook), "state",
			 state_of(v), "reasons", reasons);
}

static json_t *status_json(const struct fv_view *view)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < view->n_eps; i++) {
		const struct fv_view_ep *v = &view->eps[i];

		if (v->ep->share)
			continue;
		json_array_append_new(ports, port_json(v));
	}
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "healthy", healthy(view), "ports", ports,
			 "uplinks", uplinks_json(view), "problems", lines_json(view->problems),
			 "warnings", lines_json(view->warnings), "kernel",
			 kernel_json(&view->kernel));
}

static void print_lines(const char *prefix, const char *lines)
{
	while (lines && *lines) {
		int n = strcspn(lines, "\n");

		printf("%s%.*s\n", prefix, n, lines);
		lines += n + (lines[n] == '\n');
	}
}

/* The first line of all in the row, the others below it. */
void why_cell(struct table *t, const char *problems, const char *objections)
{
	const char *lines[] = { problems, objections };
	bool first = true;

	for (size_t i = 0; i < FV_ARRAY_SIZE(lines); i++) {
		const char *p = lines[i];

		while (p && *p) {
			int n = strcspn(p, "\n");

			if (first)
				table_cell(t, "%.*s", n, p);
			else
				table_note(t, "    %.*s", n, p);
			first = false;
			p += n + (p[n] == '\n');
		}
	}
	if (first)
		table_cell(t, "-");
}

void ports_text(const struct fv_view *view, bool attached_only)
{
	static const char *const columns[] = { "<PORT", "<ENDPOINT", "<NETWORK", "NETNS",
					       "<HOOK", "<STATE",    "<REASON",	 NULL };
	struct table *t = table_new(columns);

	for (size_t i = 0; i < view->n_eps; i++) {
		const struct fv_view_ep *v = &view->eps[i];

		if (v->ep->share || (attached_only && !v->attached))
			continue;
		table_cell(t, "%s", v->ep->port);
		table_cell(t, "%s", v->ep->name);
		table_cell(t, "%s", *v->net->name ? v->net->name : "-");
		table_cell(t, v->netns ? "%lu" : "-", (unsigned long)v->netns);
		table_cell(t, "%s", *v->hook ? v->hook : "none");
		table_cell(t, "%s", state_of(v));
		why_cell(t, v->problems, v->objections);
	}
	table_print(&t);
}

static void status_text(const struct cli *cli, const struct fv_view *view)
{
	ports_text(view, false);
	uplinks_text(view);
	kernel_text(&view->kernel);
	print_lines("problem: ", view->problems);
	print_lines("warning: ", view->warnings);
	if (healthy(view))
		printf("%shealthy%s\n", cli_color(cli, "green"), cli_color(cli, "off"));
	else
		printf("%sneeds repair%s: run `fastveth up FILE` again, or the `fastveth add` or "
		       "`attach` that made it\n",
		       cli_color(cli, "red"), cli_color(cli, "off"));
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
	FV_CLEANUP(fv_view_fini) struct fv_view view = {};
	struct fv_err err = {};

	if (cli_options(cli, argc, argv, NULL, NULL, NULL, 0, 0) < 0)
		return EXIT_USAGE;
	if (fv_look(FV_LOOK_HEALTH | FV_LOOK_KERNEL, &err, &view))
		return cli_failed(&err);
	if (cli->json && cli_json(status_json(&view)))
		return EXIT_FAILED;
	if (!cli->json && !cli->quiet)
		status_text(cli, &view);
	return healthy(&view) ? EXIT_DONE : EXIT_FAILED;
}
