/* SPDX-License-Identifier: GPL-2.0-only */
/* Values below /proc/sys and /sys: one line each, read and written in one piece. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "net/sysctl.h"

int fv_sysctl_get(const char *path, struct fv_err *err, char *ret, size_t size)
{
	FV_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n;
	int r;

	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	if (n < 0) {
		r = -errno;
		if (r == -ENOENT)
			return r;
		return fv_err_set(err, r, "%s: cannot be read: %s", path, strerror(-r));
	}
	if (n && buf[n - 1] == '\n')
		n--;
	if ((size_t)n >= size || (size_t)n >= sizeof(buf) - 1)
		return fv_err_set(err, -EOVERFLOW, "%s: value is too long", path);
	memcpy(ret, buf, (size_t)n);
	ret[n] = '\0';
	return 0;
}

int fv_sysctl_set(const char *path, const char *value, struct fv_err *err)
{
	FV_AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);
	ssize_t n;
	int r;

	n = fd < 0 ? -1 : write(fd, value, len);
	if (n == (ssize_t)len)
		return 0;
	r = n < 0 ? -errno : -EIO;
	return fv_err_set(err, r, "%s: cannot be set to %s: %s%s", path, value, strerror(-r),
			  r == -EROFS ? " (in a container? run on the host)" : "");
}
