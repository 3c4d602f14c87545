// SPDX-License-Identifier: GPL-2.0-only
/* Tables, JSON, colour, errors. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

int cli_usage(const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "fastveth: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (fastveth help%s%s)\n", verb ? " " : "", verb ?: "");
	return EXIT_USAGE;
}

int cli_failed(const struct fv_err *err)
{
	fprintf(stderr, "fastveth: %s\n", *err->msg ? err->msg : strerror(-err->code));
	return EXIT_FAILED;
}

int cli_json(json_t *j)
{
	/* With 17 digits 0.4 would not be 0.4. */
	int r = json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));

	json_decref(j);
	putchar('\n');
	return r ? EXIT_FAILED : EXIT_DONE;
}

int cli_flush(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "fastveth: writing the output: %s\n", strerror(errno));
	return EXIT_FAILED;
}

const char *cli_color(const struct cli *cli, const char *name)
{
	static const char *const codes[][2] = {
		{ "green", "\033[32m" }, { "yellow", "\033[33m" }, { "red", "\033[31m" },
		{ "bold", "\033[1m" },	 { "off", "\033[0m" },
	};

	for (size_t i = 0; cli->color && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(codes[i][0], name))
			return codes[i][1];
	return "";
}

struct line {
	char **cells; /* of a row; NULL for a note */
	char *note;
};

struct table {
	const char *const *columns;
	size_t n_columns, used; /* cells of the last row */
	struct line *lines;
	size_t n;
};

struct table *table_new(const char *const *columns)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->columns = columns;
	while (columns[t->n_columns])
		t->n_columns++;
	t->used = t->n_columns;
	return t;
}

static struct line *add_line(struct table *t)
{
	struct line *lines = realloc(t->lines, (t->n + 1) * sizeof(*lines));

	if (!lines)
		abort();
	t->lines = lines;
	memset(&lines[t->n], 0, sizeof(*lines));
	return &lines[t->n++];
}

void table_cell(struct table *t, const char *fmt, ...)
{
	va_list ap;

	if (t->used == t->n_columns) {
		struct line *line = add_line(t);

		line->cells = calloc(t->n_columns, sizeof(*line->cells));
		if (!line->cells)
			abort();
		t->used = 0;
	}
	va_start(ap, fmt);
	if (vasprintf(&t->lines[t->n - 1].cells[t->used++], fmt, ap) < 0)
		abort();
	va_end(ap);
}

void table_note(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&add_line(t)->note, fmt, ap) < 0)
		abort();
	va_end(ap);
}

static void print_cell(const struct table *t, size_t c, const char *s, int width)
{
	const char *sep = c ? "  " : "";

	if (*t->columns[c] != '<')
		printf("%s%*s", sep, width, s);
	else if (c + 1 < t->n_columns)
		printf("%s%-*s", sep, width, s);
	else
		printf("%s%s", sep, s);
}

static const char *title(const struct table *t, size_t c)
{
	return t->columns[c] + (*t->columns[c] == '<');
}

void table_print(struct table **t_)
{
	struct table *t = *t_;
	int *width = calloc(t->n_columns, sizeof(*width));

	if (!width)
		abort();
	for (size_t c = 0; c < t->n_columns; c++) {
		width[c] = strlen(title(t, c));
		for (size_t i = 0; i < t->n; i++)
			if (t->lines[i].cells && (int)strlen(t->lines[i].cells[c]) > width[c])
				width[c] = strlen(t->lines[i].cells[c]);
	}
	for (size_t c = 0; c < t->n_columns; c++)
		print_cell(t, c, title(t, c), width[c]);
	putchar('\n');
	for (size_t i = 0; i < t->n; i++) {
		struct line *line = &t->lines[i];

		if (line->note)
			printf("%s", line->note);
		for (size_t c = 0; line->cells && c < t->n_columns; c++) {
			print_cell(t, c, line->cells[c], width[c]);
			free(line->cells[c]);
		}
		putchar('\n');
		free(line->cells);
		free(line->note);
	}
	free(width);
	free(t->lines);
	free(t);
	*t_ = NULL;
}
