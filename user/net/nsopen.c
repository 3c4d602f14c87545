/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Existing namespaces: opened by name, pid, path, or found by identity.
 *
 * Everything is first opened with O_PATH, which neither blocks on a fifo nor
 * wakes a device, looked at on that descriptor, and only then opened for real
 * through it: what was checked is what is used.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "core/cleanup.h"
#include "net/netns_priv.h"

static const char *file_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return "not a namespace";
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return "a plain file, not a network namespace";
	case S_IFDIR:
		return "a directory, not a network namespace";
	case S_IFIFO:
		return "a fifo, not a network namespace";
	case S_IFLNK:
		return "a symbolic link, which is not followed here";
	case S_IFSOCK:
		return "a socket, not a network namespace";
	case S_IFCHR:
	case S_IFBLK:
		return "a device, not a network namespace";
	default:
		return "not a network namespace";
	}
}

static const char *ns_kind(int type)
{
	switch (type) {
	case CLONE_NEWNS:
		return "a mount namespace";
	case CLONE_NEWPID:
		return "a pid namespace";
	case CLONE_NEWUSER:
		return "a user namespace";
	case CLONE_NEWUTS:
		return "a uts namespace";
	case CLONE_NEWIPC:
		return "an ipc namespace";
	case CLONE_NEWCGROUP:
		return "a cgroup namespace";
	default:
		return "another kind of namespace";
	}
}

/* @at: descriptor with O_PATH of what shall be a network namespace; @what: name for messages. */
static int open_checked(int at, const char *what, struct fv_err *err, int *ret_fd)
{
	char self[sizeof("/proc/thread-self/fd/") + 3 * sizeof(int)];
	FV_AUTO_FD int fd = -1;
	struct statfs fs;
	int r, type;

	if (fstatfs(at, &fs) < 0 || (unsigned long)fs.f_type != NSFS_MAGIC)
		return fv_err_set(err, -EINVAL, "%s: is %s", what, file_kind(at));

	snprintf(self, sizeof(self), "/proc/thread-self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		return fv_err_set(err, r, "%s: cannot be opened: %s", what, strerror(-r));
	}
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type != CLONE_NEWNET)
		return fv_err_set(err, -EINVAL, "%s: is %s, not a network namespace", what,
				  ns_kind(type));
	*ret_fd = FV_TAKE_FD(fd);
	return 0;
}

int fv_netns_check_name(const char *name, struct fv_err *err)
{
	if (!name[0] || strlen(name) > NAME_MAX || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return fv_err_set(err, -EINVAL,
				  "namespace \"%.64s\": not a name (1 to %d bytes, no \"/\")", name,
				  NAME_MAX);
	return 0;
}

int fv_netns_open_name(const char *name, struct fv_err *err, int *ret_fd)
{
	char what[sizeof(FV_NETNS_DIR) + NAME_MAX + 1];
	FV_AUTO_FD int dir = -1, at = -1;
	int r;

	r = fv_netns_check_name(name, err);
	if (r)
		return r;
	snprintf(what, sizeof(what), "%s/%s", FV_NETNS_DIR, name);
	dir = open(FV_NETNS_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0)
		at = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0) {
		r = -errno;
		if (r == -ENOENT)
			return fv_err_set(err, r, "%s: there is no namespace of this name", what);
		return fv_err_set(err, r, "%s: cannot be opened: %s", what, strerror(-r));
	}
	return open_checked(at, what, err, ret_fd);
}

int fv_netns_open_path(const char *path, struct fv_err *err, int *ret_fd)
{
	FV_AUTO_FD int at = open(path, O_PATH | O_CLOEXEC);

	if (at < 0) {
		int r = -errno;

		return fv_err_set(err, r, "%s: cannot be opened: %s", path, strerror(-r));
	}
	return open_checked(at, path, err, ret_fd);
}

