// SPDX-License-Identifier: GPL-2.0-only
/*
 * user/net without privilege: what the kernel says is read with care, what the
 * caller says is checked, and nothing but a network namespace is opened as one.
 */
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "net/netns_priv.h"
#include "net/rtnl_priv.h"
#include "net/sysctl.h"

static char message[1024] __attribute__((aligned(8)));

static struct nlmsghdr *start(uint16_t type, size_t header)
{
	struct nlmsghdr *nlh;

	memset(message, 0xff, sizeof(message));
	nlh = mnl_nlmsg_put_header(message);
	nlh->nlmsg_type = type;
	mnl_nlmsg_put_extra_header(nlh, header);
	return nlh;
}

/* ---- messages of the kernel ---- */

static void reads_a_link(void **state)
{
	static const uint8_t mac[6] = { 2, 1, 2, 3, 4, 5 };
	struct nlmsghdr *nlh = start(RTM_NEWLINK, sizeof(struct ifinfomsg));
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct rtnl_link_stats64 stats = { .rx_packets = 1, .tx_bytes = 1ULL << 40 };
	struct nlattr *nest, *inner;
	struct fv_link link = { 0 };

	(void)state;
	ifi->ifi_index = 7;
	ifi->ifi_flags = IFF_UP;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "fv-web");
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, "fastveth:lab/web");
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	mnl_attr_put_u32(nlh, IFLA_LINK, 2);
	mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 3);
	mnl_attr_put_u32(nlh, IFLA_MASTER, 9);
	mnl_attr_put(nlh, IFLA_STATS64, sizeof(stats), &stats);
	mnl_attr_put_u32(nlh, 0x3ffe, 1);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, IFLA_XDP);
	mnl_attr_put_u8(nlh, IFLA_XDP_ATTACHED, XDP_ATTACHED_DRV);
	mnl_attr_put_u32(nlh, IFLA_XDP_PROG_ID, 4711);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inner = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inner);
	mnl_attr_nest_end(nlh, nest);

	assert_true(fv_link_parse(nlh, &link));
	assert_int_equal(link.ifindex, 7);
	assert_true(link.up);
	assert_string_equal(link.name, "fv-web");
	assert_string_equal(link.alias, "fastveth:lab/web");
	assert_string_equal(link.kind, "veth");
	assert_memory_equal(link.mac, mac, 6);
	assert_int_equal(link.mtu, 1500);
	assert_int_equal(link.peer_ifindex, 2);
	assert_int_equal(link.peer_nsid, 3);
	assert_int_equal(link.master, 9);
	assert_true(link.no_ip6_ll);
	assert_int_equal(link.xdp_prog, 4711);
	assert_int_equal(link.rx_packets, 1);
	assert_int_equal(link.tx_bytes, 1ULL << 40);
}

static void reads_a_link_that_says_little(void **state)
{
	struct nlmsghdr *nlh = start(RTM_NEWLINK, sizeof(struct ifinfomsg));
	struct fv_link link = { 0 };
	char name[40];

	(void)state;
	/* No NUL, longer than a name, a MAC of another length, statistics of an older kernel. */
	memset(name, 'x', sizeof(name));
	mnl_attr_put(nlh, IFLA_IFNAME, sizeof(name), name);
	mnl_attr_put(nlh, IFLA_ADDRESS, 20, name);
	mnl_attr_put(nlh, IFLA_MTU, 2, name);
	mnl_attr_put_u64(nlh, IFLA_STATS64, 5);
	assert_true(fv_link_parse(nlh, &link));
	assert_string_equal(link.name, "xxxxxxxxxxxxxxx");
	assert_memory_equal(link.mac, "\0\0\0\0\0\0", 6);
	assert_int_equal(link.mtu, 0);
	assert_int_equal(link.rx_packets, 5);
	assert_int_equal(link.peer_nsid, -1);
	assert_int_equal(link.master, 0);
	assert_false(link.no_ip6_ll);
	assert_int_equal(link.xdp_prog, 0);
}

static void reads_nothing_behind_the_end(void **state)
{
	struct nlmsghdr *nlh = start(RTM_NEWLINK, sizeof(struct ifinfomsg));
	struct fv_link link = { 0 };
	struct fv_addr addr = { 0 };
	struct nlattr *attr;

	(void)state;
	/* An attribute that claims more than the message has. */
	attr = mnl_nlmsg_get_payload_tail(nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "eth0");
	attr->nla_len = 200;
	assert_true(fv_link_parse(nlh, &link));
	assert_string_equal(link.name, "");

	/* A message too short for its family header. */
	nlh = mnl_nlmsg_put_header(message);
	nlh->nlmsg_type = RTM_NEWLINK;
	mnl_nlmsg_put_extra_header(nlh, 4);
	assert_false(fv_link_parse(nlh, &link));
	nlh->nlmsg_type = RTM_NEWADDR;
	assert_false(fv_addr_parse(nlh, &addr));
}

