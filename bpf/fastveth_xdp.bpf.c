// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same decision as native XDP on a port. A frame has no metadata here: its
 * checksums and its VLAN tag must be in it, which the user side sees to (offloads
 * off inside the namespace), and the target's end must receive by NAPI.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "count.bpf.h"
#include "decide.bpf.h"

/* Loaded to take frames of more than one buffer (BPF_F_XDP_HAS_FRAGS, 5.18). */
const volatile bool fv_xdp_frags;

/* Ingress of a port: what leaves the namespace. */
SEC("xdp")
int fv_xdp_from_ns(struct xdp_md *ctx)
{
	struct fv_port *port = fv_port_find(ctx->ingress_ifindex);
	struct fv_endpoint *ep = NULL;
	struct fv_frame f = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = ctx->data_end - ctx->data,
	};
	struct ethhdr *eth = f.data;
	int verdict;

	if (!port)
		return XDP_PASS;
	if (fv_xdp_frags)
		f.len = bpf_xdp_get_buff_len(ctx);
	if ((void *)(eth + 1) <= f.data_end)
		f.elsewhere = !fv_mac_equal(eth->h_dest, port->port_mac);
	ep = fv_plain(&f, port);
	if (likely(ep)) {
		fv_forward_plain(&f, ep);
		verdict = FV_SHORTCUT;
	} else {
		verdict = fv_decide(&f, port, &ep);
		if (verdict == FV_SHORTCUT && (!ep || !fv_forward(&f, ep)))
			verdict = FV_SLOW | FV_SLOW_MALFORMED;
	}
	if (likely(verdict == FV_SHORTCUT && ep)) {
		fv_count_shortcut(port->slot, ep->slot, f.len);
		return bpf_redirect_map(&fv_live, ep->ifindex, XDP_PASS);
	}
	fv_count_tx_other(port->slot, f.len);
	if (verdict & FV_DROP) {
		fv_count_drop(port->slot, FV_REASON(verdict));
		return XDP_DROP;
	}
	fv_count_slow(port->slot, FV_REASON(verdict));
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
