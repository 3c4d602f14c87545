// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text of the ruleset, libnftables' errors as one line, and what iptables-legacy says. Nothing
 * is asked of a kernel: where it would be, the answer is made up.
 * wrap: fv_nft_run
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "nat/legacy.h"
#include "nat/nat.h"
#include "nat/nft.h"
#include "unit/tmp.h"

#define HEAD "add table inet fastveth\ndelete table inet fastveth\n"

int __wrap_fv_nft_run(const char *what, const char *commands, enum fv_nft_output output,
		      struct fv_err *err, char **ret_output);

static struct {
	int code;
	const char *output;
	char commands[256];
	unsigned int calls;
} nft;

int __wrap_fv_nft_run(const char *what, const char *commands, enum fv_nft_output output,
		      struct fv_err *err, char **ret_output)
{
	assert_int_equal(output, FV_NFT_TEXT);
	snprintf(nft.commands, sizeof(nft.commands), "%s", commands);
	nft.calls++;
	if (nft.code)
		return fv_err_set(err, nft.code, "nftables: %s: %s", what, nft.output);
	if (ret_output)
		*ret_output = strdup(nft.output);
	return 0;
}

static void load(const char *yaml, struct fv_topo *ret)
{
	struct fv_err err = { 0 };

	if (tmp_load(yaml, &err, ret) || fv_topo_resolve(ret, NULL, &err))
		fail_msg("%s", err.msg);
}

static char *ruleset(const char *yaml)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	char *text = NULL;

	load(yaml, &topo);
	if (fv_nat_ruleset(&topo, &err, &text))
		fail_msg("%s", err.msg);
	return text;
}

static void refused(const char *yaml, const char *msg)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	char *text = NULL;

	load(yaml, &topo);
	assert_int_equal(fv_nat_ruleset(&topo, &err, &text), -EINVAL);
	assert_string_equal(err.msg, msg);
	assert_null(text);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

/* ---- what is written ---- */

static void no_network_deletes_the_table(void **state)
{
	const struct fv_topo empty = { 0 };
	FV_AUTO_FREE char *text = NULL;
	struct fv_err err = { 0 };

	(void)state;
	assert_int_equal(fv_nat_ruleset(&empty, &err, &text), 0);
	assert_string_equal(text, HEAD);
}

/* Whole, since what is not there matters: conntrack would cost every packet of the host. */
static void internal_networks_use_no_conntrack(void **state)
{
	FV_AUTO_FREE char *text = ruleset("networks:\n"
					  "  dark: { subnet: 10.78.0.0/24, internal: true }\n"
					  "  deep: { subnet: 10.79.0.0/24, internal: true }\n");

	(void)state;
	assert_string_equal(
		text,
		HEAD "table inet fastveth {\n"
		     "	set own {\n"
		     "		type devgroup\n"
		     "		comment \"ports of own networks\"\n"
		     "		elements = {\n"
		     "			257359873 comment \"dark\",\n"
		     "			257359874 comment \"deep\"\n"
		     "		}\n"
		     "	}\n"
		     "\n"
		     "	set same {\n"
		     "		type devgroup . devgroup\n"
		     "		comment \"from and to the same network\"\n"
		     "		elements = {\n"
		     "			257359873 . 257359873,\n"
		     "			257359874 . 257359874\n"
		     "		}\n"
		     "	}\n"
		     "\n"
		     "	set internal {\n"
		     "		type devgroup\n"
		     "		comment \"ports of networks with no way out\"\n"
		     "		elements = {\n"
		     "			257359873,\n"
		     "			257359874\n"
		     "		}\n"
		     "	}\n"
		     "\n"
		     "	chain guard {\n"
		     "		type filter hook prerouting priority raw; policy accept;\n"
		     "		meta iifgroup != @own accept\n"
		     "		ip daddr 127.0.0.0/8 drop comment \"the host's own loopback\"\n"
		     "		icmpv6 type { nd-router-advert, nd-redirect } drop "
		     "comment \"no routes for the host\"\n"
		     "		ip6 saddr { ::, fe80::/10 } accept "
		     "comment \"neighbour discovery\"\n"
		     "		fib saddr . iif oif missing drop "
		     "comment \"not the sender's address\"\n"
		     "	}\n"
		     "\n"
		     "	chain forward {\n"
		     "		type filter hook forward priority filter; policy accept;\n"
		     "		meta iifgroup . meta oifgroup @same accept "
		     "comment \"inside one network\"\n"
		     "		meta iifgroup @internal drop comment \"no way out\"\n"
		     "		meta oifgroup @own drop comment \"other networks, outside\"\n"
		     "	}\n"
		     "}\n");
}

