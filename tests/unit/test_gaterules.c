// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which rules of nftables are reasons against a shortcut. JSON is what libnftables 1.0.6 prints,
 * with ' for " to be read more easily; nothing is asked of a kernel.
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
#include "core/gate.h"
#include "nat/gate.h"
#include "unit/gate_test.h"

#define ITEM(what, table, more) "{'" what "':{'family':'ip','table':'" table "'," more "}}"
#define CHAIN(table, name) ITEM("chain", table, "'name':'" name "'")
#define HOOK(table, type, name, hook)                                                              \
	ITEM("chain", table, "'name':'" name "','type':'" type "','hook':'" hook "','prio':0")
#define RULE(table, chain, expr) ITEM("rule", table, "'chain':'" chain "','expr':[" expr "]")
#define TARGET(name) "{'xt':{'type':'target','name':'" name "'}}"
#define MATCH(name) "{'xt':{'type':'match','name':'" name "'}}"
#define JUMP(name) "{'jump':{'target':'" name "'}}"
#define LIMIT "{'limit':{'rate':3,'burst':5,'per':'second'}}"
#define COUNTER "{'counter':{'packets':0,'bytes':0}}"
#define FORWARD HOOK("t", "filter", "f", "forward")
#define DROP "{'drop':null}"

/* The reasons that a ruleset of these items gives. */
static struct fv_gate_unclear judge(const char *reasons, const char *const *items)
{
	FV_CLEANUP(fv_gate_fini) struct fv_gate_list list = {};
	FV_AUTO_FREE char *json = NULL, *text = NULL;
	struct fv_gate_unclear unclear = {};
	struct fv_err err = {};
	size_t size;
	FILE *f = open_memstream(&json, &size);

	fputs("{'nftables':[{'metainfo':{'version':'1.0.6'}}", f);
	for (; *items; items++)
		fprintf(f, ",%s", *items);
	fputs("]}", f);
	fclose(f);
	for (char *c = json; (c = strchr(c, '\'')); c++)
		*c = '"';
	if (fv_gate_judge_json(json, &err, &list, &unclear))
		fail_msg("%s: %s", err.msg, json);
	text = all_of(&list);
	if (strcmp(text, reasons) != 0)
		fail_msg("%s\ngives:\n%swanted:\n%s", json, text, reasons);
	return unclear;
}

#define JUDGE(reasons, ...) judge(reasons, (const char *const[]){ __VA_ARGS__, NULL })

/* One statement and a drop behind it, where forwarded packets pass. */
static void judge_statement(const char *statement, const char *reason)
{
	FV_AUTO_FREE char *rule = NULL, *reasons = NULL;

	assert_true(asprintf(&rule, RULE("t", "f", "%s" DROP), statement) > 0);
	assert_true(asprintf(&reasons, "%.*s table ip t, chain f: %s\n", (int)strcspn(reason, " "),
			     reason, strchr(reason, ' ') + 1) > 0);
	JUDGE(reasons, FORWARD, rule);
}

#define IS(left) "{'match':{'op':'==','left':" left ",'right':100}},"

