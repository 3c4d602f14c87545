// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces against the kernel and against ip-netns(8): names that both see, what may be
 * opened, what a command sees inside; device features for XDP.
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "net/sysctl.h"
#include "unit/net_test.h"

static void write_file(const char *path, const char *text)
{
	FV_AUTO_FILE FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

/* What a child does to a pipe, and its exit status. */
static int output_of(void (*child)(void *arg), void *arg, char *ret, size_t size)
{
	int pipes[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		child(arg);
		_exit(99);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], ret + len, size - 1 - (size_t)len)) > 0)
		len += n;
	ret[len] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void run_shell(void *arg)
{
	execl("/bin/sh", "sh", "-c", (const char *)arg, NULL);
}

static int shell(const char *command, char *ret, size_t size)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", command);
	return output_of(run_shell, copy, ret, size);
}

/* ---- names ---- */

static void gives_names_that_ip_sees(void **state)
{
	FV_AUTO_FD int ns = -1, again = -1, none = -1;
	struct fv_err error = { 0 };
	bool made = false;
	struct stat st;
	char out[512];

	(void)state;
	OK(fv_netns_create(&err, &ns, NULL));
	OK(fv_netns_name("web", ns, &err, &made));
	assert_true(made);
	made = false;
	OK(fv_netns_name("web-2", ns, &err, &made));
	assert_false(made);
	assert_int_equal(
		shell("ip netns list | sort; ip netns exec web ip -o link", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "web\nweb-2\n1: lo"));

	OK(fv_netns_open_name("web", &err, &again));
	assert_true(fv_netns_same(ns, again));
	assert_int_equal(fv_netns_name("web", ns, &error, NULL), -EEXIST);
	assert_non_null(strstr(error.msg, "/run/netns/web"));

	/* In use: stays. */
	OK(fv_netns_rmdir(&err));
	OK(fv_netns_unname("web", &err));
	OK(fv_netns_unname("web-2", &err));
	error.code = 0;
	assert_int_equal(fv_netns_unname("web", &error), -ENOENT);
	assert_int_equal(error.code, 0);
	assert_int_equal(fv_netns_open_name("web", NULL, &none), -ENOENT);
	OK(fv_netns_rmdir(&err));
	assert_int_equal(stat(FV_NETNS_DIR, &st), -1);
	OK(fv_netns_rmdir(&err));
}

static void shares_the_directory_with_ip(void **state)
{
	FV_AUTO_FD int ns = -1, theirs = -1;
	bool made = false;
	char out[512];

	(void)state;
	assert_int_equal(shell("ip netns add theirs", out, sizeof(out)), 0);
	OK(fv_netns_create(&err, &ns, NULL));
	OK(fv_netns_name("ours", ns, &err, &made));
	assert_false(made);
	OK(fv_netns_open_name("theirs", &err, &theirs));
	assert_false(fv_netns_same(ns, theirs));
	assert_int_equal(shell("ip netns del ours && ip netns list", out, sizeof(out)), 0);
	assert_string_equal(out, "theirs\n");
	OK(fv_netns_unname("theirs", &err));
	/* One mount, however often names were given. */
	assert_int_equal(
		shell("grep -c ' /netns /run/netns ' /proc/self/mountinfo", out, sizeof(out)), 0);
	assert_string_equal(out, "1\n");
	OK(fv_netns_rmdir(&err));
}

static void open_late(void *arg)
{
	int fd;

	/* The name is given after this mount namespace was made. */
	unshare(CLONE_NEWNS);
	if (write(STDOUT_FILENO, "r", 1) == 1 && read(*(int *)arg, &fd, 1) == 1)
		_exit(fv_netns_open_name("late", NULL, &fd) == 0 ? 7 : 8);
}

