// SPDX-License-Identifier: GPL-2.0-only
/* attach, detach. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/gate.h"

struct how {
	struct attach_words *w;
	struct fv_err err;
	bool all;
};

static int set_how(int val, const char *arg, void *data)
{
	struct how *how = data;
	int r = 0;

	switch (val) {
	case 'a':
		r = fv_gate_parse(arg, &how->err, &how->w->how.allow);
		break;
	case 's':
		how->w->how.no_sysctl = true;
		break;
	case 'u':
		if (!uplink_word(&how->w->uplinks, arg))
			r = fv_err_set(&how->err, -EINVAL, UPLINK_WRONG, arg);
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
		for (size_t i = 0; i < actions->n; i++)
			if (!strcmp(actions->a[i].kind, "sysctl"))
				cli_action(cli, &actions->a[i]);
		ports_text(&view, true);
		uplinks_text(&view);
		return EXIT_DONE;
	}
	ports = json_array();
	for (size_t i = 0; i < view.n_eps; i++)
		if (view.eps[i].attached)
			json_array_append_new(ports, port_json(&view.eps[i]));
	return cli_json(json_pack("{s:b, s:o, s:o, s:o}", "changed", actions->n > 0, "ports", ports,
				  "uplinks", uplinks_json(&view), "actions",
				  cli_actions_json(actions)));
}

int attach_options(struct cli *cli, int argc, char **argv, struct attach_words *ret)
{
	static const struct option own[] = {
		{ "allow", required_argument, NULL, 'a' },
		{ "no-sysctl", no_argument, NULL, 's' },
		{ "uplink", required_argument, NULL, 'u' },
		{},
	};
	struct how how = { .w = ret };
	int at = cli_options(cli, argc, argv, own, set_how, &how, 0, 1 << 20);

	ret->how.uplinks = ret->uplinks.choice;
	if (at == argc && (ret->how.allow || ret->how.no_sysctl)) {
		cli_usage(argv[0], "%s: missing TARGET", argv[0]);
		return -1;
	}
	return at;
}

int cmd_attach(struct cli *cli, int argc, char **argv)
{
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	struct attach_words words = {};
	int at = attach_options(cli, argc, argv, &words);
	struct fv_options opts = cli_change(cli);
	struct fv_err err = {};

	if (at < 0)
		return EXIT_USAGE;
	if (fv_attach(&opts, (const char *const *)argv + at, argc - at, &words.how, &err, &actions))
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
