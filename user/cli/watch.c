// SPDX-License-Identifier: GPL-2.0-only
/* watch: one line for each change. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/cleanup.h"

static volatile int stop;
static int wake = -1;

static void on_signal(int sig)
{
	const uint64_t one = 1;

	if (sig != SIGHUP)
		stop = 1;
	/* It cannot be full. */
	(void)!write(wake, &one, sizeof(one));
}

static void catch_signals(void)
{
	const struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
}

/* ---- lines ---- */

static void add_time(json_t *j)
{
	struct timespec ts;
	struct tm tm;
	char buf[64];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	snprintf(buf, sizeof(buf), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
	json_object_set_new(j, "time", json_string(buf));
}

static void print_json(json_t *j, enum fv_op op, const char *kind)
{
	add_time(j);
	json_object_set_new(j, "op", json_string(cli_op_word(op)));
	json_object_set_new(j, "kind", json_string(kind));
	cli_json(j);
}

/* Lines that nobody reads: main() says so. */
static void end_with_reader(void)
{
	if (ferror(stdout))
		stop = 1;
}

static void on_port(enum fv_op op, const struct fv_view_ep *v, void *data)
{
	const struct cli *cli = data;
	const char *line = v->objections;

	if (cli->json)
		print_json(port_json(v), op, "port");
	if (cli->json || cli->quiet) {
		end_with_reader();
		return;
	}
	cli_op_sign(cli, op);
	printf(" port %s  %s%s%s", v->ep->port, v->ep->name, *v->net->name ? " on " : "",
	       v->net->name);
	if (op != FV_OP_REMOVE) {
		printf("  %s", v->declined ? "declined" : "accelerated");
		for (const char *sep = ": "; line && *line; sep = "; ") {
			int n = strcspn(line, "\n");

			printf("%s%.*s", sep, n, line);
			line += n + (line[n] == '\n');
		}
	}
	putchar('\n');
	end_with_reader();
}

static void on_action(const struct fv_action *a, void *data)
{
	const struct cli *cli = data;

	if (cli->json)
		print_json(json_pack("{s:s, s:s?}", "name", a->name, "detail", a->detail), a->op,
			   a->kind);
	else if (!cli->quiet)
		cli_action(cli, a);
	end_with_reader();
}

static void on_failure(const struct fv_err *err, void *data)
{
	(void)data;
	cli_failed(err);
}

/* For systemd, where it started us with Type=notify; see sd_notify(3). */
static void on_ready(void *data)
{
	static const char text[] = "READY=1";
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	FV_AUTO_FD int fd = -1;
	size_t n = path ? strlen(path) : 0;

	(void)data;
	if (n < 2 || n >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (*path == '@')
		*to.sun_path = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
			      offsetof(struct sockaddr_un, sun_path) + n);
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
	struct attach_words words = {};
	int at = attach_options(cli, argc, argv, &words);
	struct fv_watcher watcher = {
		.port = on_port,
		.action = on_action,
		.failed = on_failure,
		.ready = on_ready,
		.data = cli,
	};
	struct fv_options opts = cli_change(cli);
	struct fv_err err = {};
	int r;

	if (at < 0)
		return EXIT_USAGE;
	wake = watcher.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	opts.interrupted = &stop;
	opts.progress = NULL;
	catch_signals();
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = fv_watch(&opts, (const char *const *)argv + at, argc - at, &words.how, &watcher, &err);
	return r ? cli_failed(&err) : EXIT_DONE;
}
