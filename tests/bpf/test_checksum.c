// SPDX-License-Identifier: GPL-2.0-only
/* Checksums that are changed by a difference are those that would have been summed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/bed.h"
#include "mock_check.skel.h"

static struct mock_check *mock;

static int load(void **state)
{
	struct bpf_map *map;

	(void)state;
	mock = mock_check__open();
	assert_non_null(mock);
	/* Those of the datapath have no sizes here, and are not looked at. */
	bpf_object__for_each_map(map, mock->obj) if (!bpf_map__is_internal(map))
		assert_int_equal(bpf_map__set_autocreate(map, false), 0);
	assert_int_equal(mock_check__load(mock), 0);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	mock_check__destroy(mock);
	return 0;
}

/* Of a packet that had nothing but what the checksum is of, and has these two words more now. */
static unsigned int summed_up(unsigned int check, uint32_t diff)
{
	uint32_t sum = 0xffff - check + (diff & 0xffff) + (diff >> 16);

	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return 0xffff - sum;
}

static void one_difference(uint32_t diff)
{
	const char frame[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 0x10000);

	mock->bss->mock_diff = diff;
	mock->bss->mock_next = 0;
	memset(mock->bss->mock_checks, 0x55, sizeof(mock->bss->mock_checks));
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(mock->progs.mock_check), &opts), 0);
	assert_int_equal(mock->bss->mock_next, 0x10000);
	for (unsigned int check = 0; check < 0x10000; check++)
		if (mock->bss->mock_checks[check] != summed_up(check, diff))
			fail_msg("%#x by %#x is %#x, not %#x", check, diff,
				 mock->bss->mock_checks[check], summed_up(check, diff));
}

static void every_checksum_by_many_differences(void **state)
{
	static const uint32_t edges[] = { 0,	      1,	  0x7fff,     0x8000,
					  0xfffe,     0xffff,	  0x10000,    0x1ffff,
					  0xfffe0000, 0xfffeffff, 0xffff0000, 0xffff0001,
					  0xfffffffe, 0xffffffff };
	uint32_t random = 0x5eed;

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(edges); i++)
		one_difference(edges[i]);
	for (int i = 0; i < 100; i++) {
		random ^= random << 13;
		random ^= random >> 17;
		random ^= random << 5;
		one_difference(random);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_checksum_by_many_differences),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, load, unload);
}
