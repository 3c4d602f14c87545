// SPDX-License-Identifier: GPL-2.0-only
/* Uplinks: the words that choose them, how they are kept, and which devices can be one. */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/state.h"
#include "guest.h"
#include "run.h"
#include "unit/tmp.h"

#define FILE_PATH "run/state.json"

/* It is beside main(), which no test has. */
int cli_options(struct cli *cli, int argc, char **argv, const struct option *own,
		int (*set)(int val, const char *arg, void *data), void *data, int min, int max)
{
	(void)cli, (void)argc, (void)argv, (void)own, (void)set, (void)data, (void)min, (void)max;
	return -1;
}

/* ---- words ---- */

static bool take(struct uplink_words *words, const char *const said[4])
{
	bool right = true;

	for (size_t k = 0; k < 4 && said[k]; k++)
		right = right && uplink_word(words, said[k]);
	return right;
}

static void takes_devices_or_one_word(void **state)
{
	static const struct {
		const char *words[4];
		bool none;
		size_t n;
	} rows[] = {
		{ { "eth0" }, false, 1 },
		{ { "eth0", "eth1", "eth2" }, false, 3 },
		{ { "none" }, true, 0 },
		{ { "auto" }, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		struct uplink_words words = {};

		assert_false(words.choice.said);
		assert_true(take(&words, rows[i].words));
		assert_true(words.choice.said);
		assert_int_equal(words.choice.none, rows[i].none);
		assert_int_equal(words.choice.n, rows[i].n);
		for (size_t k = 0; k < rows[i].n; k++)
			assert_string_equal(words.choice.names[k], rows[i].words[k]);
	}
}

static void takes_no_mixes(void **state)
{
	static const char *const rows[][4] = {
		{ "" },
		{ "none", "eth0" },
		{ "eth0", "none" },
		{ "auto", "eth0" },
		{ "eth0", "auto" },
		{ "none", "auto" },
		{ "auto", "none" },
		{ "none", "none" },
		{ "auto", "auto" },
		{ "eth0", "" },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		struct uplink_words words = {};

		assert_false(take(&words, rows[i]));
	}
}

static void takes_not_more_than_it_has_room_for(void **state)
{
	struct uplink_words words = {};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(words.names); i++)
		assert_true(uplink_word(&words, "eth0"));
	assert_false(uplink_word(&words, "eth0"));
	assert_int_equal(words.choice.n, FV_ARRAY_SIZE(words.names));
}

/* ---- in the state file ---- */

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

static void expect_kept(const char *const *names, size_t n, bool none)
{
	struct fv_state in = {}, out = {};
	struct fv_err err = {};

	assert_int_equal(fv_state_attach(&in, "bridge:br0", 0, false, &err), 0);
	assert_int_equal(fv_state_set_uplinks(&in, names, n, none, &err), 0);
	assert_int_equal(fv_state_store(&in, &err), 0);
	if (fv_state_load(&err, &out))
		fail_msg("%s", err.msg);
	assert_int_equal(out.n_uplinks, n);
	assert_int_equal(out.no_uplinks, none);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(out.uplinks[i], names[i]);
	fv_state_fini(&in);
	fv_state_fini(&out);
}

static void are_kept(void **state)
{
	static const char *const names[] = { "eth0", "bond0.17", "0123456789abcde" };

	(void)state;
	expect_kept(names, 3, false);
	expect_kept(names, 1, false);
	expect_kept(NULL, 0, true);
	expect_kept(NULL, 0, false);
}

/* What is chosen anew takes the place of what was. */
static void are_replaced(void **state)
{
	static const char *const two[] = { "eth0", "eth1" }, *const one[] = { "eth2" };
	struct fv_state st = {};

	(void)state;
	assert_int_equal(fv_state_set_uplinks(&st, two, 2, false, NULL), 0);
	assert_int_equal(fv_state_set_uplinks(&st, one, 1, false, NULL), 0);
	assert_int_equal(st.n_uplinks, 1);
	assert_string_equal(st.uplinks[0], "eth2");
	assert_int_equal(fv_state_set_uplinks(&st, NULL, 0, true, NULL), 0);
	assert_int_equal(st.n_uplinks, 0);
	assert_true(st.no_uplinks);
	assert_int_equal(fv_state_set_uplinks(&st, NULL, 0, false, NULL), 0);
	assert_false(st.no_uplinks);
	fv_state_fini(&st);
}

