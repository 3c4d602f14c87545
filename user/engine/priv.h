/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of engine share with nobody else. */
#ifndef FV_ENGINE_PRIV_H
#define FV_ENGINE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"
#include "engine/engine.h"

#define FV_ENGINE_SOCKETS_MAX 8

struct fv_engine_socket {
	char *path;
	dev_t dev;
	ino_t ino;
	int why; /* negative errno: why nobody answers there; 0: not known to be so */
};

struct fv_engine_sockets {
	struct fv_engine_socket socket[FV_ENGINE_SOCKETS_MAX];
	size_t n;
	bool remote; /* the environment names one of another kind */
};

/* Where engines may listen, each socket once, those that are absent with their reason. */
int fv_engine_sockets(struct fv_err *err, struct fv_engine_sockets *ret);
void fv_engine_sockets_fini(struct fv_engine_sockets *sockets);

/* One socket, one connection, which is kept for the next request. */
struct fv_engine_conn;
struct json_t;

int fv_engine_open(const char *path, struct fv_err *err, struct fv_engine_conn **ret);
void fv_engine_close(struct fv_engine_conn *conn);
const char *fv_engine_path(const struct fv_engine_conn *conn);

/*
 * fv_engine_get - GET PREFIX NAME SUFFIX, where NAME is escaped and may be NULL.
 * @ret: the answer as JSON, integers as reals. NULL where the status is not 200 and it is none.
 * Nobody listens: -ENOTCONN without a message, and @ret_status has the negative errno.
 */
int fv_engine_get(struct fv_engine_conn *conn, const char *prefix, const char *name,
		  const char *suffix, struct fv_err *err, long *ret_status, struct json_t **ret);

/* "docker" or "podman", by what the last answer said of itself. */
const char *fv_engine_kind(struct fv_engine_conn *conn);

/* An answer that no engine gives; -EPROTO. */
int fv_engine_nonsense(const struct fv_engine_conn *conn, const char *what, const char *value,
		       struct fv_err *err);

#endif /* FV_ENGINE_PRIV_H */
