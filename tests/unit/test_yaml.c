// SPDX-License-Identifier: GPL-2.0-only
/* The topology file: what it may say, and the words, line and column for what it may not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "unit/tmp.h"

/* One network "lab" with these keys; the first is in line 3. */
#define LAB(keys) "networks:\n  lab:\n" keys
/* Namespaces; the first is in line 5. */
#define NS(list) LAB("    subnet: 10.77.0.0/24\n    namespaces:\n" list)

struct bad {
	const char *yaml, *msg;
};

static struct fv_topo load(const char *yaml)
{
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };

	if (tmp_load(yaml, &err, &topo))
		fail_msg("%s\n%s", yaml, err.msg);
	return topo;
}

static void refuse_all(const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fv_topo topo = { 0 };
		struct fv_err err = { 0 };
		int r = tmp_load(bad[i].yaml, &err, &topo);

		if (r != -EINVAL || strcmp(err.msg, bad[i].msg))
			fail_msg("%s\ngives %d: %s\nnot %s", bad[i].yaml, r, err.msg, bad[i].msg);
		assert_int_equal(topo.n_nets, 0);
		assert_null(topo.nets);
	}
}

static void reads_everything(void **state)
{
	struct fv_topo topo =
		load("# a lab\n"
		     "networks:\n"
		     "  lab:\n"
		     "    subnet: 10.77.0.0/24\n"
		     "    subnet6: fd77::/64\n"
		     "    mtu: 1400\n"
		     "    hook: xdp\n"
		     "    internal: true\n"
		     "    namespaces:\n"
		     "      web: { address: 10.77.0.10, address6: fd77::10,\n"
		     "             publish: [8080:80/tcp, \"53:53/udp\"], ifname: net0 }\n"
		     "      db: {}\n"
		     "      sidecar: { share: web }\n"
		     "  other:\n"
		     "    subnet: 10.78.0.0/24\n");
	const struct fv_net *net = &topo.nets[0];
	char buf[FV_IP_STRLEN], text[128];

	(void)state;
	assert_int_equal(topo.n_nets, 2);
	assert_string_equal(net->name, "lab");
	assert_string_equal(net->file, "lab.yaml");
	assert_int_equal(net->line, 3);
	assert_int_equal(net->column, 3);
	assert_int_equal(net->id, 0);
	assert_string_equal(fv_prefix_str(&net->subnet4, buf), "10.77.0.0/24");
	assert_string_equal(fv_prefix_str(&net->subnet6, buf), "fd77::/64");
	assert_int_equal(net->mtu, 1400);
	assert_int_equal(net->hook, FV_HOOK_XDP);
	assert_true(net->internal);
	assert_int_equal(net->n_eps, 3);
	assert_string_equal(net->eps[0].name, "web");
	assert_int_equal(net->eps[0].line, 10);
	assert_int_equal(net->eps[0].column, 7);
	assert_string_equal(fv_ip_str(&net->eps[0].ip4, buf), "10.77.0.10");
	assert_string_equal(fv_ip_str(&net->eps[0].ip6, buf), "fd77::10");
	assert_string_equal(net->eps[0].ifname, "net0");
	assert_int_equal(net->eps[0].n_publish, 2);
	assert_string_equal(fv_publish_str(&net->eps[0].publish[0], text), "8080:80/tcp");
	assert_string_equal(fv_publish_str(&net->eps[0].publish[1], text), "53:53/udp");
	assert_null(net->eps[0].share);
	assert_int_equal(net->eps[0].target, FV_TARGET_OWN);
	assert_string_equal(net->eps[1].name, "db");
	assert_int_equal(net->eps[1].ip4.family, 0);
	assert_int_equal(net->eps[1].n_publish, 0);
	assert_string_equal(net->eps[2].share, "web");
	net = &topo.nets[1];
	assert_string_equal(net->name, "other");
	assert_int_equal(net->mtu, 0);
	assert_int_equal(net->hook, FV_HOOK_TC);
	assert_false(net->internal);
	assert_int_equal(net->n_eps, 0);
	fv_topo_fini(&topo);
}