static void an_open_network_is_masqueraded(void **state)
{
	FV_AUTO_FREE char *text = ruleset("networks: { lab: { subnet: 10.77.0.0/24 } }\n");

	(void)state;
	has(text, "	set open4 {\n		type ipv4_addr\n		flags interval\n");
	has(text, "			10.77.0.0/24\n");
	has(text, "meta oifgroup != @own ip saddr @open4 fib saddr type != local masquerade\n");
	has(text, "meta oifgroup @own meta iifgroup != @own ct state established,related accept");
	has_not(text, "internal");
	has_not(text, "dnat");
	has_not(text, "near");
	has_not(text, "ip6 saddr @");
}

static void families_are_written_as_far_as_there_are_any(void **state)
{
	FV_AUTO_FREE char *six = ruleset("networks:\n"
					 "  lab:\n"
					 "    subnet6: fd77::/64\n"
					 "    namespaces: { web: { publish: ['8080:80'] } }\n");

	(void)state;
	has(six, "ip6 saddr @open6");
	has(six, "			tcp . 8080 comment \"web\" : fd77::2 . 80\n");
	has(six, "dnat ip6 to meta l4proto . th dport map @publish6\n");
	has(six, "ip6 daddr ::1 accept");
	has_not(six, "ip daddr");
	has_not(six, "ip saddr");
	has_not(six, "127.0.0");
	has_not(six, "4 {");
}

static void publishes_ranges_protocols_and_addresses(void **state)
{
	FV_AUTO_FREE char *text =
		ruleset("networks:\n"
			"  lab:\n"
			"    subnet: 10.77.0.0/24\n"
			"    subnet6: fd77::/64\n"
			"    namespaces:\n"
			"      web: { publish: ['8080-8082:80-82/udp', '127.0.0.1:7000:70'] }\n"
			"      db: { publish: ['0.0.0.0:5432:5432', '[::]:5433:5432', "
			"'[2001:db8::1]:5434:5432'] }\n"
			"      twin: { share: web }\n");

	(void)state;
	has(text, "	map publish4 {\n"
		  "		type inet_proto . inet_service : ipv4_addr . inet_service\n"
		  "		elements = {\n"
		  "			udp . 8080 comment \"web\" : 10.77.0.2 . 80,\n"
		  "			udp . 8081 comment \"web\" : 10.77.0.2 . 81,\n"
		  "			udp . 8082 comment \"web\" : 10.77.0.2 . 82,\n"
		  "			tcp . 5432 comment \"db\" : 10.77.0.3 . 5432\n"
		  "		}\n");
	has(text, "			127.0.0.1 . tcp . 7000 comment \"web\" : 10.77.0.2 . 70\n");
	has(text, "			udp . 8082 comment \"web\" : fd77::2 . 82,\n"
		  "			tcp . 5433 comment \"db\" : fd77::3 . 5432\n");
	has(text, "2001:db8::1 . tcp . 5434 comment \"db\" : fd77::3 . 5432\n");
	has(text, "	map gateway4 {\n"
		  "		type devgroup : ipv4_addr\n"
		  "		elements = {\n"
		  "			257359873 : 10.77.0.1\n");
	has(text, "			127.0.0.0/8,\n			10.77.0.0/24\n");
	has(text, "		dnat ip to ip daddr . meta l4proto . th dport map @publish_at4\n"
		  "		dnat ip to meta l4proto . th dport map @publish4\n"
		  "		dnat ip6 to ip6 daddr . meta l4proto . th dport map @publish_at6\n"
		  "		dnat ip6 to meta l4proto . th dport map @publish6\n");
}

