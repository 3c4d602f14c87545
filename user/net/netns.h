/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces: made, named, opened, entered.
 *
 * A namespace is opened once and then checked on the descriptor (nsfs, of
 * network type), never by path again. Everything that switches the calling
 * thread's namespace is scoped and ends the process if it cannot switch back:
 * nothing may run in the wrong namespace.
 */
#ifndef FV_NET_NETNS_H
#define FV_NET_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"
#include "net/rtnl.h"

#define FV_NETNS_DIR "/run/netns"

/* fv_netns_self - descriptor of the calling thread's namespace. Needs no privilege. */
int fv_netns_self(struct fv_err *err, int *ret_fd);

/*
 * fv_netns_create - make a namespace that has no name yet: it lives as long as
 * the descriptor, so a killed run leaves nothing. @ret_rt: a socket in it, may
 * be NULL. Needs CAP_SYS_ADMIN.
 */
int fv_netns_create(struct fv_err *err, int *ret_fd, struct fv_rtnl **ret_rt);

/* fv_netns_rtnl - open a socket in the namespace; the thread is back in its own afterwards. */
int fv_netns_rtnl(int fd, struct fv_err *err, struct fv_rtnl **ret);

/*
 * Open an existing namespace, close-on-exec. What is not a network namespace
 * (a file, a directory, a fifo, another kind of namespace) is refused with -EINVAL and
 * what it is; nothing blocks on a fifo.
 * _name: below /run/netns, no symlink followed, no '/', "." or ".." (-EINVAL); -ENOENT.
 * _pid: by pidfd where the kernel has it, so that a reused pid is never acted on; -ESRCH.
 * _path: any path, symlinks followed.
 */
int fv_netns_open_name(const char *name, struct fv_err *err, int *ret_fd);
int fv_netns_open_pid(pid_t pid, struct fv_err *err, int *ret_fd);
int fv_netns_open_path(const char *path, struct fv_err *err, int *ret_fd);

int fv_netns_id(int fd, struct fv_err *err, dev_t *ret_dev, ino_t *ret_ino);
bool fv_netns_same(int a, int b);

/*
 * fv_netns_find - a namespace by identity: among the names in /run/netns, then
 * among all processes. -ENOENT without a message where nobody holds it.
 */
int fv_netns_find(dev_t dev, ino_t ino, struct fv_err *err, int *ret_fd);

struct fv_nsid {
	int nsid; /* id that the socket's namespace has for it */
	dev_t dev;
	ino_t ino;
	char name[256]; /* in /run/netns, the first of several; "": none */
	pid_t pid;	/* a process in it, the one with the lowest pid; 0: none */
};

/*
 * fv_nsid_map - which namespace is behind an id: each that the socket's namespace has an id for,
 * and that a name in /run/netns or a process (its main thread) holds. *ret is one malloc'ed array,
 * sorted by nsid. What cannot be looked at, or ends meanwhile, is left out; name and pid may be
 * gone, the pid another's, when they are used: dev and ino tell. Ids are given again, too.
 */
int fv_nsid_map(struct fv_rtnl *rt, struct fv_err *err, struct fv_nsid **ret, size_t *ret_n);

/*
 * fv_netns_name - make /run/netns/NAME (a bind mount, as ip-netns(8) does, with
 * /run/netns a shared mount so that other mount namespaces see it). -EEXIST.
 * @ret_made_dir: set to true if /run/netns was made by this call; may be NULL.
 * fv_netns_unname - unmount and unlink; a name without a mount is only unlinked. -ENOENT
 *   without a message where there is no such name.
 * fv_netns_rmdir - undo the making of /run/netns: unmount it and remove it if it is empty.
 */
int fv_netns_name(const char *name, int fd, struct fv_err *err, bool *ret_made_dir);
int fv_netns_unname(const char *name, struct fv_err *err);
int fv_netns_rmdir(struct fv_err *err);

/*
 * fv_netns_exec - become CMD in the namespace as `ip netns exec NAME CMD` does:
 * own mount namespace, /sys of the namespace, files of /etc/netns/NAME bound over
 * /etc. @name: for /etc/netns, may be NULL. Returns only on failure, perhaps inside the
 * namespace: the process must end then. -ENOENT: no such command.
 */
int fv_netns_exec(int fd, const char *name, char *const argv[], struct fv_err *err);

/* Run fn(arg) in the namespace, on the calling thread, and come back. Returns what fn returns. */
int fv_netns_run(int fd, int (*fn)(void *arg, struct fv_err *err), void *arg, struct fv_err *err);

#endif /* FV_NET_NETNS_H */
