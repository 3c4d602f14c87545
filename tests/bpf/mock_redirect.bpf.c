// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs with another redirect: a test run does not show where a packet would
 * have gone, so this one takes notes.
 */
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

static __always_inline long mock_redirect_peer(__u32 ifindex, __u64 flags)
{
	mock_note(ifindex, flags);
	return MOCK_TC_REDIRECT;
}

/* As the kernel: by what the map has under the key, and what the flags say where it has nothing. */
static __always_inline long mock_redirect_map(void *map, __u64 key, __u64 flags)
{
	__u32 k = key, *ifindex = bpf_map_lookup_elem(map, &k);

	if (!ifindex)
		return flags;
	mock_note(*ifindex, flags);
	return XDP_REDIRECT;
}

#define bpf_redirect_peer mock_redirect_peer
#include "../../bpf/fastveth_tc.bpf.c"

#define bpf_redirect_map mock_redirect_map
#define _license mock_license
#include "../../bpf/fastveth_xdp.bpf.c"
