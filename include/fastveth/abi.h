/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF programs and the user side share: map keys, map values, reasons.
 *
 * Included by both compilers, so it knows <linux/types.h> and nothing else
 * (vmlinux.h brings the same types on the BPF side). A change of any layout
 * here is a new FV_ABI: pins of another ABI live in another directory and are
 * never opened.
 */
#ifndef FV_ABI_H
#define FV_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define FV_ABI 1

/*
 * Device group of a network's ports: FV_GROUP_BASE + the network's id. nftables
 * matches it (iifgroup, oifgroup) and rtnetlink deletes by it, so neither needs
 * a list of devices.
 */
#define FV_GROUP_BASE 0x0f570000
#define FV_NETWORK_ID_MAX 0xffff

/* Why a packet was left to the kernel's own path. Names: fv_slow_name(). */
enum fv_slow {
	FV_SLOW_NOT_IP,	   /* ARP, LLDP, anything but IPv4 and IPv6 */
	FV_SLOW_VLAN,	   /* carries a VLAN tag */
	FV_SLOW_MULTICAST, /* group bit in the destination MAC, or multicast address */
	FV_SLOW_MALFORMED, /* short, padded, or lengths that disagree */
	FV_SLOW_OPTIONS,   /* IPv4 options, IPv6 extension headers */
	FV_SLOW_FRAGMENT,
	FV_SLOW_TTL,	    /* would expire here: the kernel sends the ICMP error */
	FV_SLOW_MTU,	    /* too large for the target: the kernel sends the ICMP error */
	FV_SLOW_LINK_LOCAL, /* link-local or unspecified source or destination */
	FV_SLOW_OUTSIDE, /* destination is no endpoint: the host, the outside, an unused address */
	FV_SLOW_NOT_ROUTED, /* not addressed to the gateway's MAC */
	FV_SLOW_TARGET,	    /* the target's device is going or gone */
	FV_SLOW_COUNT
};

/* Why a packet was dropped: policy of own networks only. Names: fv_drop_name(). */
enum fv_drop {
	FV_DROP_SPOOFED_MAC,  /* source MAC is not the endpoint's */
	FV_DROP_SPOOFED_ADDR, /* source address is not the endpoint's */
	FV_DROP_ISOLATION,    /* destination is in another own network */
	FV_DROP_COUNT
};

/* Sizes of the arrays below are powers of two, chosen when the maps are made. */

/*
 * Map fv_ports: what may leave the namespace behind a port, and where its
 * network's endpoints are found. Index: ifindex & (size - 1). Written by the
 * user side, read by the programs. An entry whose ifindex is not the packet's
 * belongs to another port: look into fv_ports_x then.
 */
struct fv_port {
	__u32 ifindex;	  /* host-side device; 0: free */
	__u32 network;	  /* network id, 1..FV_NETWORK_ID_MAX */
	__u32 slot;	  /* index into fv_counters, fv_reasons and fv_carried */
	__u32 flags;	  /* FV_PORT_* */
	__be32 addr4;	  /* the endpoint's address; 0: none */
	__u32 base4;	  /* index in fv_endpoints = (base4 + address) & (size - 1), */
	__u32 base6;	  /* with an IPv4 address or the low 32 bits of an IPv6 one, host order */
	__u8 mac[6];	  /* namespace end */
	__u8 port_mac[6]; /* host end: the gateway's MAC as the namespace sees it */
	__be32 addr6[4];  /* all zero: none */
	__u32 pad[2];	  /* one cache line */
};

/* Some endpoint of the network had no room in fv_endpoints and is in fv_endpoints_x. */
#define FV_PORT_OVERFLOW (1U << 0)

/*
 * Map fv_endpoints: an address of an own network and the way to it. An IPv4
 * address is kept as ::ffff:a.b.c.d. An entry whose address or network is not the one
 * looked for belongs to another endpoint: look into fv_endpoints_x then, if the port says
 * that its network has endpoints there.
 */
struct fv_endpoint {
	__be32 addr[4];
	__u32 network; /* 0: free */
	__u32 ifindex; /* port to redirect to */
	__u32 slot;
	__u32 mtu;	  /* of the port, bytes of layer 3 */
	__u8 mac[6];	  /* becomes the destination MAC */
	__u8 port_mac[6]; /* becomes the source MAC */
	__u32 checked; /* clock tick (low bits) at which fv_live last had the port; by programs */
	__u32 pad[4];  /* one cache line */
};

/* Key of hash fv_endpoints_x. */
struct fv_endpoint_key {
	__be32 addr[4];
	__u32 network;
};

/* Key of LPM trie fv_subnets; value: network id, 0 for a gateway's own address. */
struct fv_subnet_key {
	__u32 prefixlen; /* bits of addr; an IPv4 prefix adds 96 */
	__be32 addr[4];	 /* IPv4 as ::ffff:a.b.c.d */
};

/*
 * Map fv_counters, per CPU, index: slot. Seen from the namespace: tx is what it
 * sent. Bytes are of layer 2, as the kernel's device counters are. One packet is
 * one skb: a GSO packet counts once, as it does there.
 */
struct fv_counters {
	__u64 rx_shortcut_packets;
	__u64 rx_shortcut_bytes;
	__u64 rx_other_packets; /* by the slow path */
	__u64 rx_other_bytes;
	__u64 tx_shortcut_packets;
	__u64 tx_shortcut_bytes;
	__u64 tx_other_packets; /* slow path and dropped: fv_reasons tells them apart */
	__u64 tx_other_bytes;
};

/* Map fv_reasons, index: slot. Packets sent by the namespace; added to atomically. */
struct fv_reasons {
	__u64 slow[FV_SLOW_COUNT];
	__u64 drop[FV_DROP_COUNT];
};

/*
 * Map fv_carried, index: slot. What earlier, smaller maps had counted: written
 * by the user side alone, added to what the programs count now.
 */
struct fv_carried {
	struct fv_counters c;
	struct fv_reasons r;
};

#endif /* FV_ABI_H */
