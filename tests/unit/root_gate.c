// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reasons against a shortcut, as the kernel has them: each is put in, seen, taken away, gone.
 * What the kernel or its tools cannot do here is left out, and said.
 *
 * Runs in namespaces of its own, and only where FV_TEST_NETNS=1 says that it is meant to.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "nat/gate.h"
#include "net/gate.h"
#include "unit/gate_test.h"
#include "unit/net_test.h"

struct change {
	const char *add, *remove;
	const char *reasons; /* "WHY WHERE" a line */
};

static int shell(const char *command)
{
	char all[1024];

	snprintf(all, sizeof(all), "{ %s; } >/dev/null 2>&1", command);
	return system(all);
}

static void must(const char *command)
{
	if (shell(command))
		fail_msg("failed: %s", command);
}

static void expect(int (*ask)(struct fv_gate_list *list), const char *reasons, const char *after)
{
	FV_CLEANUP(fv_gate_fini) struct fv_gate_list list = {};
	FV_AUTO_FREE char *text = NULL;

	assert_int_equal(ask(&list), 0);
	text = all_of(&list);
	if (strcmp(text, reasons) != 0)
		fail_msg("after %s:\n%swanted:\n%s", after, text, reasons);
}

/* Returns how many of them could be tried. */
static size_t try_all(int (*ask)(struct fv_gate_list *list), const struct change *changes, size_t n)
{
	size_t tried = 0;

	for (size_t i = 0; i < n; i++) {
		expect(ask, "", "nothing");
		if (shell(changes[i].add)) {
			print_message("not possible here: %s\n", changes[i].add);
			shell(changes[i].remove);
			continue;
		}
		tried++;
		expect(ask, changes[i].reasons, changes[i].add);
		must(changes[i].remove);
		expect(ask, "", changes[i].remove);
	}
	return tried;
}

/* ---- rules ---- */

static int ask_rules(struct fv_gate_list *list)
{
	OK(fv_gate_rules(&err, list));
	return 0;
}

#define NFT(rule)                                                                                  \
	"nft 'add table inet t; add chain inet t f { type filter hook forward priority 0; }; "     \
	"add chain inet t in { type filter hook input priority 0; }; "                             \
	"add chain inet t n { type nat hook postrouting priority 100; }; "                         \
	"add chain inet t a; " rule "'"
#define IN_F(rule) NFT("add rule inet t f " rule)
#define NFT_END "nft delete table inet t"
#define AT_F "table inet t, chain f: "

static void sees_rules_of_nftables(void **state)
{
	static const struct change changes[] = {
		{ IN_F("limit rate 10/second accept"), NFT_END, "limit " AT_F "limit\n" },
		{ NFT("add limit inet t l { rate 400/minute; }; "
		      "add rule inet t f limit name \"l\" drop"),
		  NFT_END, "limit " AT_F "limit\n" },
		{ NFT("add set inet t s { type ipv4_addr; size 99; flags dynamic; }; "
		      "add rule inet t f add @s { ip saddr limit rate 5/second } drop"),
		  NFT_END, "limit " AT_F "limit\n" },
		{ NFT("add set inet t s { type ipv4_addr; size 99; flags dynamic; "
		      "limit rate 5/second; }; add rule inet t f add @s { ip saddr } drop"),
		  NFT_END, "limit " AT_F "limit\n" },
		{ IN_F("quota over 10 mbytes drop"), NFT_END, "quota " AT_F "quota\n" },
		{ IN_F("queue num 1"), NFT_END, "queue " AT_F "queue\n" },
		{ IN_F("numgen random mod 10 < 3 drop"), NFT_END, "statistic " AT_F "numgen\n" },
		{ NFT("add ct helper inet t h { type \"ftp\" protocol tcp; }; "
		      "add rule inet t f ct helper set \"h\""),
		  NFT_END, "helper " AT_F "ct helper\n" },
		{ IN_F("@th,160,16 0x1234 drop"), NFT_END, "payload " AT_F "@th,160,16\n" },
		{ IN_F("meta length > 100 drop"), NFT_END, "length " AT_F "meta length\n" },
		{ IN_F("ip length 100 drop"), NFT_END, "length " AT_F "ip length\n" },
		{ IN_F("udp length 100 drop"), NFT_END, "length " AT_F "udp length\n" },
		{ IN_F("ct original bytes > 100 drop"), NFT_END, "connbytes " AT_F "ct bytes\n" },
		{ NFT("add map inet t m { type ipv4_addr : verdict; }; "
		      "add element inet t m { 1.2.3.4 : jump a }; "
		      "add rule inet t f ip saddr vmap @m; add rule inet t a quota 9 bytes drop"),
		  NFT_END, "quota table inet t, chain a: quota\n" },
		{ NFT("add rule inet t in limit rate 9/second drop; "
		      "add rule inet t a limit rate 9/second drop; "
		      "add rule inet t n numgen random mod 2 vmap { 0 : accept, 1 : accept }; "
		      "add rule inet t f limit rate 9/second log; "
		      "add rule inet t f ct state established counter accept; "
		      "add rule inet t f ip saddr 10.0.0.1 drop"),
		  NFT_END, "" },
		{ "nft 'add table netdev d; add chain netdev d e { type filter hook ingress device "
		  "lo priority 0; }; add rule netdev d e limit rate 3/second drop'",
		  "nft delete table netdev d", "limit table netdev d, chain e: limit\n" },
		{ "nft 'add table bridge b; add chain bridge b e { type filter hook forward "
		  "priority 0; }; add rule bridge b e limit rate 3/second drop'",
		  "nft delete table bridge b", "limit table bridge b, chain e: limit\n" },
		{ "nft 'add table inet fastveth; add chain inet fastveth f { type filter hook "
		  "forward priority 0; }; add rule inet fastveth f limit rate 3/second drop'",
		  "nft delete table inet fastveth", "" },
	};

	(void)state;
	assert_true(try_all(ask_rules, changes, FV_ARRAY_SIZE(changes)) > 5);
}

