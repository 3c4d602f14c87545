// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers by what their engines say. Whoever listens on a socket may say anything:
 * ids, names and pids are checked before anything is done with them.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "engine/priv.h"

#define ID_LEN 64
#define PREFIX_MIN 4
#define NAME_LEN_MAX 255

void fv_container_fini(struct fv_container *c)
{
	free(c->id);
	free(c->name);
	*c = (struct fv_container){ 0 };
}

void fv_containers_free(struct fv_container *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fv_container_fini(&c[i]);
	free(c);
}

const char *fv_container_of(const struct fv_container *c, size_t n, dev_t dev, ino_t ino)
{
	for (size_t i = 0; i < n; i++)
		if (ino && c[i].ns_dev == dev && c[i].ns_ino == ino)
			return c[i].name;
	return NULL;
}

/* Digits of an id and nothing else. */
static bool is_hex(const char *s)
{
	return s[0] && strspn(s, "0123456789abcdef") == strlen(s);
}

static bool is_id(const char *s)
{
	return strlen(s) == ID_LEN && is_hex(s);
}

/* As both engines have it. In such a name nothing can leave its place in a path. */
static bool is_name(const char *s)
{
	size_t n = strlen(s);

	return n && n <= NAME_LEN_MAX && isalnum((unsigned char)s[0]) &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

/* The text of a key, NULL where there is none or it has a NUL in it. */
static const char *text_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *s = json_string_value(value);

	return s && strlen(s) == json_string_length(value) ? s : NULL;
}

/* An answer that is an error; engines say why under "message". */
static int http_error(const struct fv_engine_conn *conn, long status, const json_t *answer,
		      struct fv_err *err)
{
	const char *message = text_of(answer, "message");

	return fv_err_set(err, -EREMOTEIO,
			  "%s: the container engine answers with HTTP %ld: %.256s; "
			  "its log may say more",
			  fv_engine_path(conn), status, message ? message : "no reason given");
}

static int unpack(struct fv_engine_conn *conn, const json_t *answer, struct fv_err *err,
		  struct fv_container *ret)
{
	FV_CLEANUP(fv_container_fini) struct fv_container c = { 0 };
	const json_t *pid = json_object_get(json_object_get(answer, "State"), "Pid");
	const char *id = text_of(answer, "Id"), *name = text_of(answer, "Name");
	double number = json_real_value(pid);

	if (!json_is_object(answer))
		return fv_engine_nonsense(conn, "not a JSON object", NULL, err);
	if (!id || !is_id(id))
		return fv_engine_nonsense(conn, "no id of 64 hex digits", id, err);
	name += name && name[0] == '/';
	if (!name || !is_name(name))
		return fv_engine_nonsense(conn, "a name that no container has", name, err);
	if (!json_is_real(pid) || number < 0 || number > INT_MAX || number != (double)(pid_t)number)
		return fv_engine_nonsense(conn, "no process id under State.Pid", NULL, err);
	c.id = strdup(id);
	c.name = strdup(name);
	if (!c.id || !c.name)
		return fv_err_oom(err);
	c.pid = (pid_t)number;
	c.engine = fv_engine_kind(conn);
	*ret = c;
	c = (struct fv_container){ 0 };
	return 0;
}

/* -ENOENT without a message: the engine has no such container. */
static int inspect(struct fv_engine_conn *conn, const char *ref, struct fv_err *err,
		   struct fv_container *ret, long *ret_status)
{
	json_auto_t *answer = NULL;
	int r = fv_engine_get(conn, "/containers/", ref, "/json", err, ret_status, &answer);

	if (r)
		return r;
	/* Any web server knows 404; an engine says what is missing. */
	if (*ret_status == 404 && text_of(answer, "message"))
		return -ENOENT;
	if (*ret_status != 200)
		return http_error(conn, *ret_status, answer, err);
	return unpack(conn, answer, err, ret);
}

/* *ret: a list, perhaps empty. */
static int get_list(struct fv_engine_conn *conn, const char *options, struct fv_err *err,
		    long *ret_status, json_t **ret)
{
	json_auto_t *answer = NULL;
	const json_t *entry;
	size_t i;
	int r = fv_engine_get(conn, "/containers/json", NULL, options, err, ret_status, &answer);

	if (r)
		return r;
	if (*ret_status != 200)
		return http_error(conn, *ret_status, answer, err);
	/* How Go says that a list has nothing in it. */
	if (json_is_null(answer)) {
		*ret = json_array();
		return *ret ? 0 : fv_err_oom(err);
	}
	if (!json_is_array(answer))
		return fv_engine_nonsense(conn, "not a list", NULL, err);
	json_array_foreach (answer, i, entry) {
		const char *id = text_of(entry, "Id");

		if (!id || !is_id(id))
			return fv_engine_nonsense(conn, "an id that is not 64 hex digits", id, err);
	}
	*ret = FV_TAKE_PTR(answer);
	return 0;
}

