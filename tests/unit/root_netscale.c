// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many namespaces at once, and a device list that changes while it is read.
 * Prints what each step costs: FV_TEST_NAMESPACES says for how many (300).
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit/net_test.h"

#define GROUP 0x0f570001

static double step_began;

static void step(const char *what, unsigned int n)
{
	struct timespec now;
	double t;

	clock_gettime(CLOCK_MONOTONIC, &now);
	t = (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
	if (what)
		print_message("%-40s %8.1f ms, %7.3f ms each\n", what, t - step_began,
			      (t - step_began) / n);
	step_began = t;
}

/* Addresses of number I: 10.77.x.y and fd77::x:y. */
static void number(unsigned int i, struct fv_prefix *v4, struct fv_prefix *v6)
{
	*v4 = prefix("10.77.0.0/32");
	*v6 = prefix("fd77::/128");
	v4->ip.b[2] = v6->ip.b[14] = (uint8_t)((i + 2) >> 8);
	v4->ip.b[3] = v6->ip.b[15] = (uint8_t)(i + 2);
}

static void configure_inside(struct fv_rtnl *rt, unsigned int i)
{
	struct fv_neigh neigh = { .mac = { 2, 0, 0, 0, 1, 1 } };
	struct fv_route route = { .onlink = true };
	struct fv_addr v4, v6;
	struct fv_link eth0;

	OK(fv_link_find(rt, "eth0", &err, &eth0));
	v4.ifindex = v6.ifindex = neigh.ifindex = route.oif = eth0.ifindex;
	number(i, &v4.prefix, &v6.prefix);
	queue_up(rt, 1, false);
	queue_up(rt, eth0.ifindex, true);
	OK(fv_addr_add(rt, &v4, FV_ACCEPT_NONE, &err));
	OK(fv_addr_add(rt, &v6, FV_ACCEPT_NONE, &err));
	for (int family = 0; family < 2; family++) {
		neigh.ip = route.via = ip(family ? "fd77::1" : "10.77.0.1");
		route.dst = prefix(family ? "::/0" : "0.0.0.0/0");
		OK(fv_neigh_set(rt, &neigh, &err));
		OK(fv_route_add(rt, &route, FV_ACCEPT_NONE, &err));
	}
	OK(fv_rtnl_flush(rt, &err));
}

static void bring_up(struct fv_rtnl *rt, const struct fv_link *port)
{
	struct fv_link_change change = {
		.ifindex = port->ifindex,
		.what = port->name,
		.up = 1,
		.alias = "fastveth:lab/n",
		.no_ip6_ll = true,
	};

	OK(fv_link_change(rt, &change, &err));
}

static void lead_to(struct fv_rtnl *rt, const struct fv_link *port, unsigned int i)
{
	struct fv_neigh neigh = { .ifindex = port->ifindex, .mac = { 2, 0, 0, 0, 0, 1 } };
	struct fv_route route = { .oif = port->ifindex };
	struct fv_prefix v4, v6;

	number(i, &v4, &v6);
	for (int family = 0; family < 2; family++) {
		route.dst = family ? v6 : v4;
		neigh.ip = route.dst.ip;
		OK(fv_neigh_set(rt, &neigh, &err));
		OK(fv_route_add(rt, &route, FV_ACCEPT_NONE, &err));
	}
}

static void name_all(const int *ns, unsigned int n)
{
	char name[16];

	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		OK(fv_netns_name(name, ns[i], &err, NULL));
	}
	step("name", n);
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		OK(fv_netns_unname(name, &err));
	}
	step("unname", n);
}

