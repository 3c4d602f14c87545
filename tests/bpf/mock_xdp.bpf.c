// SPDX-License-Identifier: GPL-2.0-only
/* The XDP program, but the redirect only tells where it would have gone. */
#include "mock.bpf.h"

/* As the kernel: by what the map has under the key, and what the flags say where it has nothing. */
static __always_inline long mock_redirect_map(void *map, __u64 key, __u64 flags)
{
	__u32 k = key, *ifindex = bpf_map_lookup_elem(map, &k);

	if (!ifindex)
		return flags;
	mock_note(*ifindex, flags);
	return XDP_REDIRECT;
}

#define bpf_redirect_map mock_redirect_map
#include "../../bpf/fastveth_xdp.bpf.c"
