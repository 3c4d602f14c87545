// SPDX-License-Identifier: GPL-2.0-only
/* Addresses, ids, MACs and device names: who gets which, and who keeps them. */
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
#include "fastveth/abi.h"
#include "unit/tmp.h"

#define LAB(keys) "networks:\n  lab:\n" keys
#define NS(list) LAB("    subnet: 10.77.0.0/24\n    namespaces:\n" list)

static struct fv_topo load(const char *yaml)
{
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };

	if (tmp_load(yaml, &err, &topo) || fv_topo_check(&topo, &err))
		fail_msg("%s", err.msg);
	return topo;
}

static struct fv_topo resolve(const char *yaml, const struct fv_topo *known)
{
	struct fv_topo topo = load(yaml);
	struct fv_err err = { 0 };

	if (fv_topo_resolve(&topo, known, &err))
		fail_msg("%s", err.msg);
	/* What is resolved must still be a valid topology. */
	if (fv_topo_check(&topo, &err))
		fail_msg("%s", err.msg);
	return topo;
}

static const struct fv_ep *ep_of(const struct fv_topo *topo, const char *name)
{
	const struct fv_ep *ep = fv_topo_ep(topo, name, NULL);

	assert_non_null(ep);
	return ep;
}

static void expect_ip(const struct fv_topo *topo, const char *name, const char *ip)
{
	const struct fv_ep *ep = ep_of(topo, name);
	char buf[FV_IP_STRLEN];

	assert_string_equal(fv_ip_str(strchr(ip, ':') ? &ep->ip6 : &ep->ip4, buf), ip);
}

static void expect_same(const struct fv_topo *x, const struct fv_topo *y, const char *name)
{
	const struct fv_ep *a = ep_of(x, name), *b = ep_of(y, name);

	assert_memory_equal(&a->ip4, &b->ip4, sizeof(a->ip4));
	assert_memory_equal(&a->ip6, &b->ip6, sizeof(a->ip6));
	assert_string_equal(a->port, b->port);
	assert_string_equal(a->ifname, b->ifname);
	assert_memory_equal(a->mac, b->mac, 6);
	assert_memory_equal(a->port_mac, b->port_mac, 6);
}

static void gives_in_order_around_what_is_named(void **state)
{
	struct fv_topo topo = resolve(LAB("    subnet: 10.77.0.0/24\n"
					  "    subnet6: fd77::/64\n"
					  "    namespaces:\n"
					  "      a:\n"
					  "      b: { address6: 'fd77::2', ifname: net0 }\n"
					  "      c: { address: 10.77.0.3 }\n"
					  "      s: { share: a }\n"
					  "      d:\n"
					  "      e: { address: 10.77.0.2 }\n"),
				      NULL);
	const struct fv_ep *share = ep_of(&topo, "s");
	char buf[FV_IP_STRLEN];

	(void)state;
	assert_string_equal(fv_ip_str(&topo.nets[0].gw4, buf), "10.77.0.1");
	assert_string_equal(fv_ip_str(&topo.nets[0].gw6, buf), "fd77::1");
	assert_int_equal(topo.nets[0].id, 1);
	expect_ip(&topo, "a", "10.77.0.4");
	expect_ip(&topo, "b", "10.77.0.5");
	expect_ip(&topo, "c", "10.77.0.3");
	expect_ip(&topo, "d", "10.77.0.6");
	expect_ip(&topo, "e", "10.77.0.2");
	expect_ip(&topo, "a", "fd77::3");
	expect_ip(&topo, "b", "fd77::2");
	expect_ip(&topo, "c", "fd77::4");
	expect_ip(&topo, "d", "fd77::5");
	expect_ip(&topo, "e", "fd77::6");
	assert_string_equal(ep_of(&topo, "a")->ifname, "eth0");
	assert_string_equal(ep_of(&topo, "b")->ifname, "net0");
	assert_string_equal(ep_of(&topo, "a")->port, "fv-a");
	assert_int_equal(share->ip4.family, 0);
	assert_int_equal(share->ip6.family, 0);
	assert_string_equal(share->port, "");
	assert_string_equal(share->ifname, "");
	assert_memory_equal(share->mac, "\0\0\0\0\0\0", 6);
	fv_topo_fini(&topo);
}

static void resolves_twice_to_the_same(void **state)
{
	static const char yaml[] = NS("      a:\n      b: { address: 10.77.0.2 }\n      c:\n");
	struct fv_topo once = resolve(yaml, NULL), again = resolve(yaml, &once);

	(void)state;
	for (const char *name = "abc"; *name; name++)
		expect_same(&once, &again, (const char[]){ *name, '\0' });
	assert_int_equal(fv_topo_resolve(&once, &again, NULL), 0);
	assert_int_equal(fv_topo_resolve(&once, NULL, NULL), 0);
	for (const char *name = "abc"; *name; name++)
		expect_same(&once, &again, (const char[]){ *name, '\0' });
	fv_topo_fini(&once);
	fv_topo_fini(&again);
}