/* -ESRCH where its process is not here. */
static int look_at_ns(struct fv_container *c)
{
	char path[64];
	struct stat st, own;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)c->pid);
	if (stat(path, &st))
		return errno == ENOENT || errno == ESRCH ? -ESRCH : 0;
	c->ns_dev = st.st_dev;
	c->ns_ino = st.st_ino;
	c->host_network = stat("/proc/thread-self/ns/net", &own) == 0 && own.st_dev == st.st_dev &&
			  own.st_ino == st.st_ino;
	return 0;
}

static void close_conn(struct fv_engine_conn **conn)
{
	fv_engine_close(*conn);
}

/* ---- all ---- */

struct list {
	struct fv_container *all;
	size_t n, room;
};

static void free_list(struct list *list)
{
	fv_containers_free(list->all, list->n);
}

static bool has(const struct list *list, const char *id)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->all[i].id, id))
			return true;
	return false;
}

/* Takes what is in *c. */
static int append(struct list *list, struct fv_container *c, struct fv_err *err)
{
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct fv_container *more = reallocarray(list->all, room, sizeof(*more));

		if (!more)
			return fv_err_oom(err);
		list->all = more;
		list->room = room;
	}
	list->all[list->n++] = *c;
	*c = (struct fv_container){ 0 };
	return 0;
}

static int list_one(const char *path, struct fv_err *err, struct list *list)
{
	FV_CLEANUP(close_conn) struct fv_engine_conn *conn = NULL;
	json_auto_t *ids = NULL;
	const json_t *entry;
	long status;
	size_t i;
	int result = 0, r = fv_engine_open(path, err, &conn);

	if (!r)
		r = get_list(conn, "", err, &status, &ids);
	if (r)
		return r;
	json_array_foreach (ids, i, entry) {
		FV_CLEANUP(fv_container_fini) struct fv_container c = { 0 };
		const char *id = text_of(entry, "Id");

		/* Another socket of the same engine. */
		if (has(list, id))
			continue;
		r = inspect(conn, id, err, &c, &status);
		if (r == -ENOENT)
			continue;
		/* An engine that cannot tell of one may well tell of the next. */
		if (r == -EREMOTEIO) {
			result = r;
			continue;
		}
		if (!r && strcmp(c.id, id))
			r = fv_engine_nonsense(conn, "the container has another id", c.id, err);
		if (r)
			return r;
		if (!c.pid)
			continue;
		look_at_ns(&c);
		r = append(list, &c, err);
		if (r)
			return r;
	}
	return result;
}

int fv_engine_list(struct fv_err *err, struct fv_container **ret, size_t *ret_n)
{
	FV_CLEANUP(fv_engine_sockets_fini) struct fv_engine_sockets sockets = { 0 };
	FV_CLEANUP(free_list) struct list list = { 0 };
	int result;

	*ret = NULL;
	*ret_n = 0;
	result = fv_engine_sockets(err, &sockets);
	for (size_t i = 0; i < sockets.n; i++) {
		int r = sockets.socket[i].why;

		if (r)
			continue;
		r = list_one(sockets.socket[i].path, err, &list);
		if (r != -ENOTCONN && !result)
			result = r;
	}
	*ret = FV_TAKE_PTR(list.all);
	*ret_n = list.n;
	list.n = 0;
	return result;
}

/* ---- one ---- */

struct search {
	const char *name;
	struct fv_container best;
	const char *best_path; /* of the socket that told of it */
	bool too_short;	       /* an engine would have taken it as an id */
};

static void end_search(struct search *search)
{
	fv_container_fini(&search->best);
}

/*
 * That several ids begin so is HTTP 400 or 500 of Docker, by its version, and 404 of Podman: they
 * are counted instead.
 */
static bool is_ambiguous(struct fv_engine_conn *conn, const char *prefix)
{
	json_auto_t *ids = NULL;
	const json_t *entry;
	size_t i, n = 0;
	long status;

	if (!is_hex(prefix) || strlen(prefix) >= ID_LEN ||
	    get_list(conn, "?all=1", NULL, &status, &ids))
		return false;
	json_array_foreach (ids, i, entry)
		n += !strncmp(text_of(entry, "Id"), prefix, strlen(prefix));
	return n > 1;
}

/* What an engine found, beside what others have: one that runs is meant before one that does not. */
static int weigh(struct search *search, const char *path, struct fv_container *c,
		 struct fv_err *err)
{
	struct fv_container *best = &search->best;

	if (best->id && (!c->pid || !strcmp(best->id, c->id)))
		return 0;
	if (best->id && best->pid)
		return fv_err_set(
			err, -ENOTUNIQ,
			"container \"%s\": %s at %s and %s at %s both have one; give its id",
			search->name, best->engine, search->best_path, c->engine, path);
	fv_container_fini(best);
	*best = *c;
	*c = (struct fv_container){ 0 };
	search->best_path = path;
	return 0;
}

