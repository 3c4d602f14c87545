// SPDX-License-Identifier: GPL-2.0-only
/* What fv_topo_check refuses, by which words and at which place in the file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "unit/tmp.h"

/* One network "lab" with these keys; the first is in line 3. */
#define LAB(keys) "networks:\n  lab:\n" keys
/* Namespaces behind a subnet; the first is in line 5. */
#define NS(list) LAB("    subnet: 10.77.0.0/24\n    namespaces:\n" list)

struct bad {
	const char *yaml;
	int code;
	const char *msg;
};

static int check(const char *yaml, struct fv_err *err)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = { 0 };
	struct fv_err bad = { 0 };

	if (tmp_load(yaml, &bad, &topo))
		fail_msg("%s", bad.msg);
	return fv_topo_check(&topo, err);
}

static void refuse_all(const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fv_err err = { 0 };
		int r = check(bad[i].yaml, &err);

		if (r != bad[i].code || strcmp(err.msg, bad[i].msg))
			fail_msg("%s\ngives %d: %s\nnot   %d: %s", bad[i].yaml, r, err.msg,
				 bad[i].code, bad[i].msg);
	}
}

static void accepts(void **state)
{
	static const char *const good[] = {
		LAB("    subnet: 10.77.0.0/24\n"),
		LAB("    subnet6: fd77::/64\n"),
		LAB("    subnet: 10.77.0.0/30\n    subnet6: fd77::/126\n"),
		LAB("    subnet: 193.168.0.0/16\n    mtu: 68\n"),
		LAB("    subnet: 10.0.0.0/8\n    mtu: 65535\n"),
		LAB("    subnet6: fd77::/64\n    mtu: 1280\n"),
		NS("      web: { address: 10.77.0.2 }\n      db: { address: 10.77.0.254 }\n"),
		NS("      a: { share: b }\n      b: {}\n      c: { share: host }\n"),
		/* The same port by other protocols, addresses and families. */
		NS("      a: { publish: ['80:80', '80:80/udp', '127.0.0.1:81:80', '127.0.0.2:81:80'] }\n"
		   "      b: { publish: ['82-84:80-82', '85:80', '0.0.0.0:86:80'] }\n"),
		"networks:\n"
		"  a: { subnet: 10.0.0.0/24, namespaces: { x: { publish: ['80:80'] } } }\n"
		"  b: { subnet6: 'fd00::/64', namespaces: { y: { publish: ['80:80'] } } }\n",
		"networks:\n"
		"  a: { subnet: 10.0.0.0/25, subnet6: 'fd00::/64', namespaces: { x: {} } }\n"
		"  b: { subnet: 10.0.0.128/25, subnet6: 'fd00:0:0:1::/64', namespaces: { y: {} } }\n",
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(good); i++) {
		struct fv_err err = { 0 };

		if (check(good[i], &err))
			fail_msg("%s\n%s", good[i], err.msg);
	}
}