static void are_refused_where_damaged(void **state)
{
	static const char *const damaged[] = {
		"\"uplinks\":[7]",
		"\"uplinks\":[null]",
		"\"uplinks\":[\"\"]",
		"\"uplinks\":[\"eth0\",\"a/b\"]",
		"\"uplinks\":[\"a name that is too long\"]",
		"\"uplinks\":[\"..\"]",
		"\"uplinks\":\"eth0\"",
		"\"uplinks\":{\"eth0\":1}",
		"\"uplinks\":[\"eth0\"],\"no_uplinks\":true",
		"\"uplinks\":[],\"no_uplinks\":\"yes\"",
	};
	static const char *const names[] = { "eth0" };
	FV_AUTO_FREE char *text = NULL;
	struct fv_state st = {};
	char *at, *end;

	(void)state;
	assert_int_equal(fv_state_set_uplinks(&st, names, 1, false, NULL), 0);
	assert_int_equal(fv_state_attach(&st, "bridge:br0", 0, false, NULL), 0);
	assert_int_equal(fv_state_store(&st, NULL), 0);
	fv_state_fini(&st);
	text = tmp_read(FILE_PATH);
	at = strstr(text, "\"uplinks\"");
	assert_non_null(at);
	end = strchr(at, ']') + 1;
	for (size_t i = 0; i < FV_ARRAY_SIZE(damaged); i++) {
		FV_AUTO_FREE char *bad = NULL;
		struct fv_err err = {};
		int n = asprintf(&bad, "%.*s%s%s", (int)(at - text), text, damaged[i], end);

		assert_true(n > 0);
		tmp_write(FILE_PATH, bad, (size_t)n);
		if (fv_state_load(&err, &st) != -EINVAL)
			fail_msg("taken: %s", damaged[i]);
		assert_non_null(strstr(err.msg, "state.json"));
	}
}

/* ---- which devices ---- */

enum { LO = 1, ETH0, ETH1, WG0, BR0, VETH, FV_WEB, ETH2, N_LINKS = ETH2 };

/* A host of these, sorted by index; by name they are so by chance of this order. */
static struct fv_link links[N_LINKS] = {
	{ .ifindex = LO, .name = "lo", .type = ARPHRD_LOOPBACK, .loopback = true },
	{ .ifindex = ETH0, .name = "eth0", .type = ARPHRD_ETHER },
	{ .ifindex = ETH1, .name = "eth1", .type = ARPHRD_ETHER },
	{ .ifindex = WG0, .name = "wg0", .type = ARPHRD_NONE },
	{ .ifindex = BR0, .name = "br0", .type = ARPHRD_ETHER, .kind = "bridge" },
	{ .ifindex = VETH, .name = "veth", .type = ARPHRD_ETHER, .master = BR0 },
	{ .ifindex = FV_WEB, .name = "fv-web", .type = ARPHRD_ETHER, .alias = "fastveth:lab/web" },
	{ .ifindex = ETH2, .name = "eth2", .type = ARPHRD_ETHER },
};
static size_t by_name[N_LINKS] = { 4, 1, 2, 7, 6, 0, 5, 3 };

/* With port veth of bridge br0 attached. */
static struct fv_run *host(void)
{
	static struct fv_dp_endpoint attached, was;
	static struct fv_run run;

	attached = (struct fv_dp_endpoint){ .ifindex = VETH, .attached = true, .master = BR0 };
	run = (struct fv_run){
		.host = { .links = links, .n_links = N_LINKS, .by_name = by_name },
		.attached = &attached,
		.n_attached = 1,
		.was_attached = &was, /* so that the kernel is not asked */
	};
	return &run;
}