#define IPT(rule) "iptables-nft -A FORWARD " rule
#define IPT_END "nft delete table ip filter"
#define AT_FORWARD "table ip filter, chain FORWARD: "

static void sees_rules_of_iptables_nft(void **state)
{
	static const struct change changes[] = {
		{ IPT("-m limit --limit 3/s -j DROP"), IPT_END, "limit " AT_FORWARD "limit\n" },
		{ IPT("-m hashlimit --hashlimit-above 10/sec --hashlimit-name x -j DROP"), IPT_END,
		  "hashlimit " AT_FORWARD "hashlimit\n" },
		{ IPT("-m quota --quota 1000 -j DROP"), IPT_END, "quota " AT_FORWARD "quota\n" },
		{ IPT("-m statistic --mode nth --every 3 --packet 0 -j DROP"), IPT_END,
		  "statistic " AT_FORWARD "statistic\n" },
		{ IPT("-m string --algo bm --string foo -j DROP"), IPT_END,
		  "payload " AT_FORWARD "string\n" },
		{ IPT("-m length --length 100:200 -j DROP"), IPT_END,
		  "length " AT_FORWARD "length\n" },
		{ IPT("-m recent --name r --update -j DROP"), IPT_END,
		  "recent " AT_FORWARD "recent\n" },
		{ IPT("-m connbytes --connbytes 9 --connbytes-dir both --connbytes-mode bytes "
		      "-j DROP"),
		  IPT_END, "connbytes " AT_FORWARD "connbytes\n" },
		{ IPT("-j NFQUEUE"), IPT_END, "queue " AT_FORWARD "NFQUEUE\n" },
		{ "ip6tables-nft -A FORWARD -m statistic --mode nth --every 3 --packet 0 -j DROP",
		  "nft delete table ip6 filter",
		  "statistic table ip6 filter, chain FORWARD: statistic\n" },
		/* What libnftables does not say: whether a CT target sets a helper. */
		{ "iptables-nft -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
		  "nft delete table ip raw",
		  "helper table ip raw, chain PREROUTING: CT --helper\n" },
		{ "iptables-nft -t raw -A PREROUTING -p tcp --dport 21 -j CT --notrack",
		  "nft delete table ip raw", "" },
		{ IPT("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"), IPT_END, "" },
		{ IPT("-m limit --limit 3/min -j LOG"), IPT_END, "" },
		{ "iptables-nft -A INPUT -m limit --limit 3/s -j DROP", IPT_END, "" },
		{ "iptables-nft -N lost && iptables-nft -A lost -m limit --limit 3/s -j DROP",
		  IPT_END, "" },
		{ "iptables-nft -t nat -A POSTROUTING -m statistic --mode random --probability "
		  ".5 -j MASQUERADE",
		  "nft delete table ip nat", "" },
	};

	(void)state;
	if (shell("command -v iptables-nft"))
		skip();
	try_all(ask_rules, changes, FV_ARRAY_SIZE(changes));
}

