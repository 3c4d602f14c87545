/* SPDX-License-Identifier: GPL-2.0-only */
/* Network namespaces: made, entered and left again, told apart. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "net/netns.h"

int fv_netns_self(struct fv_err *err, int *ret_fd)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		int r = -errno;

		return fv_err_set(err, r, "cannot open the own network namespace: %s%s",
				  strerror(-r), r == -ENOENT ? " (is /proc mounted?)" : "");
	}
	*ret_fd = fd;
	return 0;
}

/*
 * Whatever ran on in the wrong namespace would change somebody else's devices.
 * The one place of this room that speaks: nobody is left to do it.
 */
static void go_back(int self)
{
	if (setns(self, CLONE_NEWNET) == 0)
		return;
	dprintf(STDERR_FILENO, "fastveth: cannot return to the own network namespace: %s\n",
		strerror(errno));
	abort();
}

int fv_netns_create(struct fv_err *err, int *ret_fd, struct fv_rtnl **ret_rt)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FD int self = -1, fd = -1;
	int r;

	r = fv_netns_self(err, &self);
	if (r)
		return r;
	if (unshare(CLONE_NEWNET) < 0) {
		const char *hint = "";

		r = -errno;
		if (r == -EPERM)
			hint = " (needs CAP_SYS_ADMIN: run as root)";
		else if (r == -ENOSPC)
			hint = " (limit: /proc/sys/user/max_net_namespaces)";
		return fv_err_set(err, r, "cannot make a network namespace: %s%s", strerror(-r),
				  hint);
	}
	r = fv_netns_self(err, &fd);
	if (!r && ret_rt)
		r = fv_rtnl_open(err, &rt);
	go_back(self);
	if (r)
		return r;

	*ret_fd = FV_TAKE_FD(fd);
	if (ret_rt)
		*ret_rt = FV_TAKE_PTR(rt);
	return 0;
}

int fv_netns_run(int fd, int (*fn)(void *arg, struct fv_err *err), void *arg, struct fv_err *err)
{
	FV_AUTO_FD int self = -1;
	int r;

	r = fv_netns_self(err, &self);
	if (r)
		return r;
	if (setns(fd, CLONE_NEWNET) < 0) {
		r = -errno;
		return fv_err_set(err, r, "cannot enter the network namespace: %s%s", strerror(-r),
				  r == -EPERM ? " (needs CAP_SYS_ADMIN: run as root)" : "");
	}
	r = fn(arg, err);
	go_back(self);
	return r;
}

static int open_rtnl(void *arg, struct fv_err *err)
{
	return fv_rtnl_open(err, arg);
}

int fv_netns_rtnl(int fd, struct fv_err *err, struct fv_rtnl **ret)
{
	return fv_netns_run(fd, open_rtnl, ret, err);
}

int fv_netns_id(int fd, struct fv_err *err, dev_t *ret_dev, ino_t *ret_ino)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int r = -errno;

		return fv_err_set(err, r, "cannot identify a network namespace: %s", strerror(-r));
	}
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return 0;
}

bool fv_netns_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}
