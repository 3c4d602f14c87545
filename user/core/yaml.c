// SPDX-License-Identifier: GPL-2.0-only
/*
 * The topology file, read with libyaml's document API. Not libcyaml: its
 * mappings have the keys of a schema and no others (cyaml.h, CYAML_MAPPING:
 * "an array of entries, defining the YAML keys allowed by the mapping"), and here
 * keys are the names of networks and namespaces. Nodes of libyaml also know
 * where they stand in the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "core/cleanup.h"
#include "core/priv.h"
#include "core/yaml.h"

#define SIZE_LIMIT ((size_t)16 << 20)
#define DEPTH_MAX 32
#define ANCHORS_MAX 10000

static const char *kind_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return "a device";
	return S_ISSOCK(mode) ? "a socket" : NULL;
}

static int open_file(const char *path, struct fv_err *err, int *ret_fd)
{
	struct stat st;
	int fd, r;

	/* Before opening: that alone has effects on some devices. */
	if (stat(path, &st)) {
		r = -errno;
		return fv_err_set(err, r, "%s: %s", path, strerror(-r));
	}
	if (kind_of(st.st_mode))
		return fv_err_set(err, -EINVAL, "%s is %s, not a topology file", path,
				  kind_of(st.st_mode));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		r = -errno;
		return fv_err_set(err, r, "%s: %s", path, strerror(-r));
	}
	*ret_fd = fd;
	return 0;
}

static int read_file(int fd, const char *path, struct fv_err *err, unsigned char **ret,
		     size_t *ret_size)
{
	FV_AUTO_FREE unsigned char *text = NULL;
	size_t size = 0, room = 0;
	ssize_t n = 1;

	while (n > 0) {
		if (size == room) {
			unsigned char *more;

			room = room ? 2 * room : 65536;
			more = realloc(text, room);
			if (!more)
				return fv_err_oom(err);
			text = more;
		}
		do
			n = read(fd, text + size, room - size);
		while (n < 0 && errno == EINTR);
		if (n < 0) {
			int r = -errno;

			return fv_err_set(err, r, "%s: %s", path, strerror(-r));
		}
		size += (size_t)n;
		if (size > SIZE_LIMIT)
			return fv_err_set(err, -EFBIG, "%s is larger than 16 MiB", path);
	}
	*ret = FV_TAKE_PTR(text);
	*ret_size = size;
	return 0;
}

static int parser_error(const yaml_parser_t *parser, const unsigned char *text, size_t size,
			const char *path, struct fv_err *err)
{
	size_t line = parser->problem_mark.line + 1, column = parser->problem_mark.column + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return fv_err_oom(err);
	if (parser->error == YAML_READER_ERROR) {
		/* Such an error knows its byte only. */
		line = column = 1;
		for (size_t i = 0; i < parser->problem_offset && i < size; i++) {
			column += (text[i] & 0xc0) != 0x80;
			if (text[i] == '\n') {
				line++;
				column = 1;
			}
		}
	}
	return fv_err_set(err, -EINVAL, "%s:%zu:%zu: not valid YAML: %s%s%s", path, line, column,
			  parser->problem ? parser->problem : "unknown error",
			  parser->context ? " " : "", parser->context ? parser->context : "");
}

struct survey {
	size_t documents, depth, anchors, aliases;
};

/* What an event adds to the survey; its complaint, NULL where there is none. */
static const char *count(const yaml_event_t *event, struct survey *survey)
{
	const unsigned char *anchor = NULL;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++survey->documents > 1
			       ? "a second document begins here; a topology file is one"
			       : NULL;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		survey->depth++;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		survey->depth++;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		survey->depth--;
		break;
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		break;
	case YAML_ALIAS_EVENT:
		survey->aliases++;
		break;
	default:
		break;
	}
	survey->anchors += anchor != NULL;
	if (survey->depth > DEPTH_MAX)
		return "mappings and lists are nested too deep";
	if (survey->anchors > ANCHORS_MAX || survey->aliases > ANCHORS_MAX)
		return "too many anchors and aliases; write the values out instead";
	return NULL;
}

/*
 * One pass over the events before the document is built: the time that libyaml
 * takes grows with the square of depth and of anchors.
 */
static int survey_file(const unsigned char *text, size_t size, const char *path, struct fv_err *err)
{
	FV_CLEANUP(yaml_parser_delete) yaml_parser_t parser = { 0 };
	struct survey survey = { 0 };
	bool end = false;

	if (!yaml_parser_initialize(&parser))
		return fv_err_oom(err);
	yaml_parser_set_input_string(&parser, text, size);
	while (!end) {
		FV_CLEANUP(yaml_event_delete) yaml_event_t event = { 0 };
		const char *complaint;

		if (!yaml_parser_parse(&parser, &event))
			return parser_error(&parser, text, size, path, err);
		complaint = count(&event, &survey);
		if (complaint)
			return fv_err_set(err, -EINVAL, "%s:%zu:%zu: %s", path,
					  event.start_mark.line + 1, event.start_mark.column + 1,
					  complaint);
		end = event.type == YAML_STREAM_END_EVENT;
	}
	if (!survey.documents)
		return fv_err_set(err, -EINVAL, "%s is empty; it must have \"networks\"", path);
	return 0;
}

static int parse(const unsigned char *text, size_t size, const char *path, struct fv_err *err,
		 struct fv_topo *topo)
{
	/* All zero can be deleted. */
	FV_CLEANUP(yaml_parser_delete) yaml_parser_t parser = { 0 };
	FV_CLEANUP(yaml_document_delete) yaml_document_t doc = { 0 };
	int r = survey_file(text, size, path, err);

	if (r)
		return r;
	if (!yaml_parser_initialize(&parser))
		return fv_err_oom(err);
	yaml_parser_set_input_string(&parser, text, size);
	if (!yaml_parser_load(&parser, &doc))
		return parser_error(&parser, text, size, path, err);
	return fv_yaml_walk(path, &doc, err, topo);
}

int fv_yaml_load(const char *path, struct fv_err *err, struct fv_topo *ret)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = { 0 };
	bool input = !strcmp(path, "-");
	FV_AUTO_FREE unsigned char *text = NULL;
	FV_AUTO_FD int fd = -1;
	size_t size = 0;
	int r = 0;

	if (input)
		path = "standard input";
	else
		r = open_file(path, err, &fd);
	if (!r)
		r = read_file(input ? STDIN_FILENO : fd, path, err, &text, &size);
	if (!r)
		r = parse(text, size, path, err, &topo);
	if (r)
		return r;
	*ret = topo;
	topo = (struct fv_topo){ 0 };
	return 0;
}