static void reads_addresses(void **state)
{
	static const uint8_t own[] = { 10, 0, 0, 1 }, peer[] = { 10, 0, 0, 2 };
	struct nlmsghdr *nlh = start(RTM_NEWADDR, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct fv_addr addr = { 0 };

	(void)state;
	*ifa = (struct ifaddrmsg){ .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 3 };
	mnl_attr_put(nlh, IFA_ADDRESS, 4, peer);
	mnl_attr_put(nlh, IFA_LOCAL, 4, own);
	assert_true(fv_addr_parse(nlh, &addr));
	assert_int_equal(addr.ifindex, 3);
	assert_int_equal(addr.prefix.len, 32);
	assert_memory_equal(addr.prefix.ip.b, own, 4);

	/* A family that is none of ours, and an IPv6 address of four bytes. */
	ifa->ifa_family = AF_PACKET;
	assert_false(fv_addr_parse(nlh, &addr));
	ifa->ifa_family = AF_INET6;
	assert_false(fv_addr_parse(nlh, &addr));
}

static void reads_routes(void **state)
{
	struct nlmsghdr *nlh = start(RTM_NEWROUTE, sizeof(struct rtmsg));
	struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct fv_route route = { 0 };
	uint8_t via[2 + 16] = { AF_INET6, 0, 0xfe, 0x80 };

	(void)state;
	*rtm = (struct rtmsg){ .rtm_family = AF_INET, .rtm_table = 254, .rtm_type = RTN_UNICAST };
	mnl_attr_put_u32(nlh, RTA_TABLE, 1000);
	mnl_attr_put_u32(nlh, RTA_OIF, 5);
	mnl_attr_put(nlh, RTA_VIA, sizeof(via), via);
	assert_true(fv_route_parse(nlh, &route));
	assert_int_equal(route.dst.ip.family, AF_INET);
	assert_int_equal(route.dst.len, 0);
	assert_int_equal(route.table, 1000);
	assert_int_equal(route.oif, 5);
	assert_int_equal(route.via.family, AF_INET6);
	assert_int_equal(route.via.b[0], 0xfe);

	rtm->rtm_flags = RTM_F_CLONED;
	assert_false(fv_route_parse(nlh, &route));
	rtm->rtm_flags = 0;
	mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_LOCAL);
	assert_false(fv_route_parse(nlh, &route));
}

static void reads_neighbours(void **state)
{
	static const uint8_t ip[] = { 10, 0, 0, 1 }, mac[] = { 2, 0, 0, 0, 0, 1 };
	struct nlmsghdr *nlh = start(RTM_NEWNEIGH, sizeof(struct ndmsg));
	struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct fv_neigh neigh = { 0 };

	(void)state;
	*ndm = (struct ndmsg){ .ndm_family = AF_INET,
			       .ndm_ifindex = 4,
			       .ndm_state = NUD_PERMANENT };
	assert_false(fv_neigh_parse(nlh, &neigh));
	mnl_attr_put(nlh, NDA_DST, 4, ip);
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
	assert_true(fv_neigh_parse(nlh, &neigh));
	assert_true(neigh.permanent);
	assert_int_equal(neigh.ifindex, 4);
	assert_memory_equal(neigh.mac, mac, 6);
	ndm->ndm_family = AF_BRIDGE;
	assert_false(fv_neigh_parse(nlh, &neigh));
}

/* ---- requests that are refused before the kernel sees them ---- */

