// SPDX-License-Identifier: GPL-2.0-only
/* bench: the scripts of tools/bench, which also run without this. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define BENCH_WORDS 128

/* The command line of a script, and which one that is. */
struct bench {
	const char *argv[BENCH_WORDS];
	size_t n;
	bool quick, full, output, compare, others;
};

static void add(struct bench *b, const char *word)
{
	b->argv[b->n++] = word;
}

static int set(int val, const char *arg, void *data)
{
	static const struct {
		int val;
		const char *word;
	} words[] = {
		{ 'Q', "--quick" },  { 'F', "--full" }, { 'p', "--paths" },  { 'k', "--cases" },
		{ 'r', "--rounds" }, { 'n', "--cpus" }, { 'o', "--output" },
	};
	struct bench *b = data;

	b->quick |= val == 'Q';
	b->full |= val == 'F';
	b->output |= val == 'o';
	b->compare |= val == 'C';
	b->others |= val != 'C';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].val == val)
			add(b, words[i].word);
	if (arg)
		add(b, arg);
	return 0;
}

/* Beside the program where it is installed, or in the tree that it was built in. */
static int find_script(const char *name, char program[4096], char ret[4200])
{
	static const char *const places[] = { "libexec/fastveth/bench", "tools/bench" };
	ssize_t n = readlink("/proc/self/exe", program, 4095);
	char *slash;

	if (n < 0)
		return -errno;
	program[n] = '\0';
	slash = strrchr(program, '/');
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(ret, 4200, "%.*s/../%s/%s", (int)(slash - program), program, places[i],
			 name);
		if (!access(ret, R_OK))
			return 0;
	}
	return -ENOENT;
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = {
		{ "quick", no_argument, NULL, 'Q' },
		{ "full", no_argument, NULL, 'F' },
		{ "paths", required_argument, NULL, 'p' },
		{ "cases", required_argument, NULL, 'k' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "cpus", required_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' },
		{ "compare", no_argument, NULL, 'C' },
		{},
	};
	char program[4096], script[4200], dir[64];
	/* The first two: the interpreter and the script. */
	struct bench b = { .n = 2 };
	time_t now = time(NULL);
	int at;

	/* A word may become two ("--paths=own"), and some are added. */
	if (2 * argc + 8 > BENCH_WORDS)
		return cli_usage("bench", "too many words");
	at = cli_options(cli, argc, argv, own, set, &b, 0, 2);
	if (at < 0)
		return EXIT_USAGE;
	if (b.quick && b.full)
		return cli_usage("bench", "--quick and --full: one of them");
	if (b.compare && b.others)
		return cli_usage("bench", "--compare takes two files and nothing else");
	if (argc - at != (b.compare ? 2 : 0))
		return b.compare ? cli_usage("bench", "--compare: two files of runs are needed")
				 : cli_usage("bench", "\"%s\" is one word too many", argv[at]);
	for (; at < argc; at++)
		add(&b, argv[at]);
	if (cli->json)
		add(&b, "--json");
	if (cli->quiet && !b.compare)
		add(&b, "--quiet");
	if (!b.output && !b.compare) {
		strftime(dir, sizeof(dir), "fastveth-bench-%Y%m%d-%H%M%S", localtime(&now));
		add(&b, "--output");
		add(&b, dir);
	}
	if (find_script(b.compare ? "compare" : "run", program, script)) {
		fprintf(stderr,
			"fastveth: bench: its scripts are not beside %s: `make install` "
			"puts them there\n",
			program);
		return EXIT_FAILED;
	}
	b.argv[0] = "python3";
	b.argv[1] = script;
	setenv("FASTVETH", program, 1);
	setenv("FV_BENCH_NAME", "fastveth bench", 1);
	execvp(b.argv[0], (char *const *)b.argv);
	fprintf(stderr, "fastveth: bench: python3: %s: install it\n", strerror(errno));
	return EXIT_FAILED;
}
