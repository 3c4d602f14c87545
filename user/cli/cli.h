/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line: words in, calls of fastveth.h, text or JSON out. The only place
 * that prints.
 */
#ifndef FV_CLI_CLI_H
#define FV_CLI_CLI_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

#include "fastveth/fastveth.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct cli {
	bool json, quiet, verbose;
	int color;	   /* 1 always, 0 never */
	unsigned int wait; /* seconds */
	char command[256]; /* our command line, shortened */
};

struct table;

struct verb {
	const char *name;
	const char *synopsis; /* what follows the name */
	const char *summary;
	const char *text;				    /* for `help NAME` */
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the verb */
};

extern const struct verb verbs[];
const struct verb *verb_find(const char *name);

int cmd_up(struct cli *cli, int argc, char **argv);
int cmd_plan(struct cli *cli, int argc, char **argv);
int cmd_down(struct cli *cli, int argc, char **argv);
int cmd_add(struct cli *cli, int argc, char **argv);
int cmd_del(struct cli *cli, int argc, char **argv);
int cmd_attach(struct cli *cli, int argc, char **argv);
int cmd_detach(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);
int cmd_exec(struct cli *cli, int argc, char **argv);
int cmd_list(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_stats(struct cli *cli, int argc, char **argv);
int cmd_explain(struct cli *cli, int argc, char **argv);
int cmd_inspect(struct cli *cli, int argc, char **argv);
int cmd_bench(struct cli *cli, int argc, char **argv);
int cmd_version(struct cli *cli, int argc, char **argv);
int cmd_help(struct cli *cli, int argc, char **argv);

/*
 * cli_options - parse a verb's options, those that every verb takes among them.
 * @own: more long options, NULL-terminated, may be NULL; an option of val V is handed to set(V)
 * @min, @max: number of operands allowed; max -1: any
 * Returns the index of the first operand, or -1 after a usage error was printed.
 */
int cli_options(struct cli *cli, int argc, char **argv, const struct option *own,
		int (*set)(int val, const char *arg, void *data), void *data, int min, int max);

int cli_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Print a recorded error; returns EXIT_FAILED (EXIT_USAGE for what was wrong in the call itself). */
int cli_failed(const struct fv_err *err);
/* change.c: options of a call that changes something; signals interrupt it. */
struct fv_options cli_change(const struct cli *cli);
/* What was done, or the error; an exit status. */
int cli_done(const struct cli *cli, int r, const struct fv_err *err,
	     const struct fv_actions *actions);
/* change.c: "create", its sign, and a line for what was done. */
const char *cli_op_word(enum fv_op op);
void cli_op_sign(const struct cli *cli, enum fv_op op);
void cli_action(const struct cli *cli, const struct fv_action *a);
json_t *cli_actions_json(const struct fv_actions *actions);
/* uplinks.c: DEV, "none" or "auto" after --uplink, added to what was said before; false: wrong. */
struct uplink_words {
	const char *names[32];
	struct fv_uplink_choice choice;
};
#define UPLINK_WRONG "--uplink %s: a device, or \"none\" or \"auto\" alone"
bool uplink_word(struct uplink_words *words, const char *word);
/* What `stats` and `status` say of uplinks. */
json_t *uplinks_stats_json(const struct fv_view *view);
void uplinks_stats_text(const struct fv_view *view);
json_t *uplinks_json(const struct fv_view *view);
void uplinks_text(const struct fv_view *view);
/* show.c: a table's cells and JSON for the same in both. */
json_t *lines_json(const char *lines);
json_t *counters_json(json_t *to, const struct fv_counters *c, const struct fv_reasons *r);
void counters_cells(struct table *t, const struct fv_counters *c, const struct fv_reasons *r);
void why_cell(struct table *t, const char *problems, const char *objections);

/* attach.c: words of attach and watch: as cli_options. */
struct attach_words {
	struct fv_attach how;
	struct uplink_words uplinks;
};
int attach_options(struct cli *cli, int argc, char **argv, struct attach_words *ret);
/* Print a JSON value on one line and let go of it. */
int cli_json(json_t *j);
/* Whatever was printed is out: @status, or EXIT_FAILED after a message. */
int cli_flush(int status);
const char *cli_color(const struct cli *cli, const char *name);

/* show.c: null where there is nothing (0 of a number). */
json_t *str_or_null(const char *s);
json_t *int_or_null(uint64_t n);
json_t *kernel_json(const struct fv_view_kernel *k);
void kernel_text(const struct fv_view_kernel *k);

/* show.c: what `status` says of a port, and of all. */
json_t *port_json(const struct fv_view_ep *v);
void ports_text(const struct fv_view *view, bool attached_only);

/* ---- tables ---- */

struct table *table_new(const char *const *columns); /* NULL-terminated; "<NAME" is left-aligned */
/* One cell after another, row by row; printf-like. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of its own below the last row. */
void table_note(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table **t); /* and free */

#endif /* FV_CLI_CLI_H */