/* Without its program a CT target may be anything. */
static void takes_ct_for_a_helper_where_it_cannot_ask(void **state)
{
	FV_AUTO_FREE char *path = strdup(getenv("PATH") ?: "");

	(void)state;
	if (shell("iptables-nft -t raw -A PREROUTING -j CT --notrack"))
		skip();
	setenv("PATH", "/nowhere", 1);
	expect(ask_rules, "helper table ip raw: CT, and iptables-nft cannot read what it sets\n",
	       "CT without iptables-nft");
	setenv("PATH", path, 1);
	must("nft delete table ip raw");
	expect(ask_rules, "", "nothing");
}

static void sees_rules_of_iptables_legacy(void **state)
{
	static const struct change changes[] = {
		{ "iptables-legacy -N a && iptables-legacy -A FORWARD -j a && "
		  "iptables-legacy -A a -m comment --comment 'x \"y' -m limit --limit 3/s -j DROP",
		  "iptables-legacy -F && iptables-legacy -X",
		  "limit iptables-legacy table filter, chain a: limit\n" },
		{ "iptables-legacy -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
		  "iptables-legacy -t raw -F",
		  "helper iptables-legacy table raw, chain PREROUTING: CT --helper\n" },
		{ "iptables-legacy -t mangle -A POSTROUTING -m length --length 9 -j DROP",
		  "iptables-legacy -t mangle -F",
		  "length iptables-legacy table mangle, chain POSTROUTING: length\n" },
		{ "ip6tables-legacy -A FORWARD -m recent --name r --update -j DROP",
		  "ip6tables-legacy -F",
		  "recent ip6tables-legacy table filter, chain FORWARD: recent\n" },
		{ "iptables-legacy -A INPUT -m limit --limit 3/s -j DROP", "iptables-legacy -F",
		  "" },
	};
	FV_AUTO_FREE char *path = strdup(getenv("PATH") ?: "");

	(void)state;
	/* Asking must not make a table: there is none yet. */
	expect(ask_rules, "", "nothing");
	must("! grep -q . /proc/net/ip_tables_names /proc/net/ip6_tables_names");
	if (shell("iptables-legacy -S"))
		skip();
	try_all(ask_rules, changes, FV_ARRAY_SIZE(changes));

	must("iptables-legacy -S");
	setenv("PATH", "/nowhere", 1);
	{
		FV_CLEANUP(fv_gate_fini) struct fv_gate_list list = {};

		OK(fv_gate_legacy(&err, &list));
		assert_true(list.n > 0);
		assert_int_equal(fv_gate_mask(&list), 1U << FV_GATE_PAYLOAD);
	}
	setenv("PATH", path, 1);
}

/* Only a module has a count of its users; the file is made here. */
static void sees_limits_of_ebtables_legacy(void **state)
{
	(void)state;
	assert_int_equal(mount("tmpfs", "/sys/module", "tmpfs", 0, NULL), 0);
	must("mkdir /sys/module/ebt_limit && echo 0 >/sys/module/ebt_limit/refcnt");
	expect(ask_rules, "", "a module that nobody uses");
	must("echo 1 >/sys/module/ebt_limit/refcnt");
	expect(ask_rules, "limit ebtables: limit\n", "a rule of ebtables");
	assert_int_equal(umount("/sys/module"), 0);
}

/* Newer kernels have no such setting; the file is made here. */
static void sees_helpers_chosen_by_conntrack(void **state)
{
	static const char dir[] = "/proc/sys/net/netfilter";

	(void)state;
	if (mount("tmpfs", dir, "tmpfs", 0, NULL))
		skip();
	must("echo 0 >/proc/sys/net/netfilter/nf_conntrack_helper");
	expect(ask_rules, "", "none by itself");
	must("echo 1 >/proc/sys/net/netfilter/nf_conntrack_helper");
	expect(ask_rules, "helper net.netfilter.nf_conntrack_helper=1\n", "helpers by port");
	assert_int_equal(umount(dir), 0);
}