static void names_reach_other_mount_namespaces(void **state)
{
	FV_AUTO_FD int first = -1, late = -1;
	int go[2], ready[2], status;
	pid_t pid;
	char c;

	(void)state;
	OK(fv_netns_create(&err, &first, NULL));
	OK(fv_netns_create(&err, &late, NULL));
	OK(fv_netns_name("first", first, &err, NULL));
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		dup2(ready[1], STDOUT_FILENO);
		open_late(&go[0]);
		_exit(9);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	OK(fv_netns_name("late", late, &err, NULL));
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(ready[i]);
	}
	OK(fv_netns_unname("first", &err));
	OK(fv_netns_unname("late", &err));
	OK(fv_netns_rmdir(&err));
}

static void expect_bad_name(const char *name, int code, const char *text)
{
	struct fv_err error = { 0 };
	int fd = -1;

	assert_int_equal(fv_netns_open_name(name, &error, &fd), code);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(error.msg, text));
}

static void opens_no_name_that_is_something_else(void **state)
{
	FV_AUTO_FD int ns = -1;
	char out[64];

	(void)state;
	expect_bad_name("any", -ENOENT, "no namespace of this name");
	OK(fv_netns_create(&err, &ns, NULL));
	OK(fv_netns_name("web", ns, &err, NULL));
	write_file("/run/netns/file", "");
	assert_int_equal(mkfifo("/run/netns/fifo", 0600), 0);
	assert_int_equal(mkdir("/run/netns/dir", 0700), 0);
	assert_int_equal(symlink("web", "/run/netns/link"), 0);
	assert_int_equal(symlink("gone", "/run/netns/dangling"), 0);
	write_file("/run/netns/mnt", "");
	assert_int_equal(mount("/proc/self/ns/uts", "/run/netns/mnt", NULL, MS_BIND, NULL), 0);
	expect_bad_name("any", -ENOENT, "no namespace of this name");
	expect_bad_name("file", -EINVAL, "plain file");
	expect_bad_name("fifo", -EINVAL, "fifo");
	expect_bad_name("dir", -EINVAL, "directory");
	expect_bad_name("link", -EINVAL, "symbolic link");
	expect_bad_name("dangling", -EINVAL, "symbolic link");
	expect_bad_name("mnt", -EINVAL, "uts namespace");
	expect_bad_name("../netns/web", -EINVAL, "not a name");
	expect_bad_name(".", -EINVAL, "not a name");

	/* Without a mount, or with one of another kind: only the name goes. */
	OK(fv_netns_unname("file", &err));
	OK(fv_netns_unname("mnt", &err));
	OK(fv_netns_unname("link", &err));
	OK(fv_netns_unname("web", &err));
	assert_int_equal(umount2(FV_NETNS_DIR, MNT_DETACH), 0);
	assert_int_equal(shell("rm -r /run/netns", out, sizeof(out)), 0);
}

/* ---- processes ---- */

