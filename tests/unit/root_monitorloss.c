// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of the kernel: what is missing is told once, nothing is missing between opening and
 * listing; what a kernel lacks is done without.
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 *
 * wrap: mnl_socket_open2
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit/monitor_test.h"

#define MAX_INDEX 8192

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

/* Until the other end of the pipe is closed. */
static void make_and_delete(int until)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	struct pollfd closed = { .fd = until };
	FV_AUTO_FD int self = -1;
	char name[16], old[16];

	OK(fv_rtnl_open(&err, &rt));
	OK(fv_netns_self(&err, &self));
	for (int i = 0; i < MAX_INDEX / 4 && poll(&closed, 1, 0) == 0; i++) {
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
	int until[2], status, events = 0;
	pid_t pid;

	(void)state;
	OK(fv_rtnl_open(&err, &rt));
	assert_int_equal(pipe(until), 0);
	pid = fork();
	if (!pid) {
		close(until[1]);
		make_and_delete(until[0]);
		_exit(0);
	}
	/* In the middle of it. */
	while (!if_nametoindex("q20"))
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	OK(fv_monitor_open(&err, &m));
	list(rt, known);
	while (!if_nametoindex("q61") || !readable(m))
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	close(until[0]);
	close(until[1]);
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

/* A kernel that has nothing but these buses. */
static unsigned int buses = ~0U;

struct mnl_socket *__real_mnl_socket_open2(int bus, int flags);
struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags);

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	if (buses & 1U << bus)
		return __real_mnl_socket_open2(bus, flags);
	errno = EPROTONOSUPPORT;
	return NULL;
}

static void does_without_what_the_kernel_lacks(void **state)
{
	FV_CLEANUP(fv_monitor_close) struct fv_monitor *m = NULL;
	struct fv_err error = { 0 };
	struct seen seen;
	int r;

	(void)state;
	buses = 1U << NETLINK_ROUTE;
	OK(fv_monitor_open(&err, &m));
	buses = ~0U;
	SH("ip link set lo up");
	seen = read_all(m, 1);
	expect_link(&seen.link, "lo", 1);
	SH("ip link set lo down");
	fv_monitor_close(&m);

	buses = 0;
	r = fv_monitor_open(&error, &m);
	buses = ~0U;
	assert_int_equal(r, -EPROTONOSUPPORT);
	assert_non_null(strstr(error.msg, "cannot watch devices"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_monitor, close_monitor)
	const struct CMUnitTest tests[] = {
		TEST(tells_a_loss_once),
		TEST(holds_what_a_host_makes_at_once),
		TEST(loses_no_rules),
		cmocka_unit_test(misses_nothing_between_opening_and_listing),
		cmocka_unit_test(does_without_what_the_kernel_lacks),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
