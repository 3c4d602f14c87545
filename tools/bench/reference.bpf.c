// SPDX-License-Identifier: GPL-2.0-only
/*
 * A yardstick for tools/bench/check: what a program costs is given in units of
 * this one, measured in the same run. Nanoseconds are those of a machine; how
 * many times the work of another program a program does is nearly not. So it does
 * what ours do: reads headers, looks up a flow in hash tables, counts per CPU.
 * It never changes: with it, every limit in budget.json would.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "consts.bpf.h"

#define LOOKUPS 8
#define NEXT (-1)

struct flow {
	__be32 from, to;
	__be16 from_port, to_port;
	__u32 turn;
};

struct entry {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, struct entry);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct entry);
} counters SEC(".maps");

SEC("tc")
int reference(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	struct flow flow = {};
	struct entry *counter;
	__u32 zero = 0;

	if ((void *)(udp + 1) > end || eth->h_proto != __builtin_bswap16(FV_ETH_P_IP) ||
	    ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return NEXT;
	flow.from = ip->saddr;
	flow.to = ip->daddr;
	flow.from_port = udp->source;
	flow.to_port = udp->dest;
#pragma unroll
	for (int i = 0; i < LOOKUPS; i++) {
		struct entry *entry;

		flow.turn = i;
		entry = bpf_map_lookup_elem(&flows, &flow);
		if (!entry) {
			struct entry first = {};

			bpf_map_update_elem(&flows, &flow, &first, BPF_ANY);
			continue;
		}
		entry->packets++;
		entry->bytes += skb->len;
	}
	counter = bpf_map_lookup_elem(&counters, &zero);
	if (counter) {
		counter->packets++;
		counter->bytes += skb->len;
	}
	return NEXT;
}

char LICENSE[] SEC("license") = "GPL";
