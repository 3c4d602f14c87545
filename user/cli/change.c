// SPDX-License-Identifier: GPL-2.0-only
/* up, plan, down, add, del, exec. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/cleanup.h"

/* More lines than this are told as numbers, unless asked for with -v. */
#define LINES_TOLD 32
#define PROGRESS_FROM 20

static volatile int interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void progress(const char *what, size_t done, size_t total)
{
	static time_t last;
	time_t now = time(NULL);

	if (total < PROGRESS_FROM || (now == last && done != total))
		return;
	last = now;
	fprintf(stderr, "\r%s %zu/%zu\033[K", what, done, total);
	if (done == total)
		fprintf(stderr, "\r\033[K");
}

static void note(const char *line)
{
	fprintf(stderr, "fastveth: note: %s\n", line);
}

struct fv_options cli_change(const struct cli *cli)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct fv_options o = {
		.wait = cli->wait,
		.command = cli->command,
		.interrupted = &interrupted,
	};

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	/* A note that nobody reads must not end a run in its middle. */
	signal(SIGPIPE, SIG_IGN);
	if (!cli->quiet)
		o.note = note;
	if (!cli->quiet && isatty(STDERR_FILENO))
		o.progress = progress;
	return o;
}

static const struct {
	const char *word, *done, *sign, *color;
} ops[] = {
	[FV_OP_CREATE] = { "create", "created", "+", "green" },
	[FV_OP_CHANGE] = { "change", "changed", "~", "yellow" },
	[FV_OP_REMOVE] = { "remove", "removed", "-", "red" },
};

const char *cli_op_word(enum fv_op op)
{
	return ops[op].word;
}

void cli_op_sign(const struct cli *cli, enum fv_op op)
{
	printf("%s%s%s", cli_color(cli, ops[op].color), ops[op].sign, cli_color(cli, "off"));
}

void cli_action(const struct cli *cli, const struct fv_action *a)
{
	cli_op_sign(cli, a->op);
	printf(" %s %s%s%s\n", a->kind, a->name, a->detail ? "  " : "", a->detail ?: "");
}

json_t *cli_actions_json(const struct fv_actions *actions)
{
	json_t *list = json_array();

	for (size_t i = 0; i < actions->n; i++) {
		const struct fv_action *a = &actions->a[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}", "op",
						      ops[a->op].word, "kind", a->kind, "name",
						      a->name, "detail", a->detail));
	}
	return list;
}

static void print_actions(const struct cli *cli, const struct fv_actions *actions)
{
	size_t n[3] = {};

	for (size_t i = 0; i < actions->n; i++) {
		const struct fv_action *a = &actions->a[i];

		if (!strcmp(a->kind, "endpoint") || !strcmp(a->kind, "share"))
			n[a->op]++;
		if (actions->n > LINES_TOLD && !cli->verbose)
			continue;
		cli_action(cli, a);
	}
	if (actions->n > LINES_TOLD && !cli->verbose)
		printf("%zu endpoints created, %zu changed, %zu removed (-v lists them)\n",
		       n[FV_OP_CREATE], n[FV_OP_CHANGE], n[FV_OP_REMOVE]);
}

int cli_done(const struct cli *cli, int r, const struct fv_err *err,
	     const struct fv_actions *actions)
{
	signal(SIGPIPE, SIG_DFL);
	if (r)
		return cli_failed(err);
	if (cli->json)
		return cli_json(json_pack("{s:b, s:o}", "changed", actions->n > 0, "actions",
					  cli_actions_json(actions)));
	if (cli->quiet)
		return EXIT_DONE;
	if (!actions->n)
		printf("nothing to do\n");
	print_actions(cli, actions);
	return EXIT_DONE;
}

static int set_uplink(int val, const char *arg, void *data)
{
	struct fv_err err = {};

	(void)val;
	if (uplink_word(data, arg))
		return 0;
	fv_err_set(&err, -EINVAL, UPLINK_WRONG, arg);
	cli_failed(&err);
	return -EINVAL;
}

static int up_or_plan(struct cli *cli, int argc, char **argv, bool dry)
{
	static const struct option own[] = { { "uplink", required_argument, NULL, 'u' }, {} };
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	struct uplink_words uplinks = {};
	int at = cli_options(cli, argc, argv, own, set_uplink, &uplinks, 1, 1);
	struct fv_options opts = cli_change(cli);
	struct fv_err err = {};

	if (at < 0)
		return EXIT_USAGE;
	return cli_done(cli, fv_up(&opts, argv[at], &uplinks.choice, dry, &err, &actions), &err,
			&actions);
}

