// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of the kernel: each change is told, nothing is told of others, a loss is told once.
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "net/monitor.h"
#include "unit/net_test.h"

#define MAX_INDEX 8192

static int open_monitor(void **state)
{
	static struct fv_monitor *m;

	OK(fv_monitor_open(&err, &m));
	*state = m;
	return 0;
}

static int close_monitor(void **state)
{
	struct fv_monitor *m = *state;

	fv_monitor_close(&m);
	assert_null(m);
	fv_monitor_close(&m);
	SH("ip link set lo down; ip link del group 7 2>/dev/null; :");
	return 0;
}

static bool readable(const struct fv_monitor *m)
{
	struct pollfd fd = { .fd = fv_monitor_fd(m), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static int read_one(struct fv_monitor *m, struct fv_monitor_event *ret)
{
	struct fv_err error = { 0 };
	int r = fv_monitor_read(m, &error, ret);

	if (r < 0)
		fail_msg("fv_monitor_read: %d: %s", r, error.msg);
	return r;
}

struct seen {
	int n[FV_EVENT_LOST + 1];
	int n_bridge;
	struct fv_monitor_event link, gone, tc, bridge; /* the last of each */
};

/* All there is for now; kept is what is said of one device (0: of any). */
static struct seen read_all(struct fv_monitor *m, int of)
{
	struct fv_monitor_event event;
	struct seen seen = { 0 };

	while (read_one(m, &event)) {
		seen.n[event.what]++;
		if (of && of != event.ifindex)
			continue;
		if (event.what == FV_EVENT_LINK_GONE) {
			seen.gone = event;
		} else if (event.what == FV_EVENT_TC) {
			seen.tc = event;
		} else if (event.what == FV_EVENT_LINK_NEW && event.from_bridge) {
			seen.n_bridge++;
			seen.bridge = event;
		} else if (event.what == FV_EVENT_LINK_NEW) {
			seen.link = event;
		}
	}
	assert_false(readable(m));
	return seen;
}

static void expect_link(const struct fv_monitor_event *event, const char *name, int ifindex)
{
	assert_string_equal(event->name, name);
	assert_int_equal(event->ifindex, ifindex);
}

/* ---- devices ---- */

static void tells_of_devices(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen = read_all(m, 0);
	int a, b;

	assert_int_equal(seen.n[FV_EVENT_LINK_NEW], 0);
	SH("ip link add v0 group 7 type veth peer name v1 group 7");
	assert_true(readable(m));
	a = (int)if_nametoindex("v0");
	b = (int)if_nametoindex("v1");
	seen = read_all(m, 0);
	assert_true(seen.n[FV_EVENT_LINK_NEW] >= 2);
	assert_true(seen.link.ifindex == a || seen.link.ifindex == b);
	assert_true(seen.link.is_veth);
	assert_int_equal(seen.link.master, 0);

	SH("ip link set v0 name v2");
	seen = read_all(m, a);
	expect_link(&seen.link, "v2", a);
	assert_false(seen.link.up);
	SH("ip link set v2 up");
	seen = read_all(m, a);
	expect_link(&seen.link, "v2", a);
	assert_true(seen.link.up);
	SH("ip link set v2 address 02:00:00:00:00:77");
	seen = read_all(m, a);
	expect_link(&seen.link, "v2", a);
	assert_int_equal(seen.n[FV_EVENT_LINK_GONE], 0);

	SH("ip link del v2");
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_LINK_GONE], 2);
	assert_true(seen.gone.ifindex == a || seen.gone.ifindex == b);
	assert_true(seen.gone.is_veth);
	assert_int_equal(seen.n[FV_EVENT_LOST] + seen.n[FV_EVENT_RULES], 0);
}

static void tells_of_what_goes_elsewhere(void **state)
{
	struct fv_monitor *m = *state;
	FV_AUTO_FD int ns = -1;
	struct seen seen;
	int a;

	OK(fv_netns_create(&err, &ns, NULL));
	OK(fv_netns_name("web", ns, &err, NULL));
	SH("ip link add v0 group 7 type veth peer name v1 group 7");
	a = (int)if_nametoindex("v0");
	read_all(m, 0);
	SH("ip link set v0 netns web");
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_LINK_GONE], 1);
	expect_link(&seen.gone, "v0", a);

	/* What is changed there is not ours to hear. */
	SH("ip -n web link set v0 address 02:00:00:00:00:78");
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_LINK_NEW], 0);
	OK(fv_netns_unname("web", &err));
	OK(fv_netns_rmdir(&err));
}