/* Each with its reason and what of it is named. */
static const char *const reasoned[][2] = {
	{ LIMIT ",", "limit limit" },
	{ "{'limit':'lim1'},", "limit limit" },
	{ "{'limit':{'map':{'key':{'payload':{'protocol':'tcp','field':'dport'}},"
	  "'data':{'set':[[80,'lim1']]}}}},",
	  "limit limit" },
	{ "{'meter':{'key':{'payload':{'protocol':'ip','field':'saddr'}},'stmt':" LIMIT
	  ",'size':65535,'name':'m'}},",
	  "limit limit" },
	{ "{'set':{'op':'add','elem':{'payload':{'protocol':'ip','field':'saddr'}},"
	  "'set':'@ban2','stmt':[" LIMIT "]}},",
	  "limit limit" },
	{ "{'quota':{'val':10,'val_unit':'mbytes','inv':true}},", "quota quota" },
	{ "{'quota':'q1'},", "quota quota" },
	{ "{'queue':{'num':1}},", "queue queue" },
	{ "{'queue':null},", "queue queue" },
	{ IS("{'numgen':{'mode':'inc','mod':10,'offset':0}}"), "statistic numgen" },
	{ "{'mangle':{'key':{'payload':{'protocol':'ip','field':'daddr'}},"
	  "'value':{'numgen':{'mode':'random','mod':10,'offset':3}}}},",
	  "statistic numgen" },
	{ IS("{'meta':{'key':'random'}}"), "statistic meta random" },
	{ "{'ct helper':'ftp-std'},", "helper ct helper" },
	{ IS("{'ct':{'key':'helper'}}"), "helper ct helper" },
	{ IS("{'meta':{'key':'length'}}"), "length meta length" },
	{ IS("{'payload':{'protocol':'ip','field':'length'}}"), "length ip length" },
	{ IS("{'payload':{'protocol':'ip6','field':'length'}}"), "length ip6 length" },
	{ IS("{'payload':{'protocol':'udp','field':'length'}}"), "length udp length" },
	{ "{'vmap':{'key':{'concat':[{'payload':{'protocol':'ip','field':'saddr'}},"
	  "{'payload':{'protocol':'udp','field':'length'}}]},'data':{'set':[]}}},",
	  "length udp length" },
	{ IS("{'payload':{'base':'nh','offset':16,'len':16}}"), "length @nh,16,16" },
	{ IS("{'payload':{'base':'nh','offset':160,'len':8}}"), "payload @nh,160,8" },
	{ IS("{'payload':{'base':'th','offset':160,'len':16}}"), "payload @th,160,16" },
	{ IS("{'payload':{'base':'th','offset':24,'len':16}}"), "payload @th,24,16" },
	{ IS("{'payload':{'base':'ih','offset':0,'len':16}}"), "payload @ih,0,16" },
	{ IS("{'payload':{'base':'ll','offset':112,'len':8}}"), "payload @ll,112,8" },
	{ IS("{'payload':{'protocol':'tcp','field':'sequence'}}"), "payload tcp sequence" },
	{ IS("{'payload':{'protocol':'ip','field':'id'}}"), "payload ip id" },
	{ IS("{'payload':{'tunnel':'vxlan','protocol':'ip','field':'saddr'}}"),
	  "payload inside a tunnel" },
	{ IS("{'ct':{'key':'packets'}}"), "connbytes ct packets" },
	{ IS("{'ct':{'key':'bytes','dir':'original'}}"), "connbytes ct bytes" },
	{ IS("{'ct':{'key':'avgpkt'}}"), "connbytes ct avgpkt" },
	{ MATCH("limit") ",", "limit limit" },
	{ MATCH("rateest") ",", "limit rateest" },
	{ MATCH("hashlimit") ",", "hashlimit hashlimit" },
	{ MATCH("quota") ",", "quota quota" },
	{ MATCH("statistic") ",", "statistic statistic" },
	{ MATCH("helper") ",", "helper helper" },
	{ MATCH("string") ",", "payload string" },
	{ MATCH("u32") ",", "payload u32" },
	{ MATCH("bpf") ",", "payload bpf" },
	{ MATCH("length") ",", "length length" },
	{ MATCH("recent") ",", "recent recent" },
	{ MATCH("connbytes") ",", "connbytes connbytes" },
	{ TARGET("NFQUEUE") ",", "queue NFQUEUE" },
	{ TARGET("RATEEST") ",", "limit RATEEST" },
	{ TARGET("CT") ",", "helper CT" },
	{ "{'xt':null},", "payload an extension without a name" },
};

static void each_statement_has_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(reasoned); i++)
		judge_statement(reasoned[i][0], reasoned[i][1]);
}