int cmd_up(struct cli *cli, int argc, char **argv)
{
	return up_or_plan(cli, argc, argv, false);
}

int cmd_plan(struct cli *cli, int argc, char **argv)
{
	return up_or_plan(cli, argc, argv, true);
}

static bool is_file(const char *word)
{
	size_t n = strlen(word);

	return strchr(word, '/') || !strcmp(word, "-") ||
	       (n > 5 && !strcmp(word + n - 5, ".yaml")) ||
	       (n > 4 && !strcmp(word + n - 4, ".yml"));
}

static int set_all(int val, const char *arg, void *all)
{
	(void)val;
	(void)arg;
	*(bool *)all = true;
	return 0;
}

/* `down` alone means the one network there is. */
static int only_network(struct fv_err *err, char **ret)
{
	FV_CLEANUP(fv_view_fini) struct fv_view view = {};
	int r = fv_look(0, err, &view);

	if (r || !view.topo.n_nets)
		return r;
	if (view.topo.n_nets > 1)
		return fv_err_set(err, -EINVAL,
				  "down: there are %zu networks: name those to remove, or a "
				  "file, or --all",
				  view.topo.n_nets);
	*ret = strdup(view.topo.nets[0].name);
	return *ret ? 0 : fv_err_oom(err);
}

int cmd_down(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = { { "all", no_argument, NULL, 'A' }, {} };
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	bool all = false;
	int at = cli_options(cli, argc, argv, own, set_all, &all, 0, 1 << 20);
	struct fv_options opts = cli_change(cli);
	FV_AUTO_FREE char *only = NULL;
	struct fv_err err = {};
	char **names = NULL;
	size_t n = 0;
	int r = 0;

	if (at < 0)
		return EXIT_USAGE;
	if (all && at < argc)
		return cli_usage(argv[0], "down: --all goes without names");
	if (!all && at == argc) {
		r = only_network(&err, &only);
		if (r || !only)
			return cli_done(cli, r, &err, &actions);
		argv[--at] = only;
	}
	if (argc - at == 1 && is_file(argv[at]) && !only) {
		r = fv_file_networks(argv[at], &err, &names, &n);
	} else {
		for (int i = at; i < argc; i++)
			if (is_file(argv[i]) && !only)
				return cli_usage(argv[0], "down: one file, or networks, not both");
	}
	if (!r)
		/* A file says what shall not be: what is not there is fine, as it is to `up`. */
		r = names ? fv_down(&opts, (const char *const *)names, n, true, &err, &actions)
			  : fv_down(&opts, (const char *const *)argv + at, all ? 0 : argc - at,
				    false, &err, &actions);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return cli_done(cli, r, &err, &actions);
}

struct added {
	struct fv_net net;
	struct fv_ep ep;
	struct fv_err err;
};

static int set_ip(const char *arg, const char *option, int family, struct fv_ip *ret,
		  struct fv_err *err)
{
	struct fv_prefix p;

	if (!fv_ip_parse(arg, &p.ip) || !fv_prefix_parse(arg, &p)) {
		if (!family || p.ip.family == family) {
			*ret = p.ip;
			return 0;
		}
	}
	return fv_err_set(err, -EINVAL, "%s %s: must be an IP address", option, arg);
}

static int set_subnet(const char *arg, struct fv_net *net, struct fv_err *err)
{
	struct fv_prefix p;

	if (fv_prefix_parse(arg, &p))
		return fv_err_set(err, -EINVAL, "--subnet %s: must be ADDRESS/LENGTH", arg);
	p = fv_prefix_base(&p);
	if (fv_ip_bits(&p.ip) == 32)
		net->subnet4 = p;
	else
		net->subnet6 = p;
	return 0;
}

static int set_mtu(const char *arg, struct fv_net *net, struct fv_err *err)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (end == arg || *end || n < 68 || n > 65535)
		return fv_err_set(err, -EINVAL, "--mtu %s: must be a number from 68 to 65535", arg);
	net->mtu = n;
	return 0;
}

static int add_publish(const char *arg, struct fv_ep *ep, struct fv_err *err)
{
	struct fv_publish *p = realloc(ep->publish, (ep->n_publish + 1) * sizeof(*p));
	int r;

	if (!p)
		return fv_err_oom(err);
	ep->publish = p;
	r = fv_publish_parse(arg, err, &p[ep->n_publish]);
	if (!r)
		ep->n_publish++;
	return r;
}

static int keep(char **to, const char *arg, struct fv_err *err)
{
	free(*to);
	*to = strdup(arg);
	return *to ? 0 : fv_err_oom(err);
}