static void refuses_bad_arguments(void **state)
{
	static const uint8_t mac[6];
	struct fv_veth veth = { .port = "a", .ifname = "sixteen-bytes-xx", .port_mac = mac };
	struct fv_addr addr = { .prefix = { .ip.family = AF_INET, .len = 33 } };
	struct fv_route route = { .dst.ip.family = AF_INET, .via.family = AF_INET6 };
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct fv_link_change change = { .what = "fv-web", .up = -1 };
	struct fv_neigh neigh = { 0 };
	struct fv_err err = { 0 };
	char alias[300];

	(void)state;
	assert_int_equal(fv_rtnl_open(&err, &rt), 0);
	assert_int_equal(fv_link_create_veth(rt, &veth, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "sixteen-bytes-xx"));
	assert_int_equal(fv_addr_add(rt, &addr, FV_ACCEPT_NONE, NULL), -EINVAL);
	assert_int_equal(fv_route_add(rt, &route, FV_ACCEPT_NONE, NULL), -EINVAL);
	assert_int_equal(fv_neigh_set(rt, &neigh, NULL), -EINVAL);
	assert_int_equal(fv_link_delete(rt, 0, "none", FV_ACCEPT_NONE, NULL), -EINVAL);
	assert_int_equal(fv_link_delete_group(rt, 0, NULL), -EINVAL);
	memset(alias, 'a', sizeof(alias));
	alias[256] = '\0';
	change.alias = alias;
	assert_int_equal(fv_link_change(rt, &change, NULL), -EINVAL);
	assert_int_equal(fv_rtnl_flush(rt, NULL), 0);
}

static void says_which_privilege_is_missing(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct fv_addr addr = { .ifindex = 1 };
	struct fv_err err = { 0 };

	(void)state;
	assert_int_equal(fv_prefix_parse("10.1.1.1/32", &addr.prefix), 0);
	/* Root's capabilities are not in effect with another user id. */
	if (getuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_int_equal(fv_rtnl_open(&err, &rt), 0);
	assert_int_equal(fv_addr_add(rt, &addr, FV_ACCEPT_EXISTS, &err), 0);
	assert_int_equal(fv_rtnl_flush(rt, &err), -EPERM);
	assert_int_equal(seteuid(getuid()), 0);
	assert_non_null(strstr(err.msg, "add address 10.1.1.1/32 on lo"));
	assert_non_null(strstr(err.msg, "CAP_NET_ADMIN"));
}

static void lists_without_privilege(void **state)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_AUTO_FREE struct fv_neigh *neighs = NULL;
	FV_AUTO_FREE struct fv_route *routes = NULL;
	FV_AUTO_FREE struct fv_link *links = NULL;
	FV_AUTO_FREE struct fv_addr *addrs = NULL;
	struct fv_err err = { 0 };
	struct fv_link lo = { 0 };
	size_t n = 0;

	(void)state;
	assert_int_equal(fv_rtnl_open(&err, &rt), 0);
	assert_int_equal(fv_link_dump(rt, &err, &links, &n), 0);
	assert_true(n >= 1);
	assert_string_equal(links[0].name, "lo");
	for (size_t i = 1; i < n; i++)
		assert_true(links[i - 1].ifindex < links[i].ifindex);
	assert_int_equal(fv_addr_dump(rt, &err, &addrs, &n), 0);
	assert_int_equal(fv_route_dump(rt, &err, &routes, &n), 0);
	assert_int_equal(fv_neigh_dump(rt, &err, &neighs, &n), 0);
	assert_int_equal(fv_link_find(rt, "lo", &err, &lo), 0);
	assert_int_equal(lo.ifindex, links[0].ifindex);
	assert_int_equal(fv_link_find(rt, "fv-no-such-dev", &err, &lo), -ENODEV);
	assert_int_equal(fv_link_find(rt, "fv-name-too-long", &err, &lo), -ENODEV);
	assert_int_equal(err.code, 0);
}

/* ---- namespaces ---- */

static void refuses_names_that_are_paths(void **state)
{
	static const char *const names[] = { "", ".", "..", "../x", "a/b", "/proc/self/ns/net" };
	struct fv_err err = { 0 };
	char name[300];
	int fd;

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(names); i++)
		assert_int_equal(fv_netns_open_name(names[i], NULL, &fd), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(fv_netns_open_name(name, &err, &fd), -EINVAL);
	assert_int_equal(fv_netns_name("a/b", -1, NULL, NULL), -EINVAL);
	assert_int_equal(fv_netns_unname("..", NULL), -EINVAL);
}

static void expect_bad_path(const char *path, int code, const char *text)
{
	struct fv_err err = { 0 };
	int fd = -1;

	assert_int_equal(fv_netns_open_path(path, &err, &fd), code);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.msg, text));
}

