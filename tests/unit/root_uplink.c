// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uplinks against the kernel: by which devices default routes lead, what the kernel tells of these
 * routes, and who is on netfilter's hooks.
 *
 *   this namespace: eth1, eth2, eth3 (veth, each with an other end here)
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <errno.h>
#include <linux/rtnetlink.h>

#include "core/cleanup.h"
#include "net/hooks.h"
#include "guest.h"
#include "run.h"
#include "unit/monitor_test.h"

static int devices(void **state)
{
	(void)state;
	for (int i = 1; i < 4; i++)
		if (sh("ip link add eth%d type veth peer name p%d; ip link set eth%d up; "
		       "ip link set p%d up; ip addr add 10.%d.0.1/24 dev eth%d; "
		       "ip addr add fd0%d::1/64 dev eth%d nodad",
		       i, i, i, i, i, i, i, i))
			return 1;
	return sh("ip link set lo up");
}

static int no_devices(void **state)
{
	(void)state;
	return sh("for i in 1 2 3; do ip link del eth$i; done; ip link set lo down");
}

static void expect_uplinks(const char *names)
{
	FV_CLEANUP(fv_uplinks_fini) struct fv_uplinks found = {};
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct fv_dp_endpoint port = { .ifindex = 12345, .attached = true };
	struct fv_run run = { .attached = &port, .n_attached = 1 };
	const struct fv_topo none = {};
	char got[64] = "";

	OK(fv_rtnl_open(&err, &rt));
	OK(fv_host_read(rt, &err, &run.host));
	OK(fv_uplinks_find(&run, &none, &err, &found));
	for (size_t i = 0; i < found.n; i++) {
		strcat(got, *got ? " " : "");
		strcat(got, found.u[i].link->name);
	}
	assert_string_equal(got, names);
	fv_host_fini(&run.host);
}

static void are_by_default_routes(void **state)
{
	(void)state;
	expect_uplinks("");
	SH("ip route add default via 10.2.0.2 dev eth2 metric 50");
	expect_uplinks("eth2");
	SH("ip route add default via 10.1.0.2 dev eth1 metric 10");
	expect_uplinks("eth1 eth2");
	SH("ip -6 route add default via fd03::2 dev eth3");
	expect_uplinks("eth1 eth2 eth3");
	SH("ip route del default via 10.1.0.2 dev eth1 metric 10");
	expect_uplinks("eth2 eth3");
}

static void are_by_all_next_hops(void **state)
{
	(void)state;
	SH("ip route add default nexthop via 10.1.0.2 dev eth1 weight 3 "
	   "nexthop via 10.2.0.2 dev eth2");
	expect_uplinks("eth1 eth2");
	SH("ip -6 route add default nexthop via fd02::2 dev eth2 nexthop via fd03::2 dev eth3");
	expect_uplinks("eth1 eth2 eth3");
	SH("ip route replace default nexthop via 10.3.0.2 dev eth3 nexthop via 10.3.0.3 dev eth3");
	SH("ip -6 route del default");
	expect_uplinks("eth3");
}

/* Next hops that are objects of their own. */
static void are_by_a_group_of_next_hops(void **state)
{
	(void)state;
	if (sh("ip nexthop add id 1 via 10.1.0.2 dev eth1 2>/dev/null"))
		skip();
	SH("ip nexthop add id 2 via 10.2.0.2 dev eth2");
	SH("ip nexthop add id 10 group 1/2");
	SH("ip route add default nhid 10");
	expect_uplinks("eth1 eth2");
	SH("ip route del default; ip nexthop flush >/dev/null");
}

static void are_by_no_other_routes(void **state)
{
	(void)state;
	SH("ip route add default via 10.1.0.2 dev eth1 table 100");
	SH("ip route add 10.9.0.0/16 via 10.2.0.2 dev eth2");
	SH("ip route add 0.0.0.0/1 via 10.3.0.2 dev eth3");
	SH("ip route add unreachable default metric 4000");
	expect_uplinks("");
	SH("ip route flush table 100; ip route del unreachable default");
}

/* ---- the way to one address ---- */

static void expect_way(struct fv_rtnl *rt, const char *to, const char *device, int type)
{
	const struct fv_ip there = ip(to);
	struct fv_route way = { .oif = -1 };
	struct fv_link link;
	int r = fv_route_get(rt, &there, NULL, &way);

	if (!device) {
		assert_int_equal(r, -ENETUNREACH);
		assert_int_equal(way.oif, -1);
		return;
	}
	assert_int_equal(r, 0);
	OK(fv_link_find(rt, device, &err, &link));
	assert_int_equal(way.oif, link.ifindex);
	assert_int_equal(way.type, type);
}

