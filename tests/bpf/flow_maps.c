// SPDX-License-Identifier: GPL-2.0-only
/* What the maps have of flows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

/* Both keys are words: port, addresses, two ports in one, protocol. Returns the map. */
int flow_key(enum who from, const struct frame *f, __u32 key[16])
{
	const uint8_t *ip = f->b + ETH_SIZE;
	bool is4 = get16(f->b + 12) == 0x0800;
	const uint8_t *l4 = ip + (is4 ? IP4_SIZE : IP6_SIZE);
	__u32 proto = is4 ? ip[9] : ip[6];
	size_t n = is4 ? 2 : 8;
	uint8_t *ports = (uint8_t *)&key[1 + n];

	key[0] = bed[from].dp.ifindex;
	memcpy(&key[1], is4 ? ip + 12 : ip + 8, n * 4);
	if (proto == 6 || proto == 17) {
		memcpy(ports, l4, 4);
	} else {
		memcpy(ports, l4 + 4, 2);
		ports[2] = l4[0];
	}
	key[2 + n] = proto;
	return bed_dp->maps.fd[is4 ? FV_MAP_FLOWS4 : FV_MAP_FLOWS6];
}

bool flow_get(enum who from, const struct frame *f, struct fv_flow *ret)
{
	__u32 key[16] = {};

	return !bpf_map_lookup_elem(flow_key(from, f, key), key, ret);
}

static size_t entries(int fd)
{
	char a[64], b[64], *prev = NULL, *next = a;
	size_t n = 0;

	while (!bpf_map_get_next_key(fd, prev, next)) {
		prev = next;
		next = next == a ? b : a;
		n++;
	}
	return n;
}

size_t flow_count(void)
{
	return entries(bed_dp->maps.fd[FV_MAP_FLOWS4]) + entries(bed_dp->maps.fd[FV_MAP_FLOWS6]);
}

/* Each place was taken so many ticks after now, by a flow that no test has. */
static void set_tries(int16_t ticks)
{
	const __u32 try = 0xdeadU << 16 | (uint16_t)(flow_now() + (uint64_t)ticks);
	const size_t each = (sizeof(struct fv_noted) + 7) / 8 * 8;
	uint8_t *all = malloc(each * (size_t)libbpf_num_possible_cpus());
	int fd = bed_dp->maps.fd[FV_MAP_NOTED];

	assert_non_null(all);
	for (__u32 set = 0; set < FV_TRY_SETS; set++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &set, all), 0);
		for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
			struct fv_noted *noted = (struct fv_noted *)(all + (size_t)cpu * each);

			for (size_t i = 0; i < FV_TRIES; i++)
				noted->tried[i] = try;
		}
		assert_int_equal(bpf_map_update_elem(fd, &set, all, BPF_ANY), 0);
	}
	free(all);
}

void flow_crowd_tries(void)
{
	set_tries(-1);
}

void flow_forget_tries(void)
{
	set_tries(-1000);
}
