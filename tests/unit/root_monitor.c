// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of the kernel: each change is told, nothing is told of others.
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit/monitor_test.h"

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
		TEST(wakes_who_waits),
		cmocka_unit_test(says_which_privilege_is_missing),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
