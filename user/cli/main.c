// SPDX-License-Identifier: GPL-2.0-only
/* fastveth: the options that every verb takes, the verbs, and which one it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define WAIT_DEFAULT 30

static const struct option common[] = {
	{ "json", no_argument, NULL, 'j' },	   { "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },	   { "help", no_argument, NULL, 'h' },
	{ "color", optional_argument, NULL, 'c' }, { "wait", required_argument, NULL, 'w' },
};

#define N_COMMON (sizeof(common) / sizeof(common[0]))
#define MAX_OPTIONS 32

static int set_color(struct cli *cli, const char *arg, const char *verb)
{
	if (!arg || !strcmp(arg, "always"))
		cli->color = 1;
	else if (!strcmp(arg, "never"))
		cli->color = 0;
	else if (!strcmp(arg, "auto"))
		cli->color = isatty(STDOUT_FILENO);
	else
		return cli_usage(verb, "--color=%s: must be auto, always or never", arg);
	return 0;
}

static int set_wait(struct cli *cli, const char *arg, const char *verb)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || n > 86400)
		return cli_usage(verb, "--wait %s: must be a number of seconds", arg);
	cli->wait = n;
	return 0;
}

/* 0 taken, -1 not a common option, else an exit status */
static int set_common(struct cli *cli, int val, const char *verb)
{
	switch (val) {
	case 'j':
		cli->json = true;
		return 0;
	case 'q':
		cli->quiet = true;
		return 0;
	case 'v':
		cli->verbose = true;
		return 0;
	case 'c':
		return set_color(cli, optarg, verb);
	case 'w':
		return set_wait(cli, optarg, verb);
	default:
		return -1;
	}
}

static int bad_option(const char *verb, char **argv, const char *letters)
{
	const char *word = argv[optind - 1];

	if (optopt && optopt < 0x100 && !strchr(letters, optopt) && strncmp(word, "--", 2))
		return cli_usage(verb, "unknown option -%c", optopt);
	return cli_usage(verb, "%s: unknown option, or its value is missing or not allowed", word);
}

int cli_options(struct cli *cli, int argc, char **argv, const struct option *own,
		int (*set)(int val, const char *arg, void *data), void *data, int min, int max)
{
	/* `exec NAME -- CMD -j`: what follows the operands is not ours. */
	char letters[16] = "+jqvh";
	struct option all[MAX_OPTIONS] = {};
	const char *verb = argv[0];
	size_t n = N_COMMON;
	int val, r;

	memcpy(all, common, sizeof(common));
	for (; own && own->name && n < MAX_OPTIONS - 1; own++) {
		all[n++] = *own;
		if (own->val == 'o')
			strcat(letters, "o:");
	}
	opterr = 0;
	/* 0, not 1: begin anew, with this call's idea of where options may stand. */
	optind = 0;
	while ((val = getopt_long(argc, argv, letters + (max >= 0), all, NULL)) != -1) {
		if (val == 'h') {
			char help[] = "help";
			char *words[] = { help, argv[0], NULL };

			exit(cli_flush(cmd_help(cli, 2, words)));
		}
		if (val == '?') {
			bad_option(verb, argv, letters);
			return -1;
		}
		r = set_common(cli, val, verb);
		if (r < 0)
			r = set ? set(val, optarg, data) : 0;
		if (r)
			return -1;
	}
	if (argc - optind < min) {
		cli_usage(verb, "%s: missing %s", verb, verb_find(verb)->synopsis);
		return -1;
	}
	if (max >= 0 && argc - optind > max) {
		cli_usage(verb, "%s: \"%s\" is one word too many", verb, argv[optind + max]);
		return -1;
	}
	return optind;
}

static void keep_command(struct cli *cli, int argc, char **argv)
{
	size_t n = snprintf(cli->command, sizeof(cli->command), "fastveth");

	for (int i = 1; i < argc && n < sizeof(cli->command); i++)
		n += snprintf(cli->command + n, sizeof(cli->command) - n, " %s", argv[i]);
}

/*
 * Whoever closed one of these must not have a message written into whatever is opened
 * next. Opened the wrong way round, each still fails as a closed one would.
 */
static void keep_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	struct cli cli = { .wait = WAIT_DEFAULT };
	const struct verb *verb;
	int val, r;

	keep_standard_fds();
	cli.color = isatty(STDOUT_FILENO);
	if (getenv("NO_COLOR"))
		cli.color = 0;
	keep_command(&cli, argc, argv);
	opterr = 0;
	while ((val = getopt_long(argc, argv, "+jqvhV", common, NULL)) != -1) {
		if (val == 'h')
			return cli_flush(cmd_help(&cli, 1, argv));
		if (val == 'V')
			return cli_flush(cmd_version(&cli, 1, argv));
		if (val == '?')
			return bad_option(NULL, argv, "");
		r = set_common(&cli, val, NULL);
		if (r)
			return r;
	}
	if (optind == argc) {
		cmd_help(&cli, 1, argv);
		return EXIT_USAGE;
	}
	verb = verb_find(argv[optind]);
	if (!verb)
		return cli_usage(NULL, "unknown command \"%s\"", argv[optind]);
	return cli_flush(verb->run(&cli, argc - optind, argv + optind));
}
