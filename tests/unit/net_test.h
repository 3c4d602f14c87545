/* SPDX-License-Identifier: GPL-2.0-only */
/* What the root tests of user/net share: namespaces of their own, short ways to say things. */
#ifndef FV_TEST_NET_TEST_H
#define FV_TEST_NET_TEST_H

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "net/netns.h"
#include "net/rtnl.h"

/* A call with "&err" in it that must work. */
#define OK(call)                                                                                   \
	do {                                                                                       \
		struct fv_err err = { 0 };                                                         \
		int ok_ = (call);                                                                  \
                                                                                                   \
		if (ok_)                                                                           \
			fail_msg("%s: %d: %s", #call, ok_, err.msg);                               \
	} while (0)

/* Own network, own mounts, an empty /run and /etc: whatever the caller has is out of reach. */
static inline void isolate_or_exit(void)
{
	const char *meant = getenv("FV_TEST_NETNS");

	if (!meant || strcmp(meant, "1") != 0) {
		fprintf(stderr, "changes namespaces and mounts: set FV_TEST_NETNS=1 to run it\n");
		exit(1);
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0 ||
	    mount("tmpfs", "/etc", "tmpfs", 0, "mode=755") < 0) {
		perror("cannot isolate the test");
		exit(1);
	}
}

static inline struct fv_prefix prefix(const char *s)
{
	struct fv_prefix p = { 0 };

	assert_int_equal(fv_prefix_parse(s, &p), 0);
	return p;
}

static inline struct fv_ip ip(const char *s)
{
	struct fv_ip a = { 0 };

	assert_int_equal(fv_ip_parse(s, &a), 0);
	return a;
}

static const uint8_t test_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t test_port_mac[6] = { 2, 0, 0, 0, 1, 1 };

/* PORT here, eth0 there; to be flushed. */
static inline void queue_veth(struct fv_rtnl *rt, const char *port, int ns, uint32_t mtu,
			      uint32_t group)
{
	struct fv_veth veth = {
		.port = port,
		.ifname = "eth0",
		.port_mac = test_port_mac,
		.mac = test_mac,
		.mtu = mtu,
		.group = group,
		.netns_fd = ns,
	};

	OK(fv_link_create_veth(rt, &veth, &err));
}

static inline void queue_up(struct fv_rtnl *rt, int ifindex, bool no_ip6_ll)
{
	struct fv_link_change change = {
		.ifindex = ifindex,
		.what = "device",
		.up = 1,
		.no_ip6_ll = no_ip6_ll,
	};

	OK(fv_link_change(rt, &change, &err));
}

/* A command of the shell; its exit status. */
static inline __attribute__((format(printf, 1, 2))) int sh(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

#define SH(...) assert_int_equal(sh(__VA_ARGS__), 0)

#endif /* FV_TEST_NET_TEST_H */
