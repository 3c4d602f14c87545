// SPDX-License-Identifier: GPL-2.0-only
/* Ports of others in a set of maps that was made without room for flows: slow, and no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

static struct frame f, carried;

/* What the programs have written into a map: any byte that is not zero. */
static bool written(enum fv_map map)
{
	/* Per CPU, values are of multiples of eight bytes. */
	size_t size =
		(sizeof(struct fv_noted) + 8) * libbpf_num_possible_cpus() + sizeof(struct fv_note);
	char *value = calloc(1, size);
	bool found = false;
	__u32 key = 0;

	assert_non_null(value);
	assert_int_equal(bpf_map_lookup_elem(bed_dp->maps.fd[map], &key, value), 0);
	for (size_t i = 0; i < size; i++)
		found |= value[i] != 0;
	free(value);
	return found;
}

static void packets_go_the_hosts_way_and_nothing_is_written(void **state)
{
	(void)state;
	for (int i = 0; i < N_KINDS; i++) {
		struct flow flow = flow_kind(i);

		flow_frame(&flow, &f);
		flow_carry(&flow, &f, &carried);
		for (int n = 0; n < 3; n++) {
			UNNOTED(WEB, &f, DECLINED);
			ARRIVES(DB, &carried, 1, flow_came_by(&flow));
		}
	}
	assert_int_equal(flow_count(), 0);
	assert_false(written(FV_MAP_NOTES));
	assert_false(written(FV_MAP_NOTED));
}

#define TEST(name) cmocka_unit_test_setup(name, flow_reset)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(packets_go_the_hosts_way_and_nothing_is_written),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, flow_open_without, flow_close);
}
