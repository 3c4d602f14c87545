// SPDX-License-Identifier: GPL-2.0-only
/* The run directory: made and opened so that nobody else's can take its place. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/priv.h"
#include "core/state.h"

static const char *run_dir = FV_RUN_DIR;

const char *fv_run_dir(void)
{
	return run_dir;
}

void fv_run_dir_set(const char *dir)
{
	run_dir = dir;
}

int fv_run_dir_open(bool make, struct fv_err *err, int *ret_fd)
{
	FV_AUTO_FD int fd = -1;
	struct stat st;
	int r;

	if (make && mkdir(run_dir, 0700) && errno != EEXIST) {
		r = -errno;
		return fv_err_set(err, r, "%s cannot be made: %s", run_dir, strerror(-r));
	}
	fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		if (r == -ENOENT && !make)
			return r;
		if (r == -ENOTDIR || r == -ELOOP)
			return fv_err_set(
				err, -EPERM,
				"%s is not a directory: not made by fastveth; look at it and "
				"remove it",
				run_dir);
		return fv_err_set(err, r, "%s cannot be opened: %s", run_dir, strerror(-r));
	}
	if (fstat(fd, &st)) {
		r = -errno;
		return fv_err_set(err, r, "%s: %s", run_dir, strerror(-r));
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return fv_err_set(
			err, -EPERM,
			"%s belongs to uid %u with mode %04o: others could change it; look at "
			"it and remove it",
			run_dir, st.st_uid, st.st_mode & 07777);
	*ret_fd = FV_TAKE_FD(fd);
	return 0;
}
