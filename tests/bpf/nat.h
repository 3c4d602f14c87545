/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections with NAT: entries that the kernel's conntrack has, and packets of them as they come in
 * and go out, with checksums summed up from the beginning.
 *
 *	WEB, CROWD	ports of somebody else and of an own network
 *	DB		an uplink
 */
#ifndef FV_TEST_NAT_H
#define FV_TEST_NAT_H

#include "bpf/flow.h"

struct nat_end {
	const char *ip;
	unsigned int port;
};

/* As conntrack keeps it: packets of either direction as they come in. */
struct nat_conn {
	const char *name;
	int family;
	enum who inside; /* the end that is a port; the other one is behind DB */
	bool published;	 /* opened from outside */
	struct nat_end orig[2], reply[2];
};

extern const struct nat_conn nat_conns[];
extern const size_t nat_n_conns;

/* Addresses and ports as bytes of a packet. */
struct nat_tuple {
	uint8_t addr[2][16];
	uint8_t port[2][2];
};

/* One direction of a connection. */
struct nat_way {
	struct flow flow;
	struct nat_tuple was, is;
	bool reply; /* what comes back to whoever opened the connection */
};

/*
 * Instead of flow_open and flow_reset. Where the kernel has no calls for conntrack the programs are those
 * without: each test asks nat_need() first.
 */
int nat_open(void **state);
int nat_reset(void **state);
void nat_need(void);

/* Make conntrack know it, or one more besides; or nothing. */
void nat_track(const struct nat_conn *conn, int proto, const char *more);
void nat_track_none(void);

/* @reply: the way back of what opens the connection */
struct nat_way nat_way(const struct nat_conn *conn, int proto, bool reply);
/* From here on packets of the flow are carried like this; NULL: as they are. */
void nat_carry(const struct nat_way *way);

void nat_set(struct frame *f, const struct nat_tuple *t);
/* The checksum of layer 4: what it should be, and where it is. A sum of 0 in UDP is written as 0xffff. */
unsigned int nat_check(struct frame *f);
uint8_t *nat_check_at(struct frame *f);
/* Make both checksums right. */
void nat_fix(struct frame *f);
/* A packet of the flow as it comes in, and as it goes out. */
void nat_frame(const struct nat_way *way, struct frame *ret);
/* Why an unproven packet of it is slow. */
enum fv_slow nat_why(const struct nat_way *way);
/* A packet is noted and comes out. */
void nat_prove(const struct nat_way *way, enum fv_slow why);

#endif /* FV_TEST_NAT_H */
