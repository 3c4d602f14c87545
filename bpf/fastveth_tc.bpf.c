// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TC programs of ports and uplinks (tcx, or clsact in direct-action mode). What is
 * not ours continues: TCX_NEXT, which is TC_ACT_UNSPEC to clsact, never TC_ACT_OK, so
 * that the programs behind ours still run.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "count.bpf.h"
#include "decide.bpf.h"
#include "flow.bpf.h"
#include "to.bpf.h"

#define FV_SHOT 2

static __always_inline int go_out(struct __sk_buff *ctx, const struct fv_way *way)
{
	/* As the host's own path had them there: the uplink's qdisc may go by them. */
	ctx->mark = way->mark;
	ctx->priority = way->priority;
	ctx->tc_index = FV_NUMBER_REDIRECTED;
	return bpf_redirect(way->oif, 0);
}

static __always_inline int go_in(struct __sk_buff *ctx, __u32 ifindex)
{
	/* The kernel's path clears it when a packet changes namespaces; this one would not. */
	ctx->mark = 0;
	return bpf_redirect_peer(ifindex, 0);
}

/* Of an own network, a frame that is for none of its endpoints. */
static __always_inline int from_flow(struct __sk_buff *ctx, struct fv_frame *f,
				     const struct fv_port *port)
{
	struct fv_way way = {};
	__u32 number = 0;
	/* Maps made without room for flows: a port of others is one of others all the same. */
	int verdict = fv_note_mask ? fv_flow_from(ctx, f, port, &way, &number)
				   : FV_SLOW | FV_SLOW_DECLINED;
	enum fv_slow why = FV_REASON(verdict);

	if (likely(verdict == FV_SHORTCUT && way.target)) {
		fv_count_shortcut(port->slot, way.target->slot, f->len);
		if (way.target->flags & FV_PORT_UPLINK)
			return go_out(ctx, &way);
		/* Kernels before 6.15 leave it as a bridge's port saw it: for somebody else. */
		bpf_skb_change_type(ctx, FV_PACKET_HOST);
		return go_in(ctx, way.oif);
	}
	/* Also where there is no note: a namespace's own filters may have written there. */
	ctx->tc_index = number;
	/* Nothing has become of it that would be worth another name. */
	if (!(port->flags & FV_PORT_ATTACHED) &&
	    (why == FV_SLOW_UNPROVEN || why == FV_SLOW_PROTOCOL || why == FV_SLOW_DECLINED))
		why = FV_SLOW_OUTSIDE;
	fv_count_tx_other(port->slot, f->len);
	/*
	 * By an uplink come the host's own packets, on all CPUs at once: they do not write into one place.
	 * The user side takes what has no other reason.
	 */
	if (why != FV_SLOW_UNPROVEN || !(port->flags & FV_PORT_UPLINK))
		fv_count_slow(port->slot, why);
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
	if (!(port->flags & FV_PORT_ATTACHED)) {
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
			return go_in(ctx, ep->ifindex);
		}
		if (verdict & FV_DROP) {
			fv_count_tx_other(port->slot, f.len);
			fv_count_drop(port->slot, FV_REASON(verdict));
			return FV_SHOT;
		}
		if (!fv_note_mask || verdict != (FV_SLOW | FV_SLOW_OUTSIDE)) {
			ctx->tc_index = 0;
			fv_count_tx_other(port->slot, f.len);
			fv_count_slow(port->slot, FV_REASON(verdict));
			return FV_NEXT;
		}
		/* Looked at anew: so the verifier need not follow every way that has led here. */
		f.data = (void *)(long)ctx->data;
		f.data_end = (void *)(long)ctx->data_end;
		f.len = ctx->len;
		f.tagged = ctx->vlan_present;
	}
	return from_flow(ctx, &f, port);
}

/* Ingress of an uplink: what comes from outside. */
SEC("tc")
int fv_from_uplink(struct __sk_buff *ctx)
{
	struct fv_port *port = fv_port_find(ctx->ifindex);
	struct fv_frame f = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = ctx->len,
		.tagged = ctx->vlan_present,
	};

	return port ? from_flow(ctx, &f, port) : FV_NEXT;
}

/* Egress of a port: what the slow path delivers into the namespace. */
SEC("tc")
int fv_to_ns(struct __sk_buff *ctx)
{
	return fv_to(ctx);
}

/* Egress of an uplink: what leaves the host. */
SEC("tc")
int fv_to_uplink(struct __sk_buff *ctx)
{
	return fv_to_out(ctx);
}

char _license[] SEC("license") = "GPL";
