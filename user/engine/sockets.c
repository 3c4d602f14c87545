// SPDX-License-Identifier: GPL-2.0-only
/* Where container engines of this machine listen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "engine/priv.h"

static const char *const usual[] = { "/run/docker.sock", "/run/podman/podman.sock", NULL };
static const char *const *defaults = usual;

void fv_engine_sockets_set(const char *const *paths)
{
	defaults = paths ? paths : usual;
}

void fv_engine_sockets_fini(struct fv_engine_sockets *sockets)
{
	for (size_t i = 0; i < sockets->n; i++)
		free(sockets->socket[i].path);
	*sockets = (struct fv_engine_sockets){ 0 };
}

static bool is_listed(const struct fv_engine_sockets *sockets, const struct fv_engine_socket *new)
{
	for (size_t i = 0; i < sockets->n; i++) {
		const struct fv_engine_socket *old = &sockets->socket[i];

		if (!strcmp(old->path, new->path) ||
		    (!new->why && !old->why && old->dev == new->dev && old->ino == new->ino))
			return true;
	}
	return false;
}

/* Podman offers its socket under Docker's path, too: hence the identity. */
static int add(struct fv_engine_sockets *sockets, const char *path, struct fv_err *err)
{
	struct fv_engine_socket new = { 0 };
	FV_AUTO_FREE char *copy = NULL;
	struct stat st;

	if (sockets->n == FV_ENGINE_SOCKETS_MAX)
		return 0;
	if (stat(path, &st) == 0) {
		new.dev = st.st_dev;
		new.ino = st.st_ino;
		new.why = S_ISSOCK(st.st_mode) ? 0 : -ENOTSOCK;
	} else {
		new.why = -errno;
	}
	copy = strdup(path);
	if (!copy)
		return fv_err_oom(err);
	new.path = copy;
	if (is_listed(sockets, &new))
		return 0;
	new.path = FV_TAKE_PTR(copy);
	sockets->socket[sockets->n++] = new;
	return 0;
}

/* Only unix:///PATH is on this machine for sure: other schemes say pids of other machines. */
static int add_env(struct fv_engine_sockets *sockets, const char *variable, struct fv_err *err)
{
	static const char scheme[] = "unix://";
	const char *value = getenv(variable);

	if (!value || !*value)
		return 0;
	if (strncmp(value, scheme, strlen(scheme)) || value[strlen(scheme)] != '/') {
		sockets->remote = true;
		return 0;
	}
	return add(sockets, value + strlen(scheme), err);
}

int fv_engine_sockets(struct fv_err *err, struct fv_engine_sockets *ret)
{
	FV_CLEANUP(fv_engine_sockets_fini) struct fv_engine_sockets sockets = { 0 };
	int r = add_env(&sockets, "DOCKER_HOST", err);

	if (!r && defaults[0])
		r = add(&sockets, defaults[0], err);
	if (!r)
		r = add_env(&sockets, "CONTAINER_HOST", err);
	for (size_t i = 1; !r && defaults[0] && defaults[i]; i++)
		r = add(&sockets, defaults[i], err);
	if (r)
		return r;
	*ret = sockets;
	sockets = (struct fv_engine_sockets){ 0 };
	return 0;
}