static void what_is_the_same_for_a_flow_gives_none(void **state)
{
	static const char *const statements[] = {
		"",
		COUNTER ",{'log':{'prefix':'@x limit '}},{'last':{'used':0}},",
		IS("{'payload':{'protocol':'tcp','field':'dport'}}"),
		IS("{'payload':{'protocol':'tcp','field':'flags'}}"),
		IS("{'payload':{'base':'nh','offset':64,'len':8}}"),
		IS("{'payload':{'base':'th','offset':16,'len':16}}"),
		IS("{'payload':{'base':'ll','offset':0,'len':112}}"),
		IS("{'meta':{'key':'mark'}}"),
		IS("{'ct':{'key':'state'}}"),
		IS("{'jhash':{'mod':4,'expr':{'payload':{'protocol':'ip','field':'saddr'}}}}"),
		IS("{'symhash':{'mod':2}}"),
		"{'ct count':{'val':20,'inv':true}},",
		"{'mangle':{'key':{'tcp option':{'name':'maxseg','field':'size'}},'value':1300}},",
		"{'synproxy':{'mss':1460,'wscale':7}},",
		MATCH("conntrack") ",",
		MATCH("addrtype") ",",
		MATCH("set") ",",
		MATCH("connlimit") ",",
		MATCH("comment") ",",
		TARGET("MASQUERADE") ",",
		TARGET("TEE") ",",
		TARGET("hashlimit") ",",
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(statements); i++) {
		FV_AUTO_FREE char *rule = NULL;

		assert_true(asprintf(&rule, RULE("t", "f", "%s" DROP), statements[i]) > 0);
		JUDGE("", FORWARD, rule);
	}
}

/* A rule that decides nothing sees the sample, and that is all. */
static void what_only_counts_or_logs_gives_none(void **state)
{
	(void)state;
	JUDGE("", FORWARD, RULE("t", "f", LIMIT ",{'log':{'prefix':'[UFW BLOCK] '}}"),
	      RULE("t", "f", MATCH("hashlimit") "," COUNTER "," TARGET("NFLOG")),
	      RULE("t", "f", IS("{'ct':{'key':'bytes'}}") COUNTER));
	JUDGE("limit table ip t, chain f: limit\n", FORWARD,
	      RULE("t", "f", LIMIT "," JUMP("logdrop")));
}

#define BASE(family, type, hook)                                                                   \
	"{'chain':{'family':'" family "','table':'t','name':'f','type':'" type "','hook':'" hook   \
	"','prio':0}},{'rule':{'family':'" family "','table':'t','chain':'f','expr':[" LIMIT       \
	"," DROP "]}}"

static void hooks_that_forwarded_packets_pass_count(void **state)
{
	static const char *const passed[][2] = {
		{ "ip", BASE("ip", "filter", "prerouting") },
		{ "ip6", BASE("ip6", "filter", "forward") },
		{ "inet", BASE("inet", "filter", "postrouting") },
		{ "inet", BASE("inet", "filter", "ingress") },
		{ "netdev", BASE("netdev", "filter", "ingress") },
		{ "netdev", BASE("netdev", "filter", "egress") },
		{ "bridge", BASE("bridge", "filter", "forward") },
		{ "bridge", BASE("bridge", "filter", "input") },
		{ "bridge", BASE("bridge", "filter", "output") },
	};
	static const char *const others[] = {
		BASE("ip", "filter", "input"),	    BASE("inet", "filter", "output"),
		BASE("ip6", "route", "output"),	    BASE("arp", "filter", "input"),
		BASE("inet", "nat", "postrouting"),
	};
	char reason[64];

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(passed); i++) {
		snprintf(reason, sizeof(reason), "limit table %s t, chain f: limit\n",
			 passed[i][0]);
		JUDGE(reason, passed[i][1]);
	}
	for (size_t i = 0; i < FV_ARRAY_SIZE(others); i++)
		JUDGE("", others[i]);
}

#define VMAP(data) "{'vmap':{'key':{'meta':{'key':'iif'}},'data':" data "}}"

static void chains_count_where_packets_come_to_them(void **state)
{
	(void)state;
	/* By a jump, by a map of its own and by a named one; not from elsewhere. */
	JUDGE("limit table ip t, chain c: limit\n", CHAIN("t", "a"), CHAIN("t", "b"),
	      CHAIN("t", "c"), CHAIN("t", "lost"), FORWARD, HOOK("t", "filter", "in", "input"),
	      RULE("t", "f", "{'goto':{'target':'a'}}"),
	      RULE("t", "a", VMAP("{'set':[[1," JUMP("b") "],[2," DROP "]]}")),
	      RULE("t", "b", VMAP("'@vm'")), RULE("t", "c", LIMIT "," DROP),
	      RULE("t", "c", JUMP("a")),
	      ITEM("map", "t",
		   "'name':'vm','type':'ipv4_addr','map':'verdict',"
		   "'elem':[['1.2.3.4'," JUMP("c") "]]"),
	      RULE("t", "lost", "{'quota':'q'}," DROP), RULE("t", "in", JUMP("lost")));
	/* A chain of that name in another table is another one. */
	JUDGE("", FORWARD, RULE("t", "f", JUMP("a")), RULE("u", "a", LIMIT "," DROP));
}