static void leaves_untouched_endpoints_alone(void **state)
{
	struct fv_topo known = resolve(NS("      a:\n      b:\n      c:\n      d:\n"), NULL);
	/* b is gone, new ones stand in front, the order is another. */
	struct fv_topo topo =
		resolve(NS("      new1:\n      d:\n      new2:\n      c:\n      a:\n"), &known);

	(void)state;
	expect_same(&known, &topo, "a");
	expect_same(&known, &topo, "c");
	expect_same(&known, &topo, "d");
	expect_ip(&topo, "new1", "10.77.0.3");
	expect_ip(&topo, "new2", "10.77.0.6");
	fv_topo_fini(&known);
	fv_topo_fini(&topo);
}

static void moves_who_holds_a_newly_named_address(void **state)
{
	struct fv_topo known = resolve(NS("      a:\n      b:\n      c:\n"), NULL);
	struct fv_topo topo =
		resolve(NS("      a:\n      b:\n      c: { address: 10.77.0.2 }\n"), &known);

	(void)state;
	expect_ip(&known, "a", "10.77.0.2");
	expect_ip(&known, "c", "10.77.0.4");
	expect_ip(&topo, "c", "10.77.0.2");
	expect_ip(&topo, "a", "10.77.0.4");
	expect_same(&known, &topo, "b");
	assert_string_equal(ep_of(&topo, "a")->port, "fv-a");
	fv_topo_fini(&known);
	fv_topo_fini(&topo);
}

static void follows_a_subnet_that_changed(void **state)
{
	struct fv_topo known = resolve(LAB("    subnet: 10.77.0.0/24\n    namespaces:\n"
					   "      a: { address: 10.77.0.16 }\n"
					   "      b: { address: 10.77.0.17 }\n"
					   "      c: { address: 10.77.0.31 }\n"
					   "      d: { address: 10.77.0.19 }\n"
					   "      e: { address: 10.77.0.99 }\n"),
				       NULL);
	/* What was an endpoint's is now the subnet's, the gateway's, the broadcast address, outside. */
	struct fv_topo topo = resolve(LAB("    subnet: 10.77.0.16/28\n    subnet6: fd77::/64\n"
					  "    namespaces: { a, b, c, d, e }\n"),
				      &known);

	(void)state;
	expect_ip(&topo, "a", "10.77.0.18");
	expect_ip(&topo, "b", "10.77.0.20");
	expect_ip(&topo, "c", "10.77.0.21");
	expect_ip(&topo, "d", "10.77.0.19");
	expect_ip(&topo, "e", "10.77.0.22");
	expect_ip(&topo, "a", "fd77::2");
	assert_int_equal(topo.nets[0].id, known.nets[0].id);
	fv_topo_fini(&known);
	fv_topo_fini(&topo);
}

static void takes_an_endpoint_of_another_network_for_another(void **state)
{
	struct fv_topo known = resolve(
		"networks:\n  one: { subnet: 10.1.0.0/24, namespaces: { x, web } }\n", NULL);
	struct fv_topo topo = resolve("networks:\n"
				      "  two: { subnet: 10.2.0.0/24, namespaces: { web } }\n"
				      "  one: { subnet: 10.1.0.0/24, namespaces: { x } }\n",
				      &known);
	char port[FV_IFNAME_SIZE];

	(void)state;
	assert_int_equal(topo.nets[0].id, 2);
	assert_int_equal(topo.nets[1].id, 1);
	expect_ip(&topo, "web", "10.2.0.2");
	expect_same(&known, &topo, "x");
	/* fv-web is there until the old one is gone. */
	fv_port_name("two", "web", 1, port);
	assert_string_equal(ep_of(&topo, "web")->port, port);
	assert_memory_not_equal(ep_of(&topo, "web")->mac, ep_of(&known, "web")->mac, 6);
	fv_topo_fini(&known);
	fv_topo_fini(&topo);
}