static void tells_of_bridges(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen;
	int a, br;

	SH("ip link add br0 group 7 type bridge && ip link set br0 up");
	SH("ip link add v0 group 7 type veth peer name v1 group 7");
	a = (int)if_nametoindex("v0");
	br = (int)if_nametoindex("br0");
	read_all(m, 0);
	SH("ip link set v0 master br0");
	seen = read_all(m, a);
	expect_link(&seen.link, "v0", a);
	assert_int_equal(seen.link.master, br);
	assert_true(seen.link.is_veth);

	SH("bridge link set dev v0 isolated on");
	seen = read_all(m, a);
	assert_true(seen.n_bridge >= 1);
	expect_link(&seen.bridge, "v0", a);
	assert_int_equal(seen.bridge.master, br);

	SH("ip link set v0 nomaster");
	seen = read_all(m, a);
	expect_link(&seen.link, "v0", a);
	assert_int_equal(seen.link.master, 0);
	assert_int_equal(seen.n[FV_EVENT_LINK_GONE], 0);
	if (seen.n_bridge)
		assert_int_equal(seen.bridge.master, 0);
}

/* A kernel without the parts of it is no failure. */
static struct seen seen_after(struct fv_monitor *m, const char *command)
{
	if (sh("%s 2>/dev/null", command)) {
		print_message("not in this kernel: %s\n", command);
		skip();
	}
	return read_all(m, 0);
}

/* What a bridge says of itself: it is in none. */
static void tells_of_no_bridge_in_itself(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen;

	SH("ip link add br0 group 7 type bridge");
	read_all(m, 0);
	seen = seen_after(m, "bridge vlan add dev br0 vid 5 self");
	assert_true(seen.n_bridge >= 1);
	expect_link(&seen.bridge, "br0", (int)if_nametoindex("br0"));
	assert_int_equal(seen.bridge.master, 0);
}

/* ---- the others ---- */

static void tells_of_traffic_control(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen;
	int a;

	SH("ip link add v0 group 7 type veth peer name v1 group 7");
	a = (int)if_nametoindex("v0");
	read_all(m, 0);
	seen = seen_after(m, "tc qdisc add dev v0 clsact");
	assert_true(seen.n[FV_EVENT_TC] >= 1);
	assert_int_equal(seen.tc.ifindex, a);
	seen = seen_after(m,
			  "tc filter add dev v0 ingress protocol ip u32 match u32 0 0 classid 1:1");
	assert_true(seen.n[FV_EVENT_TC] >= 1);
	assert_int_equal(seen.tc.ifindex, a);
	seen = seen_after(m, "tc qdisc del dev v0 clsact");
	assert_true(seen.n[FV_EVENT_TC] >= 1);
	assert_int_equal(seen.tc.ifindex, a);
}

static void tells_of_what_devices_share(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen;

	SH("ip link add v0 group 7 type veth peer name v1 group 7");
	seen_after(m, "tc qdisc add dev v0 ingress_block 5 clsact");
	seen = seen_after(m, "tc filter add block 5 protocol ip u32 match u32 0 0 classid 1:1");
	assert_true(seen.n[FV_EVENT_TC] >= 1);
	assert_int_equal(seen.tc.ifindex, 0);
	seen = seen_after(m, "tc actions add action mirred egress redirect dev v1 index 99");
	assert_int_equal(seen.n[FV_EVENT_TC], 1);
	assert_int_equal(seen.tc.ifindex, 0);
	SH("tc actions del action mirred index 99");
}

static void tells_of_rules_once(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen;

	seen = seen_after(m, "nft add table inet t");
	assert_int_equal(seen.n[FV_EVENT_RULES], 1);
	seen = seen_after(m, "nft 'add chain inet t c; add rule inet t c drop; "
			     "add rule inet t c accept'; nft add rule inet t c accept");
	assert_int_equal(seen.n[FV_EVENT_RULES], 1);
	seen = seen_after(m, "nft delete table inet t");
	assert_int_equal(seen.n[FV_EVENT_RULES], 1);
	assert_int_equal(seen.n[FV_EVENT_LINK_NEW] + seen.n[FV_EVENT_XFRM], 0);
	SH("nft list ruleset");
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_RULES], 0);
}