/* ---- IPsec ---- */

static int ask_xfrm(struct fv_gate_list *list)
{
	OK(fv_gate_xfrm(&err, list));
	return 0;
}

static void sees_ipsec_policies(void **state)
{
	static const struct change changes[] = {
		{ "ip xfrm policy add src 10.0.0.0/8 dst 10.1.0.0/16 dir fwd",
		  "ip xfrm policy flush", "xfrm policy dir fwd 10.0.0.0/8 -> 10.1.0.0/16\n" },
		{ "ip xfrm policy add src fd00::/8 dst ::/0 dir out", "ip xfrm policy flush",
		  "xfrm policy dir out fd00::/8 -> ::/0\n" },
		{ "for i in $(seq 1 200); do echo xfrm policy add src 10.9.0.0/16 dst 0.0.0.0/0 "
		  "proto 17 sport $i dir in; done | ip -batch -",
		  "ip xfrm policy flush",
		  "xfrm policy dir in 10.9.0.0/16 -> 0.0.0.0/0 and 199 more\n" },
	};

	(void)state;
	if (!try_all(ask_xfrm, changes, FV_ARRAY_SIZE(changes)))
		skip();
}

static void policies_of_sockets_do_not_count(void **state)
{
	const struct xfrm_userpolicy_info info = { .dir = XFRM_POLICY_OUT, .sel.family = AF_INET };
	FV_AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	if (setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &info, sizeof(info)))
		skip();
	must("ip xfrm policy | grep socket");
	expect(ask_xfrm, "", "a policy of a socket");
}

/* ---- devices ---- */

static int ask_devices(struct fv_gate_list *list)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	FV_CLEANUP(fv_qdiscs_free) struct fv_qdiscs *qdiscs = NULL;
	static const char *const names[] = { "v0", "v1" };
	struct fv_link link;

	OK(fv_rtnl_open(&err, &rt));
	OK(fv_qdiscs_load(rt, &err, &qdiscs));
	for (size_t i = 0; i < FV_ARRAY_SIZE(names); i++) {
		OK(fv_link_find(rt, names[i], &err, &link));
		OK(fv_gate_device(rt, qdiscs, link.ifindex, link.name, &err, list));
	}
	/* One that is not there has nothing. */
	OK(fv_gate_device(rt, qdiscs, 999999, "gone", &err, list));
	return 0;
}

#define BYTECODE "bpf bytecode '1,6 0 0 0'"