static pid_t process_elsewhere(void)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void finds_by_name_or_process(void **state)
{
	FV_AUTO_FD int named = -1, by_pid = -1, found = -1, found_name = -1;
	pid_t pid = process_elsewhere();
	int none;
	dev_t dev;
	ino_t ino;

	(void)state;
	OK(fv_netns_open_pid(pid, &err, &by_pid));
	OK(fv_netns_id(by_pid, &err, &dev, &ino));
	OK(fv_netns_find(dev, ino, &err, &found));
	assert_true(fv_netns_same(by_pid, found));

	OK(fv_netns_create(&err, &named, NULL));
	assert_false(fv_netns_same(named, by_pid));
	OK(fv_netns_id(named, &err, &dev, &ino));
	/* Only a descriptor holds it, which is not looked for. */
	assert_int_equal(fv_netns_find(dev, ino, NULL, &none), -ENOENT);
	OK(fv_netns_name("named", named, &err, NULL));
	OK(fv_netns_find(dev, ino, &err, &found_name));
	assert_true(fv_netns_same(named, found_name));
	OK(fv_netns_unname("named", &err));
	OK(fv_netns_rmdir(&err));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- inside ---- */

static int set_forwarding(void *arg, struct fv_err *err)
{
	return fv_sysctl_set("/proc/sys/net/ipv4/ip_forward", arg, err) ?: 42;
}

static void runs_inside_and_comes_back(void **state)
{
	FV_AUTO_FD int ns = -1, before = -1, after = -1;
	char before_text[8], after_text[8];
	struct fv_err error = { 0 };

	(void)state;
	OK(fv_netns_self(&err, &before));
	OK(fv_sysctl_get("/proc/sys/net/ipv4/ip_forward", &err, before_text, 8));
	OK(fv_netns_create(&err, &ns, NULL));
	assert_int_equal(fv_netns_run(ns, set_forwarding, (char[]){ "1" }, &error), 42);
	OK(fv_netns_self(&err, &after));
	assert_true(fv_netns_same(before, after));
	OK(fv_sysctl_get("/proc/sys/net/ipv4/ip_forward", &err, after_text, 8));
	assert_string_equal(before_text, after_text);
	assert_int_equal(fv_netns_run(before, set_forwarding, (char[]){ "no" }, &error), -EINVAL);
	assert_int_equal(fv_netns_run(-1, set_forwarding, NULL, NULL), -EBADF);
}

static int close_everything(void *arg, struct fv_err *err)
{
	(void)arg;
	(void)err;
	close_range(3, ~0U, 0);
	return 0;
}

static void run_and_lose_the_way(void *arg)
{
	dup2(STDOUT_FILENO, STDERR_FILENO);
	fv_netns_run(*(int *)arg, close_everything, NULL, NULL);
}

static void ends_rather_than_stay_inside(void **state)
{
	FV_AUTO_FD int ns = -1;
	char out[256];
	int status;

	(void)state;
	OK(fv_netns_create(&err, &ns, NULL));
	status = output_of(run_and_lose_the_way, &ns, out, sizeof(out));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(out, "cannot return"));
}

struct command {
	int ns;
	const char *name;
	const char *const *argv;
};

static void run_command(void *arg)
{
	struct command *command = arg;
	struct fv_err err = { 0 };
	int r = fv_netns_exec(command->ns, command->name, (char *const *)command->argv, &err);

	printf("%d: %s", r, err.msg);
	fflush(stdout);
}

static void executes_as_ip_netns_does(void **state)
{
	static const char *const argv[] = { "sh", "-c",
					    "ls /sys/class/net; cat /etc/hosts; ls /etc; exit 3",
					    NULL };
	static const char *const missing[] = { "fv-no-such-command", NULL };
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FD int ns = -1;
	struct command command;
	char out[512], ours[512];
	int status;

	(void)state;
	OK(fv_rtnl_open(&err, &rt));
	OK(fv_netns_create(&err, &ns, NULL));
	queue_veth(rt, "fv-exec", ns, 1500, 5);
	OK(fv_rtnl_flush(rt, &err));
	OK(fv_netns_name("web", ns, &err, NULL));
	write_file("/etc/hosts", "host\n");
	assert_int_equal(mkdir("/etc/netns", 0755), 0);
	assert_int_equal(mkdir("/etc/netns/web", 0755), 0);
	write_file("/etc/netns/web/hosts", "bound\n");
	write_file("/etc/netns/web/not-on-the-host", "left out\n");

	command = (struct command){ ns, "web", argv };
	status = output_of(run_command, &command, ours, sizeof(ours));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_string_equal(ours, "eth0\nlo\nbound\nhosts\nnetns\n");
	status = shell("ip netns exec web sh -c 'ls /sys/class/net; cat /etc/hosts; ls /etc; "
		       "exit 3' 2>/dev/null",
		       out, sizeof(out));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_string_equal(ours, out);

	/* Nothing of it stays here. */
	assert_int_equal(shell("cat /etc/hosts; grep -c /etc/hosts /proc/self/mountinfo || :", out,
			       sizeof(out)),
			 0);
	assert_string_equal(out, "host\n0\n");

	command = (struct command){ ns, NULL, argv };
	output_of(run_command, &command, ours, sizeof(ours));
	assert_string_equal(ours, "eth0\nlo\nhost\nhosts\nnetns\n");
	command = (struct command){ ns, "web", missing };
	output_of(run_command, &command, ours, sizeof(ours));
	assert_string_equal(ours, "-2: fv-no-such-command: command not found");
	command = (struct command){ ns, "a/b", argv };
	output_of(run_command, &command, ours, sizeof(ours));
	assert_non_null(strstr(ours, "not a name"));

	OK(fv_netns_unname("web", &err));
	OK(fv_netns_rmdir(&err));
	OK(fv_link_delete_group(rt, 5, &err));
	OK(fv_rtnl_flush(rt, &err));
}