static void tells_of_policies(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen;

	seen = seen_after(m, "ip xfrm policy add src 10.0.0.0/24 dst 10.1.0.0/24 dir out");
	assert_int_equal(seen.n[FV_EVENT_XFRM], 1);
	seen = seen_after(m, "ip xfrm policy flush");
	assert_int_equal(seen.n[FV_EVENT_XFRM], 1);
	assert_int_equal(seen.n[FV_EVENT_RULES], 0);
}

/* ---- trust and losses ---- */

static void hears_nobody_but_the_kernel(void **state)
{
	FV_AUTO_FD int other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
	} forged = {
		.nlh = { .nlmsg_len = sizeof(forged), .nlmsg_type = RTM_NEWLINK },
		.ifi = { .ifi_index = 4711 },
	};
	struct fv_monitor *m = *state;
	struct seen seen;

	for (int i = 0; i < 3; i++)
		sendto(other, &forged, sizeof(forged), 0, (struct sockaddr *)&to, sizeof(to));
	assert_true(readable(m));
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_LINK_NEW], 0);
}

/* The monitor does not lend its sockets: whatever is a netlink socket of the kind is one. */
static void shrink_buffers(int protocol)
{
	int size = 4096, have, found = 0;
	socklen_t len = sizeof(have);

	for (int fd = 3; fd < 64; fd++) {
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &have, &len) < 0 || have != AF_NETLINK ||
		    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &have, &len) < 0 || have != protocol)
			continue;
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
		found++;
	}
	if (!found)
		skip();
}

/* As many events; of one that is down, none. */
static void set_aliases(struct fv_rtnl *rt, int n)
{
	char alias[16];

	queue_up(rt, 1, false);
	for (int i = 0; i < n; i++) {
		struct fv_link_change change = {
			.ifindex = 1,
			.what = "lo",
			.up = -1,
			.alias = alias,
		};

		snprintf(alias, sizeof(alias), "%d", i);
		OK(fv_link_change(rt, &change, &err));
	}
	OK(fv_rtnl_flush(rt, &err));
}

static void tells_a_loss_once(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct fv_monitor *m = *state;
	struct seen seen;

	shrink_buffers(NETLINK_ROUTE);
	OK(fv_rtnl_open(&err, &rt));
	for (int round = 0; round < 3; round++) {
		set_aliases(rt, 400);
		assert_true(readable(m));
		seen = read_all(m, 0);
		assert_int_equal(seen.n[FV_EVENT_LOST], 1);
		/* They are in no order with what is missing: none of them is told. */
		assert_int_equal(seen.n[FV_EVENT_LINK_NEW], 0);

		/* From there on all is told again. */
		for (int i = 0; i < 3; i++) {
			set_aliases(rt, 1);
			seen = read_all(m, 0);
			assert_int_equal(seen.n[FV_EVENT_LOST], 0);
			assert_true(seen.n[FV_EVENT_LINK_NEW] >= 1);
			expect_link(&seen.link, "lo", 1);
		}
	}
}

static void holds_what_a_host_makes_at_once(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct fv_monitor *m = *state;
	struct seen seen;

	OK(fv_rtnl_open(&err, &rt));
	set_aliases(rt, 1000);
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_LOST], 0);
	assert_true(seen.n[FV_EVENT_LINK_NEW] >= 1000);
}

/* A loss of what was only to be one event is that event. */
static void loses_no_rules(void **state)
{
	struct fv_monitor *m = *state;
	struct seen seen;

	shrink_buffers(NETLINK_NETFILTER);
	if (sh("nft add table inet t 2>/dev/null"))
		skip();
	SH("for i in $(seq 300); do echo add chain inet t c$i; done | nft -f -");
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_RULES], 1);
	assert_int_equal(seen.n[FV_EVENT_LOST], 0);
	SH("nft delete table inet t");
	seen = read_all(m, 0);
	assert_int_equal(seen.n[FV_EVENT_RULES], 1);
}

/* ---- from the start ---- */