static void sees_qdiscs_and_filters(void **state)
{
	static const struct change changes[] = {
		{ "tc qdisc add dev v0 root tbf rate 1mbit burst 10k latency 10ms",
		  "tc qdisc del dev v0 root", "qdisc qdisc tbf on v0\n" },
		{ "tc qdisc add dev v1 root pfifo", "tc qdisc del dev v1 root", "" },
		{ "tc qdisc add dev v1 root fq_codel", "tc qdisc del dev v1 root", "" },
		{ "tc qdisc add dev v0 clsact", "tc qdisc del dev v0 clsact", "" },
		{ "tc qdisc add dev v0 clsact && tc filter add dev v0 egress pref 7 " BYTECODE,
		  "tc qdisc del dev v0 clsact", "egress-program filter pref 7 bpf on v0 egress\n" },
		{ "tc qdisc add dev v1 clsact && tc filter add dev v1 ingress pref 9 " BYTECODE
		  " && tc filter add dev v1 egress pref 49397 " BYTECODE,
		  "tc qdisc del dev v1 clsact",
		  "ingress-program filter pref 9 bpf on v1 ingress\n"
		  "egress-program filter pref 49397 bpf on v1 egress\n" },
		{ "tc qdisc add dev v1 ingress && tc filter add dev v1 ingress pref 9 " BYTECODE,
		  "tc qdisc del dev v1 ingress",
		  "ingress-program filter pref 9 bpf on v1 ingress\n" },
		{ "tc qdisc add dev v0 clsact && tc filter add dev v0 egress pref 3 protocol ip "
		  "u32 match u32 0 0 && tc filter add dev v0 egress pref 3 protocol ip u32 match "
		  "u32 0 1",
		  "tc qdisc del dev v0 clsact", "egress-program filter pref 3 u32 on v0 egress\n" },
		{ "tc qdisc add dev v0 clsact && tc filter add dev v0 egress pref 4 matchall "
		  "action ok",
		  "tc qdisc del dev v0 clsact",
		  "egress-program filter pref 4 matchall on v0 egress\n" },
	};

	(void)state;
	must("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	assert_true(try_all(ask_devices, changes, FV_ARRAY_SIZE(changes)) >= 4);
	must("ip link del v0");
}

static const struct bpf_insn ok_insns[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

/* A program of that name on v0, and what is said of it: FMT has the program's id. */
static void attach(const char *name, uint32_t handle, uint32_t priority,
		   enum bpf_tc_attach_point side, const char *fmt)
{
	FV_AUTO_FD int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", ok_insns, 2, NULL);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = fd, .handle = handle, .priority = priority);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("v0"), .attach_point = side);
	char *reasons = NULL;

	assert_true(fd >= 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	assert_true(asprintf(&reasons, fmt, opts.prog_id) >= 0);
	expect(ask_devices, reasons, name);
	free(reasons);
	opts.prog_fd = 0;
	opts.prog_id = 0;
	opts.flags = 0;
	assert_int_equal(bpf_tc_detach(&hook, &opts), 0);
	expect(ask_devices, "", "nothing");
}

static void knows_filters_of_ours(void **state)
{
	(void)state;
	must("ip link add v0 type veth peer name v1 && tc qdisc add dev v0 clsact");
	attach("fv_from_ns", 0xf5, 0xc0f5, BPF_TC_INGRESS, "");
	attach("fv_to_ns", 0xf5, 0xc0f5, BPF_TC_EGRESS, "");
	attach("fv_from_ns", 1, 0xc0f5, BPF_TC_INGRESS,
	       "ingress-program filter pref 49397 bpf fv_from_ns:[%u] on v0 ingress\n");
	attach("fv_to_ns", 0xf5, 1, BPF_TC_EGRESS,
	       "egress-program filter pref 1 bpf fv_to_ns:[%u] on v0 egress\n");
	attach("another", 0xf5, 0xc0f5, BPF_TC_EGRESS,
	       "egress-program filter pref 49397 bpf another:[%u] on v0 egress\n");
	must("ip link del v0");
}

#define TBF "tbf rate 1mbit burst 10k latency 10ms"

/* Many devices: one list of their qdiscs, and of a device all that it has. */
static void finds_a_device_among_many(void **state)
{
	(void)state;
	must("for i in $(seq 1 100); do echo link add p$i type veth peer name q$i; done | "
	     "ip -batch -; ip link add v0 type veth peer name v1");
	must("for i in $(seq 1 100); do echo qdisc add dev p$i root " TBF "; done | tc -batch -");
	must("tc qdisc add dev v0 root handle 1: htb && for i in $(seq 1 9); do "
	     "tc class add dev v0 parent 1: classid 1:$i htb rate 1mbit; "
	     "tc qdisc add dev v0 parent 1:$i handle 1$i: pfifo || exit; done");
	must("tc qdisc add dev v0 clsact && tc filter add dev v0 egress pref 7 " BYTECODE);
	expect(ask_devices,
	       "qdisc qdisc htb on v0\negress-program filter pref 7 bpf on v0 egress\n",
	       "a hundred others");
	must("for i in $(seq 1 100); do echo link del p$i; done | ip -batch -; ip link del v0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_rules_of_nftables),
		cmocka_unit_test(sees_rules_of_iptables_nft),
		cmocka_unit_test(takes_ct_for_a_helper_where_it_cannot_ask),
		cmocka_unit_test(sees_rules_of_iptables_legacy),
		cmocka_unit_test(sees_limits_of_ebtables_legacy),
		cmocka_unit_test(sees_helpers_chosen_by_conntrack),
		cmocka_unit_test(sees_ipsec_policies),
		cmocka_unit_test(policies_of_sockets_do_not_count),
		cmocka_unit_test(sees_qdiscs_and_filters),
		cmocka_unit_test(knows_filters_of_ours),
		cmocka_unit_test(finds_a_device_among_many),
	};

	isolate_or_exit();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
