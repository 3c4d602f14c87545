/* SPDX-License-Identifier: GPL-2.0-only */
/* Macros of the kernel's headers that its BTF does not carry. */
#ifndef FV_BPF_CONSTS_H
#define FV_BPF_CONSTS_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define FV_ETH_HLEN 14
#define FV_ETH_P_IP 0x0800
#define FV_ETH_P_IPV6 0x86DD
#define FV_ETH_P_8021Q 0x8100
#define FV_ETH_P_8021AD 0x88A8

#define FV_PACKET_HOST 0 /* __sk_buff.pkt_type: addressed to the receiving device's MAC */

#define FV_NEXTHDR_HOPOPTS 0
#define FV_NEXTHDR_ROUTING 43
#define FV_NEXTHDR_FRAGMENT 44
#define FV_NEXTHDR_DSTOPTS 60
#define FV_NEXTHDR_MOBILITY 135

#define FV_IPPROTO_ICMPV6 58
#define FV_ICMP_ECHO 8
#define FV_ICMP_ECHOREPLY 0
#define FV_ICMP6_ECHO 128
#define FV_ICMP6_ECHOREPLY 129

#define FV_IP_MF_OFFSET 0x3fff /* more fragments, or an offset */

#endif /* FV_BPF_CONSTS_H */