static int no_process(pid_t pid, int r, struct fv_err *err)
{
	switch (r) {
	case -ESRCH:
		return fv_err_set(err, r, "pid %d: there is no such process", (int)pid);
	case -EINVAL:
	case -ENOENT:
		return fv_err_set(err, -EINVAL, "pid %d: is a thread; give its process", (int)pid);
	default:
		return fv_err_set(err, r, "pid %d: cannot be opened: %s", (int)pid, strerror(-r));
	}
}

int fv_netns_open_pid(pid_t pid, struct fv_err *err, int *ret_fd)
{
	FV_AUTO_FD int pidfd = -1, at = -1, fd = -1;
	char path[64], what[32];
	struct pollfd exited;
	int r;

	if (pid <= 0)
		return fv_err_set(err, -EINVAL, "pid %d: a process id is 1 or more", (int)pid);
	snprintf(what, sizeof(what), "pid %d", (int)pid);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);

	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return no_process(pid, -errno, err);

	at = open(path, O_PATH | O_CLOEXEC);
	r = at < 0 ? -errno : open_checked(at, what, NULL, &fd);

	/* It still has the pid now: so it had it while the path was opened. */
	exited = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (poll(&exited, 1, 0) != 0)
		return no_process(pid, -ESRCH, err);
	if (r)
		return fv_err_set(err, r, "%s: cannot open its network namespace: %s%s", what,
				  strerror(-r), r == -EACCES ? " (needs CAP_SYS_PTRACE)" : "");
	*ret_fd = FV_TAKE_FD(fd);
	return 0;
}

/* ---- by identity ---- */

struct identity {
	dev_t dev;
	ino_t ino;
};

static bool is_it(int at, const char *name, int flags, const struct identity *id)
{
	struct stat st;

	return fstatat(at, name, &st, flags) == 0 && st.st_dev == id->dev && st.st_ino == id->ino;
}

/* Takes the descriptor if it is the one that is looked for. */
static int take_if(int fd, const struct identity *id, int *ret_fd)
{
	if (is_it(fd, "", AT_EMPTY_PATH, id)) {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	return -ENOENT;
}

int fv_netns_open_dir(const char *path, struct fv_err *err, DIR **ret)
{
	int r;

	*ret = opendir(path);
	if (*ret)
		return 0;
	r = -errno;
	return r == -ENOENT ? r : fv_err_set(err, r, "%s: cannot be read: %s", path, strerror(-r));
}

static int find_name(const struct identity *id, struct fv_err *err, int *ret_fd)
{
	FV_AUTO_DIR DIR *dir = NULL;
	const struct dirent *entry;
	int r, fd;

	r = fv_netns_open_dir(FV_NETNS_DIR, err, &dir);
	if (r)
		return r;
	while ((entry = readdir(dir))) {
		if (is_it(dirfd(dir), entry->d_name, AT_SYMLINK_NOFOLLOW, id) &&
		    fv_netns_open_name(entry->d_name, NULL, &fd) == 0 &&
		    take_if(fd, id, ret_fd) == 0)
			return 0;
	}
	return -ENOENT;
}

static int find_process(const struct identity *id, struct fv_err *err, int *ret_fd)
{
	FV_AUTO_DIR DIR *dir = NULL;
	const struct dirent *entry;
	int r, fd;

	r = fv_netns_open_dir("/proc", err, &dir);
	if (r)
		return r;
	while ((entry = readdir(dir))) {
		char path[sizeof(entry->d_name) + sizeof("/ns/net")];
		int pid = atoi(entry->d_name);

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "%s/ns/net", entry->d_name);
		if (is_it(dirfd(dir), path, 0, id) && fv_netns_open_pid(pid, NULL, &fd) == 0 &&
		    take_if(fd, id, ret_fd) == 0)
			return 0;
	}
	return -ENOENT;
}

int fv_netns_find(dev_t dev, ino_t ino, struct fv_err *err, int *ret_fd)
{
	const struct identity id = { dev, ino };
	int r;

	r = find_name(&id, err, ret_fd);
	if (r == -ENOENT)
		r = find_process(&id, err, ret_fd);
	return r;
}
