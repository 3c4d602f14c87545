// SPDX-License-Identifier: GPL-2.0-only
/*
 * rtnetlink against the kernel: what is asked for is there, what fails is named.
 *
 *   this namespace: fv-a (port) ---- eth0 :new namespace
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "unit/net_test.h"

#define GROUP 0x0f570001

/* A namespace with one device, and the port here. */
struct pair {
	struct fv_rtnl *host, *rt;
	int ns;
	struct fv_link port, eth0;
};

static int open_pair(void **state)
{
	static struct pair pair;

	pair = (struct pair){ .ns = -1 };
	OK(fv_rtnl_open(&err, &pair.host));
	OK(fv_netns_create(&err, &pair.ns, &pair.rt));
	queue_veth(pair.host, "fv-a", pair.ns, 1400, GROUP);
	OK(fv_rtnl_flush(pair.host, &err));
	OK(fv_link_find(pair.host, "fv-a", &err, &pair.port));
	OK(fv_link_find(pair.rt, "eth0", &err, &pair.eth0));
	*state = &pair;
	return 0;
}

static int close_pair(void **state)
{
	struct pair *pair = *state;

	OK(fv_link_delete_group(pair->host, GROUP, &err));
	OK(fv_rtnl_flush(pair->host, &err));
	fv_rtnl_close(&pair->host);
	fv_rtnl_close(&pair->rt);
	close(pair->ns);
	return 0;
}

/* ---- devices ---- */

static void creates_a_veth_with_both_ends_given(void **state)
{
	struct pair *pair = *state;
	int nsid = -1;

	assert_memory_equal(pair->port.mac, test_port_mac, 6);
	assert_memory_equal(pair->eth0.mac, test_mac, 6);
	assert_string_equal(pair->port.kind, "veth");
	assert_int_equal(pair->port.mtu, 1400);
	assert_int_equal(pair->eth0.mtu, 1400);
	assert_int_equal(pair->port.group, GROUP);
	assert_int_equal(pair->eth0.group, 0);
	assert_false(pair->port.up || pair->eth0.up);
	assert_int_equal(pair->port.peer_ifindex, pair->eth0.ifindex);
	assert_int_equal(pair->eth0.peer_ifindex, pair->port.ifindex);
	OK(fv_nsid_of(pair->host, pair->ns, &err, &nsid));
	assert_true(nsid >= 0);
	assert_int_equal(pair->port.peer_nsid, nsid);
}

static void knows_no_id_of_a_stranger(void **state)
{
	struct pair *pair = *state;
	FV_AUTO_FD int ns = -1;
	int nsid = 7;

	OK(fv_netns_create(&err, &ns, NULL));
	OK(fv_nsid_of(pair->host, ns, &err, &nsid));
	assert_int_equal(nsid, -1);
}

static void changes_what_it_is_told(void **state)
{
	static const uint8_t other[6] = { 2, 9, 9, 9, 9, 9 };
	struct pair *pair = *state;
	struct fv_link_change change = {
		.ifindex = pair->port.ifindex,
		.what = "fv-a",
		.up = 1,
		.mtu = 1300,
		.alias = "fastveth:lab/a",
		.mac = other,
		.no_ip6_ll = true,
		.group = GROUP + 1,
	};
	struct fv_link link;

	assert_false(pair->port.no_ip6_ll);
	OK(fv_link_change(pair->host, &change, &err));
	OK(fv_rtnl_flush(pair->host, &err));
	OK(fv_link_find(pair->host, "fv-a", &err, &link));
	assert_true(link.up && link.no_ip6_ll);
	assert_int_equal(link.mtu, 1300);
	assert_int_equal(link.group, GROUP + 1);
	assert_string_equal(link.alias, "fastveth:lab/a");
	assert_memory_equal(link.mac, other, 6);

	change = (struct fv_link_change){ .ifindex = link.ifindex, .what = "fv-a" };
	OK(fv_link_change(pair->host, &change, &err));
	OK(fv_link_delete(pair->host, link.ifindex, "fv-a", FV_ACCEPT_NONE, &err));
	OK(fv_link_delete(pair->host, link.ifindex, "fv-a", FV_ACCEPT_GONE, &err));
	OK(fv_rtnl_flush(pair->host, &err));
	assert_int_equal(fv_link_find(pair->host, "fv-a", NULL, &link), -ENODEV);
}

