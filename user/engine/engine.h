/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Containers that run on this machine, as their engines tell: Docker, and Podman's
 * service, which answers like Docker. Asked over local Unix sockets, nothing is
 * changed. The only room that knows libcurl.
 *
 * Sockets, in this order, each once: $DOCKER_HOST where it is unix://, /run/docker.sock,
 * $CONTAINER_HOST where it is unix://, /run/podman/podman.sock. Nobody listening there is no
 * error. Who answers must make sense.
 */
#ifndef FV_ENGINE_ENGINE_H
#define FV_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

struct fv_container {
	char *id;   /* 64 hex digits */
	char *name; /* [A-Za-z0-9][A-Za-z0-9_.-]* */
	pid_t pid;  /* of its first process */
	/* Identity of its network namespace; 0: unknown (ended meanwhile, or not ours to see). */
	dev_t ns_dev;
	ino_t ns_ino;
	const char *engine; /* "docker", "podman" */
	bool host_network;  /* its network namespace is the caller's */
};

/*
 * fv_engine_list - all running containers of all engines that answer; none is no error.
 * An engine that answers nonsense, an HTTP error or not in time does not hide the others:
 * *ret has their containers also where an error (the first) is returned, and is to be freed.
 * Who only puts names to namespaces may go on with them; who decides by who is missing must not.
 */
int fv_engine_list(struct fv_err *err, struct fv_container **ret, size_t *ret_n);

/*
 * fv_engine_find - one running container by name, id, or the first 4 or more digits of its id.
 * All engines are asked, and all that answer must make sense.
 * -EINVAL: no container can be called so. -ENOENT: no engine answers, or none has it.
 * -ESRCH: it does not run. -ENOTUNIQ: it could be several.
 */
int fv_engine_find(const char *name, struct fv_err *err, struct fv_container *ret);

/* fv_container_of - name of the first with this namespace; NULL: none, or dev and ino are 0. */
const char *fv_container_of(const struct fv_container *c, size_t n, dev_t dev, ino_t ino);

void fv_container_fini(struct fv_container *c);
void fv_containers_free(struct fv_container *c, size_t n);

/*
 * For tests. Paths that are looked at beside those of the environment, to the first NULL, instead of
 * the usual; NULL: the usual again.
 */
void fv_engine_sockets_set(const char *const *paths);

struct fv_engine_limits {
	long connect_ms, request_ms;
	size_t answer_size;
};
/* For tests; NULL: 2 s, 5 s, 64 MiB again. */
void fv_engine_limits_set(const struct fv_engine_limits *limits);

#endif /* FV_ENGINE_ENGINE_H */
