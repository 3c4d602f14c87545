// SPDX-License-Identifier: GPL-2.0-only
/* The model: arrays that grow and shrink, copies, lookups, errors that say where. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/topo.h"

static struct fv_ep *add_ep(struct fv_net *net, const char *name)
{
	struct fv_ep *ep = fv_net_append(net);

	assert_non_null(ep);
	ep->name = strdup(name);
	return ep;
}

static struct fv_net *add_net(struct fv_topo *topo, const char *name)
{
	struct fv_net *net = fv_topo_append(topo);

	assert_non_null(net);
	net->name = strdup(name);
	return net;
}

static void grows_and_shrinks(void **state)
{
	struct fv_net net = { 0 };
	char name[16];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			snprintf(name, sizeof(name), "n%d", i);
			add_ep(&net, name);
		}
		/* From 100 down to numbers around powers of two, then up again. */
		while (net.n_eps > 15U + (unsigned int)round)
			fv_net_remove(&net, 0);
	}
	assert_int_equal(net.n_eps, 17);
	assert_string_equal(net.eps[0].name, "n83");
	assert_string_equal(net.eps[16].name, "n99");
	fv_net_remove(&net, 16);
	fv_net_remove(&net, 1);
	assert_int_equal(net.n_eps, 15);
	assert_string_equal(net.eps[0].name, "n83");
	assert_string_equal(net.eps[1].name, "n85");
	assert_string_equal(net.eps[14].name, "n98");
	fv_net_fini(&net);
	assert_int_equal(net.n_eps, 0);
	fv_net_fini(&net);
}

static void removes_networks(void **state)
{
	struct fv_topo topo = { 0 };

	(void)state;
	add_ep(add_net(&topo, "a"), "x");
	add_ep(add_net(&topo, "b"), "y");
	add_ep(add_net(&topo, "c"), "z");
	fv_topo_remove(&topo, 1);
	assert_int_equal(topo.n_nets, 2);
	assert_string_equal(topo.nets[0].name, "a");
	assert_string_equal(topo.nets[1].eps[0].name, "z");
	fv_topo_fini(&topo);
	assert_int_equal(topo.n_nets, 0);
}

static void copies_deeply(void **state)
{
	struct fv_net net = { .id = 7, .mtu = 1400, .internal = true, .line = 3 }, copy = { 0 };
	struct fv_ep *ep;

	(void)state;
	net.name = strdup("lab");
	net.file = strdup("lab.yaml");
	add_ep(&net, "sidecar")->share = strdup("web");
	ep = add_ep(&net, "web");
	assert_int_equal(fv_target_parse("pid:5", ep, NULL), 0);
	ep->publish = calloc(2, sizeof(*ep->publish));
	ep->n_publish = 2;
	assert_int_equal(fv_publish_parse("8080:80", NULL, &ep->publish[0]), 0);
	assert_int_equal(fv_publish_parse("53:53/udp", NULL, &ep->publish[1]), 0);
	ep->ns_ino = 4026532000;

	assert_int_equal(fv_net_copy(&net, NULL, &copy), 0);
	assert_string_equal(copy.name, "lab");
	assert_ptr_not_equal(copy.name, net.name);
	assert_string_equal(copy.file, "lab.yaml");
	assert_int_equal(copy.id, 7);
	assert_int_equal(copy.line, 3);
	assert_true(copy.internal);
	assert_string_equal(copy.eps[0].share, "web");
	assert_int_equal(copy.eps[1].target, FV_TARGET_PID);
	assert_string_equal(copy.eps[1].target_arg, "5");
	assert_int_equal(copy.eps[1].ns_ino, 4026532000);
	assert_int_equal(copy.eps[1].n_publish, 2);
	assert_ptr_not_equal(copy.eps[1].publish, ep->publish);
	assert_memory_equal(copy.eps[1].publish, ep->publish, 2 * sizeof(*ep->publish));
	fv_net_fini(&net);
	add_ep(&copy, "more");
	assert_string_equal(copy.eps[2].name, "more");
	fv_net_fini(&copy);
}

static void finds_by_name(void **state)
{
	struct fv_topo_index index = { 0 };
	struct fv_topo topo = { 0 };
	struct fv_net *net = NULL;
	char name[16];

	(void)state;
	add_net(&topo, "a");
	add_net(&topo, "b");
	add_net(&topo, "empty");
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		add_ep(&topo.nets[i % 2], name);
	}
	assert_ptr_equal(fv_topo_net(&topo, "b"), &topo.nets[1]);
	assert_null(fv_topo_net(&topo, "c"));
	assert_null(fv_net_ep(&topo.nets[0], "n1"));
	assert_int_equal(fv_topo_index_init(&topo, NULL, &index), 0);
	assert_int_equal(index.n, 50);
	for (int i = 0; i < 50; i++) {
		struct fv_ep *ep = &topo.nets[i % 2].eps[i / 2];

		snprintf(name, sizeof(name), "n%d", i);
		assert_ptr_equal(fv_net_ep(&topo.nets[i % 2], name), ep);
		assert_ptr_equal(fv_topo_ep(&topo, name, &net), ep);
		assert_ptr_equal(net, &topo.nets[i % 2]);
		net = NULL;
		assert_ptr_equal(fv_topo_index_ep(&index, name, &net), ep);
		assert_ptr_equal(net, &topo.nets[i % 2]);
	}
	assert_null(fv_topo_ep(&topo, "n50", NULL));
	assert_null(fv_topo_index_ep(&index, "n50", NULL));
	assert_null(fv_topo_index_ep(&index, "", NULL));
	fv_topo_index_fini(&index);
	fv_topo_fini(&topo);

	assert_int_equal(fv_topo_index_init(&topo, NULL, &index), 0);
	assert_null(fv_topo_index_ep(&index, "n0", NULL));
	fv_topo_index_fini(&index);
}

static void says_where(void **state)
{
	char file[] = "lab.yaml";
	struct fv_net net = { .line = 2, .column = 3 };
	struct fv_ep ep = { .line = 5, .column = 7 };
	struct fv_err err = { 0 };

	(void)state;
	assert_int_equal(fv_topo_err(&net, &ep, &err, -EINVAL, "bad %d", 1), -EINVAL);
	assert_string_equal(err.msg, "5:7: bad 1");
	net.file = file;
	err = (struct fv_err){ 0 };
	fv_topo_err(&net, &ep, &err, -EINVAL, "bad");
	assert_string_equal(err.msg, "lab.yaml:5:7: bad");
	err = (struct fv_err){ 0 };
	fv_topo_err(&net, NULL, &err, -EINVAL, "bad");
	assert_string_equal(err.msg, "lab.yaml:2:3: bad");
	ep.line = 0;
	err = (struct fv_err){ 0 };
	fv_topo_err(&net, &ep, &err, -EINVAL, "bad");
	assert_string_equal(err.msg, "bad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_shrinks), cmocka_unit_test(removes_networks),
		cmocka_unit_test(copies_deeply),     cmocka_unit_test(finds_by_name),
		cmocka_unit_test(says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
