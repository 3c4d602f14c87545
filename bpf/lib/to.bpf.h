/* SPDX-License-Identifier: GPL-2.0-only */
/* Egress of ports and uplinks: what the kernel's own way delivers is counted, and proves flows. */
#ifndef FV_BPF_TO_H
#define FV_BPF_TO_H

#include "count.bpf.h"
#include "prove.bpf.h"

/* On purpose no TC_ACT_OK: programs behind ours still run. */
#define FV_NEXT (-1)

static __always_inline int fv_to(struct __sk_buff *ctx)
{
	struct fv_port *port = fv_port_find(ctx->ifindex);
	struct fv_frame f = {};

	if (!port)
		return FV_NEXT;
	fv_count_rx_other(port->slot, ctx->len);
	if (!fv_note_mask || !ctx->tc_index || (port->flags & FV_PORT_DECLINED))
		return FV_NEXT;
	f.data = (void *)(long)ctx->data;
	f.data_end = (void *)(long)ctx->data_end;
	f.len = ctx->len;
	f.tagged = ctx->vlan_present;
	fv_note_read(ctx, &f, port);
	/* Between the two programs it was ours. */
	ctx->tc_index = 0;
	return FV_NEXT;
}

/* What we have redirected here is counted and judged already. */
static __always_inline int fv_to_out(struct __sk_buff *ctx)
{
	if (ctx->tc_index == FV_NUMBER_REDIRECTED) {
		ctx->tc_index = 0;
		return FV_NEXT;
	}
	return fv_to(ctx);
}

#endif /* FV_BPF_TO_H */
