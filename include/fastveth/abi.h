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

#define FV_ABI 4

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
	/* of attached ports only: */
	FV_SLOW_DECLINED, /* no shortcut from this port: `status` says why */
	FV_SLOW_PROTOCOL, /* neither TCP nor UDP nor an echo */
	FV_SLOW_CONTROL,  /* TCP SYN, FIN, RST: the host's conntrack is to see them */
	FV_SLOW_UNPROVEN, /* the host has not delivered a packet of this flow (yet) */
	FV_SLOW_PROBE,	  /* sent the kernel's way to see whether it still delivers the flow */
	FV_SLOW_STALE,	  /* the host has not delivered the flow for two seconds */
	FV_SLOW_CHANGED,  /* MAC, TTL or DSCP other than the host has delivered */
	FV_SLOW_LONGER,	  /* longer than what the host has delivered lately */
	FV_SLOW_WINDOW,	  /* TCP, and conntrack's windows are strict (--no-sysctl) */
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
	__u32 master;	  /* attached: bridge that the port is in; 0: none */
	__u32 checked;	  /* attached: as in struct fv_endpoint; by programs */
};			  /* one cache line */

/* Some endpoint of the network had no room in fv_endpoints and is in fv_endpoints_x. */
#define FV_PORT_OVERFLOW (1U << 0)
/* A device of somebody else's, in no network of ours: flows take the shortcut by proof. */
#define FV_PORT_ATTACHED (1U << 1)
/* No flow takes it from or to this one; of an own network: to what is outside of it. */
#define FV_PORT_DECLINED (1U << 2)
/* Conntrack's TCP windows are strict, and it would see samples only: TCP stays slow. */
#define FV_PORT_NO_TCP (1U << 3)
/* FV_PORT_ATTACHED, and leads out of the host: no namespace of this host is behind it. */
#define FV_PORT_UPLINK (1U << 4)

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
 * Proven flows. What leaves an attached port, comes in by an uplink, or leaves an own network goes the
 * kernel's way until that has delivered a packet of the same flow, which the program at the
 * other end sees. Ticks are jiffies.
 *
 * Keys of LRU hashes fv_flows4 and fv_flows6: what a packet says as it leaves the port. Of an
 * echo, sport is its identifier and dport its type.
 */
struct fv_flow4_key {
	__u32 iif; /* port */
	__be32 saddr, daddr;
	__be16 sport, dport;
	__u32 proto;
};

struct fv_flow6_key {
	__u32 iif;
	__be32 saddr[4], daddr[4];
	__be16 sport, dport;
	__u32 proto;
};

/*
 * Their value. Replaced whole where a proof says something new; in place change only proven,
 * probed and len, each of which is one word.
 */
struct fv_flow {
	__u64 made; /* ns: no two entries have the same. First, so written first: see fv_flow_judge */
	__u64 proven;	 /* tick of the last proof */
	__u64 since;	 /* tick of the first one of this entry */
	__u32 probed;	 /* tick (low bits) of the last packet that was sent to prove it */
	__u32 len;	 /* layer 3 bytes on a wire of the longest packet proven in this interval */
	__u32 oif;	 /* port or uplink that it came out of: redirect there */
	__u8 ttl;	 /* as it left the namespace */
	__u8 dscp;	 /* likewise: the upper six bits of TOS or traffic class */
	__u8 hops;	 /* TTL is lower by so much at the other end: 0 or 1 */
	__u8 nat;	 /* FV_NAT_*; not 0: addresses or ports are others at the other end */
	__u8 in_l2[12];	 /* Ethernet addresses as it left the namespace, destination first */
	__u8 out_l2[12]; /* and at the other end */
	/* One cache line so far. Of an uplink, what the host's path had made of these: */
	__u32 mark;
	__u32 priority;
	/* With nat, what the headers say at the other end, and by how much that changes checksums. */
	__be32 saddr[4], daddr[4]; /* an IPv4 address is in the first word */
	__be16 sport, dport;
	__u32 addr_diff, port_diff; /* as bpf_csum_diff gives them */
	__u32 pad[3];
}; /* two cache lines */

/* fv_flow.nat: of packets as whoever opened the connection sends them, and of those that come back. */
#define FV_NAT_FORTH 1
#define FV_NAT_BACK 2

/* Words of a packet that must come out as they went in: IPv6 and TCP headers. */
#define FV_NOTE_WORDS 15

/*
 * Array fv_notes: packets on the kernel's way that may prove their flow. A packet carries the
 * index + 1 of its note in tc_index, which no namespace can write behind the program that
 * leaves the note. Each CPU writes its own part, round and round.
 */
struct fv_note {
	__u32 id;     /* 0: void, or being written; else never the same twice in a row */
	__u32 iif;    /* port */
	__u32 master; /* its bridge; 0: none */
	__u32 len;    /* of the frame */
	__u64 tick;
	__u32 wire_len; /* see struct fv_flow.len */
	__u8 family;	/* 4 or 6 */
	__u8 ttl;
	__u8 proto;
	__u8 dscp;
	__u8 l2[12];
	__u32 hdr[FV_NOTE_WORDS]; /* headers of layer 3 and 4 without TTL and IPv4 checksum */
	__u32 uplink;		  /* not 0: it came in by one */
};

enum { FV_TRIES = 1024, FV_TRY_SETS = 16 }; /* 32 KiB is the most that a value per CPU may have */
/* Map fv_noted, per CPU. tried: by hash, more of the hash and the tick, 16 bits each. */
struct fv_noted {
	__u32 n; /* notes that this CPU has written; this and flow: at index 0 alone */
	__u32 tried[FV_TRIES], pad;
	struct fv_flow flow; /* where one is put together: it is too large for the stack */
};

/* Entries of fv_flows4 and of fv_flows6 where ports are attached. */
#define FV_FLOWS 65536
/* Of fv_notes: at most so many in all (index + 1 must fit tc_index), and for each CPU. */
#define FV_NOTES_MAX 65534
#define FV_NOTES_PER_CPU 1024
/* In tc_index on the way out of an uplink: redirected, so counted and judged already. */
#define FV_NUMBER_REDIRECTED 0xffff

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

/*
 * Map fv_reasons, index: slot. Packets sent by the namespace; added to atomically. At uplinks
 * without FV_SLOW_UNPROVEN: that is what is left of tx_other_packets.
 */
struct fv_reasons {
	__u64 slow[FV_SLOW_COUNT];
	__u64 drop[FV_DROP_COUNT];
};

/* Map fv_carried, index: slot. What earlier, smaller maps had counted: by the user side alone. */
struct fv_carried {
	struct fv_counters c;
	struct fv_reasons r;
};

#endif /* FV_ABI_H */
