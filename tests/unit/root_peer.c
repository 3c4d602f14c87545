// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other people's containers, seen from the host's end of their veth: the bridge it is in, the
 * device at its other end, the namespace that is there.
 *
 *   br0 -- fv-a ---- eth0 :namespace with a name
 *          fv-b ---- eth0 :namespace that only a process is in
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit/net_test.h"

struct hosts {
	struct fv_rtnl *rt;
	int named, by_pid;
	pid_t pid;
	struct fv_link a, b, br;
};

/* A process in a namespace of its own, or in the one that it is given. */
static pid_t process_in(int ns)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if ((ns < 0 ? unshare(CLONE_NEWNET) : setns(ns, CLONE_NEWNET)) < 0 ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int open_hosts(void **state)
{
	static struct hosts h;

	h = (struct hosts){ .named = -1, .by_pid = -1 };
	OK(fv_rtnl_open(&err, &h.rt));
	OK(fv_netns_create(&err, &h.named, NULL));
	OK(fv_netns_name("web", h.named, &err, NULL));
	h.pid = process_in(-1);
	OK(fv_netns_open_pid(h.pid, &err, &h.by_pid));
	SH("ip link add br0 type bridge");
	queue_veth(h.rt, "fv-a", h.named, 1400, 7);
	queue_veth(h.rt, "fv-b", h.by_pid, 1300, 7);
	OK(fv_rtnl_flush(h.rt, &err));
	SH("ip link set fv-a master br0");
	OK(fv_link_find(h.rt, "fv-a", &err, &h.a));
	OK(fv_link_find(h.rt, "fv-b", &err, &h.b));
	OK(fv_link_find(h.rt, "br0", &err, &h.br));
	*state = &h;
	return 0;
}

static int close_hosts(void **state)
{
	struct hosts *h = *state;

	if (h->pid)
		end_process(h->pid);
	OK(fv_link_delete(h->rt, h->br.ifindex, "br0", FV_ACCEPT_NONE, &err));
	OK(fv_link_delete_group(h->rt, 7, &err));
	OK(fv_rtnl_flush(h->rt, &err));
	OK(fv_netns_unname("web", &err));
	fv_rtnl_close(&h->rt);
	close(h->named);
	close(h->by_pid);
	return 0;
}

/* ---- devices ---- */

static void knows_the_bridge_of_a_port(void **state)
{
	FV_AUTO_FREE struct fv_link *links = NULL;
	struct hosts *h = *state;
	size_t n, found = 0;

	assert_int_equal(h->a.master, h->br.ifindex);
	assert_int_equal(h->b.master, 0);
	assert_int_equal(h->br.master, 0);
	assert_string_equal(h->br.kind, "bridge");
	OK(fv_link_dump(h->rt, &err, &links, &n));
	for (size_t i = 0; i < n; i++) {
		if (i)
			assert_true(links[i - 1].ifindex < links[i].ifindex);
		if (links[i].master != h->br.ifindex)
			continue;
		assert_string_equal(links[i].name, "fv-a");
		found++;
	}
	assert_int_equal(found, 1);
	SH("ip link set fv-a nomaster");
	OK(fv_link_find(h->rt, "fv-a", &err, &h->a));
	assert_int_equal(h->a.master, 0);
}

static void sees_the_other_end(void **state)
{
	static const uint8_t other[6] = { 2, 9, 9, 9, 9, 9 };
	struct hosts *h = *state;
	struct fv_link peer;

	OK(fv_link_peer(h->rt, h->a.peer_nsid, h->a.peer_ifindex, &err, &peer));
	assert_string_equal(peer.name, "eth0");
	assert_string_equal(peer.kind, "veth");
	assert_memory_equal(peer.mac, test_mac, 6);
	assert_int_equal(peer.mtu, 1400);
	assert_int_equal(peer.ifindex, h->a.peer_ifindex);
	assert_int_equal(peer.peer_ifindex, h->a.ifindex);
	assert_false(peer.up);
	OK(fv_link_peer(h->rt, h->b.peer_nsid, h->b.peer_ifindex, &err, &peer));
	assert_int_equal(peer.mtu, 1300);
	assert_int_equal(peer.peer_ifindex, h->b.ifindex);

	SH("ip -n web link set eth0 address 02:09:09:09:09:09 name net0 mtu 1280 up");
	OK(fv_link_peer(h->rt, h->a.peer_nsid, h->a.peer_ifindex, &err, &peer));
	assert_string_equal(peer.name, "net0");
	assert_memory_equal(peer.mac, other, 6);
	assert_int_equal(peer.mtu, 1280);
	assert_true(peer.up);
}

/* The kernel makes an id for the own namespace to say where the other end's other end is. */
static void is_itself_the_other_ends_other_end(void **state)
{
	struct hosts *h = *state;
	FV_AUTO_FD int self = -1;
	struct fv_link peer;
	int nsid = -1;

	OK(fv_link_peer(h->rt, h->a.peer_nsid, h->a.peer_ifindex, &err, &peer));
	OK(fv_netns_self(&err, &self));
	OK(fv_nsid_of(h->rt, self, &err, &nsid));
	assert_true(nsid >= 0);
	assert_int_equal(peer.peer_nsid, nsid);
}

static void expect_no_peer(struct fv_rtnl *rt, int nsid, int ifindex)
{
	struct fv_link peer = { .ifindex = 4711 };
	struct fv_err error = { 0 };

	assert_int_equal(fv_link_peer(rt, nsid, ifindex, &error, &peer), -ENODEV);
	assert_int_equal(error.code, 0);
	assert_string_equal(error.msg, "");
	assert_int_equal(peer.ifindex, 4711);
}

static void says_that_it_is_gone(void **state)
{
	struct hosts *h = *state;
	struct fv_link peer;
	bool sends;
	int r;

	expect_no_peer(h->rt, h->a.peer_nsid, 9999);
	expect_no_peer(h->rt, h->a.peer_nsid, 0);
	expect_no_peer(h->rt, h->a.peer_nsid, -1);
	expect_no_peer(h->rt, -1, 9999);
	expect_no_peer(h->rt, 4711, 2);
	SH("ip -n web link del eth0");
	expect_no_peer(h->rt, h->a.peer_nsid, h->a.peer_ifindex);
	assert_int_equal(fv_link_sends(h->rt, -1, h->a.ifindex, NULL, &sends), -ENODEV);

	/* Its namespace ends a moment after the last who holds it. */
	end_process(h->pid);
	h->pid = 0;
	close(h->by_pid);
	h->by_pid = -1;
	for (int i = 0; i < 1000; i++) {
		r = fv_link_peer(h->rt, h->b.peer_nsid, h->b.peer_ifindex, NULL, &peer);
		if (r)
			break;
		usleep(10000);
	}
	expect_no_peer(h->rt, h->b.peer_nsid, h->b.peer_ifindex);
	assert_int_equal(fv_link_sends(h->rt, h->b.peer_nsid, h->b.peer_ifindex, NULL, &sends),
			 -ENODEV);
}

static void needs_privilege_to_look_elsewhere(void **state)
{
	struct fv_err error = { 0 };
	struct hosts *h = *state;
	struct fv_link peer;
	int r;

	assert_int_equal(seteuid(65534), 0);
	fv_rtnl_close(&h->rt);
	OK(fv_rtnl_open(&err, &h->rt));
	r = fv_link_peer(h->rt, h->a.peer_nsid, h->a.peer_ifindex, &error, &peer);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, -EACCES);
	assert_non_null(strstr(error.msg, "look up a device"));
	fv_rtnl_close(&h->rt);
	OK(fv_rtnl_open(&err, &h->rt));
}

