/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames for the tests of the programs, made from what is special about them. Written byte by
 * byte, without the kernel's structs, so that it shares no mistake with what it tests.
 */
#ifndef FV_TEST_FRAME_H
#define FV_TEST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/bed.h"

#define FRAME_MAX 70000
#define ETH_SIZE 14
#define IP4_SIZE 20
#define IP6_SIZE 40

struct frame {
	size_t len;
	uint8_t b[FRAME_MAX];
};

/* For fields of struct spec whose zero means the usual thing, but which can be zero. */
#define JUST(value) ((value) + 1)

/* Zero is the usual thing: WEB sends DB 32 bytes over TCP by way of the gateway. */
struct spec {
	enum who from, to; /* to: WEB, but DB where WEB sends */
	int family;	   /* 4 or 6; rows of tests without one are run with both */
	const char *smac, *dmac;
	uint16_t tags[2];      /* VLAN protocols in the frame, outermost first */
	uint16_t ethertype;    /* of what is no IP */
	const char *src, *dst; /* addresses */
	int version;
	int proto;
	int ttl; /* JUST(n) */
	int tos;
	int id, frag; /* IPv4: identification; flags and offset as in the header */
	int options;  /* bytes of IPv4 options */
	int ext;      /* JUST(n): an IPv6 extension header of this kind */
	int ihl;      /* JUST(n): what the IPv4 header says of its length, in words */
	int doff;     /* TCP header, in words */
	size_t size;  /* bytes of layer 3 */
	bool bare;    /* nothing behind the IP header */
	int claim;    /* what the header says of the size, less the size */
	int pad;      /* bytes behind the packet */
	int check;    /* JUST(n): the IPv4 header's checksum, right or wrong */
	size_t cut;   /* bytes of the frame that are left */
};

void frame_make(const struct spec *spec, struct frame *ret);

/* Of an IPv4 header: what its checksum should be. */
uint16_t frame_check(const uint8_t *ip, size_t len);
/* Put the right checksum into an IPv4 header without options. */
void frame_fix_check(struct frame *f);

static inline unsigned int get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static inline void put16(uint8_t *p, unsigned int v)
{
	p[0] = v >> 8;
	p[1] = v;
}

#endif /* FV_TEST_FRAME_H */