static void make_and_delete(void)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FD int self = -1;
	char name[16], old[16];

	OK(fv_rtnl_open(&err, &rt));
	OK(fv_netns_self(&err, &self));
	for (int i = 0; i < 150; i++) {
		struct fv_veth veth = {
			.port = name,
			.ifname = old,
			.port_mac = test_port_mac,
			.mac = test_mac,
			.mtu = 1500,
			.group = 7,
			.netns_fd = self,
		};

		snprintf(name, sizeof(name), "p%d", i);
		snprintf(old, sizeof(old), "q%d", i);
		OK(fv_link_create_veth(rt, &veth, &err));
		OK(fv_rtnl_flush(rt, &err));
		if (i % 3 == 2) {
			snprintf(old, sizeof(old), "p%d", i - 2);
			OK(fv_link_delete(rt, (int)if_nametoindex(old), old, FV_ACCEPT_NONE, &err));
			OK(fv_rtnl_flush(rt, &err));
		}
	}
}

static void list(struct fv_rtnl *rt, bool *ret)
{
	FV_AUTO_FREE struct fv_link *links = NULL;
	size_t n = 0;

	OK(fv_link_dump(rt, &err, &links, &n));
	for (size_t i = 0; i < n; i++) {
		assert_true(links[i].ifindex < MAX_INDEX);
		ret[links[i].ifindex] = true;
	}
}

static void misses_nothing_between_opening_and_listing(void **state)
{
	FV_CLEANUP(fv_monitor_close) struct fv_monitor *m = NULL;
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	static bool known[MAX_INDEX], there[MAX_INDEX];
	struct fv_monitor_event event;
	int status, events = 0;
	pid_t pid;

	(void)state;
	OK(fv_rtnl_open(&err, &rt));
	pid = fork();
	if (!pid) {
		make_and_delete();
		_exit(0);
	}
	/* In the middle of it. */
	while (!if_nametoindex("q20"))
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	OK(fv_monitor_open(&err, &m));
	list(rt, known);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	while (read_one(m, &event)) {
		assert_true(event.what <= FV_EVENT_LINK_GONE && event.ifindex < MAX_INDEX);
		known[event.ifindex] = event.what == FV_EVENT_LINK_NEW;
		events++;
	}
	assert_true(events > 0);
	list(rt, there);
	assert_memory_equal(known, there, sizeof(there));
	SH("ip link del group 7");
}

static void wakes_who_waits(void **state)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct fv_monitor *m = *state;
	FV_AUTO_FD int outer = epoll_create1(EPOLL_CLOEXEC);
	pid_t pid;

	assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, fv_monitor_fd(m), &event), 0);
	assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);
	pid = fork();
	if (!pid) {
		usleep(50000);
		execlp("ip", "ip", "link", "set", "lo", "up", NULL);
		_exit(1);
	}
	assert_int_equal(epoll_wait(outer, &event, 1, 60000), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(read_all(m, 0).n[FV_EVENT_LINK_NEW] >= 1);
	assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);
}

static void says_which_privilege_is_missing(void **state)
{
	FV_CLEANUP(fv_monitor_close) struct fv_monitor *m = NULL;
	struct fv_err error = { 0 };
	int r;

	(void)state;
	assert_int_equal(seteuid(65534), 0);
	r = fv_monitor_open(&error, &m);
	assert_int_equal(seteuid(0), 0);
	/* Devices may be watched by anybody: without the rest it works. */
	if (!r)
		skip();
	assert_int_equal(r, -EPERM);
	assert_null(m);
	assert_non_null(strstr(error.msg, "CAP_NET_ADMIN"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_monitor, close_monitor)
	const struct CMUnitTest tests[] = {
		TEST(tells_of_devices),
		TEST(tells_of_what_goes_elsewhere),
		TEST(tells_of_bridges),
		TEST(tells_of_no_bridge_in_itself),
		TEST(tells_of_traffic_control),
		TEST(tells_of_what_devices_share),
		TEST(tells_of_rules_once),
		TEST(tells_of_policies),
		TEST(hears_nobody_but_the_kernel),
		TEST(tells_a_loss_once),
		TEST(holds_what_a_host_makes_at_once),
		TEST(loses_no_rules),
		TEST(wakes_who_waits),
		cmocka_unit_test(misses_nothing_between_opening_and_listing),
		cmocka_unit_test(says_which_privilege_is_missing),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
