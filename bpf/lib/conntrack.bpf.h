/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is a change of addresses and ports the host's NAT? Conntrack alone knows. Its calls are not there on
 * every kernel, and with nf_conntrack as a module not before that is loaded, so there are two
 * objects: FV_NAT is defined in the one that needs them.
 */
#ifndef FV_BPF_CONNTRACK_H
#define FV_BPF_CONNTRACK_H

#include "nat.bpf.h"

#ifdef FV_NAT

/* By which the user side knows these programs. */
const volatile bool fv_reads_nat SEC(".rodata.nat") = true;

/* The kernel's struct bpf_ct_opts as it was first: its size is what tells the versions apart. */
struct fv_ct_opts {
	__s32 netns_id; /* -1: that of the packet */
	__s32 error;
	__u8 l4proto;
	__u8 dir; /* of the entry's two tuples, the one that was looked for */
	__u8 reserved[2];
};

struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *ctx, struct bpf_sock_tuple *tuple,
				  __u32 tuple_size, struct fv_ct_opts *opts,
				  __u32 opts_size) __ksym;
void bpf_ct_release(struct nf_conn *ct) __ksym;

static __always_inline bool fv_tuple_is(const struct nf_conntrack_tuple *t,
					const struct fv_tuple *packet)
{
	__u32 odd = t->src.u.all ^ packet->sport;

	odd |= t->dst.u.all ^ packet->dport;
	/* The kernel keeps the unused words of an IPv4 address zero, too. */
	for (int i = 0; i < 4; i++) {
		odd |= t->src.u3.all[i] ^ packet->saddr[i];
		odd |= t->dst.u3.all[i] ^ packet->daddr[i];
	}
	return !odd;
}

/*
 * fv_conntrack_agrees - is a packet that came in as @was and goes out as @is says one of a tracked
 * connection that does just this to it? Conntrack knows a connection by two tuples: of packets as they
 * come in, each way. What goes out is the reverse of the one, what came in must be the other. Returns
 * FV_NAT_FORTH or FV_NAT_BACK, 0 where it does not.
 */
static __always_inline __u8 fv_conntrack_agrees(struct __sk_buff *ctx, __u8 family, __u8 proto,
						const struct fv_tuple *was,
						const struct fv_flow *is)
{
	struct fv_ct_opts opts = { .netns_id = -1, .l4proto = proto };
	struct bpf_sock_tuple back = {};
	struct nf_conn *ct;
	bool agrees;

	if (!fv_reads_nat || (proto != IPPROTO_TCP && proto != IPPROTO_UDP))
		return 0;
	if (family == 4) {
		back.ipv4.saddr = is->daddr[0];
		back.ipv4.daddr = is->saddr[0];
		back.ipv4.sport = is->dport;
		back.ipv4.dport = is->sport;
		ct = bpf_skb_ct_lookup(ctx, &back, sizeof(back.ipv4), &opts, sizeof(opts));
	} else {
		__builtin_memcpy(back.ipv6.saddr, is->daddr, 16);
		__builtin_memcpy(back.ipv6.daddr, is->saddr, 16);
		back.ipv6.sport = is->dport;
		back.ipv6.dport = is->sport;
		ct = bpf_skb_ct_lookup(ctx, &back, sizeof(back.ipv6), &opts, sizeof(opts));
	}
	if (!ct)
		return 0;
	agrees = opts.dir ? fv_tuple_is(&ct->tuplehash[0].tuple, was)
			  : fv_tuple_is(&ct->tuplehash[1].tuple, was);
	bpf_ct_release(ct);
	return !agrees ? 0 : opts.dir ? FV_NAT_FORTH : FV_NAT_BACK;
}

#else

/* Nothing that has been changed is taken for NAT. */
#define fv_conntrack_agrees(ctx, family, proto, was, is)                                           \
	((void)(ctx), (void)(family), (void)(proto), (void)(was), (void)(is), 0)

#endif /* FV_NAT */

#endif /* FV_BPF_CONNTRACK_H */