static int set_hook(const char *arg, struct fv_net *net, struct fv_err *err)
{
	if (strcmp(arg, "tc") && strcmp(arg, "xdp"))
		return fv_err_set(err, -EINVAL, "--hook %s: must be tc or xdp", arg);
	net->hook = !strcmp(arg, "xdp") ? FV_HOOK_XDP : FV_HOOK_TC;
	return 0;
}

static int set_added(int val, const char *arg, void *data)
{
	struct added *a = data;
	struct fv_ip ip = {};
	int r = 0;

	switch (val) {
	case 'n':
		r = keep(&a->net.name, arg, &a->err);
		break;
	case 't':
		r = fv_target_parse(arg, &a->ep, &a->err);
		break;
	case 'i':
		r = fv_ifname_check(arg, &a->err);
		if (!r)
			snprintf(a->ep.ifname, sizeof(a->ep.ifname), "%s", arg);
		break;
	case 'a':
		r = set_ip(arg, "--address", 0, &ip, &a->err);
		if (!r && fv_ip_bits(&ip) == 32)
			a->ep.ip4 = ip;
		else if (!r)
			a->ep.ip6 = ip;
		break;
	case 's':
		r = set_subnet(arg, &a->net, &a->err);
		break;
	case 'm':
		r = set_mtu(arg, &a->net, &a->err);
		break;
	case 'p':
		r = add_publish(arg, &a->ep, &a->err);
		break;
	case 'k':
		r = set_hook(arg, &a->net, &a->err);
		break;
	case 'I':
		a->net.internal = true;
		break;
	}
	if (r)
		cli_failed(&a->err);
	return r;
}

/* A target brings its name along: netns:web is web, pid:17 is pid-17. */
static int default_name(struct fv_ep *ep, struct fv_err *err)
{
	const char *base;

	switch (ep->target) {
	case FV_TARGET_PID:
		return asprintf(&ep->name, "pid-%s", ep->target_arg) < 0 ? fv_err_oom(err) : 0;
	case FV_TARGET_NETNS:
		return keep(&ep->name, ep->target_arg, err);
	case FV_TARGET_PATH:
		base = strrchr(ep->target_arg, '/');
		return keep(&ep->name, base ? base + 1 : ep->target_arg, err);
	default:
		return fv_err_set(err, -EINVAL, "add: missing NAME");
	}
}

int cmd_add(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = {
		{ "network", required_argument, NULL, 'n' },
		{ "target", required_argument, NULL, 't' },
		{ "ifname", required_argument, NULL, 'i' },
		{ "address", required_argument, NULL, 'a' },
		{ "subnet", required_argument, NULL, 's' },
		{ "mtu", required_argument, NULL, 'm' },
		{ "publish", required_argument, NULL, 'p' },
		{ "hook", required_argument, NULL, 'k' },
		{ "internal", no_argument, NULL, 'I' },
		{},
	};
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	struct added a = {};
	int at = cli_options(cli, argc, argv, own, set_added, &a, 0, 1);
	struct fv_options opts = cli_change(cli);
	int r = at < 0 ? -EINVAL : 0, status = EXIT_USAGE;

	if (!r)
		r = at < argc ? keep(&a.ep.name, argv[at], &a.err) : default_name(&a.ep, &a.err);
	if (!r && !a.net.name)
		r = keep(&a.net.name, "default", &a.err);
	if (!r) {
		r = fv_add(&opts, &a.net, &a.ep, &a.err, &actions);
		status = cli_done(cli, r, &a.err, &actions);
	} else if (at >= 0) {
		status = cli_usage(argv[0], "%s", a.err.msg);
	}
	fv_ep_fini(&a.ep);
	fv_net_fini(&a.net);
	return status;
}

int cmd_del(struct cli *cli, int argc, char **argv)
{
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	int at = cli_options(cli, argc, argv, NULL, NULL, NULL, 1, 1);
	struct fv_options opts = cli_change(cli);
	struct fv_err err = {};

	if (at < 0)
		return EXIT_USAGE;
	return cli_done(cli, fv_del(&opts, argv[at], &err, &actions), &err, &actions);
}

int cmd_exec(struct cli *cli, int argc, char **argv)
{
	int at = cli_options(cli, argc, argv, NULL, NULL, NULL, 2, -1);
	struct fv_err err = {};
	char **cmd;

	if (at < 0)
		return EXIT_USAGE;
	cmd = argv + at + 1;
	if (!strcmp(*cmd, "--"))
		cmd++;
	if (!*cmd)
		return cli_usage(argv[0], "exec: missing CMD");
	fv_exec(argv[at], cmd, &err);
	return cli_failed(&err);
}
