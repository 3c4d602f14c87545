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

#define FV_NEXT (-1)
#define FV_SHOT 2

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

	if (port)
		fv_count_rx_other(port->slot, ctx->len);
	return FV_NEXT;
}

char _license[] SEC("license") = "GPL";
