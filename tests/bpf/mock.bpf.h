/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the mocks of the programs note what they were about to do. */
#ifndef FV_TESTS_BPF_MOCK_BPF_H
#define FV_TESTS_BPF_MOCK_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define MOCK_TC_REDIRECT 7

struct mock_target {
	__u64 flags;
	__u32 calls;
	__u32 ifindex;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mock_target);
} mock_target SEC(".maps");

static __always_inline void mock_note(__u32 ifindex, __u64 flags)
{
	__u32 key = 0;
	struct mock_target *t = bpf_map_lookup_elem(&mock_target, &key);

	if (!t)
		return;
	t->flags = flags;
	t->calls++;
	t->ifindex = ifindex;
}

#endif /* FV_TESTS_BPF_MOCK_BPF_H */