static void knows_the_way_to_an_address(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;

	(void)state;
	OK(fv_rtnl_open(&err, &rt));
	expect_way(rt, "10.1.0.77", "eth1", RTN_UNICAST);
	expect_way(rt, "10.1.0.1", "lo", RTN_LOCAL);
	expect_way(rt, "fd02::77", "eth2", RTN_UNICAST);
	expect_way(rt, "fd02::1", "lo", RTN_LOCAL);
	expect_way(rt, "192.0.2.1", NULL, 0);
	expect_way(rt, "2001:db8::1", NULL, 0);
	SH("ip route add default via 10.3.0.2 dev eth3; ip -6 route add default via fd01::2");
	expect_way(rt, "192.0.2.1", "eth3", RTN_UNICAST);
	expect_way(rt, "2001:db8::1", "eth1", RTN_UNICAST);
	for (size_t i = 0; i < 3; i++) {
		static const char *const types[] = { "unreachable", "prohibit", "blackhole" };

		SH("ip route add %s 192.0.2.0/24; ip -6 route add %s 2001:db8::/32", types[i],
		   types[i]);
		expect_way(rt, "192.0.2.1", NULL, 0);
		expect_way(rt, "2001:db8::1", NULL, 0);
		SH("ip route del %s 192.0.2.0/24; ip -6 route del %s 2001:db8::/32", types[i],
		   types[i]);
	}
}

/* ---- events ---- */

static void tells_of_default_routes(void **state)
{
	FV_CLEANUP(fv_monitor_close) struct fv_monitor *m = NULL;

	(void)state;
	OK(fv_monitor_open(&err, &m));
	SH("ip route add default via 10.1.0.2");
	assert_int_equal(read_all(m, 0).n[FV_EVENT_ROUTE], 1);
	SH("ip -6 route add default via fd01::2");
	assert_int_equal(read_all(m, 0).n[FV_EVENT_ROUTE], 1);
	SH("ip route replace default via 10.2.0.2");
	assert_true(read_all(m, 0).n[FV_EVENT_ROUTE] >= 1);
	SH("ip route del default");
	assert_int_equal(read_all(m, 0).n[FV_EVENT_ROUTE], 1);
	SH("ip route add default nexthop via 10.1.0.2 nexthop via 10.2.0.2");
	assert_true(read_all(m, 0).n[FV_EVENT_ROUTE] >= 1);
}

static void tells_of_no_other_routes(void **state)
{
	FV_CLEANUP(fv_monitor_close) struct fv_monitor *m = NULL;

	(void)state;
	OK(fv_monitor_open(&err, &m));
	SH("ip route add 192.0.2.0/24 via 10.1.0.2; ip route del 192.0.2.0/24");
	SH("ip route add 0.0.0.0/1 via 10.1.0.2; ip -6 route add 2001:db8::/32 via fd01::2");
	assert_int_equal(read_all(m, 0).n[FV_EVENT_ROUTE], 0);
}

/* ---- hooks ---- */

static void expect_tracked(bool tracked)
{
	bool found = !tracked;

	OK(fv_hooks_tracked(&err, &found));
	assert_int_equal(found, tracked);
}

static void knows_whether_conntrack_is_there(void **state)
{
	bool tracked;

	(void)state;
	if (fv_hooks_tracked(NULL, &tracked) == -EOPNOTSUPP) {
		print_message("this kernel does not tell who is on its hooks\n");
		skip();
	}
	expect_tracked(false);
	SH("nft 'table inet t { chain c { type filter hook prerouting priority -200; counter; }; }'");
	expect_tracked(false);
	SH("nft 'add rule inet t c ct state invalid counter'");
	expect_tracked(true);
	SH("nft delete table inet t");
	expect_tracked(false);
	SH("nft 'table ip6 t { chain c { type filter hook forward priority 0; ct state new; }; }'");
	expect_tracked(true);
	SH("nft delete table ip6 t");
	SH("nft 'table ip t { chain c { type nat hook postrouting priority 100; masquerade; }; }'");
	expect_tracked(true);
	SH("nft delete table ip t");
	expect_tracked(false);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, devices, no_devices)
	const struct CMUnitTest tests[] = {
		TEST(are_by_default_routes),
		TEST(are_by_all_next_hops),
		TEST(are_by_a_group_of_next_hops),
		TEST(are_by_no_other_routes),
		TEST(knows_the_way_to_an_address),
		TEST(tells_of_default_routes),
		TEST(tells_of_no_other_routes),
		cmocka_unit_test(knows_whether_conntrack_is_there),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