/* Below 1280 a device has no IPv6, as every device has on a kernel without it. */
static void does_without_ipv6(void **state)
{
	struct pair *pair = *state;
	struct fv_link_change change = { .ifindex = pair->port.ifindex, .what = "a", .mtu = 1000 };
	struct fv_link link;

	change.up = -1;
	OK(fv_link_change(pair->host, &change, &err));
	queue_up(pair->host, pair->port.ifindex, true);
	OK(fv_rtnl_flush(pair->host, &err));
	OK(fv_link_find(pair->host, "fv-a", &err, &link));
	assert_true(link.up);
	assert_false(link.no_ip6_ll);
}

static size_t count_group(struct fv_rtnl *rt, uint32_t group)
{
	FV_AUTO_FREE struct fv_link *links = NULL;
	size_t n = 0;

	OK(fv_link_dump_group(rt, group, &err, &links, &n));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(links[i].group, group);
	return n;
}

static void deletes_a_group_and_nothing_else(void **state)
{
	struct pair *pair = *state;
	char name[16];
	int ns[20];

	for (int i = 0; i < 20; i++) {
		OK(fv_netns_create(&err, &ns[i], NULL));
		snprintf(name, sizeof(name), "fv-g%d", i);
		queue_veth(pair->host, name, ns[i], 1500, i % 2 ? 77 : 78);
	}
	OK(fv_rtnl_flush(pair->host, &err));
	assert_int_equal(count_group(pair->host, 77), 10);
	OK(fv_link_delete_group(pair->host, 77, &err));
	OK(fv_link_delete_group(pair->host, 77, &err));
	OK(fv_rtnl_flush(pair->host, &err));
	assert_int_equal(count_group(pair->host, 77), 0);
	assert_int_equal(count_group(pair->host, 78), 10);
	assert_int_equal(count_group(pair->host, GROUP), 1);
	OK(fv_link_delete_group(pair->host, 78, &err));
	OK(fv_rtnl_flush(pair->host, &err));
	for (int i = 0; i < 20; i++)
		close(ns[i]);
}

/* ---- addresses, routes, neighbours ---- */

struct config {
	struct fv_addr addrs[2];
	struct fv_route routes[4];
	struct fv_neigh neighs[2];
};

static struct config config_of(int dev)
{
	struct config c = {
		.addrs = { { dev, prefix("10.77.0.2/24") }, { dev, prefix("fd77::2/64") } },
		.routes = {
			{ .dst = prefix("0.0.0.0/0"), .via = ip("10.77.0.1"), .onlink = true },
			{ .dst = prefix("::/0"), .via = ip("fd77::1"), .onlink = true },
			{ .dst = prefix("10.5.0.0/16"), .type = RTN_UNREACHABLE, .table = 1000 },
			{ .dst = prefix("10.6.0.9/32"), .src = ip("10.77.0.2"), .metric = 7 },
		},
		.neighs = {
			{ .ifindex = dev, .ip = ip("10.77.0.1"), .mac = { 2, 0, 0, 0, 1, 1 } },
			{ .ifindex = dev, .ip = ip("fd77::1"), .mac = { 2, 0, 0, 0, 1, 1 } },
		},
	};

	c.routes[0].oif = c.routes[1].oif = c.routes[3].oif = dev;
	return c;
}

static void expect_addrs(struct fv_rtnl *rt, const struct config *c, size_t count)
{
	FV_AUTO_FREE struct fv_addr *got = NULL;
	size_t n;

	OK(fv_addr_dump(rt, &err, &got, &n));
	assert_int_equal(n, count);
	for (size_t i = 0; i < n; i++) {
		assert_true(fv_ip_equal(&got[i].prefix.ip, &c->addrs[i].prefix.ip));
		assert_int_equal(got[i].prefix.len, c->addrs[i].prefix.len);
		assert_int_equal(got[i].ifindex, c->addrs[i].ifindex);
	}
}

static void expect_routes(struct fv_rtnl *rt, const struct config *c, size_t count)
{
	FV_AUTO_FREE struct fv_route *got = NULL;
	size_t n, found = 0;

	OK(fv_route_dump(rt, &err, &got, &n));
	assert_int_equal(n, count);
	for (size_t i = 0; i < n * 4; i++) {
		const struct fv_route *a = &got[i / 4], *b = &c->routes[i % 4];

		if (!fv_ip_equal(&a->dst.ip, &b->dst.ip))
			continue;
		found++;
		assert_int_equal(a->dst.len, b->dst.len);
		assert_true(fv_ip_equal(&a->via, &b->via));
		assert_true(fv_ip_equal(&a->src, &b->src));
		assert_int_equal(a->oif, b->oif);
		assert_int_equal(a->type, b->type ? b->type : RTN_UNICAST);
		assert_int_equal(a->table, b->table ? b->table : FV_ROUTE_MAIN);
		assert_int_equal(a->protocol, FV_RTPROT);
		assert_int_equal(a->onlink, b->onlink);
	}
	assert_int_equal(found, count);
}