static void takes_every_spelling_of_defaults(void **state)
{
	static const char *const bodies[] = {
		"{}", "", "~", "null", "Null", "NULL", "{ publish: [] }"
	};
	char yaml[300];

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(bodies); i++) {
		struct fv_topo topo;

		snprintf(yaml, sizeof(yaml), NS("      db: %s\n"), bodies[i]);
		topo = load(yaml);
		assert_int_equal(topo.nets[0].n_eps, 1);
		assert_string_equal(topo.nets[0].eps[0].name, "db");
		assert_int_equal(topo.nets[0].eps[0].n_publish, 0);
		fv_topo_fini(&topo);

		snprintf(yaml, sizeof(yaml), LAB("    namespaces: %s\n"), i < 6 ? bodies[i] : "");
		topo = load(yaml);
		assert_int_equal(topo.nets[0].n_eps, 0);
		fv_topo_fini(&topo);
	}
}

static void takes_the_booleans_of_yaml_1_1(void **state)
{
	static const char *const words[] = { "false", "true",  "no",	"yes",	"off",
					     "on",    "False", "True",	"No",	"Yes",
					     "Off",   "On",    "FALSE", "TRUE", "NO",
					     "YES",   "OFF",   "ON",	"'no'", "\"true\"" };
	char yaml[300];

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(words); i++) {
		struct fv_topo topo;

		snprintf(yaml, sizeof(yaml), LAB("    internal: %s\n"), words[i]);
		topo = load(yaml);
		assert_int_equal(topo.nets[0].internal, i % 2);
		fv_topo_fini(&topo);
	}
}

static void takes_quotes_names_and_aliases(void **state)
{
	struct fv_topo topo = load(
		"\xef\xbb\xbf%YAML 1.1\n---\n\"networks\":\n"
		"  'no': { subnet: '10.77.0.0/24', mtu: \"1500\", hook: 'tc', namespaces: {\n"
		"    web: &w { publish: &p [ '80:80' ] }, 1: , \"null\": *w, db: { publish: *p } } }\n"
		"...\n");

	(void)state;
	assert_string_equal(topo.nets[0].name, "no");
	assert_int_equal(topo.nets[0].mtu, 1500);
	assert_int_equal(topo.nets[0].n_eps, 4);
	assert_string_equal(topo.nets[0].eps[1].name, "1");
	assert_string_equal(topo.nets[0].eps[2].name, "null");
	assert_int_equal(topo.nets[0].eps[2].n_publish, 1);
	assert_int_equal(topo.nets[0].eps[3].n_publish, 1);
	fv_topo_fini(&topo);
}