static void gives_the_lowest_free_ids(void **state)
{
	struct fv_topo known = { 0 }, topo = { 0 };
	static const char *const names[] = { "a", "b", "c", "d" };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		fv_topo_append(&topo)->name = strdup(names[i]);
	fv_topo_append(&known)->name = strdup("gone");
	fv_topo_append(&known)->name = strdup("c");
	known.nets[0].id = 2;
	known.nets[1].id = 4;
	topo.nets[3].id = 1;
	assert_int_equal(fv_topo_resolve(&topo, &known, NULL), 0);
	assert_int_equal(topo.nets[0].id, 3);
	assert_int_equal(topo.nets[1].id, 5);
	assert_int_equal(topo.nets[2].id, 4);
	assert_int_equal(topo.nets[3].id, 1);
	fv_topo_fini(&known);
	fv_topo_fini(&topo);
}

static void runs_out_of_ids(void **state)
{
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i <= FV_NETWORK_ID_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fv_topo_append(&topo)->name = strdup(name);
	}
	assert_int_equal(fv_topo_resolve(&topo, NULL, &err), -ENOSPC);
	assert_string_equal(err.msg,
			    "network \"n65535\": there are 65535 networks already, more cannot "
			    "be told apart");
	assert_int_equal(topo.nets[FV_NETWORK_ID_MAX - 1].id, FV_NETWORK_ID_MAX);
	fv_topo_fini(&topo);
}

static void says_when_a_subnet_is_exhausted(void **state)
{
	static const struct {
		const char *yaml, *msg;
	} cases[] = {
		{ LAB("    subnet: 10.77.0.0/29\n    namespaces: { a, b, c, d, e }\n"), NULL },
		{ LAB("    subnet: 10.77.0.0/29\n    namespaces: { a, b, c, d, e, f, s: { share: a "
		      "} }\n"),
		  "lab.yaml:2:3: network \"lab\": subnet 10.77.0.0/29 has addresses for 5 endpoints, 6 are "
		  "wanted; take a larger one" },
		{ LAB("    subnet: 10.77.0.0/30\n    namespaces: { a }\n"), NULL },
		{ LAB("    subnet: 10.77.0.0/30\n    namespaces: { a, b: { address: 10.77.0.2 } }\n"),
		  "lab.yaml:2:3: network \"lab\": subnet 10.77.0.0/30 has addresses for 1 endpoints, 2 are "
		  "wanted; take a larger one" },
		{ LAB("    subnet6: fd77::/126\n    namespaces: { a, b }\n"), NULL },
		{ LAB("    subnet6: fd77::/126\n    namespaces: { a, b, c }\n"),
		  "lab.yaml:2:3: network \"lab\": subnet fd77::/126 has addresses for 2 endpoints, 3 are "
		  "wanted; take a larger one" },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		struct fv_topo topo = load(cases[i].yaml);
		struct fv_err err = { 0 };

		assert_int_equal(fv_topo_resolve(&topo, NULL, &err), cases[i].msg ? -ENOSPC : 0);
		assert_string_equal(err.msg, cases[i].msg ? cases[i].msg : "");
		fv_topo_fini(&topo);
	}
}

static void names_ports(void **state)
{
	char a[FV_IFNAME_SIZE], b[FV_IFNAME_SIZE];

	(void)state;
	fv_port_name("lab", "web", 0, a);
	assert_string_equal(a, "fv-web");
	fv_port_name("lab", "123456789012", 0, a);
	assert_string_equal(a, "fv-123456789012");
	fv_port_name("lab", "1234567890123", 0, a);
	assert_int_equal(strlen(a), 15);
	assert_memory_equal(a, "fv-123456-", 10);
	assert_int_equal(strspn(a + 10, "0123456789abcdef"), 5);
	fv_port_name("lab", "1234567890123", 0, b);
	assert_string_equal(a, b);
	fv_port_name("lab2", "1234567890123", 0, b);
	assert_string_not_equal(a, b);
	fv_port_name("lab", "1234567890123", 1, b);
	assert_string_not_equal(a, b);
	fv_port_name("lab", "web", 1, a);
	assert_memory_equal(a, "fv-web-", 7);
	assert_int_equal(strlen(a), 12);
	fv_port_name("lab", "web", 2, b);
	assert_string_not_equal(a, b);
	assert_int_equal(fv_ifname_check(a, NULL), 0);
}

static void goes_around_taken_port_names(void **state)
{
	struct fv_topo known, topo;
	char first[FV_IFNAME_SIZE], second[FV_IFNAME_SIZE], yaml[400];

	(void)state;
	/* A short name that is just what the long one is shortened to. */
	fv_port_name("lab", "a-rather-long-name", 0, first);
	fv_port_name("lab", "a-rather-long-name", 1, second);
	snprintf(yaml, sizeof(yaml), NS("      %s:\n      a-rather-long-name:\n"), first + 3);
	topo = resolve(yaml, NULL);
	assert_string_equal(topo.nets[0].eps[0].port, first);
	assert_string_equal(topo.nets[0].eps[1].port, second);
	/* Neither keeps its name by luck of the order. */
	snprintf(yaml, sizeof(yaml), NS("      a-rather-long-name:\n      %s:\n"), first + 3);
	known = resolve(yaml, &topo);
	assert_string_equal(known.nets[0].eps[0].port, second);
	assert_string_equal(known.nets[0].eps[1].port, first);
	fv_topo_fini(&topo);
	topo = resolve(yaml, NULL);
	assert_string_equal(topo.nets[0].eps[0].port, first);
	assert_string_not_equal(topo.nets[0].eps[1].port, first);
	fv_topo_fini(&topo);
	fv_topo_fini(&known);
}