/* ---- device features ---- */

static void feature(const char *name, const char *want)
{
	char command[128], out[256];

	snprintf(command, sizeof(command), "ethtool -k fv-x | grep '\\<%s:'", name);
	assert_int_equal(shell(command, out, sizeof(out)), 0);
	if (!strstr(out, want))
		fail_msg("%s: not %s", out, want);
}

static void prepares_a_device_for_xdp(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *host = NULL, *rt = NULL;
	FV_AUTO_FD int ns = -1;
	struct fv_err error = { 0 };
	unsigned long long value;
	struct fv_link port;
	bool ready = true;

	(void)state;
	OK(fv_rtnl_open(&err, &host));
	OK(fv_netns_create(&err, &ns, &rt));
	queue_veth(host, "fv-x", ns, 1500, 5);
	OK(fv_rtnl_flush(host, &err));
	OK(fv_ethtool_xdp_ready(host, "fv-x", &err, &ready));
	assert_false(ready);
	OK(fv_ethtool_xdp_prepare(host, "fv-x", &err));
	OK(fv_ethtool_xdp_ready(host, "fv-x", &err, &ready));
	assert_true(ready);
	feature("generic-receive-offload", ": on");
	feature("tx-checksumming", ": off");
	feature("tx-tcp-segmentation", ": off");
	feature("tx-vlan-offload", ": off");
	feature("tx-vlan-stag-hw-insert", ": off");
	OK(fv_ethtool_xdp_prepare(host, "fv-x", &err));

	/* The other end, by the socket of its namespace, is untouched. */
	OK(fv_ethtool_xdp_ready(rt, "eth0", &err, &ready));
	assert_false(ready);
	OK(fv_ethtool_xdp_restore(host, "fv-x", &err));
	feature("generic-receive-offload", ": off");
	feature("tx-checksumming", ": on");
	feature("tx-tcp-segmentation", ": on");
	feature("tx-vlan-offload", ": on");
	feature("tx-vlan-stag-hw-insert", ": on");

	OK(fv_link_find(host, "fv-x", &err, &port));
	OK(fv_ethtool_stat(rt, "eth0", "peer_ifindex", &err, &value));
	assert_int_equal(value, port.ifindex);
	OK(fv_ethtool_stat(rt, "eth0", "no_such_*_thing", &err, &value));
	assert_int_equal(value, 0);
	OK(fv_ethtool_stat(rt, "lo", "rx_queue_*_drops", &err, &value));
	assert_int_equal(value, 0);
	assert_int_equal(fv_ethtool_stat(host, "eth0", "peer_ifindex", &error, &value), -ENODEV);
	assert_non_null(strstr(error.msg, "eth0"));
	assert_int_equal(fv_ethtool_xdp_prepare(rt, "sixteen-bytes-xx", NULL), -ENODEV);
	OK(fv_link_delete_group(host, 5, &err));
	OK(fv_rtnl_flush(host, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_names_that_ip_sees),
		cmocka_unit_test(shares_the_directory_with_ip),
		cmocka_unit_test(names_reach_other_mount_namespaces),
		cmocka_unit_test(opens_no_name_that_is_something_else),
		cmocka_unit_test(finds_by_name_or_process),
		cmocka_unit_test(runs_inside_and_comes_back),
		cmocka_unit_test(ends_rather_than_stay_inside),
		cmocka_unit_test(executes_as_ip_netns_does),
		cmocka_unit_test(prepares_a_device_for_xdp),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
