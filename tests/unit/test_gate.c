// SPDX-License-Identifier: GPL-2.0-only
/* Reasons against a shortcut: their names, and which rules of iptables give which. */
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
#include "core/gate.h"
#include "nat/gate.h"
#include "unit/gate_test.h"

#define ALL                                                                                        \
	"limit,quota,queue,hashlimit,statistic,helper,payload,length,recent,connbytes,xfrm,qdisc," \
	"egress-program,ingress-program"

/* ---- names ---- */

static void names_go_both_ways(void **state)
{
	char buf[FV_GATE_STRLEN];
	uint32_t mask = 0;

	(void)state;
	for (unsigned int i = 0; i < FV_GATE_COUNT; i++) {
		assert_int_equal(fv_gate_parse(fv_gate_name(i), NULL, &mask), 0);
		assert_int_equal(mask, 1U << i);
		assert_string_equal(fv_gate_str(mask, buf), fv_gate_name(i));
	}
	assert_int_equal(fv_gate_parse(ALL, NULL, &mask), 0);
	assert_int_equal(mask, FV_GATE_ALL);
	assert_string_equal(fv_gate_str(mask, buf), ALL);
	assert_int_equal(fv_gate_parse("quota,limit,quota", NULL, &mask), 0);
	assert_string_equal(fv_gate_str(mask, buf), "limit,quota");
	assert_string_equal(fv_gate_str(0, buf), "");
	assert_string_equal(fv_gate_name(FV_GATE_COUNT), "");
	assert_string_equal(fv_gate_name((enum fv_gate) - 1), "");
}

static void wrong_lists_are_refused(void **state)
{
	static const struct {
		const char *list, *msg;
	} bad[] = {
		{ "", "\"\": a reason is empty; write names with commas between them, as "
		      "limit,quota" },
		{ "limit,", "\"limit,\": a reason is empty; write names with commas between them, "
			    "as limit,quota" },
		{ ",limit", "\",limit\": a reason is empty; write names with commas between them, "
			    "as limit,quota" },
		{ "limit,,quota", "\"limit,,quota\": a reason is empty; write names with commas "
				  "between them, as limit,quota" },
		{ "limit, quota",
		  "unknown reason \" quota\"; known reasons: " ALL "; did you mean \"quota\"?" },
		{ "limits",
		  "unknown reason \"limits\"; known reasons: " ALL "; did you mean \"limit\"?" },
		{ "Limit",
		  "unknown reason \"Limit\"; known reasons: " ALL "; did you mean \"limit\"?" },
		{ "everything", "unknown reason \"everything\"; known reasons: " ALL },
		{ "a\nb", "unknown reason \"a\\nb\"; known reasons: " ALL },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(bad); i++) {
		struct fv_err err = {};
		uint32_t mask = 77;

		assert_int_equal(fv_gate_parse(bad[i].list, &err, &mask), -EINVAL);
		assert_string_equal(err.msg, bad[i].msg);
		assert_int_equal(mask, 77);
	}
}

static void a_long_word_is_refused(void **state)
{
	char word[5000];
	uint32_t mask;

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_int_equal(fv_gate_parse(word, NULL, &mask), -EINVAL);
}

static void a_list_has_nothing_twice(void **state)
{
	FV_CLEANUP(fv_gate_fini) struct fv_gate_list list = {};

	(void)state;
	assert_int_equal(fv_gate_add(&list, NULL, FV_GATE_LIMIT, "chain %s", "a"), 0);
	assert_int_equal(fv_gate_add(&list, NULL, FV_GATE_LIMIT, "chain %s", "a"), 0);
	assert_int_equal(fv_gate_add(&list, NULL, FV_GATE_QUOTA, "chain %s", "a"), 0);
	assert_int_equal(fv_gate_add(&list, NULL, FV_GATE_LIMIT, "chain %s", "b\033[2J"), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.r[2].where, "chain b\\x1b[2J");
	assert_int_equal(fv_gate_mask(&list), 1U << FV_GATE_LIMIT | 1U << FV_GATE_QUOTA);
	fv_gate_fini(&list);
	assert_null(list.r);
	assert_int_equal(fv_gate_mask(&list), 0);
}

/* ---- iptables ---- */