/* There are others, of multicast groups, that the kernel makes. */
static void expect_neighs(struct fv_rtnl *rt, const struct config *c, size_t count)
{
	FV_AUTO_FREE struct fv_neigh *got = NULL;
	size_t n, found = 0;

	OK(fv_neigh_dump(rt, &err, &got, &n));
	for (size_t i = 0; i < n * 2; i++) {
		if (!fv_ip_equal(&got[i / 2].ip, &c->neighs[i % 2].ip))
			continue;
		found++;
		assert_true(got[i / 2].permanent);
		assert_int_equal(got[i / 2].ifindex, c->neighs[0].ifindex);
		assert_memory_equal(got[i / 2].mac, test_port_mac, 6);
	}
	assert_int_equal(found, count);
}

static void configures_both_families(void **state)
{
	struct pair *pair = *state;
	struct config c = config_of(pair->eth0.ifindex);

	queue_up(pair->rt, pair->eth0.ifindex, true);
	for (size_t i = 0; i < 2; i++)
		OK(fv_addr_add(pair->rt, &c.addrs[i], FV_ACCEPT_NONE, &err));
	for (size_t i = 0; i < 4; i++)
		OK(fv_route_add(pair->rt, &c.routes[i], FV_ACCEPT_NONE, &err));
	for (size_t i = 0; i < 2; i++)
		OK(fv_neigh_set(pair->rt, &c.neighs[i], &err));
	OK(fv_rtnl_flush(pair->rt, &err));
	/* And nothing else: no link-local address, no route for a prefix. */
	expect_addrs(pair->rt, &c, 2);
	expect_routes(pair->rt, &c, 4);
	expect_neighs(pair->rt, &c, 2);

	/* Twice: what is gone is gone. */
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 2; i++)
			OK(fv_neigh_delete(pair->rt, &c.neighs[i], FV_ACCEPT_GONE, &err));
		for (size_t i = 0; i < 4; i++)
			OK(fv_route_delete(pair->rt, &c.routes[i], FV_ACCEPT_GONE, &err));
		for (size_t i = 0; i < 2; i++)
			OK(fv_addr_delete(pair->rt, &c.addrs[i], FV_ACCEPT_GONE, &err));
		OK(fv_rtnl_flush(pair->rt, &err));
	}
	expect_addrs(pair->rt, &c, 0);
	expect_routes(pair->rt, &c, 0);
	expect_neighs(pair->rt, &c, 0);
}

static void leaves_routes_of_others(void **state)
{
	struct pair *pair = *state;
	struct fv_route route = {
		.dst = prefix("10.9.0.0/16"),
		.oif = pair->eth0.ifindex,
		.protocol = RTPROT_STATIC,
	};
	struct fv_route ours = route;

	ours.protocol = 0;
	queue_up(pair->rt, route.oif, false);
	OK(fv_route_add(pair->rt, &route, FV_ACCEPT_NONE, &err));
	OK(fv_rtnl_flush(pair->rt, &err));
	OK(fv_route_delete(pair->rt, &ours, FV_ACCEPT_NONE, &err));
	assert_int_equal(fv_rtnl_flush(pair->rt, NULL), -ESRCH);
	OK(fv_route_delete(pair->rt, &route, FV_ACCEPT_NONE, &err));
	OK(fv_rtnl_flush(pair->rt, &err));
}

/* ---- failures ---- */

static void names_the_first_failure_and_goes_on(void **state)
{
	struct pair *pair = *state;
	struct fv_route route = { .dst = prefix("10.3.0.0/16"), .via = ip("10.99.0.1") };
	struct fv_addr bad = { 999, prefix("10.77.0.2/32") };
	struct fv_addr good = { pair->eth0.ifindex, prefix("10.77.0.3/32") };
	FV_AUTO_FREE struct fv_addr *got = NULL;
	struct fv_err error = { 0 };
	size_t n;

	queue_up(pair->rt, pair->eth0.ifindex, true);
	OK(fv_route_add(pair->rt, &route, FV_ACCEPT_EXISTS, &err));
	OK(fv_addr_add(pair->rt, &bad, FV_ACCEPT_NONE, &err));
	OK(fv_addr_add(pair->rt, &good, FV_ACCEPT_NONE, &err));
	assert_int_equal(fv_rtnl_flush(pair->rt, &error), -ENETUNREACH);
	assert_int_equal(error.code, -ENETUNREACH);
	assert_string_equal(error.msg, "cannot add route 10.3.0.0/16 via 10.99.0.1: "
				       "Network is unreachable: Nexthop has invalid gateway");
	OK(fv_addr_dump(pair->rt, &err, &got, &n));
	assert_int_equal(n, 1);

	/* The failure is told once. */
	OK(fv_rtnl_flush(pair->rt, &err));
	OK(fv_addr_add(pair->rt, &good, FV_ACCEPT_EXISTS, &err));
	OK(fv_rtnl_flush(pair->rt, &err));
	OK(fv_addr_add(pair->rt, &good, FV_ACCEPT_GONE, &err));
	error.code = 0;
	assert_int_equal(fv_rtnl_flush(pair->rt, &error), -EEXIST);
	assert_non_null(strstr(error.msg, "add address 10.77.0.3/32 on eth0: File exists"));
	OK(fv_addr_delete(pair->rt, &bad, FV_ACCEPT_EXISTS, &err));
	error.code = 0;
	assert_int_equal(fv_rtnl_flush(pair->rt, &error), -ENODEV);
	assert_non_null(strstr(error.msg, "delete address 10.77.0.2/32 on device 999"));
}

