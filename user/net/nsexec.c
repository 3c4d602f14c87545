/* SPDX-License-Identifier: GPL-2.0-only */
/* A command in a namespace, with what it sees of it in /sys and /etc: as ip-netns(8) does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "core/cleanup.h"
#include "net/netns_priv.h"

#define ETC_NETNS "/etc/netns"

static int cannot(const char *step, int r, struct fv_err *err)
{
	return fv_err_set(err, r, "cannot %s: %s%s", step, strerror(-r),
			  r == -EPERM ? " (needs CAP_SYS_ADMIN: run as root)" : "");
}

static int enter(int fd, struct fv_err *err)
{
	if (setns(fd, CLONE_NEWNET) < 0)
		return cannot("enter the network namespace", -errno, err);
	if (unshare(CLONE_NEWNS) < 0)
		return cannot("make a mount namespace", -errno, err);
	/* What is mounted from here on stays here; what the host mounts still arrives. */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return cannot("keep mounts from the host", -errno, err);
	return 0;
}

static int mount_sys(const char *source, struct fv_err *err)
{
	unsigned long flags = 0;
	struct statvfs fs;

	/* One that stays and is read-only must not be covered by a writable one. */
	if (umount2("/sys", MNT_DETACH) < 0 && statvfs("/sys", &fs) == 0 && fs.f_flag & ST_RDONLY)
		flags = MS_RDONLY;
	if (mount(source, "/sys", "sysfs", flags, NULL) < 0)
		return cannot("mount /sys of the namespace", -errno, err);
	return 0;
}

static int bind_etc(const char *name, struct fv_err *err)
{
	char dir[sizeof(ETC_NETNS) + NAME_MAX + 1];
	FV_AUTO_DIR DIR *entries = NULL;
	const struct dirent *entry;

	snprintf(dir, sizeof(dir), "%s/%s", ETC_NETNS, name);
	entries = opendir(dir);
	if (!entries) {
		int r = -errno;

		if (r == -ENOENT)
			return 0;
		return fv_err_set(err, r, "%s: cannot be read: %s", dir, strerror(-r));
	}
	while ((entry = readdir(entries))) {
		char from[sizeof(dir) + NAME_MAX + 1], to[sizeof("/etc/") + NAME_MAX];

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(from, sizeof(from), "%s/%s", dir, entry->d_name);
		snprintf(to, sizeof(to), "/etc/%s", entry->d_name);
		/* A file that the host does not have cannot be covered: ip-netns(8) goes on, too. */
		if (mount(from, to, NULL, MS_BIND, NULL) < 0 && errno != ENOENT) {
			int r = -errno;

			return fv_err_set(err, r, "%s: cannot be bound over %s: %s", from, to,
					  strerror(-r));
		}
	}
	return 0;
}

int fv_netns_exec(int fd, const char *name, char *const argv[], struct fv_err *err)
{
	int r = 0;

	if (name)
		r = fv_netns_check_name(name, err);
	if (!r)
		r = enter(fd, err);
	if (!r)
		r = mount_sys(name ? name : "sysfs", err);
	if (!r && name)
		r = bind_etc(name, err);
	if (r)
		return r;

	execvp(argv[0], argv);
	r = -errno;
	if (r == -ENOENT)
		return fv_err_set(err, r, "%s: command not found", argv[0]);
	return fv_err_set(err, r, "%s: cannot be executed: %s", argv[0], strerror(-r));
}