static void expect_found(struct fv_run *run, const char *names, const char *left_out)
{
	FV_CLEANUP(fv_uplinks_fini) struct fv_uplinks found = {};
	const struct fv_topo none = {};
	struct fv_err err = {};
	char got[128] = "";

	if (fv_uplinks_find(run, &none, &err, &found))
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < found.n; i++) {
		strcat(got, *got ? " " : "");
		strcat(got, found.u[i].link->name);
	}
	assert_string_equal(got, names);
	assert_string_equal(found.left_out ?: "", left_out);
}

static void expect_of_routes(const struct fv_route *routes, size_t n, const char *names,
			     const char *left_out)
{
	struct fv_run *run = host();

	run->host.routes = (struct fv_route *)routes;
	run->host.n_routes = n;
	expect_found(run, names, left_out);
}

#define TO(family_, type_, table_) .dst.ip.family = family_, .type = type_, .table = table_
#define DEFAULT TO(AF_INET, RTN_UNICAST, FV_ROUTE_MAIN)

static void are_those_of_default_routes(void **state)
{
	static const struct fv_route one[] = { { DEFAULT, .oif = ETH0 } };
	static const struct fv_route both[] = {
		{ DEFAULT, .oif = ETH1, .metric = 100 },
		{ DEFAULT, .oif = ETH0 },
		{ TO(AF_INET6, RTN_UNICAST, FV_ROUTE_MAIN), .oif = ETH0 },
	};
	static const struct fv_route hops[] = { { DEFAULT, .hops = { ETH1, ETH0, ETH1 } } };
	static const struct fv_route others[] = {
		{ TO(AF_INET, RTN_UNICAST, 100), .oif = ETH0 },
		{ TO(AF_INET, RTN_UNREACHABLE, FV_ROUTE_MAIN), .oif = ETH0 },
		{ DEFAULT, .oif = ETH0, .dst.len = 8, .dst.ip.b = { 10 } },
		{ DEFAULT, .oif = 77 },
		{ DEFAULT },
	};

	(void)state;
	expect_of_routes(NULL, 0, "", "");
	expect_of_routes(one, 1, "eth0", "");
	expect_of_routes(both, 3, "eth1 eth0", "");
	expect_of_routes(hops, 1, "eth1 eth0", "");
	expect_of_routes(others, 5, "", "");
}

static void are_left_out_where_they_cannot_be(void **state)
{
	static const struct fv_route routes[] = {
		{ DEFAULT, .oif = LO },	    { DEFAULT, .oif = WG0 },  { DEFAULT, .oif = BR0 },
		{ DEFAULT, .oif = FV_WEB }, { DEFAULT, .oif = VETH }, { DEFAULT, .oif = ETH0 },
	};

	(void)state;
	expect_of_routes(
		routes, 6, "eth0",
		"what leaves by lo stays slow: it is a loopback\n"
		"what leaves by wg0 stays slow: its frames have no Ethernet header\n"
		"what leaves by br0 stays slow: it is attached itself\n"
		"what leaves by fv-web stays slow: it is the port of one of fastveth's endpoints\n"
		"what leaves by veth stays slow: it is attached itself");
}

static void are_those_that_were_named(void **state)
{
	static const struct fv_route route = { DEFAULT, .oif = ETH0 };
	const char *names[] = { "eth2", "eth9", "wg0", "eth1", "eth2" };
	struct fv_run *run = host();

	(void)state;
	run->host.routes = (struct fv_route *)&route;
	run->host.n_routes = 1;
	run->state.uplinks = (char **)names;
	run->state.n_uplinks = 5;
	expect_found(run, "eth2 eth1",
		     "uplink eth9: its device is gone\n"
		     "what leaves by wg0 stays slow: its frames have no Ethernet header");
	run->state.n_uplinks = 0;
	run->state.no_uplinks = true;
	expect_found(run, "", "");
}