static void refuses_networks(void **state)
{
	static const struct bad bad[] = {
		{ LAB("    mtu: 1500\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\" has no subnet; give it \"subnet\", \"subnet6\" or both" },
		{ LAB("    subnet: 10.0.0.0/31\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": subnet 10.0.0.0/31 is too small for a gateway and an "
		  "endpoint; /30 is the smallest" },
		{ LAB("    subnet: 10.0.0.1/32\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": subnet 10.0.0.1/32 is too small for a gateway and an "
		  "endpoint; /30 is the smallest" },
		{ LAB("    subnet6: fd00::/127\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": subnet fd00::/127 is too small for a gateway and an "
		  "endpoint; /126 is the smallest" },
		{ LAB("    subnet: 127.0.0.0/24\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": subnet 127.0.0.0/24 holds loopback, link-local, "
		  "multicast or reserved addresses; take one of a private range, as 10.77.0.0/24" },
		{ LAB("    subnet: 0.0.0.0/0\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": subnet 0.0.0.0/0 holds loopback, link-local, "
		  "multicast or reserved addresses; take one of a private range, as 10.77.0.0/24" },
		{ LAB("    subnet6: fe80::/64\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": subnet fe80::/64 holds loopback, link-local, "
		  "multicast or reserved addresses; take one of a private range, as fd77::/64" },
		{ LAB("    subnet: 10.0.0.0/24\n    mtu: 67\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": MTU 67 is outside 68 to 65535" },
		{ LAB("    subnet: 10.0.0.0/24\n    mtu: 65536\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": MTU 65536 is outside 68 to 65535" },
		{ LAB("    subnet6: fd00::/64\n    mtu: 1279\n"), -EINVAL,
		  "lab.yaml:2:3: network \"lab\": MTU 1279 is outside 1280 to 65535 (with IPv6)" },
		{ "networks:\n  a: { subnet: 10.0.0.0/8 }\n  b: { subnet: 10.77.0.0/24 }\n",
		  -EINVAL,
		  "lab.yaml:3:3: network \"b\": subnet 10.77.0.0/24 overlaps subnet 10.0.0.0/8 of "
		  "network \"a\" (lab.yaml:2:3)" },
		{ "networks:\n  a: { subnet: 10.77.0.0/24 }\n  b: { subnet: 10.0.0.0/8 }\n",
		  -EINVAL,
		  "lab.yaml:3:3: network \"b\": subnet 10.0.0.0/8 overlaps subnet 10.77.0.0/24 of "
		  "network \"a\" (lab.yaml:2:3)" },
		{ "networks:\n  a: { subnet6: 'fd00::/64' }\n  b: { subnet: 10.0.0.0/8 }\n"
		  "  c: { subnet6: 'fd00::/64' }\n",
		  -EINVAL,
		  "lab.yaml:4:3: network \"c\": subnet fd00::/64 overlaps subnet fd00::/64 of "
		  "network \"a\" (lab.yaml:2:3)" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

static void refuses_endpoints(void **state)
{
	static const struct bad bad[] = {
		{ NS("      host: {}\n"), -EINVAL,
		  "lab.yaml:5:7: no endpoint can be named \"host\": it means the host's own namespace" },
		{ NS("      web: { address: 10.78.0.2 }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"web\": address 10.78.0.2 is outside subnet 10.77.0.0/24 of "
		  "network \"lab\"" },
		{ NS("      web: { address6: 'fd77::2' }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"web\": address fd77::2 needs a \"subnet6\" in network \"lab\"" },
		{ LAB("    subnet6: fd77::/64\n    namespaces:\n      web: { address: 10.77.0.2 }\n"),
		  -EINVAL,
		  "lab.yaml:5:7: endpoint \"web\": address 10.77.0.2 needs a \"subnet\" in network \"lab\"" },
		{ NS("      web: { address: 10.77.0.0 }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"web\": address 10.77.0.0 is the subnet's own in network "
		  "\"lab\"; take another" },
		{ NS("      web: { address: 10.77.0.1 }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"web\": address 10.77.0.1 is the gateway's in network "
		  "\"lab\"; take another" },
		{ NS("      web: { address: 10.77.0.255 }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"web\": address 10.77.0.255 is the broadcast address in "
		  "network \"lab\"; take another" },
		{ LAB("    subnet6: fd77::/64\n    namespaces:\n      web: { address6: 'fd77::1' }\n"),
		  -EINVAL,
		  "lab.yaml:5:7: endpoint \"web\": address fd77::1 is the gateway's in network "
		  "\"lab\"; take another" },
		{ NS("      web: { address: 10.77.0.9 }\n      a: { address: 10.77.0.9 }\n"),
		  -EEXIST,
		  "lab.yaml:6:7: endpoint \"a\": address 10.77.0.9 is already that of endpoint \"web\" "
		  "(lab.yaml:5:7)" },
		{ NS("      a: { share: b }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"a\" shares the namespace of \"b\", which does not exist; "
		  "name an endpoint or \"host\"" },
		{ NS("      a: { share: b }\n      b: { share: c }\n      c:\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"a\" shares the namespace of \"b\", which is a share itself; "
		  "name the endpoint that has the namespace" },
		{ NS("      a: { share: a }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"a\" shares the namespace of \"a\", which is a share itself; "
		  "name the endpoint that has the namespace" },
		{ NS("      b:\n      a: { share: b, address: 10.77.0.9 }\n"), -EINVAL,
		  "lab.yaml:6:7: endpoint \"a\" shares the namespace of \"b\" and has no device of its "
		  "own: address, ifname, publish and target make no sense there" },
		{ NS("      a: { share: host, ifname: eth1 }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"a\" shares the namespace of \"host\" and has no device of its "
		  "own: address, ifname, publish and target make no sense there" },
		{ NS("      a: { share: host, publish: ['80:80'] }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"a\" shares the namespace of \"host\" and has no device of its "
		  "own: address, ifname, publish and target make no sense there" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

static void refuses_ports_that_meet(void **state)
{
	static const struct bad bad[] = {
		{ NS("      a: { publish: ['80:80'] }\n      b: { publish: ['80:81'] }\n"), -EEXIST,
		  "lab.yaml:6:7: endpoint \"b\": published port \"80:81/tcp\" meets \"80:80/tcp\" of "
		  "endpoint \"a\" (lab.yaml:5:7); take another port of the host" },
		{ NS("      b: { publish: ['80:80'] }\n      a: { publish: ['80:80'] }\n"), -EEXIST,
		  "lab.yaml:6:7: endpoint \"a\": published port \"80:80/tcp\" meets \"80:80/tcp\" of "
		  "endpoint \"b\" (lab.yaml:5:7); take another port of the host" },
		{ NS("      a: { publish: ['80-90:80-90'] }\n      b: { publish: ['85:1'] }\n"),
		  -EEXIST,
		  "lab.yaml:6:7: endpoint \"b\": published port \"85:1/tcp\" meets \"80-90:80-90/tcp\" of "
		  "endpoint \"a\" (lab.yaml:5:7); take another port of the host" },
		{ NS("      a: { publish: ['80:80', '80:81'] }\n"), -EEXIST,
		  "lab.yaml:5:7: endpoint \"a\": published port \"80:81/tcp\" meets \"80:80/tcp\" of "
		  "endpoint \"a\" (lab.yaml:5:7); take another port of the host" },
		{ NS("      a: { publish: ['1.2.3.4:80:80'] }\n      b: { publish: ['80:80'] }\n"),
		  -EEXIST,
		  "lab.yaml:6:7: endpoint \"b\": published port \"80:80/tcp\" meets \"1.2.3.4:80:80/tcp\" "
		  "of endpoint \"a\" (lab.yaml:5:7); take another port of the host" },
		{ NS("      a: { publish: ['0.0.0.0:80:80'] }\n      b: { publish: ['80:80'] }\n"),
		  -EEXIST,
		  "lab.yaml:6:7: endpoint \"b\": published port \"80:80/tcp\" meets \"0.0.0.0:80:80/tcp\" "
		  "of endpoint \"a\" (lab.yaml:5:7); take another port of the host" },
		{ NS("      a: { publish: ['1.2.3.4:80-89:80-89', '1.2.3.5:81:1', '1.2.3.6:82:1'] }\n"
		     "      b: { publish: ['89:80'] }\n"),
		  -EEXIST,
		  "lab.yaml:6:7: endpoint \"b\": published port \"89:80/tcp\" meets "
		  "\"1.2.3.4:80-89:80-89/tcp\" of endpoint \"a\" (lab.yaml:5:7); take another port of the "
		  "host" },
		{ NS("      a: { publish: ['1.2.3.4:80-89:80-89'] }\n"
		     "      b: { publish: ['1.2.3.4:89:80'] }\n"),
		  -EEXIST,
		  "lab.yaml:6:7: endpoint \"b\": published port \"1.2.3.4:89:80/tcp\" meets "
		  "\"1.2.3.4:80-89:80-89/tcp\" of endpoint \"a\" (lab.yaml:5:7); take another port of the "
		  "host" },
		{ NS("      a: { publish: ['[fd00::1]:80:80'] }\n"), -EINVAL,
		  "lab.yaml:5:7: endpoint \"a\": published port \"[fd00::1]:80:80/tcp\" needs a "
		  "\"subnet6\" in network \"lab\"" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

/* What no file can say: the words of the command line and of the state. */
static void refuses_names_of_any_origin(void **state)
{
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	struct fv_net *net = fv_topo_append(&topo);
	struct fv_ep *ep = fv_net_append(net);

	(void)state;
	net->name = strdup("a/b");
	ep->name = strdup("..");
	assert_int_equal(fv_prefix_parse("10.77.0.0/24", &net->subnet4), 0);
	assert_int_equal(fv_topo_check(&topo, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "network name \"a/b\": only letters, digits, '_', '.' and '-' are "
			    "allowed");
	free(net->name);
	net->name = strdup("lab");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_topo_check(&topo, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "endpoint name \"..\" does not begin with a letter or a digit");
	free(ep->name);
	ep->name = strdup("web");
	strcpy(ep->ifname, "lo");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_topo_check(&topo, &err), -EINVAL);
	assert_string_equal(err.msg, "interface name \"lo\" is reserved");
	strcpy(ep->ifname, "eth0");
	assert_int_equal(fv_topo_check(&topo, NULL), 0);
	fv_net_append(net)->name = strdup("web");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_topo_check(&topo, &err), -EEXIST);
	assert_string_equal(err.msg, "endpoint \"web\" is defined twice in network \"lab\"");
	fv_net_remove(net, 1);
	fv_topo_append(&topo)->name = strdup("lab");
	assert_int_equal(fv_prefix_parse("10.78.0.0/24", &topo.nets[1].subnet4), 0);
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_topo_check(&topo, &err), -EEXIST);
	assert_string_equal(err.msg, "network \"lab\" is defined twice");
	fv_topo_fini(&topo);
	assert_int_equal(fv_topo_check(&topo, NULL), 0);
}

static void names_both_networks_of_an_endpoint(void **state)
{
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fv_net *net = fv_topo_append(&topo);

		net->name = strdup(i ? "b" : "a");
		net->line = 2 + (unsigned int)i;
		net->column = 1;
		fv_net_append(net)->name = strdup("web");
		net->eps[0].line = 10 + (unsigned int)i;
		net->eps[0].column = 5;
		assert_int_equal(fv_prefix_parse(i ? "10.1.0.0/24" : "10.2.0.0/24", &net->subnet4),
				 0);
	}
	assert_int_equal(fv_topo_check(&topo, &err), -EEXIST);
	assert_string_equal(err.msg,
			    "11:5: endpoint \"web\" of network \"b\" is also one of network "
			    "\"a\" (10:5); endpoint names are unique over all networks");
	fv_topo_fini(&topo);
}

/* Quadratic would be seconds with the sanitizers. */
static void is_quick_with_many(void **state)
{
	struct fv_topo topo = { 0 };
	struct timespec a, b;
	char name[32];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct fv_net *net = fv_topo_append(&topo);

		snprintf(name, sizeof(name), "net%d", i);
		net->name = strdup(name);
		net->subnet4 =
			(struct fv_prefix){ { 2, { 10, (uint8_t)(i >> 8), (uint8_t)i } }, 24 };
	}
	for (int i = 0; i < 20000; i++) {
		struct fv_net *net = &topo.nets[i % 2000];
		struct fv_ep *ep = fv_net_append(net);

		snprintf(name, sizeof(name), "n%d", i);
		ep->name = strdup(name);
		assert_true(fv_prefix_host(&net->subnet4, 2 + (unsigned int)i / 2000, &ep->ip4));
		ep->publish = calloc(2, sizeof(*ep->publish));
		ep->n_publish = 2;
		ep->publish[0] = (struct fv_publish){
			.host_port = (uint16_t)(i + 1), .port = 80, .count = 1, .proto = 6
		};
		ep->publish[1] = (struct fv_publish){
			.host_ip = ep->ip4, .host_port = 40000, .port = 80, .count = 1, .proto = 6
		};
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	assert_int_equal(fv_topo_check(&topo, NULL), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	assert_in_range(b.tv_sec - a.tv_sec, 0, 1);
	fv_topo_fini(&topo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses_networks),
		cmocka_unit_test(refuses_endpoints),
		cmocka_unit_test(refuses_ports_that_meet),
		cmocka_unit_test(refuses_names_of_any_origin),
		cmocka_unit_test(names_both_networks_of_an_endpoint),
		cmocka_unit_test(is_quick_with_many),
	};

	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
