/* SPDX-License-Identifier: GPL-2.0-only */
/* Which flow a packet is of, and which one is its way back. */
#ifndef FV_BPF_KEY_H
#define FV_BPF_KEY_H

#include "parse.bpf.h"

static __always_inline void fv_flow4_key_of(__u32 iif, const struct fv_packet *p,
					    const struct iphdr *ip, struct fv_flow4_key *ret)
{
	ret->iif = iif;
	ret->saddr = ip->saddr;
	ret->daddr = ip->daddr;
	ret->sport = p->sport;
	ret->dport = p->dport;
	ret->proto = p->proto;
}

static __always_inline void fv_flow6_key_of(__u32 iif, const struct fv_packet *p,
					    const struct ipv6hdr *ip, struct fv_flow6_key *ret)
{
	ret->iif = iif;
	__builtin_memcpy(ret->saddr, &ip->saddr, 16);
	__builtin_memcpy(ret->daddr, &ip->daddr, 16);
	ret->sport = p->sport;
	ret->dport = p->dport;
	ret->proto = p->proto;
}

/* The key of what comes back, by the key of a flow and where that leads. */
static __always_inline void fv_flow4_back(const struct fv_flow4_key *key,
					  const struct fv_flow *flow, struct fv_flow4_key *back)
{
	back->proto = key->proto;
	back->iif = flow->oif;
	back->saddr = flow->nat ? flow->daddr[0] : key->daddr;
	back->daddr = flow->nat ? flow->saddr[0] : key->saddr;
	back->sport = flow->nat ? flow->dport : key->dport;
	back->dport = flow->nat ? flow->sport : key->sport;
}

static __always_inline void fv_flow6_back(const struct fv_flow6_key *key,
					  const struct fv_flow *flow, struct fv_flow6_key *back)
{
	back->proto = key->proto;
	back->iif = flow->oif;
	__builtin_memcpy(back->saddr, flow->nat ? flow->daddr : key->daddr, 16);
	__builtin_memcpy(back->daddr, flow->nat ? flow->saddr : key->saddr, 16);
	back->sport = flow->nat ? flow->dport : key->dport;
	back->dport = flow->nat ? flow->sport : key->sport;
}

/*
 * Both directions: what opens and closes a connection, and the acknowledgements between, the host sees
 * as if we were not there.
 */
static __always_inline void fv_flow4_forget(const struct fv_flow4_key *key)
{
	const struct fv_flow *flow = bpf_map_lookup_elem(&fv_flows4, key);
	struct fv_flow4_key back = {};

	if (!flow)
		return;
	fv_flow4_back(key, flow, &back);
	bpf_map_delete_elem(&fv_flows4, &back);
	bpf_map_delete_elem(&fv_flows4, key);
}

static __always_inline void fv_flow6_forget(const struct fv_flow6_key *key)
{
	const struct fv_flow *flow = bpf_map_lookup_elem(&fv_flows6, key);
	struct fv_flow6_key back = {};

	if (!flow)
		return;
	fv_flow6_back(key, flow, &back);
	bpf_map_delete_elem(&fv_flows6, &back);
	bpf_map_delete_elem(&fv_flows6, key);
}

#endif /* FV_BPF_KEY_H */