static void are_none_without_anything_that_leads_out(void **state)
{
	static const struct fv_route route = { DEFAULT, .oif = ETH0 };
	struct fv_dp_endpoint uplink = { .ifindex = ETH0, .attached = true, .uplink = true };
	struct fv_ep ep = {};
	struct fv_net net = { .eps = &ep };
	const struct fv_topo topo = { .nets = &net, .n_nets = 1 };
	struct fv_run *run = host();

	(void)state;
	run->host.routes = (struct fv_route *)&route;
	run->host.n_routes = 1;
	/* An uplink alone is no reason for uplinks. */
	run->attached = &uplink;
	expect_found(run, "", "");
	for (int internal = 0; internal < 2; internal++) {
		for (size_t n = 0; n < 2; n++) {
			FV_CLEANUP(fv_uplinks_fini) struct fv_uplinks found = {};

			net.internal = internal;
			net.n_eps = n;
			assert_int_equal(fv_uplinks_find(run, &topo, NULL, &found), 0);
			assert_int_equal(found.n, !internal && n);
		}
	}
}

static void are_refused_by_name(void **state)
{
	static const struct {
		const char *name, *why;
		int code;
	} rows[] = {
		{ "lo", "uplink \"lo\": it is a loopback", -EINVAL },
		{ "wg0", "uplink \"wg0\": its frames have no Ethernet header", -EINVAL },
		{ "fv-web", "it is the port of one of fastveth's endpoints", -EINVAL },
		{ "veth", "uplink \"veth\": it is attached itself", -EINVAL },
		{ "br0", "uplink \"br0\": it is attached itself", -EINVAL },
		{ "eth9", "uplink \"eth9\": there is no device of that name", -ENODEV },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(rows); i++) {
		const char *const names[] = { "eth0", rows[i].name };
		const struct fv_uplink_choice choice = { .said = true, .names = names, .n = 2 };
		struct fv_run *run = host();
		struct fv_err err = {};

		assert_int_equal(fv_run_set_uplinks(run, &choice, &err), rows[i].code);
		assert_non_null(strstr(err.msg, rows[i].why));
		assert_non_null(
			strstr(err.msg, "name a device that leads out of the host, or none"));
		assert_int_equal(run->state.n_uplinks, 0);
		assert_false(run->rechosen);
	}
}

/* A bridge is attached by its name also while it has no ports. */
static void is_no_bridge_that_is_a_target(void **state)
{
	static const struct fv_route route = { DEFAULT, .oif = BR0 };
	char target[] = "bridge:br0";
	struct fv_attached_to to = { .target = target };
	struct fv_run *run = host();

	(void)state;
	run->host.routes = (struct fv_route *)&route;
	run->host.n_routes = 1;
	run->attached->ifindex = ETH1;
	run->attached->master = 0;
	expect_found(run, "br0", "");
	run->state.attached = &to;
	run->state.n_attached = 1;
	expect_found(run, "", "what leaves by br0 stays slow: it is attached itself");
}

/* Attached or not: what a bridge floods comes out of every port. */
static void is_no_port_of_a_bridge(void **state)
{
	static const struct fv_route route = { DEFAULT, .oif = VETH };
	struct fv_run *run = host();

	(void)state;
	run->host.routes = (struct fv_route *)&route;
	run->host.n_routes = 1;
	run->attached->ifindex = ETH1;
	run->attached->master = 0;
	expect_found(run, "", "what leaves by veth stays slow: it is a port of a bridge");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_devices_or_one_word),
		cmocka_unit_test(takes_no_mixes),
		cmocka_unit_test(takes_not_more_than_it_has_room_for),
		cmocka_unit_test_setup(are_kept, fresh_dir),
		cmocka_unit_test(are_replaced),
		cmocka_unit_test_setup(are_refused_where_damaged, fresh_dir),
		cmocka_unit_test(are_those_of_default_routes),
		cmocka_unit_test(are_left_out_where_they_cannot_be),
		cmocka_unit_test(are_those_that_were_named),
		cmocka_unit_test(are_none_without_anything_that_leads_out),
		cmocka_unit_test(are_refused_by_name),
		cmocka_unit_test(is_no_bridge_that_is_a_target),
		cmocka_unit_test(is_no_port_of_a_bridge),
	};

	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