static void sees_a_pair_in_one_namespace(void **state)
{
	struct hosts *h = *state;
	struct fv_link s0, s1, peer;

	SH("ip link add s0 group 7 type veth peer name s1 group 7");
	OK(fv_link_find(h->rt, "s0", &err, &s0));
	OK(fv_link_find(h->rt, "s1", &err, &s1));
	assert_int_equal(s0.peer_nsid, -1);
	OK(fv_link_peer(h->rt, s0.peer_nsid, s0.peer_ifindex, &err, &peer));
	assert_string_equal(peer.name, "s1");
	assert_memory_equal(peer.mac, s1.mac, 6);
	assert_int_equal(peer.peer_nsid, -1);
	assert_int_equal(peer.peer_ifindex, s0.ifindex);
}

/* ---- namespaces ---- */

static const struct fv_nsid *find_nsid(const struct fv_nsid *map, size_t n, int nsid)
{
	const struct fv_nsid *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (i)
			assert_true(map[i - 1].nsid < map[i].nsid);
		assert_true(map[i].nsid >= 0);
		assert_true(map[i].name[0] || map[i].pid);
		if (map[i].nsid == nsid)
			found = &map[i];
	}
	return found;
}

static void expect_nsid(struct fv_rtnl *rt, int nsid, int ns, const char *name, pid_t pid)
{
	FV_AUTO_FREE struct fv_nsid *map = NULL;
	const struct fv_nsid *found;
	size_t n = 0;
	dev_t dev;
	ino_t ino;

	OK(fv_nsid_map(rt, &err, &map, &n));
	found = find_nsid(map, n, nsid);
	assert_non_null(found);
	OK(fv_netns_id(ns, &err, &dev, &ino));
	assert_true(found->dev == dev);
	assert_true(found->ino == ino);
	assert_string_equal(found->name, name);
	assert_int_equal(found->pid, pid);
}