static void makes_many(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *host = NULL;
	FV_AUTO_FREE struct fv_rtnl **rt = NULL;
	const char *count = getenv("FV_TEST_NAMESPACES");
	unsigned int n = count ? (unsigned int)atoi(count) : 300;
	FV_AUTO_FREE struct fv_route *routes = NULL;
	FV_AUTO_FREE struct fv_link *ports = NULL;
	FV_AUTO_FREE int *ns = NULL;
	struct rlimit files = { 2 * n + 100, 2 * n + 100 };
	struct fv_addr gateway = { 1, prefix("10.77.0.1/32") };
	size_t found;
	char name[16];

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	ns = calloc(n, sizeof(*ns));
	rt = calloc(n, sizeof(struct fv_rtnl *));
	assert_true(ns && rt);
	OK(fv_rtnl_open(&err, &host));
	/* Every host has an address; without one each route looks for it on all devices. */
	queue_up(host, 1, false);
	OK(fv_addr_add(host, &gateway, FV_ACCEPT_NONE, &err));
	OK(fv_rtnl_flush(host, &err));

	step(NULL, n);
	for (unsigned int i = 0; i < n; i++)
		OK(fv_netns_create(&err, &ns[i], &rt[i]));
	step("create, with a socket in it", n);
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "fv-n%u", i);
		queue_veth(host, name, ns[i], 1500, GROUP);
	}
	OK(fv_rtnl_flush(host, &err));
	step("veth", n);
	for (unsigned int i = 0; i < n; i++)
		configure_inside(rt[i], i);
	step("lo, eth0, addresses, routes inside", n);
	OK(fv_link_dump_group(host, GROUP, &err, &ports, &found));
	assert_int_equal(found, n);
	step("list of the ports", n);
	/* All of them before the first route: each one that comes up walks the whole IPv6 table. */
	for (unsigned int i = 0; i < n; i++)
		bring_up(host, &ports[i]);
	OK(fv_rtnl_flush(host, &err));
	step("port up, alias", n);
	for (unsigned int i = 0; i < n; i++)
		lead_to(host, &ports[i], i);
	OK(fv_rtnl_flush(host, &err));
	step("host routes and neighbours", n);
	OK(fv_route_dump(host, &err, &routes, &found));
	assert_int_equal(found, 2 * n);
	name_all(ns, n);
	OK(fv_link_delete_group(host, GROUP, &err));
	OK(fv_rtnl_flush(host, &err));
	step("delete the veths", n);
	for (unsigned int i = 0; i < n; i++) {
		fv_rtnl_close(&rt[i]);
		close(ns[i]);
	}
	step("close", n);
	OK(fv_netns_rmdir(&err));
}

/* ---- a list that changes ---- */

static atomic_bool stop_churn;

static void *churn(void *arg)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct fv_link link;

	OK(fv_rtnl_open(&err, &rt));
	while (!stop_churn) {
		queue_veth(rt, "fv-churn", *(int *)arg, 1500, 0);
		OK(fv_rtnl_flush(rt, &err));
		OK(fv_link_find(rt, "fv-churn", &err, &link));
		OK(fv_link_delete(rt, link.ifindex, "fv-churn", FV_ACCEPT_NONE, &err));
		OK(fv_rtnl_flush(rt, &err));
	}
	return NULL;
}

static void lists_while_devices_come_and_go(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FD int many = -1, churned = -1;
	const unsigned int n = 200;
	pthread_t thread;
	char name[16];

	(void)state;
	OK(fv_rtnl_open(&err, &rt));
	OK(fv_netns_create(&err, &many, NULL));
	OK(fv_netns_create(&err, &churned, NULL));
	for (unsigned int i = 0; i < n; i++) {
		struct fv_veth veth = {
			.port = name,
			.ifname = name,
			.port_mac = test_port_mac,
			.mac = test_mac,
			.mtu = 1500,
			.group = GROUP,
			.netns_fd = many,
		};

		snprintf(name, sizeof(name), "fv-%u", i);
		OK(fv_link_create_veth(rt, &veth, &err));
	}
	OK(fv_rtnl_flush(rt, &err));
	assert_int_equal(pthread_create(&thread, NULL, churn, &churned), 0);
	for (int round = 0; round < 300; round++) {
		FV_AUTO_FREE struct fv_link *links = NULL;
		size_t found;

		OK(fv_link_dump_group(rt, GROUP, &err, &links, &found));
		assert_int_equal(found, n);
		for (size_t i = 1; i < found; i++)
			assert_true(links[i - 1].ifindex < links[i].ifindex);
	}
	stop_churn = true;
	pthread_join(thread, NULL);
	OK(fv_link_delete_group(rt, GROUP, &err));
	OK(fv_rtnl_flush(rt, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_many),
		cmocka_unit_test(lists_while_devices_come_and_go),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