static void internal_networks_may_publish_but_not_use_it(void **state)
{
	FV_AUTO_FREE char *text =
		ruleset("networks:\n"
			"  dark:\n"
			"    subnet: 10.78.0.0/24\n"
			"    internal: true\n"
			"    namespaces: { vault: { publish: ['9000:8000'] } }\n");

	(void)state;
	has(text, "		meta iifgroup @internal ct state established,related accept "
		  "comment \"answers of published ports\"\n"
		  "		meta iifgroup @internal drop comment \"no way out\"\n"
		  "		meta oifgroup @own ct status dnat accept "
		  "comment \"published ports\"\n"
		  "		meta oifgroup @own drop comment \"other networks, outside\"\n");
	has(text, "		type nat hook prerouting priority dstnat; policy accept;\n"
		  "		meta iifgroup @internal accept");
	has_not(text, "masquerade");
	has_not(text, "open4");
}

static void same_topology_same_text(void **state)
{
	static const char yaml[] = "networks:\n"
				   "  lab:\n"
				   "    subnet: 10.77.0.0/24\n"
				   "    namespaces: { web: { publish: ['8080-8090:80-90'] } }\n"
				   "  yard: { subnet: 10.78.0.0/24 }\n";
	FV_AUTO_FREE char *a = ruleset(yaml), *b = ruleset(yaml);

	(void)state;
	assert_string_equal(a, b);
}

/* nft's limit for a comment is 127 bytes, ours for a name is 128. */
static void long_names_fit_into_comments(void **state)
{
	char yaml[512], name[FV_NAME_MAX + 1], want[160];
	FV_AUTO_FREE char *text = NULL;

	(void)state;
	memset(name, 'n', FV_NAME_MAX);
	name[FV_NAME_MAX] = '\0';
	snprintf(yaml, sizeof(yaml),
		 "networks: { %s: { subnet: 10.77.0.0/24, namespaces: { e%.119s: { publish: "
		 "['80:80'] } } } }\n",
		 name, name);
	text = ruleset(yaml);
	snprintf(want, sizeof(want), "257359873 comment \"%.100s\"\n", name);
	has(text, want);
	snprintf(want, sizeof(want), "tcp . 80 comment \"e%.99s\" :", name);
	has(text, want);
}

static void refuses_what_cannot_be_published(void **state)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = { 0 };
	FV_AUTO_FREE char *text = NULL;
	struct fv_err err = { 0 };

	(void)state;
	refused("networks:\n"
		"  lab:\n"
		"    subnet: 10.77.0.0/24\n"
		"    namespaces: { web: { publish: ['[2001:db8::1]:80:80'] } }\n",
		"endpoint web of network lab: cannot publish [2001:db8::1]:80:80/tcp: it has no "
		"IPv6 address; give the network a subnet6");
	refused("networks:\n"
		"  lab:\n"
		"    subnet6: fd77::/64\n"
		"    namespaces: { web: { publish: ['127.0.0.1:80:80'] } }\n",
		"endpoint web of network lab: cannot publish 127.0.0.1:80:80/tcp: it has no "
		"IPv4 address; give the network a subnet");
	refused("networks:\n"
		"  lab:\n"
		"    subnet6: fd77::/64\n"
		"    namespaces: { web: { publish: ['[::1]:80:80'] } }\n",
		"endpoint web of network lab: cannot publish [::1]:80:80/tcp: Linux routes nothing "
		"from ::1 to another device; use 127.0.0.1");
	load("networks: { lab: { subnet: 10.77.0.0/24 } }\n", &topo);
	topo.nets[0].id = 0;
	assert_int_equal(fv_nat_ruleset(&topo, &err, &text), -EINVAL);
	assert_string_equal(err.msg, "network lab: it has no id yet");
}

/* ---- what is said to and by libnftables ---- */

static void says_what_the_kernel_lacks(void **state)
{
	const struct fv_topo empty = { 0 };
	FV_AUTO_FREE char *text = NULL;
	struct fv_err err = { 0 };

	(void)state;
	nft.code = -ENOENT;
	nft.output = "No such file or directory, in \"masquerade\"";
	assert_int_equal(fv_nat_apply(&empty, &err, &text), -EOPNOTSUPP);
	assert_string_equal(err.msg,
			    "nftables: table inet fastveth: No such file or directory, in "
			    "\"masquerade\": the kernel lacks it: load nft_nat, nft_masq, nft_ct, "
			    "nft_fib_inet or use a kernel that has them");
	assert_string_equal(nft.commands, HEAD);
	nft.code = -EBUSY;
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_nat_apply(&empty, &err, &text), -EBUSY);
	assert_null(text);
	nft.code = 0;
}