static void sets_have_limits_of_their_own(void **state)
{
	(void)state;
	JUDGE("limit table ip t, chain f: limit\n", FORWARD, RULE("t", "f", IS("'@ban'") DROP),
	      ITEM("set", "t", "'name':'ban','type':'ipv4_addr','stmt':[" LIMIT "]"));
	/* Both chains that use it. */
	JUDGE("limit table ip t, chain f: limit\nlimit table ip t, chain a: limit\n", FORWARD,
	      RULE("t", "f", IS("'@ban'") DROP), RULE("t", "f", IS("'@ban'") JUMP("a")),
	      RULE("t", "a", IS("'@ban'") DROP),
	      ITEM("set", "t", "'name':'ban','type':'ipv4_addr','stmt':[" LIMIT "]"));
	JUDGE("quota table ip t, chain f: quota\n", FORWARD, RULE("t", "f", IS("'@ban'") DROP),
	      ITEM("set", "t",
		   "'name':'ban','type':'ipv4_addr','elem':[{'elem':{'val':'1.2.3.4',"
		   "'quota':{'val':1,'val_unit':'bytes'}}}]"));
	JUDGE("", FORWARD, RULE("t", "f", IS("'@other'") DROP),
	      ITEM("set", "t", "'name':'ban','type':'ipv4_addr','stmt':[" LIMIT "]"));
}

/* As kube-proxy does it: the first packet decides for all. But a helper reads them all. */
static void nat_sees_first_packets_only(void **state)
{
	(void)state;
	JUDGE("", HOOK("nat", "nat", "f", "prerouting"),
	      RULE("nat", "f", MATCH("statistic") "," JUMP("a")), CHAIN("nat", "a"),
	      RULE("nat", "a", MATCH("recent") "," TARGET("DNAT")),
	      RULE("nat", "a", "{'xt':null}"));
	JUDGE("helper table ip nat, chain f: ct helper\n", HOOK("nat", "nat", "f", "prerouting"),
	      RULE("nat", "f", "{'ct helper':'ftp'}"));
	/* A chain that both come to is one that every packet comes to, in either order. */
	JUDGE("limit table ip t, chain b: limit\n", HOOK("t", "nat", "n", "prerouting"), FORWARD,
	      RULE("t", "n", JUMP("a")), RULE("t", "f", JUMP("a")), RULE("t", "a", JUMP("b")),
	      RULE("t", "b", LIMIT "," DROP));
	JUDGE("limit table ip t, chain b: limit\n", FORWARD, HOOK("t", "nat", "n", "prerouting"),
	      RULE("t", "n", JUMP("b")), RULE("t", "f", JUMP("a")), RULE("t", "a", JUMP("b")),
	      RULE("t", "b", LIMIT "," DROP));
}

static void our_own_table_gives_none(void **state)
{
	(void)state;
	JUDGE("",
	      "{'chain':{'family':'inet','table':'fastveth','name':'f','type':'filter',"
	      "'hook':'forward','prio':0}}",
	      "{'rule':{'family':'inet','table':'fastveth','chain':'f','expr':[" LIMIT "," DROP
	      "]}}");
}

static void what_only_iptables_can_read_is_left_to_it(void **state)
{
	struct fv_gate_unclear unclear;

	(void)state;
	unclear = JUDGE("", HOOK("raw", "filter", "PREROUTING", "prerouting"),
			RULE("raw", "PREROUTING", COUNTER "," TARGET("CT")),
			HOOK("filter", "filter", "FORWARD", "forward"),
			RULE("filter", "FORWARD", "{'xt':null}," DROP),
			HOOK("mangle", "route", "OUTPUT", "output"),
			RULE("mangle", "OUTPUT", "{'xt':null}"));
	assert_int_equal(unclear.unnamed, 1);
	assert_int_equal(unclear.ct, 4);
}

