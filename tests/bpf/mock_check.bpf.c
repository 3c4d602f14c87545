// SPDX-License-Identifier: GPL-2.0-only
/* What fv_check_by_diff makes of every checksum: one more with each run. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "nat.bpf.h"

/* Written by the test. */
volatile __u32 mock_diff, mock_next;
/* Read by it. */
__u16 mock_checks[0x10000];

SEC("tc")
int mock_check(struct __sk_buff *ctx)
{
	__u32 check = mock_next++ & 0xffff;

	(void)ctx;
	mock_checks[check] = fv_check_by_diff(check, mock_diff);
	return 0;
}

char _license[] SEC("license") = "GPL";
