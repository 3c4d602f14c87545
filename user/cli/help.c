// SPDX-License-Identifier: GPL-2.0-only
/* The verbs and what `help` says of them. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#ifndef FV_VERSION
#define FV_VERSION "unknown"
#endif

const struct verb verbs[] = {
	{ "up", "FILE [--uplink DEV|auto|none]", "make the host what FILE says",
	  "Creates the networks of a topology file (\"-\": standard input): namespaces, veth pairs,\n"
	  "addresses, routes, programs. What is as it should be is not touched; run twice, the\n"
	  "second run does nothing. Networks that the file does not name are left alone; in one that\n"
	  "it names, endpoints that it does not name are removed. A run that fails or is interrupted\n"
	  "undoes what it did.\n"
	  "\n"
	  "    networks:\n"
	  "      lab:\n"
	  "        subnet: 10.77.0.0/24     # first address: the gateway\n"
	  "        subnet6: fd77::/64\n"
	  "        mtu: 1500                # default: that of the device with the default route\n"
	  "        hook: tc                 # tc or xdp\n"
	  "        internal: false          # true: no way out\n"
	  "        namespaces:\n"
	  "          web: { address: 10.77.0.10, publish: [\"8080:80/tcp\"] }\n"
	  "          db: {}                 # the next free address\n"
	  "          sidecar: { share: web }   # a second name\n"
	  "\n"
	  "What leaves or enters a network by an uplink (--uplink: see `help attach`), masqueraded or\n"
	  "published, takes the shortcut by proof.\n"
	  "\n"
	  "    fastveth up lab.yaml\n",
	  cmd_up },
	{ "plan", "FILE [--uplink DEV|auto|none]", "print what `up` would do", "Changes nothing.\n",
	  cmd_plan },
	{ "down", "[FILE | NETWORK... | --all]", "remove networks",
	  "Removes the networks of a file, those named, or all; without a word, the one there is.\n"
	  "With the last network the host is as it was before the first `up`.\n"
	  "\n"
	  "    fastveth down lab\n",
	  cmd_down },
	{ "add", "NAME [--network NET] [--target TARGET] [options]", "add one endpoint",
	  "    --network NET         network to join (\"default\"); made if there is none\n"
	  "    --target TARGET       an existing namespace: pid:N, netns:NAME or path:P;\n"
	  "                          without it a new one named NAME is made\n"
	  "    --ifname DEV          interface inside (eth0)\n"
	  "    --address ADDRESS     IPv4 or IPv6; may be given twice; default: the next free\n"
	  "    --publish [IP:]PORT:PORT[/tcp|udp]   port of the host: port inside; repeatable\n"
	  "    --subnet PREFIX       of a network that is made; default: the /24 around --address,\n"
	  "                          the /64 for IPv6\n"
	  "    --mtu N, --hook tc|xdp, --internal   likewise of a network that is made\n"
	  "NAME may be left out with --target: it is then netns:web's \"web\", pid:17's \"pid-17\".\n"
	  "\n"
	  "    fastveth add nginx --address 193.168.0.101 \\\n"
	  "        --target pid:$(docker inspect -f '{{.State.Pid}}' nginx)\n",
	  cmd_add },
	{ "del", "NAME", "remove one endpoint",
	  "Its namespace goes with it if fastveth made it; a network without endpoints goes too.\n",
	  cmd_del },
	{ "attach", "[TARGET... [--allow NAME,...] [--no-sysctl]] [--uplink DEV|auto|none]",
	  "put the shortcut on containers that already run",
	  "TARGET: a bridge (all its veth ports, whoever made them), a container of a local Docker\n"
	  "or Podman, pid:N, netns:NAME or path:P. A bare word is a bridge if there is one, else a\n"
	  "container; bridge:X and container:X say which. Without a target, those of before are\n"
	  "looked at again: ports that came, rules that changed.\n"
	  "\n"
	  "A flow takes the shortcut only while the host's own path (bridge, routing, firewall)\n"
	  "delivers a packet of it every second. Where such samples would not do (shaping, rules with\n"
	  "limit, quota, ...) a port is declined: counted, no shortcut.\n"
	  "    --allow NAME,...   these reasons do not count\n"
	  "    --no-sysctl        leave nf_conntrack_tcp_be_liberal alone: TCP that conntrack sees\n"
	  "                       stays slow\n"
	  "    --uplink DEV       a device that leads out (repeatable); auto: those of the default routes\n"
	  "                       of the main table, as at first; none\n"
	  "Uplinks, too, carry the shortcut: from and to the outside, through masquerade and published\n"
	  "ports, as far as conntrack can be asked (Linux 5.18, nf_conntrack loaded). What is said of\n"
	  "them holds until said otherwise, or nothing is attached and there is no network.\n"
	  "\n"
	  "    fastveth attach docker0\n"
	  "    fastveth attach docker0 --uplink eth0 --uplink eth1\n",
	  cmd_attach },
	{ "detach", "TARGET... | --all", "take it away again",
	  "Connections go on by the host's own path. The host is as it was before `attach`.\n",
	  cmd_detach },
	{ "watch", "[TARGET... [--allow NAME,...] [--no-sysctl]] [--uplink DEV|auto|none]",
	  "attach, and go on as ports come and go",
	  "With targets it attaches them first, as `attach` does. Then it keeps all that was ever\n"
	  "attached so, whoever said it, until `detach`: ports that come are attached, ports that go\n"
	  "are forgotten, and where rules, qdiscs, MACs, bridges or default routes change, ports and\n"
	  "uplinks are judged anew; so is whether conntrack sees them (nf_conntrack_tcp_be_liberal). It\n"
	  "stays in the foreground and prints a line for each change. The shortcut works without it,\n"
	  "too: ended (Ctrl-C, SIGTERM), it leaves everything as it is. SIGHUP: look at all again.\n"
	  "\n"
	  "    fastveth watch docker0\n"
	  "    + port veth1a2b  web on docker0  accelerated\n"
	  "    ~ port veth1a2b  web on docker0  declined: qdisc: qdisc tbf on veth1a2b\n",
	  cmd_watch },
	{ "exec", "NAME [--] CMD [ARG...]", "run a command in an endpoint's namespace",
	  "As `ip netns exec` does: /sys shows the namespace's devices, the files of\n"
	  "/etc/netns/NAME lie over those of /etc, so that the network's names are known.\n"
	  "\n"
	  "    fastveth exec db -- curl -s http://web/\n",
	  cmd_exec },
	{ "list", "", "networks and endpoints: who is where",
	  "PORT is the device on the host, IFINDEX its number, PEER that of the interface inside,\n"
	  "NETNS the inode of the namespace.\n",
	  cmd_list },
	{ "status", "", "hook and health of each port and uplink",
	  "Exit status 1 if something is not as it was set up; `up`, or the `add` that made it,\n"
	  "repairs it. The line on the kernel says what it offers, and so what is in use. Warnings say\n"
	  "what stays slow and why, and which setting of the host was changed from what.\n",
	  cmd_status },
	{ "stats", "[NAME]", "packets and bytes of each endpoint, seen from its namespace",
	  "RX is what arrived in it, TX what it sent: altogether, and by the shortcut. SLOW and DROP\n"
	  "are packets it sent that took the kernel's own path or were dropped; WHY, by reason.\n"
	  "Uplinks are seen from the host, as by `ip -s link`: RX is what came in by them.\n",
	  cmd_stats },
	{ "explain", "FROM TO [--proto tcp|udp|icmp] [--port N] [--sport N]",
	  "which way a flow takes now, and why",
	  "FROM and TO are names of endpoints as `list` shows them, or addresses; TO can be any other\n"
	  "address, and one of the two world:ADDRESS, which is outside. Without options any flow between\n"
	  "the two counts; the freshest decides.\n"
	  "    --proto tcp|udp|icmp   icmp: echoes\n"
	  "    --port N               port at TO (at FROM in the answers to it); with NAT the one\n"
	  "                           published or the one inside\n"
	  "    --sport N              port at FROM (likewise)\n"
	  "Between attached ports, and from and to uplinks, a flow takes the shortcut while the host's\n"
	  "own path delivers a packet of it every second; it says since when, when that was last so, and\n"
	  "what NAT makes of it. -v lists all that match.\n"
	  "\n"
	  "    fastveth explain web db --proto tcp --port 5432\n"
	  "    fastveth explain world:192.0.2.2 web --port 8080\n",
	  cmd_explain },
	{ "inspect", "", "programs, maps and links: ids and pins for bpftool",
	  "NS/RUN is the mean time of a run while kernel.bpf_stats_enabled was 1.\n"
	  "\n"
	  "    bpftool map dump pinned /sys/fs/bpf/fastveth/v4/maps/fv_subnets\n",
	  cmd_inspect },
	{ "bench", "[options] | --compare A B", "measure whether it is worth it on this host",
	  "Compares the host's loopback, a bare cable, bridges with and without rules, container\n"
	  "engines, and the same with fastveth: in namespaces of its own, in random order, round by\n"
	  "round. A difference that the noise covers is called none. Writes DIR/bench.json with every\n"
	  "sample and DIR/bench.html, a report with plots; prints tables. Ctrl-C ends it with what was\n"
	  "finished, and nothing is left on the host.\n"
	  "    --quick          a first answer, in two minutes (default: all paths and cases)\n"
	  "    --full           all that counts, in half an hour\n"
	  "    --paths LIST     of these ways alone, separated by commas; a wrong name lists them\n"
	  "    --cases LIST     of these loads alone; likewise\n"
	  "    --rounds N       so often (7); fewer are for trying it out\n"
	  "    --cpus LIST      1: client and server on one CPU, 2: on two; 1,2: both, the default.\n"
	  "                     `taskset -c 2,4 fastveth bench` chooses which\n"
	  "    -o, --output DIR where to write (fastveth-bench- and the date)\n"
	  "    --compare A B    two files bench.json: what differs, and what noise covers\n"
	  "\n"
	  "    fastveth bench --quick\n"
	  "    fastveth bench --compare before/bench.json after/bench.json\n",
	  cmd_bench },
	{ "version", "", "version of the program", "", cmd_version },
	{ "help", "[COMMAND]", "this text, or that of a command", "", cmd_help },
	{},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static int help_json(const struct verb *only)
{
	json_t *list = json_array();

	for (const struct verb *v = verbs; v->name; v++)
		if (!only || v == only)
			json_array_append_new(list,
					      json_pack("{s:s, s:s, s:s, s:s}", "name", v->name,
							"synopsis", v->synopsis, "summary",
							v->summary, "text", v->text));
	return cli_json(json_pack("{s:o}", "commands", list));
}

/* What does not fit: the words before its options. */
static const char *shorten(const char *synopsis, char ret[64])
{
	const char *options = strstr(synopsis, " [--");
	int n = options ? options - synopsis : 0;

	if (strlen(synopsis) <= 28 || !options)
		return synopsis;
	snprintf(ret, 64, "%.*s%s [options]", n, synopsis, *synopsis == '[' ? "]" : "");
	return ret;
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
	int at = cli_options(cli, argc, argv, NULL, NULL, NULL, 0, 1);
	const struct verb *v = at > 0 && at < argc ? verb_find(argv[at]) : NULL;

	if (at < 0)
		return EXIT_USAGE;
	if (at < argc && !v)
		return cli_usage(NULL, "unknown command \"%s\"", argv[at]);
	if (cli->json)
		return help_json(v);
	if (v) {
		printf("usage: fastveth %s%s%s\n\n%s.\n%s%s", v->name, *v->synopsis ? " " : "",
		       v->synopsis, v->summary, *v->text ? "\n" : "", v->text);
		return EXIT_DONE;
	}
	printf("usage: fastveth [OPTIONS] COMMAND ...\n\n"
	       "Networks of network namespaces: a BPF program on each veth carries packets\n"
	       "straight into the other namespace.\n\n");
	for (v = verbs; v->name; v++) {
		char words[64];

		printf("  %-8s %-28s %s\n", v->name, shorten(v->synopsis, words), v->summary);
	}
	printf("\noptions of every command:\n"
	       "  -j, --json      JSON on one line\n"
	       "  -q, --quiet     only errors\n"
	       "  -v, --verbose   every change, however many\n"
	       "  --color[=WHEN]  auto, always, never\n"
	       "  --wait SECONDS  how long to wait for another run (30)\n"
	       "exit status: 0 done, 1 failed, 2 wrong usage; more: man fastveth\n");
	return EXIT_DONE;
}

int cmd_version(struct cli *cli, int argc, char **argv)
{
	if (argc > 1 && cli_options(cli, argc, argv, NULL, NULL, NULL, 0, 0) < 0)
		return EXIT_USAGE;
	if (cli->json)
		return cli_json(json_pack("{s:s, s:i}", "version", FV_VERSION, "abi", FV_ABI));
	printf("fastveth %s\n", FV_VERSION);
	return EXIT_DONE;
}
