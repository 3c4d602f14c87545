// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table in a kernel: written, listed, deleted. With a verb as argument it is
 * what tests/e2e/nat_*.sh use in place of the program: `apply` and `ruleset` read
 * a topology file on standard input, `hostfw-*` take names of uplinks.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/yaml.h"
#include "nat/hostfw.h"
#include "nat/nat.h"
#include "nat/nft.h"
#include "unit/tmp.h"

#define LAB                                                                                        \
	"networks:\n"                                                                              \
	"  lab:\n"                                                                                 \
	"    subnet: 10.77.0.0/24\n"                                                               \
	"    subnet6: fd77::/64\n"                                                                 \
	"    namespaces:\n"                                                                        \
	"      web: { publish: ['8080:80', '127.0.0.1:7000:80', '10000-10299:10000-10299'] }\n"    \
	"      db: { publish: ['53:53/udp'] }\n"
#define DARK                                                                                       \
	"  dark:\n"                                                                                \
	"    subnet: 10.78.0.0/24\n"                                                               \
	"    internal: true\n"                                                                     \
	"    namespaces:\n"                                                                        \
	"      vault: { publish: ['9000-9002:8000-8002'] }\n"

static int load(const char *yaml, struct fv_err *err, struct fv_topo *ret)
{
	int r = tmp_load(yaml, err, ret);

	r = r ?: fv_topo_check(ret, err);
	return r ?: fv_topo_resolve(ret, NULL, err);
}

/* Writes the topology; what the table says then. */
static char *apply(const char *yaml)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	char *text = NULL;

	if (load(yaml, &err, &topo) || fv_nat_apply(&topo, &err, &text))
		fail_msg("%s", err.msg);
	return text;
}

static char *listing(void)
{
	struct fv_err err = { 0 };
	char *text = NULL;

	if (fv_nat_listing(&err, &text))
		fail_msg("%s", err.msg);
	return text;
}

static void run(const char *commands)
{
	struct fv_err err = { 0 };

	if (fv_nft_run("a test", commands, FV_NFT_TEXT, &err, NULL))
		fail_msg("%s", err.msg);
}

static int no_table(void **state)
{
	struct fv_err err = { 0 };

	(void)state;
	if (fv_nat_remove(&err))
		fail_msg("%s", err.msg);
	return 0;
}

static void lists_nothing_where_there_is_no_table(void **state)
{
	(void)state;
	assert_null(listing());
	/* Names that begin or end alike are not ours. */
	run("add table inet fastveth2\nadd table ip fastveth\n");
	assert_null(listing());
	run("delete table inet fastveth2\ndelete table ip fastveth\n");
}

static void lists_what_apply_returned(void **state)
{
	FV_AUTO_FREE char *written = apply(LAB DARK), *listed = listing();

	(void)state;
	assert_string_equal(written, listed);
	assert_non_null(strstr(listed, "chain forward {"));
}

/* The kernel keeps elements in hash tables with a new seed each time. */
static void lists_the_same_when_written_again(void **state)
{
	FV_AUTO_FREE char *first = apply(LAB DARK);

	(void)state;
	for (int i = 0; i < 3; i++) {
		FV_AUTO_FREE char *again = apply(LAB DARK);

		assert_string_equal(first, again);
	}
}

static void listing_can_be_loaded(void **state)
{
	FV_AUTO_FREE char *written = apply(LAB DARK), *listed = NULL;

	(void)state;
	run("delete table " FV_NFT_TABLE);
	run(written);
	listed = listing();
	assert_string_equal(written, listed);
}

static void lists_what_others_did_to_it(void **state)
{
	static const char *const changes[] = {
		"insert rule inet fastveth forward accept",
		"add element inet fastveth publish4 { tcp . 22 : 10.77.0.2 . 22 }",
		"flush chain inet fastveth guard",
		"delete element inet fastveth internal { 257359874 }",
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(changes); i++) {
		FV_AUTO_FREE char *before = apply(LAB DARK), *after = NULL;

		run(changes[i]);
		after = listing();
		assert_string_not_equal(before, after);
	}
}

static void replaces_all_of_it(void **state)
{
	FV_AUTO_FREE char *full = apply(LAB DARK), *less = NULL, *again = NULL;

	(void)state;
	run("add chain inet fastveth foreign");
	less = apply("networks: { dark: { subnet: 10.78.0.0/24, internal: true } }\n");
	assert_null(strstr(less, "publish"));
	assert_null(strstr(less, "foreign"));
	assert_null(strstr(less, " ct "));
	again = apply(LAB DARK);
	assert_string_equal(full, again);
}

static void no_network_is_no_table(void **state)
{
	FV_AUTO_FREE char *full = apply(LAB), *none = NULL;
	const struct fv_topo empty = { 0 };
	struct fv_err err = { 0 };

	(void)state;
	assert_non_null(full);
	if (fv_nat_apply(&empty, &err, &none))
		fail_msg("%s", err.msg);
	assert_null(none);
	assert_null(listing());
}

