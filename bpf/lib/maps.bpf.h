/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of the datapath and their lookups. Layouts are in fastveth/abi.h;
 * max_entries of the arrays are set by the loader (powers of two), the masks with them.
 *
 * What a lookup costs decides what the datapath costs: arrays are inlined by
 * the verifier, a hash is a call of 40 to 60 ns, so hashes hold only what did not
 * fit its place in an array.
 */
#ifndef FV_BPF_MAPS_H
#define FV_BPF_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "consts.bpf.h"
#include "fastveth/abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fv_port);
} fv_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fv_port);
} fv_ports_x SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fv_endpoint);
} fv_endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct fv_endpoint_key);
	__type(value, struct fv_endpoint);
} fv_endpoints_x SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct fv_subnet_key);
	__type(value, __u32);
} fv_subnets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fv_counters);
} fv_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fv_reasons);
} fv_reasons SEC(".maps");

/* No program touches it; declared here so that it is made with the others. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fv_carried);
} fv_carried SEC(".maps");

/*
 * ifindex -> ifindex of every port. The kernel itself removes an entry when its device goes, and
 * an entry is bound to the device, not to its number: what makes a redirect
 * target trustworthy although ifindexes are used again. Not a DEVMAP: that can
 * belong to programs of one type only.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} fv_live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct fv_flow4_key);
	__type(value, struct fv_flow);
} fv_flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct fv_flow6_key);
	__type(value, struct fv_flow);
} fv_flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fv_note);
} fv_notes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FV_TRY_SETS);
	__type(key, __u32);
	__type(value, struct fv_noted);
} fv_noted SEC(".maps");

const volatile __u32 fv_port_mask;     /* entries of fv_ports - 1 */
const volatile __u32 fv_endpoint_mask; /* entries of fv_endpoints - 1 */
const volatile __u32 fv_note_mask;     /* entries of fv_notes for each CPU - 1; 0: no flows */
const volatile __u32 fv_hz = 100;      /* ticks a second */

static __always_inline struct fv_port *fv_port_find(__u32 ifindex)
{
	__u32 i = ifindex & fv_port_mask;
	struct fv_port *port = bpf_map_lookup_elem(&fv_ports, &i);

	if (likely(port && port->ifindex == ifindex))
		return port;
	/* Also where the place is free: it is so for a moment while its entry is replaced. */
	return bpf_map_lookup_elem(&fv_ports_x, &ifindex);
}

/* One comparison instead of five: a branch costs more here than arithmetic. */
static __always_inline bool fv_endpoint_is(const struct fv_endpoint *ep, __u32 network,
					   const __be32 addr[4])
{
	const __u64 *a = (const __u64 *)ep->addr, *b = (const __u64 *)addr;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (ep->network ^ network));
}

/*
 * fv_endpoint_find - who has this address in the port's network.
 * @index: where it would be in fv_endpoints (not yet masked), see fv_port.base4
 */
static __always_inline struct fv_endpoint *fv_endpoint_find(const struct fv_port *port,
							    const __be32 addr[4], __u32 index)
{
	struct fv_endpoint *ep;

	index &= fv_endpoint_mask;
	ep = bpf_map_lookup_elem(&fv_endpoints, &index);
	if (likely(ep && fv_endpoint_is(ep, port->network, addr)))
		return ep;
	if (port->flags & FV_PORT_OVERFLOW) {
		struct fv_endpoint_key key = {
			.addr = { addr[0], addr[1], addr[2], addr[3] },
			.network = port->network,
		};

		return bpf_map_lookup_elem(&fv_endpoints_x, &key);
	}
	return NULL;
}

/* fv_other_network - does the address belong to an own network other than this one? */
static __always_inline bool fv_other_network(const __be32 addr[4], __u32 network)
{
	struct fv_subnet_key key = {
		.prefixlen = 128,
		.addr = { addr[0], addr[1], addr[2], addr[3] },
	};
	__u32 *owner = bpf_map_lookup_elem(&fv_subnets, &key);

	return owner && *owner && *owner != network;
}

#endif /* FV_BPF_MAPS_H */