static void opens_nothing_but_network_namespaces(void **state)
{
	char dir[] = "/tmp/fv-test-XXXXXX", path[64], link[64];
	FV_AUTO_FD int fd = -1, self = -1;
	struct fv_err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_bad_path(path, -EINVAL, "fifo");
	unlink(path);
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink("nowhere", link), 0);
	expect_bad_path(link, -ENOENT, "No such file");
	unlink(link);
	expect_bad_path(dir, -EINVAL, "directory");
	expect_bad_path(".", -EINVAL, "directory");
	expect_bad_path("/proc/self/exe", -EINVAL, "plain file");
	expect_bad_path("/dev/null", -EINVAL, "device");
	expect_bad_path("/proc/self/ns/mnt", -EINVAL, "mount namespace");
	expect_bad_path("/proc/self/ns/user", -EINVAL, "user namespace");

	assert_int_equal(symlink("/proc/self/ns/net", link), 0);
	assert_int_equal(fv_netns_open_path(link, &err, &fd), 0);
	assert_int_equal(fv_netns_self(&err, &self), 0);
	assert_true(fv_netns_same(fd, self));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	unlink(link);
	rmdir(dir);
}

static void *report_tid(void *arg)
{
	int *pipes = arg, tid = (int)syscall(SYS_gettid);
	char end;

	assert_int_equal(write(pipes[1], &tid, sizeof(tid)), sizeof(tid));
	assert_int_equal(read(pipes[2], &end, 1), 0);
	return NULL;
}

static void opens_by_pid(void **state)
{
	FV_AUTO_FD int fd = -1, self = -1;
	struct fv_err err = { 0 };
	int pipes[4], tid, bad;
	pthread_t thread;
	pid_t dead;

	(void)state;
	assert_int_equal(fv_netns_open_pid(getpid(), &err, &fd), 0);
	assert_int_equal(fv_netns_self(&err, &self), 0);
	assert_true(fv_netns_same(fd, self));
	assert_int_equal(fv_netns_open_pid(0, NULL, &bad), -EINVAL);
	assert_int_equal(fv_netns_open_pid(-1, NULL, &bad), -EINVAL);

	/* Dead but not buried: a zombie has no namespace any more. */
	dead = fork();
	if (!dead)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)dead, NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(fv_netns_open_pid(dead, NULL, &bad), -ESRCH);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	assert_int_equal(fv_netns_open_pid(dead, &err, &bad), -ESRCH);
	assert_non_null(strstr(err.msg, "no such process"));

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(pipes + 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, report_tid, pipes), 0);
	assert_int_equal(read(pipes[0], &tid, sizeof(tid)), sizeof(tid));
	assert_int_equal(fv_netns_open_pid(tid, NULL, &bad), -EINVAL);
	close(pipes[3]);
	pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++)
		close(pipes[i]);
}

static void finds_itself(void **state)
{
	FV_AUTO_FD int self = -1, fd = -1;
	struct fv_err err = { 0 };
	dev_t dev;
	ino_t ino;
	int bad;

	(void)state;
	assert_int_equal(fv_netns_self(&err, &self), 0);
	assert_int_equal(fv_netns_id(self, &err, &dev, &ino), 0);
	assert_int_equal(fv_netns_find(dev, ino, &err, &fd), 0);
	assert_true(fv_netns_same(fd, self));
	assert_int_equal(fv_netns_find(dev, 1, &err, &bad), -ENOENT);
	assert_int_equal(err.code, 0);
}

/* ---- values ---- */

static void reads_and_writes_values(void **state)
{
	char path[] = "/tmp/fv-test-XXXXXX", buf[8];
	struct fv_err err = { 0 };
	FV_AUTO_FD int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fv_sysctl_set(path, "1\n", &err), 0);
	assert_int_equal(fv_sysctl_get(path, &err, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "1");
	assert_int_equal(fv_sysctl_set(path, "1234567", &err), 0);
	assert_int_equal(fv_sysctl_get(path, &err, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "1234567");
	assert_int_equal(fv_sysctl_get(path, NULL, buf, 7), -EOVERFLOW);
	unlink(path);
	assert_int_equal(fv_sysctl_get(path, &err, buf, sizeof(buf)), -ENOENT);
	assert_int_equal(err.code, 0);
	assert_int_equal(fv_sysctl_set(path, "1", &err), -ENOENT);
	assert_non_null(strstr(err.msg, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_link),
		cmocka_unit_test(reads_a_link_that_says_little),
		cmocka_unit_test(reads_nothing_behind_the_end),
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(reads_routes),
		cmocka_unit_test(reads_neighbours),
		cmocka_unit_test(refuses_bad_arguments),
		cmocka_unit_test(says_which_privilege_is_missing),
		cmocka_unit_test(lists_without_privilege),
		cmocka_unit_test(refuses_names_that_are_paths),
		cmocka_unit_test(opens_nothing_but_network_namespaces),
		cmocka_unit_test(opens_by_pid),
		cmocka_unit_test(finds_itself),
		cmocka_unit_test(reads_and_writes_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
