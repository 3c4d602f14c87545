/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The decision for a packet that leaves a namespace of an own network: frame and
 * port in, verdict out. It knows nothing of hooks; the programs only translate the
 * verdict. It changes nothing and counts nothing.
 *
 * Whatever is not proven to be plain unicast IP between two live endpoints of
 * one network goes the kernel's way. Only a false source and another own network are
 * dropped.
 */
#ifndef FV_BPF_DECIDE_H
#define FV_BPF_DECIDE_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>

#include "consts.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* A verdict is one of these with a reason, or FV_SHORTCUT. */
#define FV_SHORTCUT 0
#define FV_SLOW 0x100
#define FV_DROP 0x200
#define FV_REASON(verdict) ((verdict)&0xff)

static __always_inline int fv_not_routed(const struct fv_frame *f)
{
	struct ethhdr *eth = f->data;

	return FV_SLOW | (eth->h_dest[0] & 1 ? FV_SLOW_MULTICAST : FV_SLOW_NOT_ROUTED);
}

/*
 * Is the target's device still the one that this entry was made for? The kernel empties fv_live
 * when a device goes, but asking costs half as much as all the rest, so each
 * endpoint is asked for once a clock tick.
 */
static __always_inline bool fv_alive(struct fv_endpoint *ep)
{
	__u32 now = bpf_jiffies64(), ifindex = ep->ifindex;

	if (likely(ep->checked == now))
		return true;
	if (!bpf_map_lookup_elem(&fv_live, &ifindex))
		return false;
	ep->checked = now;
	return true;
}

