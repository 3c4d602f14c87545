// SPDX-License-Identifier: GPL-2.0-only
/* The lock: one holder, a wait that ends, and a message that names the holder or nobody. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/state.h"
#include "unit/tmp.h"

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int use_tmp(void **state)
{
	int r = tmp_enter(state);

	fv_run_dir_set("run");
	return r;
}

/*
 * A child that takes the lock and says so, holds it for so many milliseconds (-1: until it is
 * killed), and goes without releasing it.
 */
static pid_t hold(const char *what, int ms)
{
	int ends[2], fd;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fv_lock_take(0, what, NULL, &fd) || write(ends[1], "x", 1) != 1)
			_exit(1);
		if (ms < 0)
			pause();
		usleep((unsigned int)ms * 1000);
		_exit(0);
	}
	assert_true(pid > 0);
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void says_who_holds_it(void **state)
{
	FV_AUTO_FREE char *held = NULL, *released = NULL;
	char text[64];
	int fd = -1;

	(void)state;
	assert_int_equal(fv_lock_take(0, "fastveth up lab.yaml", NULL, &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	held = tmp_read("run/lock");
	snprintf(text, sizeof(text), "%d fastveth up lab.yaml\n", getpid());
	assert_string_equal(held, text);
	fv_lock_release(&fd);
	assert_int_equal(fd, -1);
	released = tmp_read("run/lock");
	assert_string_equal(released, "");
	fv_lock_release(&fd);
}

static void waits_and_names_the_holder(void **state)
{
	pid_t pid = hold("fastveth up lab.yaml", -1);
	struct fv_err err = { 0 };
	double start = now();
	char msg[200];
	int fd = -1;

	(void)state;
	assert_int_equal(fv_lock_take(1, "fastveth down", &err, &fd), -ETIMEDOUT);
	assert_true(now() - start >= 0.99);
	assert_true(now() - start < 10);
	assert_int_equal(fd, -1);
	snprintf(msg, sizeof(msg),
		 "another run holds the lock: pid %d (fastveth up lab.yaml); waited "
		 "1 s; try again or use --wait",
		 pid);
	assert_string_equal(err.msg, msg);

	start = now();
	assert_int_equal(fv_lock_take(0, "fastveth down", NULL, &fd), -ETIMEDOUT);
	assert_true(now() - start < 0.9);
	end(pid);
	/* A holder that was killed holds nothing. */
	assert_int_equal(fv_lock_take(0, "fastveth down", NULL, &fd), 0);
	fv_lock_release(&fd);
}

static void gets_it_when_it_is_free(void **state)
{
	pid_t pid = hold("fastveth up", 300);
	double start = now();
	int fd = -1;

	(void)state;
	assert_int_equal(fv_lock_take(30, "fastveth down", NULL, &fd), 0);
	assert_true(now() - start < 15);
	fv_lock_release(&fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The lock of a holder that is gone can live on in its child. */
static void names_nobody_who_is_dead(void **state)
{
	struct fv_err err = { 0 };
	int ends[2], fd = -1, r;
	pid_t pid, heir;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		if (fv_lock_take(0, "fastveth up", NULL, &fd))
			_exit(1);
		heir = fork();
		if (!heir) {
			close(ends[0]);
			close(ends[1]);
			usleep(60 * 1000000);
			_exit(0);
		}
		_exit(write(ends[1], &heir, sizeof(heir)) != sizeof(heir));
	}
	assert_int_equal(read(ends[0], &heir, sizeof(heir)), sizeof(heir));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	r = fv_lock_take(0, "fastveth down", &err, &fd);
	kill(heir, SIGKILL);
	assert_int_equal(r, -ETIMEDOUT);
	assert_string_equal(err.msg,
			    "another run holds the lock; waited 0 s; try again or use --wait");
	assert_int_equal(fv_lock_take(30, "fastveth down", NULL, &fd), 0);
	fv_lock_release(&fd);
}

static void does_not_trust_the_words(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{ "", "" },
		{ "\n", "" },
		{ "hello\n", "" },
		{ "-1 x\n", "" },
		{ "0 x\n", "" },
		{ "1", "" },
		{ "1 a\x1b[2Jb", ": pid 1 (a\\x1b[2Jb)" },
		{ "1 two\nlines", ": pid 1 (two)" },
		{ "99999999999999999999 x\n", "" },
	};
	pid_t pid = hold("x", -1);
	char msg[200];

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		struct fv_err err = { 0 };
		int fd = -1;

		tmp_write("run/lock", cases[i].text, strlen(cases[i].text));
		assert_int_equal(fv_lock_take(0, "x", &err, &fd), -ETIMEDOUT);
		snprintf(msg, sizeof(msg),
			 "another run holds the lock%s; waited 0 s; try again or use "
			 "--wait",
			 cases[i].named);
		assert_string_equal(err.msg, msg);
	}
	end(pid);
}

static void cuts_a_long_command(void **state)
{
	FV_AUTO_FREE char *text = NULL;
	char what[2000];
	int fd = -1;

	(void)state;
	memset(what, 'y', sizeof(what));
	what[sizeof(what) - 1] = '\0';
	tmp_write("run/lock", what, sizeof(what));
	assert_int_equal(fv_lock_take(0, what, NULL, &fd), 0);
	text = tmp_read("run/lock");
	assert_in_range(strlen(text), 100, 399);
	assert_int_equal(text[strlen(text) - 1], '\n');
	fv_lock_release(&fd);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void ends_the_wait_on_a_signal(void **state)
{
	/* Again and again: the first may come before the wait begins. */
	const struct itimerval soon = { { 0, 200000 }, { 0, 200000 } }, never = { 0 };
	struct sigaction act = { .sa_handler = on_alarm };
	pid_t pid = hold("fastveth up", -1);
	struct fv_err err = { 0 };
	char msg[200];
	int fd = -1;

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &act, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(fv_lock_take(30, "fastveth down", &err, &fd), -EINTR);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	snprintf(msg, sizeof(msg), "interrupted while waiting for the lock: pid %d (fastveth up)",
		 pid);
	assert_string_equal(err.msg, msg);
	end(pid);
}

static void follows_no_link(void **state)
{
	struct fv_err err = { 0 };
	int fd = -1;

	(void)state;
	tmp_write("victim", "untouched", 9);
	assert_int_equal(unlink("run/lock"), 0);
	assert_int_equal(symlink("../victim", "run/lock"), 0);
	assert_int_equal(fv_lock_take(0, "x", &err, &fd), -ELOOP);
	assert_string_equal(err.msg,
			    "run/lock cannot be opened: Too many levels of symbolic links");
	assert_int_equal(unlink("run/lock"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_who_holds_it),
		cmocka_unit_test(waits_and_names_the_holder),
		cmocka_unit_test(gets_it_when_it_is_free),
		cmocka_unit_test(names_nobody_who_is_dead),
		cmocka_unit_test(does_not_trust_the_words),
		cmocka_unit_test(cuts_a_long_command),
		cmocka_unit_test(ends_the_wait_on_a_signal),
		cmocka_unit_test(follows_no_link),
	};

	return cmocka_run_group_tests(tests, use_tmp, tmp_leave);
}