static void asks_for_a_listing_only_where_there_is_a_table(void **state)
{
	static const char *const without[] = { "", "table inet fastveth2\n", "table inet a\n" };
	FV_AUTO_FREE char *text = NULL;
	struct fv_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(without); i++) {
		nft.output = without[i];
		nft.calls = 0;
		assert_int_equal(fv_nat_listing(&err, &text), 0);
		assert_null(text);
		assert_int_equal(nft.calls, 1);
	}
	nft.output = "table inet a\ntable inet fastveth\n";
	assert_int_equal(fv_nat_listing(&err, &text), 0);
	assert_string_equal(text, nft.output);
	assert_string_equal(nft.commands, "list table inet fastveth");
}

static void explains_errors_in_one_line(void **state)
{
	static const struct {
		const char *printed, *line;
		int code;
	} cases[] = {
		{ "/proc/self/fd/5:2:3-7: Error: Could not process rule: No such file or "
		  "directory\n\tadd rule inet a b jump c \n\t         ^^^^^\n",
		  "Could not process rule: No such file or directory, in \"add rule inet a b jump "
		  "c\"",
		  -ENOENT },
		{ "# Warning: table ip filter is managed by iptables-nft, do not touch!\n"
		  "Error: Could not process rule: File exists\nadd x\n^\nError: Could not process "
		  "rule: Operation not permitted\n",
		  "Could not process rule: File exists, in \"add x\"", -EEXIST },
		{ "netlink: Error: cache initialization failed: Operation not permitted\n",
		  "cache initialization failed: Operation not permitted", -EPERM },
		{ "Error: syntax error, unexpected string\nfoo\n^^^\n",
		  "syntax error, unexpected string, in \"foo\"", -EINVAL },
		/* What is quoted does not decide on the code. */
		{ "Error: syntax error\nadd comment \"File exists\"\n",
		  "syntax error, in \"add comment \"File exists\"\"", -EINVAL },
		{ "", "libnftables failed without a reason", -EIO },
	};
	char got[512];

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		assert_int_equal(fv_nft_explain(cases[i].printed, got, sizeof(got)), cases[i].code);
		assert_string_equal(got, cases[i].line);
	}
}

static void long_lines_are_quoted_in_part(void **state)
{
	char printed[1024] = "Error: File exists\n", got[512];
	size_t n = strlen(printed);

	(void)state;
	memset(printed + n, 'x', 900);
	assert_int_equal(fv_nft_explain(printed, got, sizeof(got)), -EEXIST);
	assert_int_equal(strlen(got), strlen("File exists, in \"...\"") + 160);
	assert_string_equal(got + strlen(got) - 5, "x...\"");
}

static void judges_iptables_legacy(void **state)
{
	(void)state;
	assert_null(fv_legacy_judge(""));
	assert_null(fv_legacy_judge("-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"));
	assert_string_equal(fv_legacy_judge("-P INPUT ACCEPT\n-P FORWARD DROP\n"), "FORWARD");
	assert_string_equal(fv_legacy_judge("-P FORWARD DROP\n-N DOCKER-USER\n"), "DOCKER-USER");
	assert_null(fv_legacy_judge("-P FORWARD DROP\n-A FORWARD -i fv-+ -j ACCEPT\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_network_deletes_the_table),
		cmocka_unit_test(internal_networks_use_no_conntrack),
		cmocka_unit_test(an_open_network_is_masqueraded),
		cmocka_unit_test(families_are_written_as_far_as_there_are_any),
		cmocka_unit_test(publishes_ranges_protocols_and_addresses),
		cmocka_unit_test(internal_networks_may_publish_but_not_use_it),
		cmocka_unit_test(same_topology_same_text),
		cmocka_unit_test(long_names_fit_into_comments),
		cmocka_unit_test(refuses_what_cannot_be_published),
		cmocka_unit_test(says_what_the_kernel_lacks),
		cmocka_unit_test(asks_for_a_listing_only_where_there_is_a_table),
		cmocka_unit_test(explains_errors_in_one_line),
		cmocka_unit_test(long_lines_are_quoted_in_part),
		cmocka_unit_test(judges_iptables_legacy),
	};

	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
