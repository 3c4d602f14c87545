// SPDX-License-Identifier: GPL-2.0-only
/* The verbs and what `help` says of them. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#ifndef FV_VERSION
#define FV_VERSION "unknown"
#endif

const struct verb verbs[] = {
	{ "up", "FILE", "create, or converge to, what FILE says",
	  "Creates the networks of a topology file (\"-\": standard input): namespaces, veth pairs,\n"
	  "addresses, routes, programs. Run again it changes only what differs; networks that the\n"
	  "file does not name are left alone. A run that fails or is interrupted undoes what it did.\n"
	  "\n"
	  "    networks:\n"
	  "      lab:\n"
	  "        subnet: 10.77.0.0/24     # first address: the gateway\n"
	  "        subnet6: fd77::/64\n"
	  "        mtu: 1500                # default: the uplink's\n"
	  "        hook: tc                 # tc or xdp\n"
	  "        internal: false          # true: no way out\n"
	  "        namespaces:\n"
	  "          web: { address: 10.77.0.10, publish: [\"8080:80/tcp\"] }\n"
	  "          db: {}\n"
	  "          sidecar: { share: web }\n",
	  cmd_up },
	{ "plan", "FILE", "print what `up` would do", "Changes nothing.\n", cmd_plan },
	{ "down", "[FILE | NETWORK... | --all]", "remove networks",
	  "Removes the networks of a file, those named, or all; without a word, the one there is.\n"
	  "With the last network the host is as it was before the first `up`.\n",
	  cmd_down },
	{ "add", "NAME [--network NET] [--target TARGET] [options]", "add one endpoint",
	  "    --network NET         network to join (\"default\"); made if there is none\n"
	  "    --target TARGET       an existing namespace: pid:N, netns:NAME or path:P;\n"
	  "                          without it a new one named NAME is made\n"
	  "    --ifname DEV          interface inside (eth0)\n"
	  "    --address ADDRESS     IPv4 or IPv6; may be given twice; default: the next free\n"
	  "    --publish [IP:]PORT:PORT[/tcp|udp]\n"
	  "    --subnet PREFIX       of a network that is made; default: the /24 around --address\n"
	  "    --mtu N, --hook tc|xdp, --internal   likewise\n"
	  "NAME may be left out with --target: it is then netns:web's \"web\", pid:17's \"pid-17\".\n"
	  "\n"
	  "    fastveth add nginx --network lab --address 193.168.0.101 \\\n"
	  "        --target pid:$(docker inspect -f '{{.State.Pid}}' nginx)\n",
	  cmd_add },
	{ "del", "NAME", "remove one endpoint",
	  "Its namespace goes with it if fastveth made it; a network without endpoints goes too.\n",
	  cmd_del },
	{ "exec", "NAME [--] CMD [ARG...]", "run a command in an endpoint's namespace",
	  "As `ip netns exec` does: /sys shows the namespace's devices, the files of\n"
	  "/etc/netns/NAME lie over those of /etc.\n",
	  cmd_exec },
	{ "list", "", "networks and endpoints: who is where", "", cmd_list },
	{ "status", "", "hook and health of each port",
	  "Exit status 1 if something needs repair; `up` repairs it.\n", cmd_status },
	{ "stats", "[NAME]", "packets and bytes of each endpoint, seen from its namespace",
	  "rx and tx, split into shortcut and slow path; reasons for the slow path and for drops.\n",
	  cmd_stats },
	{ "inspect", "", "programs, maps and links, with the ids and pins that bpftool takes", "",
	  cmd_inspect },
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

int cmd_help(struct cli *cli, int argc, char **argv)
{
	const struct verb *v = argc > 1 ? verb_find(argv[1]) : NULL;

	(void)cli;
	if (argc > 1 && !v)
		return cli_usage(NULL, "unknown command \"%s\"", argv[1]);
	if (v) {
		printf("usage: fastveth %s%s%s\n\n%s.\n%s%s", v->name, *v->synopsis ? " " : "",
		       v->synopsis, v->summary, *v->text ? "\n" : "", v->text);
		return EXIT_DONE;
	}
	printf("usage: fastveth [OPTIONS] COMMAND ...\n\n"
	       "Network namespaces at host-network speed.\n\n");
	for (v = verbs; v->name; v++)
		printf("  %-8s %-28s %s\n", v->name,
		       strlen(v->synopsis) > 28 ? "NAME [options]" : v->synopsis, v->summary);
	printf("\noptions of every command:\n"
	       "  -j, --json      JSON on one line\n"
	       "  -q, --quiet     only errors\n"
	       "  -v, --verbose   every change\n"
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
