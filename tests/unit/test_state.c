// SPDX-License-Identifier: GPL-2.0-only
/* The state file: what goes in comes out, and what is damaged or not ours stays out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/state.h"
#include "unit/tmp.h"

#define FILE_PATH "run/state.json"

/* Each test has a run directory of its own, which is not there yet. */
static int fresh_dir(void **state)
{
	static char path[512];
	static int n;

	(void)state;
	if (unlink("run") && errno != ENOENT)
		return 1;
	snprintf(path, sizeof(path), "%s/d%d", tmp_dir(), n++);
	fv_run_dir_set(path);
	return symlink(path, "run");
}

static void expect_same_ep(const struct fv_ep *a, const struct fv_ep *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->share != NULL, b->share != NULL);
	if (a->share)
		assert_string_equal(a->share, b->share);
	assert_int_equal(a->target, b->target);
	assert_int_equal(a->target_arg != NULL, b->target_arg != NULL);
	if (a->target_arg)
		assert_string_equal(a->target_arg, b->target_arg);
	assert_memory_equal(a->ifname, b->ifname, sizeof(a->ifname));
	assert_memory_equal(&a->ip4, &b->ip4, sizeof(a->ip4));
	assert_memory_equal(&a->ip6, &b->ip6, sizeof(a->ip6));
	assert_int_equal(a->n_publish, b->n_publish);
	for (size_t i = 0; i < a->n_publish; i++) {
		char x[128], y[128];

		assert_string_equal(fv_publish_str(&a->publish[i], x),
				    fv_publish_str(&b->publish[i], y));
	}
	assert_memory_equal(a->port, b->port, sizeof(a->port));
	assert_memory_equal(a->mac, b->mac, 6);
	assert_memory_equal(a->port_mac, b->port_mac, 6);
	assert_int_equal(a->ns_dev, b->ns_dev);
	assert_int_equal(a->ns_ino, b->ns_ino);
}

static void expect_same_net(const struct fv_net *a, const struct fv_net *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->id, b->id);
	assert_memory_equal(&a->subnet4, &b->subnet4, sizeof(a->subnet4));
	assert_memory_equal(&a->subnet6, &b->subnet6, sizeof(a->subnet6));
	assert_memory_equal(&a->gw4, &b->gw4, sizeof(a->gw4));
	assert_memory_equal(&a->gw6, &b->gw6, sizeof(a->gw6));
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->hook, b->hook);
	assert_int_equal(a->internal, b->internal);
	assert_int_equal(a->n_eps, b->n_eps);
	for (size_t i = 0; i < a->n_eps; i++)
		expect_same_ep(&a->eps[i], &b->eps[i]);
}

static void expect_same(const struct fv_state *a, const struct fv_state *b)
{
	assert_int_equal(a->topo.n_nets, b->topo.n_nets);
	for (size_t i = 0; i < a->topo.n_nets; i++)
		expect_same_net(&a->topo.nets[i], &b->topo.nets[i]);
	assert_int_equal(a->n_saved, b->n_saved);
	for (size_t i = 0; i < a->n_saved; i++) {
		assert_string_equal(a->saved[i].path, b->saved[i].path);
		assert_string_equal(a->saved[i].old, b->saved[i].old);
		assert_string_equal(a->saved[i].set, b->saved[i].set);
	}
	assert_int_equal(a->nft != NULL, b->nft != NULL);
	if (a->nft)
		assert_string_equal(a->nft, b->nft);
	assert_int_equal(a->mounted_bpffs, b->mounted_bpffs);
	assert_int_equal(a->made_etc_netns, b->made_etc_netns);
	assert_int_equal(a->made_run_netns, b->made_run_netns);
}

static struct fv_state example(void)
{
	static const char yaml[] =
		"networks:\n"
		"  lab:\n"
		"    subnet: 10.77.0.0/24\n"
		"    subnet6: fd77::/64\n"
		"    mtu: 1400\n"
		"    namespaces:\n"
		"      web: { publish: ['8080:80', '[::]:1-3:4-6/udp'], ifname: net0 }\n"
		"      db: {}\n"
		"      sidecar: { share: web }\n"
		"  six: { subnet6: 'fd78::/64', hook: xdp, internal: true, namespaces: { a, b, c } }\n"
		"  none: { subnet: 10.78.0.0/24 }\n";
	struct fv_state st = { .mounted_bpffs = true, .made_run_netns = true };
	struct fv_err err = { 0 };
	struct fv_net *six;

