/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of namespaces: bind mounts in /run/netns, where ip-netns(8) looks for them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "net/netns_priv.h"

#define NAME_PATH_SIZE (sizeof(FV_NETNS_DIR) + NAME_MAX + 1)

/*
 * Makes /run/netns a shared mount. Two processes doing so at once would stack
 * mounts on it without end, hence the lock, which ip-netns(8) takes too.
 * The test is not recursive: with ten thousand names that would touch every one
 * of them for each new one.
 */
static int share_dir(struct fv_err *err)
{
	FV_AUTO_FD int lock = open(FV_NETNS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *dir = FV_NETNS_DIR;
	int r;

	if (lock < 0 || flock(lock, LOCK_EX) < 0) {
		r = -errno;
		return fv_err_set(err, r, "%s: cannot be locked: %s", dir, strerror(-r));
	}
	if (mount(NULL, dir, NULL, MS_SHARED, NULL) == 0)
		return 0;
	/* EINVAL: not a mount point yet. Private in between puts it into a peer group of its own. */
	if (errno == EINVAL && mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) == 0 &&
	    mount(NULL, dir, NULL, MS_PRIVATE | MS_REC, NULL) == 0 &&
	    mount(NULL, dir, NULL, MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	r = -errno;
	return fv_err_set(err, r, "%s: cannot be made a shared mount: %s%s", dir, strerror(-r),
			  r == -EPERM ? " (needs CAP_SYS_ADMIN: run as root)" : "");
}

static int prepare_dir(struct fv_err *err, bool *ret_made)
{
	bool made = mkdir(FV_NETNS_DIR, 0755) == 0;
	int r;

	if (!made && errno != EEXIST) {
		r = -errno;
		return fv_err_set(err, r, "%s: cannot be made: %s", FV_NETNS_DIR, strerror(-r));
	}
	r = share_dir(err);
	if (r && made)
		rmdir(FV_NETNS_DIR);
	if (!r)
		*ret_made = made;
	return r;
}

static int bind_name(const char *path, int fd, struct fv_err *err)
{
	char source[sizeof("/proc/thread-self/fd/") + 3 * sizeof(int)];
	FV_AUTO_FD int file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	int r;

	if (file < 0) {
		r = -errno;
		if (r == -EEXIST)
			return fv_err_set(err, r, "%s: exists already", path);
		return fv_err_set(err, r, "%s: cannot be made: %s", path, strerror(-r));
	}
	snprintf(source, sizeof(source), "/proc/thread-self/fd/%d", fd);
	if (mount(source, path, NULL, MS_BIND, NULL) < 0) {
		r = -errno;
		unlink(path);
		return fv_err_set(err, r, "%s: the namespace cannot be mounted there: %s", path,
				  strerror(-r));
	}
	return 0;
}

int fv_netns_name(const char *name, int fd, struct fv_err *err, bool *ret_made_dir)
{
	char path[NAME_PATH_SIZE];
	bool made = false;
	int r;

	r = fv_netns_check_name(name, err);
	if (!r)
		r = prepare_dir(err, &made);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/%s", FV_NETNS_DIR, name);
	r = bind_name(path, fd, err);
	if (r) {
		if (made)
			fv_netns_rmdir(NULL);
		return r;
	}
	if (ret_made_dir && made)
		*ret_made_dir = true;
	return 0;
}

int fv_netns_unname(const char *name, struct fv_err *err)
{
	char path[NAME_PATH_SIZE];
	int r;

	r = fv_netns_check_name(name, err);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/%s", FV_NETNS_DIR, name);
	/* EINVAL: no mount there, a run was killed between the two steps of naming. */
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT) {
		r = -errno;
		return fv_err_set(err, r, "%s: cannot be unmounted: %s", path, strerror(-r));
	}
	if (unlink(path) < 0) {
		r = -errno;
		if (r == -ENOENT)
			return r;
		return fv_err_set(err, r, "%s: cannot be removed: %s", path, strerror(-r));
	}
	return 0;
}

int fv_netns_rmdir(struct fv_err *err)
{
	const char *dir = FV_NETNS_DIR;
	int r = 0;

	/* Not detached: while a name is mounted below or somebody is in there, it is in use. */
	if (umount2(dir, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
		r = -errno;
	if (!r && rmdir(dir) < 0)
		r = -errno;
	if (!r || r == -ENOENT || r == -EBUSY || r == -ENOTEMPTY)
		return 0;
	return fv_err_set(err, r, "%s: cannot be removed: %s", dir, strerror(-r));
}