static size_t count_nsids(struct fv_rtnl *rt, int nsid, bool *ret_found)
{
	FV_AUTO_FREE struct fv_nsid *map = NULL;
	size_t n = 0;

	OK(fv_nsid_map(rt, &err, &map, &n));
	*ret_found = find_nsid(map, n, nsid);
	return n;
}

static void maps_ids_to_names_and_processes(void **state)
{
	struct hosts *h = *state;
	FV_AUTO_FD int stranger = -1;
	pid_t first, second;
	size_t before;
	bool found;

	assert_int_not_equal(h->a.peer_nsid, h->b.peer_nsid);
	expect_nsid(h->rt, h->a.peer_nsid, h->named, "web", 0);
	expect_nsid(h->rt, h->b.peer_nsid, h->by_pid, "", h->pid);

	/* One without an id here is no part of it. */
	before = count_nsids(h->rt, h->a.peer_nsid, &found);
	OK(fv_netns_create(&err, &stranger, NULL));
	OK(fv_netns_name("stranger", stranger, &err, NULL));
	assert_int_equal(count_nsids(h->rt, h->a.peer_nsid, &found), before);
	OK(fv_netns_unname("stranger", &err));

	/* Of several processes and names the first. */
	first = process_in(h->named);
	second = process_in(h->named);
	OK(fv_netns_name("first", h->named, &err, NULL));
	expect_nsid(h->rt, h->a.peer_nsid, h->named, "first", first < second ? first : second);
	OK(fv_netns_unname("first", &err));
	end_process(first);
	expect_nsid(h->rt, h->a.peer_nsid, h->named, "web", second);
	end_process(second);

	/* A zombie holds nothing; our descriptor is not looked for. */
	kill(h->pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)h->pid, NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(count_nsids(h->rt, h->b.peer_nsid, &found), before - 1);
	assert_false(found);
}

static void passes_by_what_is_no_namespace(void **state)
{
	struct hosts *h = *state;
	bool found;
	size_t n;

	n = count_nsids(h->rt, h->a.peer_nsid, &found);
	assert_int_equal(mkfifo("/run/netns/a-fifo", 0600), 0);
	assert_int_equal(mkdir("/run/netns/a-dir", 0700), 0);
	assert_int_equal(symlink("web", "/run/netns/a-link"), 0);
	SH("touch /run/netns/a-file /run/netns/a-uts && "
	   "mount --bind /proc/self/ns/uts /run/netns/a-uts");
	assert_int_equal(count_nsids(h->rt, h->a.peer_nsid, &found), n);
	expect_nsid(h->rt, h->a.peer_nsid, h->named, "web", 0);
	SH("umount /run/netns/a-uts; rm -r /run/netns/a-*");
}

static void passes_by_what_it_may_not_see(void **state)
{
	struct hosts *h = *state;
	bool named, process;

	assert_int_equal(seteuid(65534), 0);
	count_nsids(h->rt, h->a.peer_nsid, &named);
	count_nsids(h->rt, h->b.peer_nsid, &process);
	assert_int_equal(seteuid(0), 0);
	assert_true(named);
	assert_false(process);
}

static void passes_by_processes_that_end(void **state)
{
	struct hosts *h = *state;
	pid_t busy = fork();
	bool found;

	if (!busy) {
		for (;;) {
			pid_t pid = fork();

			if (!pid)
				_exit(unshare(CLONE_NEWNET));
			waitpid(pid, NULL, 0);
		}
	}
	for (int i = 0; i < 200; i++) {
		count_nsids(h->rt, h->a.peer_nsid, &found);
		assert_true(found);
	}
	end_process(busy);
}

static void does_without_the_directory(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FREE struct fv_nsid *map = NULL;
	FV_AUTO_FD int ns = -1;
	size_t n = 9;

	(void)state;
	OK(fv_netns_rmdir(&err));
	assert_int_equal(access(FV_NETNS_DIR, F_OK), -1);
	OK(fv_netns_create(&err, &ns, &rt));
	OK(fv_nsid_map(rt, &err, &map, &n));
	assert_int_equal(n, 0);
	assert_non_null(map);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_hosts, close_hosts)
	const struct CMUnitTest tests[] = {
		TEST(knows_the_bridge_of_a_port),
		TEST(sees_the_other_end),
		TEST(is_itself_the_other_ends_other_end),
		TEST(says_that_it_is_gone),
		TEST(needs_privilege_to_look_elsewhere),
		TEST(sees_a_pair_in_one_namespace),
		TEST(maps_ids_to_names_and_processes),
		TEST(passes_by_what_is_no_namespace),
		TEST(passes_by_what_it_may_not_see),
		TEST(passes_by_processes_that_end),
		cmocka_unit_test(does_without_the_directory),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