	if (tmp_load(yaml, &err, &st.topo) || fv_topo_resolve(&st.topo, NULL, &err))
		fail_msg("%s", err.msg);
	six = &st.topo.nets[1];
	assert_int_equal(fv_target_parse("pid:4711", &six->eps[0], NULL), 0);
	assert_int_equal(fv_target_parse("netns:my \"own\"", &six->eps[1], NULL), 0);
	assert_int_equal(fv_target_parse("path:/var/run/x\n\xc3\xa4", &six->eps[2], NULL), 0);
	six->eps[0].ns_dev = 4;
	six->eps[0].ns_ino = 4026532999;
	st.saved = calloc(2, sizeof(*st.saved));
	st.n_saved = 2;
	for (size_t i = 0; i < 2; i++) {
		st.saved[i].path =
			strdup(i ? "/proc/sys/net/ipv4/ip_forward" : "/sys/kernel/rcu_expedited");
		st.saved[i].old = strdup(i ? "0" : "");
		st.saved[i].set = strdup("1");
	}
	st.nft = strdup("table inet fastveth {\n\tset own { }\n}\n");
	return st;
}

static void gives_back_what_was_stored(void **state)
{
	struct fv_state in = example(), out = { 0 };
	FV_AUTO_FREE char *first = NULL, *second = NULL;
	struct fv_err err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(fv_state_store(&in, &err), 0);
	first = tmp_read(FILE_PATH);
	assert_int_equal(fv_state_load(&err, &out), 0);
	assert_int_equal(err.code, 0);
	expect_same(&in, &out);
	assert_null(out.topo.nets[0].file);
	assert_int_equal(out.topo.nets[0].line, 0);
	assert_int_equal(out.topo.nets[0].eps[0].line, 0);
	assert_int_equal(fv_state_store(&out, NULL), 0);
	second = tmp_read(FILE_PATH);
	assert_string_equal(first, second);
	fv_state_fini(&in);
	fv_state_fini(&out);

	assert_int_equal(stat(FILE_PATH, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat("run/", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* Each thing alone makes a state that is worth a file. */
static void keeps_each_thing_alone(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct fv_state in = { .mounted_bpffs = i == 0,
				       .made_etc_netns = i == 1,
				       .made_run_netns = i == 2 };
		struct fv_state all = example(), out = { 0 };

		if (i == 3)
			in.nft = FV_TAKE_PTR(all.nft);
		if (i == 4) {
			in.saved = FV_TAKE_PTR(all.saved);
			in.n_saved = all.n_saved;
			all.n_saved = 0;
		}
		if (i == 5) {
			in.topo = all.topo;
			all.topo = (struct fv_topo){ 0 };
		}
		assert_int_equal(fv_state_store(&in, NULL), 0);
		assert_int_equal(fv_state_load(NULL, &out), 0);
		expect_same(&in, &out);
		fv_state_fini(&in);
		fv_state_fini(&out);
		fv_state_fini(&all);
	}
}

static void is_empty_without_a_file(void **state)
{
	struct fv_state st = example(), none = { 0 };

	(void)state;
	/* Neither reading nor storing nothing makes the directory. */
	assert_int_equal(fv_state_load(NULL, &none), 0);
	assert_int_equal(none.topo.n_nets, 0);
	assert_int_equal(fv_state_store(&none, NULL), 0);
	assert_int_equal(access("run/", F_OK), -1);
	assert_int_equal(fv_state_store(&st, NULL), 0);
	assert_int_equal(access(FILE_PATH, F_OK), 0);
	assert_int_equal(fv_state_store(&none, NULL), 0);
	assert_int_equal(access(FILE_PATH, F_OK), -1);
	assert_int_equal(fv_state_store(&none, NULL), 0);
	assert_int_equal(fv_state_load(NULL, &none), 0);
	assert_int_equal(none.topo.n_nets, 0);
	fv_state_fini(&st);
}

static void replaces_by_rename(void **state)
{
	struct fv_state st = example();
	struct stat before, after;

	(void)state;
	assert_int_equal(fv_state_store(&st, NULL), 0);
	assert_int_equal(link(FILE_PATH, "run/old"), 0);
	assert_int_equal(stat("run/old", &before), 0);
	/* What a killed run, or somebody else, left in the way. */
	tmp_write("victim", "untouched", 9);
	assert_int_equal(symlink("../victim", "run/state.json.new"), 0);
	st.made_etc_netns = true;
	assert_int_equal(fv_state_store(&st, NULL), 0);
	assert_int_equal(stat(FILE_PATH, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(access("run/state.json.new", F_OK), -1);
	assert_int_equal(stat("victim", &after), 0);
	assert_int_equal(after.st_size, 9);
	fv_state_fini(&st);
}

/* Rewrites the file with the first "from" replaced. */
static void edit(const char *from, const char *to)
{
	FV_AUTO_FREE char *text = tmp_read(FILE_PATH);
	FV_AUTO_FREE char *changed = NULL;
	char *at = strstr(text, from);

	if (!at)
		fail_msg("no %s in %s", from, text);
	*at = '\0';
	if (asprintf(&changed, "%s%s%s", text, to, at + strlen(from)) < 0)
		fail_msg("no memory");
	tmp_write(FILE_PATH, changed, strlen(changed));
}

static void forgets_an_earlier_boot(void **state)
{
	struct fv_state st = example(), out = { 0 };

	(void)state;
	assert_int_equal(fv_state_store(&st, NULL), 0);
	edit("\"boot_id\":\"", "\"boot_id\":\"x");
	/* Not even of a format that is not known. */
	edit("\"format\":1", "\"format\":99");
	assert_int_equal(fv_state_load(NULL, &out), 0);
	assert_int_equal(out.topo.n_nets, 0);
	assert_null(out.nft);
	fv_state_fini(&st);
}

static void refuses_another_network_namespace(void **state)
{
	struct fv_state st = example(), out = { 0 };
	struct fv_err err = { 0 };
	char ino[64];
	struct stat ns;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/net", &ns), 0);
	snprintf(ino, sizeof(ino), "\"ino\":%llu", (unsigned long long)ns.st_ino);
	assert_int_equal(fv_state_store(&st, NULL), 0);
	edit(ino, "\"ino\":77");
	assert_int_equal(fv_state_load(&err, &out), -EXDEV);
	assert_string_equal(err.msg,
			    "this host's networks were made from another network namespace "
			    "(net:[77]); run it there");
	assert_int_equal(out.topo.n_nets, 0);
	fv_state_fini(&st);

	/* A state in which nothing is left binds nobody. */
	st.mounted_bpffs = true;
	assert_int_equal(fv_state_store(&st, NULL), 0);
	edit(ino, "\"ino\":77");
	assert_int_equal(fv_state_load(NULL, &out), -EXDEV);
	edit("\"mounted_bpffs\":true", "\"mounted_bpffs\":false");
	assert_int_equal(fv_state_load(NULL, &out), 0);
}

static void refuses_a_file_cut_off_anywhere(void **state)
{
	struct fv_state st = example(), out = { 0 };
	FV_AUTO_FREE char *text = NULL;
	struct fv_err err = { 0 };
	char start[600];
	size_t n;

	(void)state;
	assert_int_equal(fv_state_store(&st, NULL), 0);
	fv_state_fini(&st);
	text = tmp_read(FILE_PATH);
	n = strlen(text);
	for (size_t i = 0; i < n; i++) {
		tmp_write(FILE_PATH, text, i);
		assert_int_equal(fv_state_load(NULL, &out), -EINVAL);
	}
	tmp_write(FILE_PATH, text, n / 2);
	assert_int_equal(fv_state_load(&err, &out), -EINVAL);
	snprintf(start, sizeof(start), "%s/d", tmp_dir());
	assert_memory_equal(err.msg, start, strlen(start));
	assert_non_null(strstr(err.msg, "/state.json is damaged: byte "));
	assert_non_null(strstr(err.msg, "; remove it and run 'fastveth down --all' to start anew"));
	tmp_write(FILE_PATH, text, n);
	assert_int_equal(fv_state_load(NULL, &out), 0);
	fv_state_fini(&out);
}

static void refuses_what_it_would_not_have_written(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} edits[] = {
		{ "\"name\":\"web\"", "\"name\":\"../web\"",
		  "endpoint name \"../web\" does not begin" },
		{ "\"name\":\"lab\"", "\"name\":\"l/b\"", "network name \"l/b\": only letters" },
		{ "\"name\":\"web\"", "\"nam\":\"web\"", "an endpoint has no name" },
		{ "\"name\":\"web\"", "\"name\":5", "\"name\" is no text" },
		{ "\"port\":\"fv-web\"", "\"port\":\"fv/web\"", "interface name \"fv/web\": only" },
		{ "\"ifname\":\"net0\"", "\"ifname\":\"lo\"", "interface name \"lo\" is reserved" },
		{ "\"target\":\"pid:4711\"", "\"target\":\"pid:0\"", "\"0\" is no process id" },
		{ "\"share\":\"web\"", "\"share\":\"a b\"", "endpoint name \"a b\": only letters" },
		{ "\"10.77.0.2\"", "\"10.77.0.\"", "\"10.77.0.\" is no IPv4 address" },
		{ "\"10.77.0.2\"", "\"fd77::2\"", "\"fd77::2\" is no IPv4 address" },
		{ "\"fd77::/64\"", "\"10.0.0.0/8\"", "\"10.0.0.0/8\" is no IPv6 subnet" },
		{ "\"10.77.0.0/24\"", "\"10.77.0.0/32\"", "\"10.77.0.0/32\" is no IPv4 subnet" },
		{ "\"8080:80/tcp\"", "80", "published port \"\": say" },
		{ "\"8080:80/tcp\"", "\"8080:0/tcp\"", "\"0\" is neither a port" },
		{ "\"mac\":\"", "\"mac\":\"0", "is no MAC" },
		{ "\"port_mac\":\"", "\"port_mac\":\" ", "is no MAC" },
		{ "\"id\":1", "\"id\":65536", "network \"lab\": id, mtu, hook or endpoints" },
		{ "\"mtu\":1400", "\"mtu\":-1", "network \"lab\": id, mtu, hook or endpoints" },
		{ "\"hook\":\"xdp\"", "\"hook\":\"tcx\"", "network \"six\": id, mtu, hook or" },
		{ "\"internal\":true", "\"internal\":1", "network: Expected true or false" },
		{ "\"/proc/sys/net", "\"/etc/net", "is not in /proc/sys or /sys" },
		{ "\"/proc/sys/net", "\"/proc/sys/../net", "is not in /proc/sys or /sys" },
		{ "\"old\":", "\"odl\":", "saved setting: Object item not found: old" },
		{ "\"networks\":[", "\"networks\":5, \"x\":[",
		  "\"networks\" or \"saved\" is no list" },
		{ "\"made_run_netns\"", "\"made\"", "Object item not found: made_run_netns" },
		{ "\"made_run_netns\"", "\"mounted_bpffs\"", "duplicate object key" },
		{ "\"boot_id\":\"", "\"boot_id\":5, \"b\":\"", "Expected string, got integer" },
		{ "\"format\":1", "\"format\":2",
		  "state.json has format 2, and this fastveth knows 1: take the networks down with the "
		  "one that made them" },
	};
	struct fv_state st = example();

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(edits); i++) {
		struct fv_state out = { 0 };
		struct fv_err err = { 0 };

		assert_int_equal(fv_state_store(&st, NULL), 0);
		edit(edits[i].from, edits[i].to);
		if (fv_state_load(&err, &out) != -EINVAL || !strstr(err.msg, edits[i].why))
			fail_msg("%s: \"%s\"\nnot \"%s\"", edits[i].to, err.msg, edits[i].why);
		assert_null(out.topo.nets);
	}
	fv_state_fini(&st);
}

static void refuses_other_kinds_of_files(void **state)
{
	struct fv_state out = { 0 };
	struct fv_err err = { 0 };

	(void)state;
	assert_int_equal(mkdir("real", 0700), 0);
	assert_int_equal(rename("real", "d-real"), 0);
	fv_run_dir_set("d-real");
	tmp_write("d-real/x", "{}", 2);
	assert_int_equal(symlink("x", "d-real/state.json"), 0);
	assert_int_equal(fv_state_load(&err, &out), -EINVAL);
	assert_string_equal(err.msg,
			    "d-real/state.json is damaged: it is a symbolic link; remove it "
			    "and run 'fastveth down --all' to start anew");
	assert_int_equal(unlink("d-real/state.json"), 0);
	assert_int_equal(mkfifo("d-real/state.json", 0600), 0);
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_state_load(&err, &out), -EINVAL);
	assert_string_equal(err.msg,
			    "d-real/state.json is damaged: it is no regular file; remove it "
			    "and run 'fastveth down --all' to start anew");
}

static void refuses_a_directory_of_others(void **state)
{
	struct fv_state st = { .mounted_bpffs = true };
	struct fv_err err = { 0 };
	int fd = -1;

	(void)state;
	assert_int_equal(mkdir("mine", 0700), 0);
	assert_int_equal(symlink("mine", "link"), 0);
	fv_run_dir_set("link");
	assert_int_equal(fv_state_store(&st, &err), -EPERM);
	assert_string_equal(err.msg,
			    "link is not a directory: not made by fastveth; look at it and "
			    "remove it");
	tmp_write("plain", "", 0);
	fv_run_dir_set("plain");
	assert_int_equal(fv_state_load(NULL, &st), -EPERM);
	fv_run_dir_set("mine");
	assert_int_equal(chmod("mine", 0770), 0);
	assert_int_equal(fv_run_dir_open(true, NULL, &fd), -EPERM);
	assert_int_equal(chmod("mine", 0755), 0);
	assert_int_equal(fv_run_dir_open(true, NULL, &fd), 0);
	close(fd);
	/* Somebody else's: root's for a user, a user's for root. */
	if (geteuid())
		fv_run_dir_set("/");
	else
		assert_int_equal(chown("mine", 12345, 0), 0);
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_run_dir_open(true, &err, &fd), -EPERM);
	assert_non_null(strstr(err.msg, "others could change it"));
	fv_run_dir_set("nowhere/run");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_run_dir_open(true, &err, &fd), -ENOENT);
	assert_string_equal(err.msg, "nowhere/run cannot be made: No such file or directory");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_run_dir_open(false, &err, &fd), -ENOENT);
	assert_string_equal(err.msg, "");
}

