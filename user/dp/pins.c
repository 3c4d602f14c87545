// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pin directory. bpffs may be world-writable with the sticky bit, so anybody
 * may have made a directory of our name: it is opened once, checked on the
 * descriptor, and everything else goes through that descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "dp/priv.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct fv_pin_path fv_pin_at(int dir, const char *name)
{
	struct fv_pin_path p;

	snprintf(p.s, sizeof(p.s), "/proc/self/fd/%d/%s", dir, name);
	return p;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

bool fv_dp_mounted(void)
{
	return is_bpffs(FV_BPFFS);
}

static int mount_bpffs(struct fv_err *err, bool *ret_mounted)
{
	if (mount("bpf", FV_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return fv_err_set(err, -errno,
				  "%s: no BPF file system is mounted there, and mounting one "
				  "failed: %s",
				  FV_BPFFS, strerror(errno));
	*ret_mounted = true;
	return 0;
}

static int check_dir(int fd, struct fv_err *err)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return fv_err_set(err, -errno, "%s: %s", FV_PIN_DIR, strerror(errno));
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
		return fv_err_set(err, -EINVAL, "%s is not on a BPF file system", FV_PIN_DIR);
	if (st.st_uid || (st.st_mode & 077))
		return fv_err_set(
			err, -EPERM,
			"%s belongs to uid %u with mode %04o, not to root alone: not made by "
			"fastveth; look at it and remove it",
			FV_PIN_DIR, st.st_uid, st.st_mode & 07777);
	return 0;
}

int fv_pins_open(bool create, struct fv_err *err, int *ret_dir, bool *ret_mounted)
{
	FV_AUTO_FD int fd = -1;
	bool mounted = false;
	int r;

	if (!is_bpffs(FV_BPFFS)) {
		if (!create)
			return -ENOENT;
		r = mount_bpffs(err, &mounted);
		if (r)
			return r;
	}
	if (create && mkdir(FV_PIN_DIR, 0700) && errno != EEXIST)
		return fv_err_set(err, -errno, "%s: %s", FV_PIN_DIR, strerror(errno));
	fd = open(FV_PIN_DIR, DIR_FLAGS);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return fv_err_set(err, -errno, "%s: %s", FV_PIN_DIR, strerror(errno));
	r = check_dir(fd, err);
	if (r)
		return r;
	*ret_dir = FV_TAKE_FD(fd);
	if (ret_mounted && mounted)
		*ret_mounted = true;
	return 0;
}

int fv_pins_subdir(int dir, const char *name, bool create, struct fv_err *err, int *ret)
{
	int fd;

	if (create && mkdirat(dir, name, 0700) && errno != EEXIST)
		return fv_err_set(err, -errno, "%s/%s: %s", FV_PIN_DIR, name, strerror(errno));
	fd = openat(dir, name, DIR_FLAGS);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return fv_err_set(err, -errno, "%s/%s: %s", FV_PIN_DIR, name, strerror(errno));
	*ret = fd;
	return 0;
}

void fv_link_pin_name(const char *port, enum fv_prog prog, char ret[64])
{
	char *p;

	snprintf(ret, 64, "%s:%s", port, fv_prog_name(prog));
	for (p = ret; *p; p++)
		if (*p == '.')
			*p = ',';
}

int fv_pins_each(int dir, int (*fn)(int dir, const char *name, void *arg, struct fv_err *err),
		 void *arg, struct fv_err *err)
{
	FV_AUTO_DIR DIR *d = NULL;
	struct dirent *e;
	int fd, r;

	fd = openat(dir, ".", DIR_FLAGS);
	if (fd < 0)
		return fv_err_set(err, -errno, "%s: %s", FV_PIN_DIR, strerror(errno));
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return fv_err_oom(err);
	}
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = fn(dir, e->d_name, arg, err);
		if (r)
			return r;
	}
	return 0;
}

static int remove_one(int dir, const char *name, void *arg, struct fv_err *err)
{
	int sub, r;

	(void)arg;
	if (!unlinkat(dir, name, 0))
		return 0;
	/* bpffs says EPERM of a directory. */
	if (errno != EISDIR && errno != EPERM)
		return fv_err_set(err, -errno, "%s/%s: %s", FV_PIN_DIR, name, strerror(errno));
	r = fv_pins_subdir(dir, name, false, err, &sub);
	if (r)
		return r;
	r = fv_pins_each(sub, remove_one, NULL, err);
	close(sub);
	if (r)
		return r;
	if (unlinkat(dir, name, AT_REMOVEDIR))
		return fv_err_set(err, -errno, "%s/%s: %s", FV_PIN_DIR, name, strerror(errno));
	return 0;
}

/* What an earlier build with other layouts pinned: nothing is attached that uses it any more. */
static int drop_other_abi(int dir, const char *name, void *arg, struct fv_err *err)
{
	unsigned int abi;
	char end;

	if (sscanf(name, "v%u%c", &abi, &end) != 1 || abi == FV_ABI)
		return 0;
	return remove_one(dir, name, arg, err);
}

int fv_pins_drop_others(int dir, struct fv_err *err)
{
	return fv_pins_each(dir, drop_other_abi, NULL, err);
}

/* A fresh bpffs has these two of the kernel's own. */
static int is_foreign_pin(int dir, const char *name, void *arg, struct fv_err *err)
{
	(void)dir;
	(void)arg;
	(void)err;
	return strcmp(name, "maps.debug") && strcmp(name, "progs.debug");
}

int fv_dp_remove(bool unmount, struct fv_err *err)
{
	FV_AUTO_FD int dir = -1;
	int root, r;

	r = fv_pins_open(false, err, &dir, NULL);
	if (!r)
		r = fv_pins_each(dir, remove_one, NULL, err);
	if (!r && rmdir(FV_PIN_DIR))
		r = fv_err_set(err, -errno, "%s: %s", FV_PIN_DIR, strerror(errno));
	if (r == -ENOENT)
		r = 0;
	if (r || !unmount || !is_bpffs(FV_BPFFS))
		return r;
	close(FV_TAKE_FD(dir));
	root = open(FV_BPFFS, DIR_FLAGS);
	if (root < 0)
		return fv_err_set(err, -errno, "%s: %s", FV_BPFFS, strerror(errno));
	r = fv_pins_each(root, is_foreign_pin, NULL, err);
	close(root);
	/* Somebody else uses it by now: it stays. Busy is the same thing. */
	if (!r && umount(FV_BPFFS) && errno != EBUSY)
		return fv_err_set(err, -errno, "%s: unmounting failed: %s", FV_BPFFS,
				  strerror(errno));
	return 0;
}