static void makes_macs_that_are_local_and_distinct(void **state)
{
	uint8_t mac[6], other[6], again[6];

	(void)state;
	fv_mac_of("lab", "web", "ns", mac);
	fv_mac_of("lab", "web", "ns", again);
	assert_memory_equal(mac, again, 6);
	assert_int_equal(mac[0] & 3, 2);
	fv_mac_of("lab", "web", "port", other);
	assert_memory_not_equal(mac, other, 6);
	fv_mac_of("lab2", "web", "ns", other);
	assert_memory_not_equal(mac, other, 6);
	fv_mac_of("lab", "wec", "ns", other);
	assert_memory_not_equal(mac, other, 6);
}

static void keeps_what_the_state_says(void **state)
{
	struct fv_topo known = resolve(NS("      web:\n"), NULL), topo = load(NS("      web:\n"));
	struct fv_ep *was = &known.nets[0].eps[0], *ep = &topo.nets[0].eps[0];

	(void)state;
	/* Made by a version with other rules. */
	strcpy(was->port, "fv-other");
	memset(was->mac, 0x42, 6);
	memset(was->port_mac, 0x46, 6);
	assert_int_equal(fv_topo_resolve(&topo, &known, NULL), 0);
	expect_same(&known, &topo, "web");
	fv_topo_fini(&topo);

	/* A second name had no device: what becomes an endpoint of its own starts anew. */
	was->share = strdup("x");
	topo = load(NS("      web:\n"));
	ep = &topo.nets[0].eps[0];
	assert_int_equal(fv_topo_resolve(&topo, &known, NULL), 0);
	assert_string_equal(ep->port, "fv-web");
	fv_topo_fini(&topo);
	fv_topo_fini(&known);
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Ten times as many may take ten times as long and a little more, not a hundred times. */
static void is_quick_with_many(void **state)
{
	double took[2] = { 0, 0 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct fv_topo topo = { 0 }, known = { 0 };
		struct fv_net *net = fv_topo_append(&topo);
		int n = round ? 20000 : 2000;
		double start;

		net->name = strdup("lab");
		assert_int_equal(fv_prefix_parse("10.0.0.0/8", &net->subnet4), 0);
		assert_int_equal(fv_prefix_parse("fd77::/64", &net->subnet6), 0);
		for (int i = 0; i < n; i++) {
			char name[40];

			snprintf(name, sizeof(name), "namespace-of-%d", i);
			fv_net_append(net)->name = strdup(name);
		}
		fv_topo_append(&known);
		assert_int_equal(fv_net_copy(net, NULL, &known.nets[0]), 0);
		start = cpu_seconds();
		assert_int_equal(fv_topo_resolve(&known, NULL, NULL), 0);
		assert_int_equal(fv_topo_resolve(&topo, &known, NULL), 0);
		took[round] = cpu_seconds() - start;
		assert_int_equal(fv_topo_check(&topo, NULL), 0);
		expect_same(&topo, &known, "namespace-of-0");
		fv_topo_fini(&topo);
		fv_topo_fini(&known);
	}
	assert_true(took[1] < 40 * (took[0] + 0.001));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_in_order_around_what_is_named),
		cmocka_unit_test(resolves_twice_to_the_same),
		cmocka_unit_test(leaves_untouched_endpoints_alone),
		cmocka_unit_test(moves_who_holds_a_newly_named_address),
		cmocka_unit_test(follows_a_subnet_that_changed),
		cmocka_unit_test(takes_an_endpoint_of_another_network_for_another),
		cmocka_unit_test(gives_the_lowest_free_ids),
		cmocka_unit_test(runs_out_of_ids),
		cmocka_unit_test(says_when_a_subnet_is_exhausted),
		cmocka_unit_test(names_ports),
		cmocka_unit_test(goes_around_taken_port_names),
		cmocka_unit_test(makes_macs_that_are_local_and_distinct),
		cmocka_unit_test(keeps_what_the_state_says),
		cmocka_unit_test(is_quick_with_many),
	};

	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
