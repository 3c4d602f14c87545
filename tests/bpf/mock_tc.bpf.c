// SPDX-License-Identifier: GPL-2.0-only
/* The TC programs, but the redirect only tells where it would have gone. */
#include "mock.bpf.h"

static __always_inline long mock_redirect_peer(__u32 ifindex, __u64 flags)
{
	mock_note(ifindex, flags);
	return MOCK_TC_REDIRECT;
}

#define bpf_redirect_peer mock_redirect_peer
#include "../../bpf/fastveth_tc.bpf.c"