static void stores_nothing_that_it_could_not_read(void **state)
{
	struct fv_state st = example();
	FV_AUTO_FREE char *before = NULL, *after = NULL;
	struct fv_err err = { 0 };

	(void)state;
	assert_int_equal(fv_state_store(&st, NULL), 0);
	before = tmp_read(FILE_PATH);
	assert_int_equal(fv_target_parse("path:/x\xff", &st.topo.nets[0].eps[0], NULL), 0);
	assert_int_equal(fv_state_store(&st, &err), -EINVAL);
	assert_string_equal(
		err.msg, "endpoint \"web\" cannot be saved: it is not UTF-8, or memory is short");
	after = tmp_read(FILE_PATH);
	assert_string_equal(before, after);
	fv_state_fini(&st);
}

static void holds_many(void **state)
{
	struct fv_state in = { 0 }, out = { 0 };
	struct fv_net *net = fv_topo_append(&in.topo);

	(void)state;
	net->name = strdup("lab");
	assert_int_equal(fv_prefix_parse("10.0.0.0/8", &net->subnet4), 0);
	assert_int_equal(fv_prefix_parse("fd77::/64", &net->subnet6), 0);
	for (int i = 0; i < 10000; i++) {
		char name[40];

		snprintf(name, sizeof(name), "namespace-%d", i);
		fv_net_append(net)->name = strdup(name);
	}
	assert_int_equal(fv_topo_resolve(&in.topo, NULL, NULL), 0);
	assert_int_equal(fv_state_store(&in, NULL), 0);
	assert_int_equal(fv_state_load(NULL, &out), 0);
	expect_same(&in, &out);
	fv_state_fini(&in);
	fv_state_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(gives_back_what_was_stored, fresh_dir),
		cmocka_unit_test_setup(keeps_each_thing_alone, fresh_dir),
		cmocka_unit_test_setup(is_empty_without_a_file, fresh_dir),
		cmocka_unit_test_setup(replaces_by_rename, fresh_dir),
		cmocka_unit_test_setup(forgets_an_earlier_boot, fresh_dir),
		cmocka_unit_test_setup(refuses_another_network_namespace, fresh_dir),
		cmocka_unit_test_setup(refuses_a_file_cut_off_anywhere, fresh_dir),
		cmocka_unit_test_setup(refuses_what_it_would_not_have_written, fresh_dir),
		cmocka_unit_test(refuses_other_kinds_of_files),
		cmocka_unit_test(refuses_a_directory_of_others),
		cmocka_unit_test_setup(stores_nothing_that_it_could_not_read, fresh_dir),
		cmocka_unit_test_setup(holds_many, fresh_dir),
	};

	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