static void names_the_veth_that_exists(void **state)
{
	struct pair *pair = *state;
	struct fv_err error = { 0 };

	queue_veth(pair->host, "fv-a", pair->ns, 1500, GROUP);
	assert_int_equal(fv_rtnl_flush(pair->host, &error), -EEXIST);
	assert_non_null(strstr(error.msg, "create veth fv-a with eth0 at its other end"));
}

static void takes_more_than_a_batch(void **state)
{
	struct pair *pair = *state;
	struct fv_addr addr = { pair->eth0.ifindex, prefix("10.0.0.0/32") };
	struct fv_addr bad = { 999, prefix("10.77.0.2/32") };
	FV_AUTO_FREE struct fv_addr *got = NULL;
	struct fv_err error = { 0 };
	size_t n;

	for (unsigned int i = 0; i < 3000; i++) {
		addr.prefix.ip.b[2] = (uint8_t)(i >> 8);
		addr.prefix.ip.b[3] = (uint8_t)i;
		OK(fv_addr_add(pair->rt, &addr, FV_ACCEPT_NONE, &err));
		if (i == 100)
			OK(fv_addr_add(pair->rt, &bad, FV_ACCEPT_NONE, &err));
	}
	/* Early failures wait for the flush; a question in between disturbs nothing. */
	OK(fv_link_find(pair->rt, "eth0", &err, &pair->eth0));
	assert_int_equal(fv_rtnl_flush(pair->rt, &error), -ENODEV);
	assert_non_null(strstr(error.msg, "10.77.0.2/32"));
	OK(fv_addr_dump(pair->rt, &err, &got, &n));
	assert_int_equal(n, 3000);
}

/* A process that knows our port id may send what looks like the kernel's answer. */
static void ignores_answers_of_others(void **state)
{
	struct pair *pair = *state;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	FV_AUTO_FD int other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr ack;
	} forged = { 0 };
	struct fv_neigh neigh = { .ifindex = 1, .ip = ip("10.0.0.1") };
	socklen_t len = sizeof(to);

	assert_int_equal(getsockname(fv_rtnl_fd(pair->host), (struct sockaddr *)&to, &len), 0);
	forged.nlh.nlmsg_len = sizeof(forged);
	forged.nlh.nlmsg_type = NLMSG_ERROR;
	forged.nlh.nlmsg_pid = to.nl_pid;
	forged.ack.error = -EXDEV;
	for (uint32_t seq = 1; seq < 4096; seq += 512) {
		for (uint32_t i = 0; i < 4; i++) {
			forged.nlh.nlmsg_seq = seq + i;
			assert_int_equal(sendto(other, &forged, sizeof(forged), 0,
						(struct sockaddr *)&to, sizeof(to)),
					 sizeof(forged));
		}
	}
	OK(fv_neigh_delete(pair->host, &neigh, FV_ACCEPT_GONE, &err));
	OK(fv_rtnl_flush(pair->host, &err));
	OK(fv_link_find(pair->host, "fv-a", &err, &pair->port));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)
	const struct CMUnitTest tests[] = {
		TEST(creates_a_veth_with_both_ends_given),
		TEST(knows_no_id_of_a_stranger),
		TEST(changes_what_it_is_told),
		TEST(does_without_ipv6),
		TEST(deletes_a_group_and_nothing_else),
		TEST(configures_both_families),
		TEST(leaves_routes_of_others),
		TEST(names_the_first_failure_and_goes_on),
		TEST(names_the_veth_that_exists),
		TEST(takes_more_than_a_batch),
		TEST(ignores_answers_of_others),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