static void text_that_is_no_ruleset_is_refused(void **state)
{
	struct fv_gate_unclear unclear;
	struct fv_err err = {};

	(void)state;
	assert_int_equal(fv_gate_judge_json("{", &err, NULL, &unclear), -EPROTO);
	assert_string_equal(err.msg, "nftables: a ruleset that is no JSON");
}

#define DEVICE(op, key)                                                                            \
	"{'match':{'op':'" op "','left':{'meta':{'key':'" key "'}},'right':'docker0'}},"
#define IN DEVICE("==", "iifname")
#define NOT_IN DEVICE("!=", "iifname")
#define OUT DEVICE("==", "oifname")
#define NOT_OUT DEVICE("!=", "oifname")
#define WEB IS("{'payload':{'protocol':'tcp','field':'dport'}}")
#define ACCEPT "{'accept':null}"
#define STAGE "DOCKER-ISOLATION-STAGE-"

/* What Docker 28 has for a published port (28.0 asks for a set), by iptables-nft 1.8.9. */
static void docker_gives_none(void **state)
{
	struct fv_gate_unclear unclear;

	(void)state;
	unclear = JUDGE("", HOOK("filter", "filter", "FORWARD", "forward"),
			RULE("filter", "DOCKER", NOT_IN OUT WEB COUNTER "," ACCEPT),
			RULE("filter", "DOCKER", NOT_IN OUT COUNTER "," DROP),
			RULE("filter", "DOCKER-BRIDGE", OUT COUNTER "," JUMP("DOCKER")),
			RULE("filter", "DOCKER-CT", OUT MATCH("conntrack") "," COUNTER "," ACCEPT),
			RULE("filter", "DOCKER-FORWARD", COUNTER "," JUMP("DOCKER-CT")),
			RULE("filter", "DOCKER-FORWARD",
			     MATCH("set") "," MATCH("conntrack") "," COUNTER "," ACCEPT),
			RULE("filter", "DOCKER-FORWARD", COUNTER "," JUMP(STAGE "1")),
			RULE("filter", "DOCKER-FORWARD", COUNTER "," JUMP("DOCKER-BRIDGE")),
			RULE("filter", "DOCKER-FORWARD", IN COUNTER "," ACCEPT),
			RULE("filter", STAGE "1", IN NOT_OUT COUNTER "," JUMP(STAGE "2")),
			RULE("filter", STAGE "2", OUT COUNTER "," DROP),
			RULE("filter", "FORWARD", COUNTER "," JUMP("DOCKER-USER")),
			RULE("filter", "FORWARD", COUNTER "," JUMP("DOCKER-FORWARD")),
			HOOK("nat", "nat", "PREROUTING", "prerouting"),
			HOOK("nat", "nat", "POSTROUTING", "postrouting"),
			RULE("nat", "DOCKER", IN COUNTER ",{'return':null}"),
			RULE("nat", "DOCKER", NOT_IN WEB COUNTER "," TARGET("DNAT")),
			RULE("nat", "PREROUTING", MATCH("addrtype") "," COUNTER "," JUMP("DOCKER")),
			RULE("nat", "POSTROUTING", NOT_OUT COUNTER "," TARGET("MASQUERADE")),
			HOOK("raw", "filter", "PREROUTING", "prerouting"),
			RULE("raw", "PREROUTING", NOT_IN COUNTER "," DROP));
	assert_int_equal(unclear.unnamed | unclear.ct, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_statement_has_its_reason),
		cmocka_unit_test(what_is_the_same_for_a_flow_gives_none),
		cmocka_unit_test(what_only_counts_or_logs_gives_none),
		cmocka_unit_test(hooks_that_forwarded_packets_pass_count),
		cmocka_unit_test(chains_count_where_packets_come_to_them),
		cmocka_unit_test(sets_have_limits_of_their_own),
		cmocka_unit_test(nat_sees_first_packets_only),
		cmocka_unit_test(our_own_table_gives_none),
		cmocka_unit_test(what_only_iptables_can_read_is_left_to_it),
		cmocka_unit_test(text_that_is_no_ruleset_is_refused),
		cmocka_unit_test(docker_gives_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
