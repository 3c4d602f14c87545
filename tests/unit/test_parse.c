// SPDX-License-Identifier: GPL-2.0-only
/* Words: names, devices, targets, published ports, and how near two words are. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/priv.h"

struct bad {
	const char *in, *msg;
};

static void checks_names(void **state)
{
	static const char *const good[] = { "web", "0", "a.b_c-d", "Z9", "a..b", "host" };
	static const struct bad bad[] = {
		{ "", "endpoint name is empty" },
		{ ".", "endpoint name \".\" does not begin with a letter or a digit" },
		{ "..", "endpoint name \"..\" does not begin with a letter or a digit" },
		{ "-rf", "endpoint name \"-rf\" does not begin with a letter or a digit" },
		{ "\xc3\xa4",
		  "endpoint name \"\xc3\xa4\" does not begin with a letter or a digit" },
		{ "a/b",
		  "endpoint name \"a/b\": only letters, digits, '_', '.' and '-' are allowed" },
		{ "a b",
		  "endpoint name \"a b\": only letters, digits, '_', '.' and '-' are allowed" },
		{ "a\n",
		  "endpoint name \"a\\n\": only letters, digits, '_', '.' and '-' are allowed" },
	};
	char name[FV_NAME_MAX + 2];
	struct fv_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(good); i++)
		assert_int_equal(fv_name_check("endpoint", good[i], NULL), 0);
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		err = (struct fv_err){ 0 };
		assert_int_equal(fv_name_check("endpoint", bad[i].in, &err), -EINVAL);
		assert_string_equal(err.msg, bad[i].msg);
	}
	memset(name, 'a', sizeof(name));
	name[FV_NAME_MAX] = '\0';
	assert_int_equal(fv_name_check("endpoint", name, NULL), 0);
	name[FV_NAME_MAX] = 'a';
	name[FV_NAME_MAX + 1] = '\0';
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_name_check("network", name, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "network name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" has "
			    "121 bytes; at most 120 are allowed");
}

static void checks_interface_names(void **state)
{
	static const char *const good[] = { "eth0", "a", "123456789012345", "eth0.5", "-", "a\"b" };
	static const struct bad bad[] = {
		{ "", "interface name \"\" has 0 bytes; 1 to 15 are allowed" },
		{ "1234567890123456",
		  "interface name \"1234567890123456\" has 16 bytes; 1 to 15 are allowed" },
		{ "a/b", NULL },
		{ "a:b", NULL },
		{ "a b", NULL },
		{ "eth%d", NULL },
		{ "a\x01", NULL },
		{ "\xc3\xa4", NULL },
		{ "lo", "interface name \"lo\" is reserved" },
		{ "all", "interface name \"all\" is reserved" },
		{ "default", "interface name \"default\" is reserved" },
		{ ".", "interface name \".\" is reserved" },
		{ "..", "interface name \"..\" is reserved" },
	};
	struct fv_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(good); i++)
		assert_int_equal(fv_ifname_check(good[i], NULL), 0);
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		err = (struct fv_err){ 0 };
		assert_int_equal(fv_ifname_check(bad[i].in, &err), -EINVAL);
		if (bad[i].msg)
			assert_string_equal(err.msg, bad[i].msg);
		else
			assert_non_null(strstr(err.msg,
					       "only printable ASCII characters without '/', "
					       "':', '%' and spaces are allowed"));
	}
}

static void parses_targets(void **state)
{
	static const struct {
		const char *in;
		enum fv_target target;
		const char *arg;
	} good[] = {
		{ "pid:1", FV_TARGET_PID, "1" },
		{ "pid:2147483647", FV_TARGET_PID, "2147483647" },
		{ "netns:web", FV_TARGET_NETNS, "web" },
		{ "netns:a b", FV_TARGET_NETNS, "a b" },
		{ "path:/proc/1/ns/net", FV_TARGET_PATH, "/proc/1/ns/net" },
	};
	static const struct bad bad[] = {
		{ "web", "target \"web\": say pid:N, netns:NAME or path:P" },
		{ "", "target \"\": say pid:N, netns:NAME or path:P" },
		{ "PID:1", "target \"PID:1\": say pid:N, netns:NAME or path:P" },
		{ "pid:", "target \"pid:\": \"\" is no process id" },
		{ "pid:0", "target \"pid:0\": \"0\" is no process id" },
		{ "pid:-1", "target \"pid:-1\": \"-1\" is no process id" },
		{ "pid:1x", "target \"pid:1x\": \"1x\" is no process id" },
		{ "pid:2147483648", "target \"pid:2147483648\": \"2147483648\" is no process id" },
		{ "pid:99999999999999999999",
		  "target \"pid:99999999999999999999\": \"99999999999999999999\" is no process id" },
		{ "netns:", NULL },
		{ "netns:..", NULL },
		{ "netns:a/b",
		  "target \"netns:a/b\": \"a/b\" is no name of a namespace in /run/netns; "
		  "for a path say path:a/b" },
		{ "path:", "target \"path:\": the path must begin with '/'" },
		{ "path:ns/net", "target \"path:ns/net\": the path must begin with '/'" },
	};
	struct fv_ep ep = { 0 };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(good); i++) {
		assert_int_equal(fv_target_parse(good[i].in, &ep, NULL), 0);
		assert_int_equal(ep.target, good[i].target);
		assert_string_equal(ep.target_arg, good[i].arg);
	}
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		struct fv_err err = { 0 };

		assert_int_equal(fv_target_parse(bad[i].in, &ep, &err), -EINVAL);
		if (bad[i].msg)
			assert_string_equal(err.msg, bad[i].msg);
		assert_int_equal(ep.target, FV_TARGET_PATH);
		assert_string_equal(ep.target_arg, "/proc/1/ns/net");
	}
	fv_ep_fini(&ep);
}

static void parses_published_ports(void **state)
{
	static const struct {
		const char *in, *out;
		uint16_t host_port, port, count;
		uint8_t proto;
		int family;
	} good[] = {
		{ "8080:80", "8080:80/tcp", 8080, 80, 1, IPPROTO_TCP, 0 },
		{ "8080:80/tcp", "8080:80/tcp", 8080, 80, 1, IPPROTO_TCP, 0 },
		{ "53:5353/udp", "53:5353/udp", 53, 5353, 1, IPPROTO_UDP, 0 },
		{ "127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp", 8080, 80, 1, IPPROTO_TCP, AF_INET },
		{ "0.0.0.0:8080:80", "0.0.0.0:8080:80/tcp", 8080, 80, 1, IPPROTO_TCP, AF_INET },
		{ "[fd00::1]:80:80/udp", "[fd00::1]:80:80/udp", 80, 80, 1, IPPROTO_UDP, AF_INET6 },
		{ "[::]:80:80", "[::]:80:80/tcp", 80, 80, 1, IPPROTO_TCP, AF_INET6 },
		{ "1-3:11-13", "1-3:11-13/tcp", 1, 11, 3, IPPROTO_TCP, 0 },
		{ "7-7:8", "7:8/tcp", 7, 8, 1, IPPROTO_TCP, 0 },
		{ "1-65535:1-65535/udp", "1-65535:1-65535/udp", 1, 1, 65535, IPPROTO_UDP, 0 },
		{ "[fd00:1111:2222:3333:4444:5555:6666:7777]:10000-10001:20000-20001",
		  "[fd00:1111:2222:3333:4444:5555:6666:7777]:10000-10001:20000-20001/tcp", 10000,
		  20000, 2, IPPROTO_TCP, AF_INET6 },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(good); i++) {
		struct fv_publish p, again;
		char buf[128];

		assert_int_equal(fv_publish_parse(good[i].in, NULL, &p), 0);
		assert_int_equal(p.host_port, good[i].host_port);
		assert_int_equal(p.port, good[i].port);
		assert_int_equal(p.count, good[i].count);
		assert_int_equal(p.proto, good[i].proto);
		assert_int_equal(p.host_ip.family, good[i].family);
		assert_string_equal(fv_publish_str(&p, buf), good[i].out);
		assert_int_equal(fv_publish_parse(buf, NULL, &again), 0);
		assert_string_equal(fv_publish_str(&again, buf), good[i].out);
	}
}

static void refuses_bad_published_ports(void **state)
{
	static const struct bad bad[] = {
		{ "80", "published port \"80\": say HOST_PORT:PORT, as 8080:80" },
		{ "", "published port \"\": say HOST_PORT:PORT, as 8080:80" },
		{ "8080:80/sctp",
		  "published port \"8080:80/sctp\": protocol \"sctp\" is neither tcp nor udp" },
		{ "8080:80/", "published port \"8080:80/\": protocol \"\" is neither tcp nor udp" },
		{ "8080:80/TCP",
		  "published port \"8080:80/TCP\": protocol \"TCP\" is neither tcp nor udp" },
		{ "0:80",
		  "published port \"0:80\": \"0\" is neither a port (1 to 65535) nor a range of "
		  "ports (FIRST-LAST)" },
		{ "80:0",
		  "published port \"80:0\": \"0\" is neither a port (1 to 65535) nor a range of "
		  "ports (FIRST-LAST)" },
		{ "65536:80",
		  "published port \"65536:80\": \"65536\" is neither a port (1 to 65535) nor a "
		  "range of ports (FIRST-LAST)" },
		{ "8080:", NULL },
		{ ":80", NULL },
		{ "80 :80", NULL },
		{ "+80:80", NULL },
		{ "-80:80", NULL },
		{ "80-:80", NULL },
		{ "90-80:90-80", NULL },
		{ "80-81-82:80", NULL },
		{ "0x50:80", NULL },
		{ "1-3:80",
		  "published port \"1-3:80\": 3 ports of the host lead to 1 ports; both ranges "
		  "must have the same length" },
		{ "host:80:80",
		  "published port \"host:80:80\": no IP address before the host's port; an "
		  "IPv6 one is written in brackets, as [fd00::1]:8080:80" },
		{ "fd00::1:80:80", NULL },
		{ "[10.0.0.1:80:80", NULL },
		{ "[fd00::1]80:80", NULL },
		{ "[fd00::1]:80", NULL },
		{ "1.2.3.4:80", NULL },
		{ ":8080:80", NULL },
		{ "1.2.3.4:5:8080:80", NULL },
	};
	struct fv_publish p = { .count = 77 };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		struct fv_err err = { 0 };

		assert_int_equal(fv_publish_parse(bad[i].in, &err, &p), -EINVAL);
		if (bad[i].msg)
			assert_string_equal(err.msg, bad[i].msg);
		assert_int_equal(p.count, 77);
	}
}

static void measures_distance(void **state)
{
	(void)state;
	assert_int_equal(fv_word_distance("address", "address"), 0);
	assert_int_equal(fv_word_distance("adress", "address"), 1);
	assert_int_equal(fv_word_distance("addresss", "address"), 1);
	assert_int_equal(fv_word_distance("bddress", "address"), 1);
	assert_int_equal(fv_word_distance("", "mtu"), 3);
	assert_int_equal(fv_word_distance("mtu", ""), 3);
	assert_int_equal(fv_word_distance("kitten", "sitting"), 3);
	assert_int_equal(fv_word_distance("1234567890123456", "1234567890123456"), 0);
	assert_true(fv_word_distance("12345678901234567", "mtu") == SIZE_MAX);
	assert_true(fv_word_distance("mtu", "12345678901234567") == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_names),
		cmocka_unit_test(checks_interface_names),
		cmocka_unit_test(parses_targets),
		cmocka_unit_test(parses_published_ports),
		cmocka_unit_test(refuses_bad_published_ports),
		cmocka_unit_test(measures_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
