// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TC programs of a port (tcx, or clsact in direct-action mode). What is
 * not ours continues: TCX_NEXT, which is TC_ACT_UNSPEC to clsact, never TC_ACT_OK, so
 * that the programs behind ours still run.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "count.bpf.h"
#include "decide.bpf.h"
#include "flow.bpf.h"

#define FV_NEXT (-1)
#define FV_SHOT 2

static __always_inline int from_attached(struct __sk_buff *ctx, struct fv_frame *f,
					 const struct fv_port *port)
{
	struct fv_port *target = NULL;
	__u32 number = 0;
	/* Maps made without room for flows: a port of others is one of others all the same. */
	int verdict = fv_note_mask ? fv_flow_from(ctx, f, port, &target, &number)
				   : FV_SLOW | FV_SLOW_DECLINED;

	if (likely(verdict == FV_SHORTCUT && target)) {
		fv_count_shortcut(port->slot, target->slot, f->len);
		ctx->mark = 0;
		/* Kernels before 6.15 leave it as a bridge's port saw it: for somebody else. */
		bpf_skb_change_type(ctx, FV_PACKET_HOST);
		return bpf_redirect_peer(target->ifindex, 0);
	}
	/* Also where there is no note: a namespace's own filters may have written there. */
	ctx->tc_index = number;
	fv_count_tx_other(port->slot, f->len);
	fv_count_slow(port->slot, FV_REASON(verdict));
	return FV_NEXT;
}

/* Ingress of a port: what leaves the namespace. */
SEC("tc")
int fv_from_ns(struct __sk_buff *ctx)
{
	struct fv_port *port = fv_port_find(ctx->ifindex);
	struct fv_endpoint *ep = NULL;
	struct fv_frame f = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = ctx->len,
		.tagged = ctx->vlan_present,
		.elsewhere = ctx->pkt_type ^ FV_PACKET_HOST,
	};
	int verdict;

	if (!port)
		return FV_NEXT;
	if (port->flags & FV_PORT_ATTACHED)
		return from_attached(ctx, &f, port);
	ep = fv_plain(&f, port);
	if (likely(ep)) {
		fv_forward_plain(&f, ep);
		verdict = FV_SHORTCUT;
	} else {
		f.gso_size = ctx->gso_size;
		verdict = fv_decide(&f, port, &ep);
		if (verdict == FV_SHORTCUT && (!ep || !fv_forward(&f, ep)))
			verdict = FV_SLOW | FV_SLOW_MALFORMED;
	}
	if (likely(verdict == FV_SHORTCUT && ep)) {
		fv_count_shortcut(port->slot, ep->slot, f.len);
		/* The kernel's path clears it when a packet changes namespaces; this one would not. */
		ctx->mark = 0;
		return bpf_redirect_peer(ep->ifindex, 0);
	}
	fv_count_tx_other(port->slot, f.len);
	if (verdict & FV_DROP) {
		fv_count_drop(port->slot, FV_REASON(verdict));
		return FV_SHOT;
	}
	fv_count_slow(port->slot, FV_REASON(verdict));
	return FV_NEXT;
}

/* Egress of a port: what the slow path delivers into the namespace. */
SEC("tc")
int fv_to_ns(struct __sk_buff *ctx)
{
	struct fv_port *port = fv_port_find(ctx->ifindex);
	struct fv_frame f = {};

	if (!port)
		return FV_NEXT;
	fv_count_rx_other(port->slot, ctx->len);
	if (!fv_note_mask || !ctx->tc_index ||
	    (port->flags & (FV_PORT_ATTACHED | FV_PORT_DECLINED)) != FV_PORT_ATTACHED)
		return FV_NEXT;
	f.data = (void *)(long)ctx->data;
	f.data_end = (void *)(long)ctx->data_end;
	f.len = ctx->len;
	f.tagged = ctx->vlan_present;
	fv_note_read(ctx->tc_index, &f, port, ctx->ingress_ifindex);
	/* Between the two programs it was ours. */
	ctx->tc_index = 0;
	return FV_NEXT;
}

char _license[] SEC("license") = "GPL";
