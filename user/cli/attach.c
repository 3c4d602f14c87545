// SPDX-License-Identifier: GPL-2.0-only
/* attach, detach. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/gate.h"

struct how {
	struct fv_attach a;
	struct fv_err err;
	bool all;
};

static int set_how(int val, const char *arg, void *data)
{
	struct how *how = data;
	int r = 0;

	switch (val) {
	case 'a':
		r = fv_gate_parse(arg, &how->err, &how->a.allow);
		break;
	case 's':
		how->a.no_sysctl = true;
		break;
	case 'A':
		how->all = true;
		break;
	}
	if (r)
		cli_failed(&how->err);
	return r;
}

/* Which ports are attached now, and which of them have the shortcut. */
static int print_ports(const struct cli *cli, const struct fv_actions *actions)
{
	FV_CLEANUP(fv_view_fini) struct fv_view view = {};
	struct fv_err err = {};
	json_t *ports;

	signal(SIGPIPE, SIG_DFL);
	if (cli->quiet && !cli->json)
		return EXIT_DONE;
	if (fv_look(FV_LOOK_HEALTH, &err, &view))
		return cli_failed(&err);
	if (!cli->json) {
		ports_text(&view, true);
		return EXIT_DONE;
	}
	ports = json_array();
	for (size_t i = 0; i < view.n_eps; i++)
		if (view.eps[i].attached)
			json_array_append_new(ports, port_json(&view.eps[i]));
	return cli_json(json_pack("{s:b, s:o}", "changed", actions->n > 0, "ports", ports));
}

int attach_options(struct cli *cli, int argc, char **argv, struct fv_attach *ret)
{
	static const struct option own[] = {
		{ "allow", required_argument, NULL, 'a' },
		{ "no-sysctl", no_argument, NULL, 's' },
		{},
	};
	struct how how = {};
	int at = cli_options(cli, argc, argv, own, set_how, &how, 0, 1 << 20);

	if (at == argc && (how.a.allow || how.a.no_sysctl)) {
		cli_usage(argv[0], "%s: missing TARGET", argv[0]);
		return -1;
	}
	*ret = how.a;
	return at;
}

int cmd_attach(struct cli *cli, int argc, char **argv)
{
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	struct fv_attach how = {};
	int at = attach_options(cli, argc, argv, &how);
	struct fv_options opts = cli_change(cli);
	struct fv_err err = {};

	if (at < 0)
		return EXIT_USAGE;
	if (fv_attach(&opts, (const char *const *)argv + at, argc - at, &how, &err, &actions))
		return cli_done(cli, -1, &err, &actions);
	return print_ports(cli, &actions);
}

int cmd_detach(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = { { "all", no_argument, NULL, 'A' }, {} };
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	struct how how = {};
	int at = cli_options(cli, argc, argv, own, set_how, &how, 0, 1 << 20);
	struct fv_options opts = cli_change(cli);
	struct fv_err err = {};

	if (at < 0)
		return EXIT_USAGE;
	if (how.all == (at < argc))
		return cli_usage(argv[0], how.all ? "detach: --all goes without targets"
						  : "detach: missing TARGET, or --all");
	return cli_done(cli,
			fv_detach(&opts, (const char *const *)argv + at, argc - at, &err, &actions),
			&err, &actions);
}
