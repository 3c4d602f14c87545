// SPDX-License-Identifier: GPL-2.0-only
/*
 * One run at a time. The lock is the kernel's, on the open file, so it ends with
 * its holder; what the file says is only for messages of those who wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/priv.h"
#include "core/state.h"

#define STEP_MS 50

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/*
 * "pid N (command)" of the holder. The file of a holder that was killed keeps its
 * words, and a child of it may hold the lock on: a pid that is gone is not named.
 */
static const char *holder(int fd, char buf[512])
{
	char text[400], *command;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid;

	if (n <= 0)
		return "";
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	pid = strtol(text, &command, 10);
	if (pid <= 0 || pid > INT32_MAX || *command != ' ' ||
	    (kill((pid_t)pid, 0) && errno == ESRCH))
		return "";
	snprintf(buf, 512, ": pid %ld (%s)", pid, command + 1);
	return buf;
}

static void write_holder(int fd, const char *what)
{
	char text[400];
	int n = snprintf(text, sizeof(text), "%d %.360s\n", getpid(), what);

	/* Only for messages: a full file system must not stop the run. */
	(void)!ftruncate(fd, 0);
	(void)!pwrite(fd, text, (size_t)n, 0);
}

int fv_lock_take(unsigned int wait, const char *what, struct fv_err *err, int *ret_fd)
{
	const struct timespec step = { 0, STEP_MS * 1000000L };
	FV_AUTO_FD int dir = -1, fd = -1;
	long long end = now_ms() + wait * 1000LL;
	char buf[512];
	int r = fv_run_dir_open(true, err, &dir);

	if (r)
		return r;
	fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		r = -errno;
		return fv_err_set(err, r, "%s/lock cannot be opened: %s", fv_run_dir(),
				  strerror(-r));
	}
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		r = -errno;
		if (r == -EINTR)
			continue;
		if (r != -EWOULDBLOCK)
			return fv_err_set(err, r, "%s/lock cannot be taken: %s", fv_run_dir(),
					  strerror(-r));
		if (now_ms() >= end)
			return fv_err_set(
				err, -ETIMEDOUT,
				"another run holds the lock%s; waited %u s; try again or use "
				"--wait",
				holder(fd, buf), wait);
		if (nanosleep(&step, NULL))
			return fv_err_set(err, -EINTR, "interrupted while waiting for the lock%s",
					  holder(fd, buf));
	}
	write_holder(fd, what);
	*ret_fd = FV_TAKE_FD(fd);
	return 0;
}

void fv_lock_release(int *fd)
{
	if (*fd >= 0) {
		/* While the lock is held: afterwards the words are the next holder's. */
		(void)!ftruncate(*fd, 0);
		close(*fd);
	}
	*fd = -1;
}