/* Where a packet goes that is for no endpoint of its network. */
static __always_inline int fv_no_endpoint(const struct fv_port *port, const __be32 daddr[4])
{
	bool ip4 = daddr[2] == bpf_htonl(0xffff) && !daddr[1] && !daddr[0];

	if (fv_other_network(daddr, port->network))
		return FV_DROP | FV_DROP_ISOLATION;
	if (ip4 ? (daddr[3] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000)
		: (daddr[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000))
		return FV_SLOW | FV_SLOW_MULTICAST;
	if (ip4 ? !daddr[3] || (daddr[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000)
		: !(daddr[0] | daddr[1] | daddr[2] | daddr[3]))
		return FV_SLOW | FV_SLOW_LINK_LOCAL;
	return FV_SLOW | FV_SLOW_OUTSIDE;
}

/* The part that both families share: target, size, liveness. */
static __always_inline int fv_decide_target(const struct fv_frame *f, const struct fv_port *port,
					    const __be32 daddr[4], __u32 index, __u32 wire_len,
					    struct fv_endpoint **ret)
{
	struct fv_endpoint *ep = fv_endpoint_find(port, daddr, index);

	if (!ep)
		return fv_no_endpoint(port, daddr);
	if (f->len - FV_ETH_HLEN > ep->mtu && (!wire_len || wire_len > ep->mtu))
		return FV_SLOW | FV_SLOW_MTU;
	/* A packet to oneself is the kernel's to turn around. */
	if (ep->ifindex == port->ifindex || !fv_alive(ep))
		return FV_SLOW | FV_SLOW_TARGET;
	*ret = ep;
	return FV_SHORTCUT;
}

static __always_inline int fv_decide_ip4(const struct fv_frame *f, const struct fv_port *port,
					 struct fv_endpoint **ret)
{
	struct iphdr *ip = f->data + FV_ETH_HLEN;
	__u32 l3_len = f->len - FV_ETH_HLEN, tot_len;
	__be32 daddr[4] __attribute__((aligned(8))) = {};

	if ((void *)(ip + 1) > f->data_end)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (ip->saddr != port->addr4 || !port->addr4)
		return FV_DROP | FV_DROP_SPOOFED_ADDR;
	if (f->elsewhere)
		return fv_not_routed(f);
	if (ip->version != 4)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (ip->ihl != 5)
		return FV_SLOW | (ip->ihl < 5 ? FV_SLOW_MALFORMED : FV_SLOW_OPTIONS);
	if (ip->frag_off & bpf_htons(FV_IP_MF_OFFSET))
		return FV_SLOW | FV_SLOW_FRAGMENT;
	/* A packet of more than 64 KiB (BIG TCP) has 0 here. */
	tot_len = bpf_ntohs(ip->tot_len);
	if (tot_len != l3_len && (tot_len || l3_len <= 0xffff))
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (ip->ttl <= 1)
		return FV_SLOW | FV_SLOW_TTL;
	daddr[2] = bpf_htonl(0xffff);
	daddr[3] = ip->daddr;
	return fv_decide_target(f, port, daddr, port->base4 + bpf_ntohl(ip->daddr),
				fv_wire_len(f, ip->protocol, sizeof(*ip)), ret);
}

static __always_inline int fv_decide_ip6(const struct fv_frame *f, const struct fv_port *port,
					 struct fv_endpoint **ret)
{
	struct ipv6hdr *ip = f->data + FV_ETH_HLEN;
	__u32 l3_len = f->len - FV_ETH_HLEN, payload;
	const __be32 *s, *d;

	if ((void *)(ip + 1) > f->data_end)
		return FV_SLOW | FV_SLOW_MALFORMED;
	s = ip->saddr.in6_u.u6_addr32;
	d = ip->daddr.in6_u.u6_addr32;
	if (fv_ip6_link_local(&ip->saddr) || fv_ip6_unspecified(&ip->saddr))
		return FV_SLOW | FV_SLOW_LINK_LOCAL;
	if (s[3] != port->addr6[3] || s[2] != port->addr6[2] || s[1] != port->addr6[1] ||
	    s[0] != port->addr6[0])
		return FV_DROP | FV_DROP_SPOOFED_ADDR;
	if (f->elsewhere)
		return fv_not_routed(f);
	if (fv_ip6_link_local(&ip->daddr))
		return FV_SLOW | FV_SLOW_LINK_LOCAL;
	if (ip->version != 6)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (fv_ip6_extension(ip->nexthdr))
		return FV_SLOW | FV_SLOW_OPTIONS;
	if (ip->nexthdr == FV_NEXTHDR_FRAGMENT)
		return FV_SLOW | FV_SLOW_FRAGMENT;
	/* As above: 0 in a packet that is too long to tell its length. */
	payload = bpf_ntohs(ip->payload_len);
	if (payload + sizeof(*ip) != l3_len && (payload || l3_len <= 0xffff + sizeof(*ip)))
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (ip->hop_limit <= 1)
		return FV_SLOW | FV_SLOW_TTL;
	/* The maps keep IPv4 addresses in this form; in an IPv6 header it is nobody's. */
	if (d[2] == bpf_htonl(0xffff) && !d[1] && !d[0])
		return FV_SLOW | FV_SLOW_OUTSIDE;
	return fv_decide_target(f, port, d, port->base6 + bpf_ntohl(d[3]),
				fv_wire_len(f, ip->nexthdr, sizeof(*ip)), ret);
}

/*
 * fv_decide - what becomes of a frame that a namespace sent.
 * @ret: the target; set for FV_SHORTCUT only
 */
static __always_inline int fv_decide(const struct fv_frame *f, const struct fv_port *port,
				     struct fv_endpoint **ret)
{
	struct ethhdr *eth = f->data;

	if ((void *)(eth + 1) > f->data_end)
		return FV_SLOW | FV_SLOW_MALFORMED;
	if (!fv_mac_equal(eth->h_source, port->mac))
		return FV_DROP | FV_DROP_SPOOFED_MAC;
	if (f->tagged)
		return FV_SLOW | FV_SLOW_VLAN;
	if (fv_eth_proto(eth) == bpf_htons(FV_ETH_P_IP))
		return fv_decide_ip4(f, port, ret);
	if (fv_eth_proto(eth) == bpf_htons(FV_ETH_P_IPV6))
		return fv_decide_ip6(f, port, ret);
	if (fv_eth_proto(eth) == bpf_htons(FV_ETH_P_8021Q) ||
	    fv_eth_proto(eth) == bpf_htons(FV_ETH_P_8021AD))
		return FV_SLOW | FV_SLOW_VLAN;
	return FV_SLOW | FV_SLOW_NOT_IP;
}

/*
 * fv_plain - the same for the packets that nearly all are: addressed to the gateway, IPv4 without
 * options, whole, and small enough as it is. Everything that speaks against it is gathered
 * into one word and tested once. NULL decides nothing: fv_decide does. Leaves gso_size alone:
 * it lies in a cache line that nothing else here needs.
 */
static __always_inline struct fv_endpoint *fv_plain(const struct fv_frame *f,
						    const struct fv_port *port)
{
	struct ethhdr *eth = f->data;
	struct iphdr *ip = (void *)(eth + 1);
	__be32 daddr[4] __attribute__((aligned(8))) = {};
	struct fv_endpoint *ep;
	__u32 odd;

	if (unlikely((void *)(ip + 1) > f->data_end))
		return NULL;
	odd = *(__u32 *)eth->h_source ^ *(const __u32 *)port->mac;
	odd |= *(__u16 *)(eth->h_source + 4) ^ *(const __u16 *)(port->mac + 4);
	odd |= fv_eth_proto(eth) ^ bpf_htons(FV_ETH_P_IP);
	odd |= *(__u8 *)ip ^ 0x45;
	odd |= ip->frag_off & bpf_htons(FV_IP_MF_OFFSET);
	odd |= bpf_ntohs(ip->tot_len) ^ (f->len - FV_ETH_HLEN);
	odd |= ip->saddr ^ port->addr4;
	odd |= f->tagged;
	odd |= f->elsewhere;
	/* Without an IPv4 address addr4 is 0, and so may the packet's be. */
	if (unlikely(odd || ip->ttl <= 1 || !port->addr4))
		return NULL;
	daddr[2] = bpf_htonl(0xffff);
	daddr[3] = ip->daddr;
	ep = fv_endpoint_find(port, daddr, port->base4 + bpf_ntohl(ip->daddr));
	if (unlikely(!ep || f->len - FV_ETH_HLEN > ep->mtu || ep->ifindex == port->ifindex ||
		     !fv_alive(ep)))
		return NULL;
	return ep;
}

#endif /* FV_BPF_DECIDE_H */