static void refuses_keys(void **state)
{
	static const struct bad bad[] = {
		{ NS("      db: {}\n      web:\n        adress: 10.77.0.2\n"),
		  "lab.yaml:7:9: unknown key \"adress\" in namespace \"web\"; known keys: address, "
		  "address6, ifname, publish, share; did you mean \"address\"?" },
		{ NS("      web: { port: 80 }\n"),
		  "lab.yaml:5:14: unknown key \"port\" in namespace \"web\"; known keys: address, "
		  "address6, ifname, publish, share" },
		{ NS("      web: { Share: db }\n"),
		  "lab.yaml:5:14: unknown key \"Share\" in namespace \"web\"; known keys: address, "
		  "address6, ifname, publish, share; did you mean \"share\"?" },
		{ LAB("    subnet5: 10.77.0.0/24\n"),
		  "lab.yaml:3:5: unknown key \"subnet5\" in network \"lab\"; known keys: hook, internal, "
		  "mtu, namespaces, subnet, subnet6; did you mean \"subnet\"?" },
		{ LAB("    <<: { mtu: 5 }\n"),
		  "lab.yaml:3:5: unknown key \"<<\" in network \"lab\"; known keys: hook, internal, mtu, "
		  "namespaces, subnet, subnet6" },
		{ "network:\n  lab:\n",
		  "lab.yaml:1:1: unknown key \"network\" in the file; known keys: networks; did you mean "
		  "\"networks\"?" },
		{ "version: 2\nnetworks: {}\n",
		  "lab.yaml:1:1: unknown key \"version\" in the file; known keys: networks" },
		{ LAB("    \"\\e[31m\": 1\n"),
		  "lab.yaml:3:5: unknown key \"\\x1b[31m\" in network \"lab\"; known keys: hook, internal, "
		  "mtu, namespaces, subnet, subnet6" },
		{ LAB("    mtu: 1500\n    hook: tc\n    mtu: 1500\n"),
		  "lab.yaml:5:5: key \"mtu\" is twice in network \"lab\"; the first is in line 3" },
		{ "networks: { a:, b: {} }\n",
		  "lab.yaml:1:14: not valid YAML: found unexpected ':' while scanning a plain scalar" },
		{ "networks: { a }\nnetworks: { b }\n",
		  "lab.yaml:1:15: network \"a\" must be a mapping of keys to values, not a single value" },
		{ LAB("    [a, b]: 1\n"),
		  "lab.yaml:3:5: a key in network \"lab\" is a list; only text is allowed" },
		{ NS("      {}: {}\n"),
		  "lab.yaml:5:7: a key in \"namespaces\" is a mapping; only text is allowed" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

static void refuses_a_name_twice(void **state)
{
	static const struct bad bad[] = {
		{ NS("      web:\n      db:\n      \"web\": {}\n"),
		  "lab.yaml:7:7: endpoint \"web\" is defined twice in network \"lab\" (lab.yaml:5:7)" },
		{ "networks:\n  a: { namespaces: { web } }\n  b: { namespaces: { web } }\n",
		  "lab.yaml:3:22: endpoint \"web\" of network \"b\" is also one of network \"a\" "
		  "(lab.yaml:2:22); endpoint names are unique over all networks" },
		{ "networks:\n  a: {}\n  b: {}\n  a: {}\n",
		  "lab.yaml:4:3: network \"a\" is defined twice (lab.yaml:2:3)" },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		struct fv_topo topo = { 0 };
		struct fv_err err = { 0 };

		assert_int_equal(tmp_load(bad[i].yaml, &err, &topo), -EEXIST);
		assert_string_equal(err.msg, bad[i].msg);
	}
}

static void refuses_names(void **state)
{
	static const struct bad bad[] = {
		{ "networks:\n  a/b: {}\n",
		  "lab.yaml:2:3: network name \"a/b\": only letters, digits, '_', '.' and '-' are "
		  "allowed" },
		{ NS("      ../x: {}\n"),
		  "lab.yaml:5:7: namespace name \"../x\" does not begin with a letter or a digit" },
		{ NS("      \"a\\nb\": {}\n"),
		  "lab.yaml:5:7: namespace name \"a\\nb\": only letters, digits, '_', '.' and '-' are "
		  "allowed" },
		{ NS("      \"\": {}\n"), "lab.yaml:5:7: namespace name is empty" },
		{ NS("      \"web\\0x\": {}\n"),
		  "lab.yaml:5:7: \"web\" is followed by a NUL byte" },
		{ NS("      web: { share: 'a b' }\n"),
		  "lab.yaml:5:21: shared namespace's name \"a b\": only letters, digits, '_', '.' and '-' "
		  "are allowed" },
		{ NS("      web: { ifname: lo }\n"),
		  "lab.yaml:5:22: interface name \"lo\" is reserved" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

static void refuses_values_of_networks(void **state)
{
	static const struct bad bad[] = {
		{ LAB("    subnet: 10.77.0.0\n"),
		  "lab.yaml:3:13: \"subnet\" of network \"lab\": \"10.77.0.0\" is no prefix; write it as "
		  "10.77.0.0/24" },
		{ LAB("    subnet: 10.77.0.0/33\n"),
		  "lab.yaml:3:13: \"subnet\" of network \"lab\": \"10.77.0.0/33\" is no prefix; write it "
		  "as 10.77.0.0/24" },
		{ LAB("    subnet6: 'fd77::'\n"),
		  "lab.yaml:3:14: \"subnet6\" of network \"lab\": \"fd77::\" is no prefix; write it as "
		  "fd77::/64" },
		{ LAB("    subnet: fd77::/64\n"),
		  "lab.yaml:3:13: \"subnet\" of network \"lab\": \"fd77::/64\" is IPv6; it belongs under "
		  "\"subnet6\"" },
		{ LAB("    subnet6: 10.0.0.0/8\n"),
		  "lab.yaml:3:14: \"subnet6\" of network \"lab\": \"10.0.0.0/8\" is IPv4; it belongs under "
		  "\"subnet\"" },
		{ LAB("    subnet: 10.77.0.1/24\n"),
		  "lab.yaml:3:13: \"subnet\" of network \"lab\": \"10.77.0.1/24\" is an address inside a "
		  "subnet; the subnet is 10.77.0.0/24" },
		{ LAB("    subnet:\n"),
		  "lab.yaml:3:12: \"subnet\" of network \"lab\" has no value" },
		{ LAB("    subnet: [ 10.77.0.0/24 ]\n"),
		  "lab.yaml:3:13: \"subnet\" of network \"lab\" must be a single value, not a list" },
		{ LAB("    mtu: big\n"),
		  "lab.yaml:3:10: \"mtu\" of network \"lab\": \"big\" is no number of bytes" },
		{ LAB("    mtu: -1\n"),
		  "lab.yaml:3:10: \"mtu\" of network \"lab\": \"-1\" is no number of bytes" },
		{ LAB("    mtu: 4294968796\n"),
		  "lab.yaml:3:10: \"mtu\" of network \"lab\": \"4294968796\" is no number of bytes" },
		{ LAB("    mtu: ''\n"),
		  "lab.yaml:3:10: \"mtu\" of network \"lab\": \"\" is no number of bytes" },
		{ LAB("    mtu: 0\n"),
		  "lab.yaml:3:10: \"mtu\" of network \"lab\" is 0; leave it out for the uplink's" },
		{ LAB("    mtu: { a: b }\n"),
		  "lab.yaml:3:10: \"mtu\" of network \"lab\" must be a single value, not a mapping" },
		{ LAB("    hook: tcx\n"),
		  "lab.yaml:3:11: \"hook\" of network \"lab\": \"tcx\" is neither tc nor xdp" },
		{ LAB("    internal: 1\n"),
		  "lab.yaml:3:15: \"internal\" of network \"lab\": \"1\" is neither true nor false" },
		{ LAB("    internal: tRUE\n"),
		  "lab.yaml:3:15: \"internal\" of network \"lab\": \"tRUE\" is neither true nor false" },
		{ LAB("    namespaces: [ web, db ]\n"),
		  "lab.yaml:3:17: \"namespaces\" of network \"lab\" must be a mapping of names to "
		  "namespaces, not a list" },
		{ "networks: lab\n",
		  "lab.yaml:1:11: \"networks\" of the file must be a mapping of names to networks, not a "
		  "single value" },
		{ "networks: {}\n", "lab.yaml:1:11: \"networks\" holds no network" },
		{ "networks:\n", "lab.yaml:1:10: \"networks\" holds no network" },
		{ "networks:\n  lab:\n",
		  "lab.yaml:2:7: network \"lab\" must be a mapping of keys to values, not a single value" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

static void refuses_values_of_namespaces(void **state)
{
	static const struct bad bad[] = {
		{ NS("      web: 10.77.0.2\n"),
		  "lab.yaml:5:12: namespace \"web\" must be a mapping of keys to values, not a single "
		  "value" },
		{ NS("      web: { address: 10.77.0.2/24 }\n"),
		  "lab.yaml:5:23: \"address\" of namespace \"web\": \"10.77.0.2/24\" is no IP address; "
		  "leave the prefix length away" },
		{ NS("      web: { address: web }\n"),
		  "lab.yaml:5:23: \"address\" of namespace \"web\": \"web\" is no IP address" },
		{ NS("      web: { address: 'fd77::2' }\n"),
		  "lab.yaml:5:23: \"address\" of namespace \"web\": fd77::2 is IPv6; it belongs under "
		  "\"address6\"" },
		{ NS("      web: { address6: 10.77.0.2 }\n"),
		  "lab.yaml:5:24: \"address6\" of namespace \"web\": 10.77.0.2 is IPv4; it belongs under "
		  "\"address\"" },
		{ NS("      web: { publish: '8080:80' }\n"),
		  "lab.yaml:5:23: \"publish\" of namespace \"web\" must be a list, as [\"8080:80/tcp\"], "
		  "not a single value" },
		{ NS("      web:\n        publish:\n        - 8080:80\n        - 8080\n"),
		  "lab.yaml:8:11: published port \"8080\": say HOST_PORT:PORT, as 8080:80" },
		{ NS("      web: { publish: [ [ '80:80' ] ] }\n"),
		  "lab.yaml:5:25: \"publish\" of namespace \"web\" must be a single value, not a list" },
		{ NS("      web: { publish: [ ~ ] }\n"),
		  "lab.yaml:5:25: \"publish\" of namespace \"web\" has no value" },
		{ NS("      web: { share: ~ }\n"),
		  "lab.yaml:5:21: \"share\" of namespace \"web\" has no value" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

static void refuses_documents(void **state)
{
	static const struct bad bad[] = {
		{ "", "lab.yaml is empty; it must have \"networks\"" },
		{ "# only words\n\n", "lab.yaml is empty; it must have \"networks\"" },
		{ "{}\n", "lab.yaml:1:1: there is no \"networks\" in the file" },
		{ "---\n",
		  "lab.yaml:2:1: the file must be a mapping of keys to values, not a single value" },
		{ "[ networks ]\n",
		  "lab.yaml:1:1: the file must be a mapping of keys to values, not a list" },
		{ LAB("    subnet: 10.77.0.0/24\n") "---\nnetworks:\n",
		  "lab.yaml:4:1: a second document begins here; a topology file is one" },
		{ LAB("    subnet: 10.77.0.0/24\n") "...\n]\n",
		  "lab.yaml:5:1: not valid YAML: did not find expected <document start>" },
		{ LAB("    mtu: !!int 1500\n"),
		  "lab.yaml:3:10: tag \"tag:yaml.org,2002:int\" is not supported; write the value without "
		  "it" },
		{ LAB("    hook: !!binary dGM=\n"),
		  "lab.yaml:3:11: tag \"tag:yaml.org,2002:binary\" is not supported; write the value "
		  "without it" },
		{ NS("      web: !!set { a, b }\n"),
		  "lab.yaml:5:12: tag \"tag:yaml.org,2002:set\" is not supported; write the value without "
		  "it" },
		{ NS("      !x web: {}\n"),
		  "lab.yaml:5:7: tag \"!x\" is not supported; write the value without it" },
		{ LAB("    mtu: *nowhere\n"),
		  "lab.yaml:3:10: not valid YAML: found undefined alias" },
		{ LAB("    mtu: 1500\n   hook: tc\n"),
		  "lab.yaml:4:4: not valid YAML: did not find expected key while parsing a block mapping" },
		{ LAB("\tmtu: 1500\n"),
		  "lab.yaml:3:1: not valid YAML: found character that cannot start any token while "
		  "scanning for the next token" },
		{ LAB("    mtu: \"1500\n"),
		  "lab.yaml:4:1: not valid YAML: found unexpected end of stream while scanning a quoted "
		  "scalar" },
		{ "networks: # gr\xc3\xbc\xc3\x9f"
		  "e\n  l\xc3\xa4\xff: {}\n",
		  "lab.yaml:2:5: not valid YAML: invalid leading UTF-8 octet" },
		{ "networks:\n  a\x1b[2J: {}\n",
		  "lab.yaml:2:4: not valid YAML: control characters are not allowed" },
	};

	(void)state;
	refuse_all(bad, FV_ARRAY_SIZE(bad));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(takes_every_spelling_of_defaults),
		cmocka_unit_test(takes_the_booleans_of_yaml_1_1),
		cmocka_unit_test(takes_quotes_names_and_aliases),
		cmocka_unit_test(refuses_keys),
		cmocka_unit_test(refuses_a_name_twice),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test(refuses_values_of_networks),
		cmocka_unit_test(refuses_values_of_namespaces),
		cmocka_unit_test(refuses_documents),
	};

	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