/* -ENOTCONN without a message: nobody listens, *ret_why says why. */
static int ask(const char *path, struct search *search, struct fv_err *err, long *ret_why)
{
	FV_CLEANUP(close_conn) struct fv_engine_conn *conn = NULL;
	FV_CLEANUP(fv_container_fini) struct fv_container c = { 0 };
	struct fv_err problem = { 0 };
	size_t len = strlen(search->name);
	int r = fv_engine_open(path, err, &conn);

	if (r)
		return r;
	r = inspect(conn, search->name, &problem, &c, ret_why);
	if ((r == -ENOENT || r == -EREMOTEIO) && is_ambiguous(conn, search->name))
		return fv_err_set(err, -ENOTUNIQ,
				  "container \"%s\": several ids at %s begin so; give more of it",
				  search->name, path);
	if (r == -ENOENT)
		return 0;
	if (r)
		return r == -ENOTCONN ? r : fv_err_set(err, r, "%s", problem.msg);
	/* A word of one letter is hardly meant as an id, and a wrong answer not at all. */
	if (strcmp(c.name, search->name) &&
	    (len < PREFIX_MIN || strncmp(c.id, search->name, len))) {
		search->too_short |= len < PREFIX_MIN && !strncmp(c.id, search->name, len);
		return 0;
	}
	return weigh(search, path, &c, err);
}

/* The paths of those that answered or did not, with the reason where it is not mere absence. */
static size_t join(const struct fv_engine_sockets *sockets, bool answered, char *to, size_t size)
{
	size_t at = 0, n = 0;

	to[0] = '\0';
	for (size_t i = 0; i < sockets->n && at < size; i++) {
		int why = sockets->socket[i].why;
		bool absent = !why || why == -ENOENT;

		if (answered != !why)
			continue;
		at += (size_t)snprintf(to + at, size - at, "%s%s%s%s", n++ ? ", " : "",
				       sockets->socket[i].path, absent ? "" : ": ",
				       absent ? "" : strerror(-why));
	}
	return n;
}

static int not_found(const struct fv_engine_sockets *sockets, const struct search *search,
		     struct fv_err *err)
{
	char paths[512];

	if (!join(sockets, true, paths, sizeof(paths))) {
		join(sockets, false, paths, sizeof(paths));
		return fv_err_set(
			err, -ENOENT,
			"container \"%s\": no container engine answers (looked at %s%s); name "
			"a bridge, pid:N, netns:NAME or path:FILE instead",
			search->name, paths[0] ? paths : "no socket",
			sockets->remote ? "; DOCKER_HOST and CONTAINER_HOST count as "
					  "unix:///PATH only"
					: "");
	}
	if (search->too_short)
		return fv_err_set(err, -ENOENT,
				  "container \"%s\": there is none of this name, and an id needs "
				  "at least %d digits; give more of it",
				  search->name, PREFIX_MIN);
	return fv_err_set(err, -ENOENT,
			  "container \"%s\": there is none of this name or id (asked %s); `docker "
			  "ps` or `podman ps` shows which there are",
			  search->name, paths);
}

int fv_engine_find(const char *name, struct fv_err *err, struct fv_container *ret)
{
	FV_CLEANUP(fv_engine_sockets_fini) struct fv_engine_sockets sockets = { 0 };
	FV_CLEANUP(end_search) struct search search = { .name = name };
	struct fv_container *best = &search.best;
	int r;

	if (!is_name(name))
		return fv_err_set(
			err, -EINVAL,
			"container \"%.64s\": not a name (letters, digits, \"_\", \".\" and "
			"\"-\", at most %d) or id",
			name, NAME_LEN_MAX);
	r = fv_engine_sockets(err, &sockets);
	for (size_t i = 0; !r && i < sockets.n; i++) {
		long why = 0;

		if (sockets.socket[i].why)
			continue;
		r = ask(sockets.socket[i].path, &search, err, &why);
		if (r == -ENOTCONN) {
			sockets.socket[i].why = (int)why;
			r = 0;
		}
	}
	if (r)
		return r;
	if (!best->id)
		return not_found(&sockets, &search, err);
	if (!best->pid)
		return fv_err_set(err, -ESRCH,
				  "container \"%s\" does not run; start it with `%s start %s`",
				  name, best->engine, best->name);
	if (look_at_ns(best))
		return fv_err_set(
			err, -ESRCH,
			"container \"%s\": there is no process %d here: it has ended, or its "
			"engine is in another pid namespace; see `%s ps`",
			name, (int)best->pid, best->engine);
	*ret = *best;
	*best = (struct fv_container){ 0 };
	return 0;
}
