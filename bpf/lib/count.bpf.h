/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting. fv_counters is per CPU and the programs run with bottom halves
 * disabled, so nothing else on the CPU can add at the same time and no atomic is needed.
 * fv_reasons is shared between CPUs (only packets that are slow anyway pay for it).
 */
#ifndef FV_BPF_COUNT_H
#define FV_BPF_COUNT_H

#include "maps.bpf.h"

static __always_inline void fv_count_tx_other(__u32 slot, __u32 bytes)
{
	struct fv_counters *c = bpf_map_lookup_elem(&fv_counters, &slot);

	if (c) {
		c->tx_other_packets++;
		c->tx_other_bytes += bytes;
	}
}

static __always_inline void fv_count_rx_other(__u32 slot, __u32 bytes)
{
	struct fv_counters *c = bpf_map_lookup_elem(&fv_counters, &slot);

	if (c) {
		c->rx_other_packets++;
		c->rx_other_bytes += bytes;
	}
}

static __always_inline void fv_count_shortcut(__u32 from, __u32 to, __u32 bytes)
{
	struct fv_counters *c = bpf_map_lookup_elem(&fv_counters, &from);

	if (c) {
		c->tx_shortcut_packets++;
		c->tx_shortcut_bytes += bytes;
	}
	c = bpf_map_lookup_elem(&fv_counters, &to);
	if (c) {
		c->rx_shortcut_packets++;
		c->rx_shortcut_bytes += bytes;
	}
}

static __always_inline void fv_count_slow(__u32 slot, enum fv_slow why)
{
	struct fv_reasons *r = bpf_map_lookup_elem(&fv_reasons, &slot);

	if (r && why < FV_SLOW_COUNT)
		__sync_fetch_and_add(&r->slow[why], 1);
}

static __always_inline void fv_count_drop(__u32 slot, enum fv_drop why)
{
	struct fv_reasons *r = bpf_map_lookup_elem(&fv_reasons, &slot);

	if (r && why < FV_DROP_COUNT)
		__sync_fetch_and_add(&r->drop[why], 1);
}

#endif /* FV_BPF_COUNT_H */