static void judge_text(const char *table, const char *rules, const char *reasons)
{
	FV_CLEANUP(fv_gate_fini) struct fv_gate_list list = {};
	FV_AUTO_FREE char *text = NULL;
	struct fv_err err = {};

	if (fv_gate_judge_text(rules, table, "old", &err, &list))
		fail_msg("%s", err.msg);
	text = all_of(&list);
	if (strcmp(text, reasons) != 0)
		fail_msg("%s\ngives:\n%swanted:\n%s", rules, text, reasons);
}

static void each_extension_has_its_reason(void **state)
{
	static const char *const rules[][2] = {
		{ "-m limit --limit 3/sec -j DROP", "limit old, chain FORWARD: limit\n" },
		{ "-p tcp -m tcp --dport 80 -m hashlimit --hashlimit-above 10/sec -j DROP",
		  "hashlimit old, chain FORWARD: hashlimit\n" },
		{ "-m quota --quota 1000 -j ACCEPT", "quota old, chain FORWARD: quota\n" },
		{ "-m statistic --mode nth --every 3 --packet 0 -j DROP",
		  "statistic old, chain FORWARD: statistic\n" },
		{ "-j NFQUEUE --queue-num 0", "queue old, chain FORWARD: NFQUEUE\n" },
		{ "-p tcp -j CT --helper ftp", "helper old, chain FORWARD: CT --helper\n" },
		{ "-m helper --helper ftp -j ACCEPT", "helper old, chain FORWARD: helper\n" },
		{ "-m string --string \"foo bar\" --algo bm --to 65535 -j DROP",
		  "payload old, chain FORWARD: string\n" },
		{ "-m u32 --u32 \"0x0=0x0\" -j DROP", "payload old, chain FORWARD: u32\n" },
		{ "-m bpf --bytecode \"1,6 0 0 0\" -j DROP", "payload old, chain FORWARD: bpf\n" },
		{ "-m length --length 100:200 -j DROP", "length old, chain FORWARD: length\n" },
		{ "-m recent --set --name r -g other", "recent old, chain FORWARD: recent\n" },
		{ "-m connbytes --connbytes 100 --connbytes-mode bytes --connbytes-dir both -j DROP",
		  "connbytes old, chain FORWARD: connbytes\n" },
		{ "-m quota --quota 9 -m length --length 1 -j DROP",
		  "quota old, chain FORWARD: quota\nlength old, chain FORWARD: length\n" },
		{ "-p tcp -j CT --notrack", "" },
		{ "-m conntrack --ctstate NEW -m connlimit --connlimit-above 10 -j DROP", "" },
		{ "-m comment --comment \"a \\\"b -m limit\" -j DROP", "" },
		{ "-m comment --comment \"a\n-A FORWARD -m limit -j DROP\" -j DROP", "" },
		{ "-m limit --limit 3/min -j LOG --log-prefix \"[UFW BLOCK] \"", "" },
		{ "-m limit --limit 3/min", "" },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(rules); i++) {
		FV_AUTO_FREE char *text = NULL;

		assert_true(asprintf(&text, "-P FORWARD ACCEPT\n-A FORWARD %s\n", rules[i][0]) > 0);
		judge_text("filter", text, rules[i][1]);
	}
}

static void old_chains_count_where_packets_come_to_them(void **state)
{
	static const char rules[] = "-N a\n-N b\n-N lost\n"
				    "-A b -m limit --limit 3/sec -j DROP\n"
				    "-A a -g b\n"
				    "-A lost -m quota --quota 9 -j DROP\n"
				    "-A INPUT -j lost\n"
				    "-A INPUT -m length --length 9 -j DROP\n"
				    "-A OUTPUT -m recent --set -j DROP\n";
	FV_AUTO_FREE char *text = NULL;

	(void)state;
	judge_text("filter", rules, "");
	judge_text("filter", "", "");
	judge_text("filter", "-A", "");
	judge_text("filter", "-A FORWARD -m limit -j DROP", "limit old, chain FORWARD: limit\n");
	assert_true(asprintf(&text, "%s-A PREROUTING -j a\n", rules) > 0);
	judge_text("mangle", text, "limit old, chain b: limit\n");
	judge_text("nat", text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(wrong_lists_are_refused),
		cmocka_unit_test(a_long_word_is_refused),
		cmocka_unit_test(a_list_has_nothing_twice),
		cmocka_unit_test(each_extension_has_its_reason),
		cmocka_unit_test(old_chains_count_where_packets_come_to_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