static void removes_twice(void **state)
{
	FV_AUTO_FREE char *text = apply(LAB);
	struct fv_err err = { 0 };

	(void)state;
	assert_non_null(text);
	assert_int_equal(fv_nat_remove(&err), 0);
	assert_null(listing());
	assert_int_equal(fv_nat_remove(&err), 0);
}

static void a_refused_transaction_changes_nothing(void **state)
{
	FV_AUTO_FREE char *before = apply(LAB), *after = NULL;
	struct fv_err err = { 0 };
	int r;

	(void)state;
	r = fv_nft_run("table " FV_NFT_TABLE,
		       "delete chain inet fastveth output\n"
		       "add rule inet fastveth forward jump nowhere\n",
		       FV_NFT_TEXT, &err, NULL);
	assert_int_equal(r, -ENOENT);
	assert_string_equal(err.msg,
			    "nftables: table inet fastveth: Could not process rule: No such file "
			    "or directory, in \"add rule inet fastveth forward jump nowhere\"");
	after = listing();
	assert_string_equal(before, after);
}

/* Runs fv_nat_remove in a process that was made unable to do it. */
static void fails_for_want_of(void (*disable)(void), int code, const char *msg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct fv_err err = { 0 };

		disable();
		if (fv_nat_remove(&err) == code && strcmp(err.msg, msg) == 0)
			_exit(0);
		fprintf(stderr, "%d: %s\n", err.code, err.msg);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void become_nobody(void)
{
	if (setresuid(65534, 65534, 65534))
		_exit(2);
}

static void tells_who_may(void **state)
{
	(void)state;
	fails_for_want_of(become_nobody, -EPERM,
			  "nftables: table inet fastveth: not permitted: needs CAP_NET_ADMIN");
}

/* socket(2) of netfilter's family answers as on a kernel without it. */
static void lose_netfilter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NETLINK_NETFILTER, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = FV_ARRAY_SIZE(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(2);
}

static void tells_a_kernel_without_nftables(void **state)
{
	(void)state;
	fails_for_want_of(lose_netfilter, -EOPNOTSUPP,
			  "nftables: table inet fastveth: this kernel has no nftables: load the "
			  "module nf_tables or use a kernel with CONFIG_NF_TABLES");
}

/* ---- the verbs ---- */

static int run_nat(const char *verb, struct fv_err *err, char **ret)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = { 0 };
	int r;

	if (strcmp(verb, "listing") == 0)
		return fv_nat_listing(err, ret);
	if (strcmp(verb, "remove") == 0)
		return fv_nat_remove(err);
	r = fv_yaml_load("-", err, &topo);
	r = r ?: fv_topo_check(&topo, err);
	r = r ?: fv_topo_resolve(&topo, NULL, err);
	if (r)
		return r;
	if (strcmp(verb, "ruleset") == 0)
		return fv_nat_ruleset(&topo, err, ret);
	return fv_nat_apply(&topo, err, ret);
}

static int run_hostfw(const char *verb, const char *const *uplinks, size_t n, struct fv_err *err)
{
	FV_AUTO_FREE char *hint = NULL;
	bool changed = false;
	int r;

	if (strcmp(verb, "hostfw-remove") == 0)
		return fv_hostfw_remove(err);
	if (strcmp(verb, "hostfw-check") == 0)
		r = fv_hostfw_check(uplinks, n, err, &changed, &hint);
	else
		r = fv_hostfw_apply(uplinks, n, err, &changed, &hint);
	if (r == 0)
		printf("changed: %s\n%s%s", changed ? "yes" : "no", hint ? hint : "",
		       hint ? "\n" : "");
	return r;
}

static int drive(int argc, char **argv)
{
	FV_AUTO_FREE char *text = NULL;
	struct fv_err err = { 0 };
	int r;

	if (strncmp(argv[1], "hostfw-", 7) == 0)
		r = run_hostfw(argv[1], (const char *const *)argv + 2, (size_t)argc - 2, &err);
	else
		r = run_nat(argv[1], &err, &text);
	if (r < 0)
		fprintf(stderr, "%s\n", err.msg);
	if (text)
		fputs(text, stdout);
	return r < 0;
}

int main(int argc, char **argv)
{
	const char *meant = getenv("FV_TEST_NETNS");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lists_nothing_where_there_is_no_table, no_table),
		cmocka_unit_test(lists_what_apply_returned),
		cmocka_unit_test(lists_the_same_when_written_again),
		cmocka_unit_test(listing_can_be_loaded),
		cmocka_unit_test(lists_what_others_did_to_it),
		cmocka_unit_test(replaces_all_of_it),
		cmocka_unit_test(no_network_is_no_table),
		cmocka_unit_test(removes_twice),
		cmocka_unit_test(a_refused_transaction_changes_nothing),
		cmocka_unit_test(tells_who_may),
		cmocka_unit_test(tells_a_kernel_without_nftables),
	};

	if (!meant || strcmp(meant, "1") != 0) {
		fprintf(stderr, "changes nftables: set FV_TEST_NETNS=1 to run it\n");
		return 1;
	}
	if (argc > 1)
		return drive(argc, argv);
	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
