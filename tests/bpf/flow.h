/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proven flows: ports of others among those of the bed, packets through the programs of
 * mock_flow.bpf.c, and a clock that stands still until a test moves it.
 *
 *	attached	WEB DB TWIN LATE at one bridge, SMALL at another, JUMBO at none
 *	own		ONLY4 ONLY6 CROWD ALIEN
 *
 * A test makes uplinks of attached ones: flow_uplink().
 */
#ifndef FV_TEST_FLOW_H
#define FV_TEST_FLOW_H

#include "bpf/run.h"

#define HZ 100 /* of that clock */
#define BRIDGE 900
#define OTHER_BRIDGE 901

#define TCP 6
#define UDP 17
#define ECHO 1 /* of either family */

struct flow_port {
	bool attached, uplink, declined, no_tcp;
	uint32_t master;
};

/* As the maps are to have them; flow_fill() makes it so. */
extern struct flow_port flow_ports[N_WHO];

/* A flow and what the host does to it. */
struct flow {
	enum who from, to;
	int family, proto;
	bool routed; /* by the host: new addresses and a lower TTL; else bridged */
	size_t size; /* bytes of layer 3; 0: the usual ones */
};

/* What else the host's own path does to packets of a flow; NULL: nothing. */
extern void (*flow_translate)(const struct flow *flow, struct frame *f);

/* What a packet has beside its bytes. Tests may change it; flow_reset() undoes that. */
struct flow_meta {
	unsigned int number; /* tc_index as it leaves a namespace */
	unsigned int gso, mark, priority;
	bool tagged;
	unsigned int host_mark, host_priority; /* as it comes out of the host's own path */
};

extern struct flow_meta flow_meta;

/*
 * cmocka group fixtures. flow_open_nat: programs that ask conntrack; flow_open_without: a set of maps
 * made without flows.
 */
int flow_open(void **state);
int flow_open_nat(void **state);
int flow_open_without(void **state);
int flow_close(void **state);
/* Before each test: no flows, the ports above, later. */
int flow_reset(void **state);
void flow_fill(void);
/* From now on until the next test it is an uplink. */
void flow_uplink(enum who who);

uint64_t flow_now(void);
void flow_wait(uint64_t ticks);

/* As it leaves the namespace, and what the host's own path makes of it. */
void flow_frame(const struct flow *flow, struct frame *ret);
void flow_carry(const struct flow *flow, const struct frame *f, struct frame *ret);
/* Where layer 4 begins. */
uint8_t *flow_l4(struct frame *f);
/* One's complement sum of what a device sums up, and of that much more, in the host's order. */
unsigned int flow_sum(const struct frame *f, uint64_t more);
/* The device by which the host knows that a packet came. */
uint32_t flow_came_by(const struct flow *flow);

/* One run, nothing checked. */
struct flow_outcome {
	int ret;
	unsigned int number, mark, priority;
	bool other_meta;
	bool out; /* redirected out of the device, not to its peer */
	unsigned int redirects, ifindex, host_types;
	uint64_t sum; /* what has been added to a device's sum over the packet */
	struct frame f;
};

/* @which: FV_PROG_FROM_NS or FV_PROG_TO_NS; of an uplink, its programs in their place */
void flow_run(enum fv_prog which, enum who port, const struct frame *f, unsigned int number,
	      uint32_t came_by, struct flow_outcome *ret);

/*
 * Steps of a test: each checks verdict, every byte, metadata, all counters, and names its line where
 * one is not as it should be. Frames leave @from, or come out of @to.
 */
extern int flow_line;
extern const char *flow_what; /* named with it */
#define AT(call) (flow_line = __LINE__, (call))
/* Slow, with a note, whether its flow has been tried in this tick or not: its number. */
#define NOTED(from, f, why) AT(flow_noted(from, f, FV_SLOW_##why))
/* Slow, without. */
#define UNNOTED(from, f, why) AT(flow_unnoted(from, f, FV_SLOW_##why))
/* Redirected to a port, as the frame that the host's own path would have handed over. */
#define TAKEN(flow, f) AT(flow_taken(flow, f))
#define ARRIVES(to, f, number, came_by) AT(flow_arrives(to, f, number, came_by))
/* A packet of the flow, slow for this reason, delivered. */
#define PROVE(flow, why) AT(flow_prove(flow, FV_SLOW_##why))
/* The next packet of any unproven flow is noted at once, as where many flows are. */
void flow_crowd_tries(void);
/* As if no flow had had a packet for long. */
void flow_forget_tries(void);
unsigned int flow_noted(enum who from, const struct frame *f, enum fv_slow why);
void flow_unnoted(enum who from, const struct frame *f, enum fv_slow why);
void flow_taken(const struct flow *flow, const struct frame *f);
void flow_arrives(enum who to, const struct frame *f, unsigned int number, uint32_t came_by);
void flow_prove(const struct flow *flow, enum fv_slow why);

/* The key of the flow that this frame is of; returns its map. */
int flow_key(enum who from, const struct frame *f, __u32 ret[16]);
/* What the maps have of the flow that this frame is of. */
bool flow_get(enum who from, const struct frame *f, struct fv_flow *ret);
/* Entries of both maps. */
size_t flow_count(void);
/* The entry of the IPv4 flow that this frame is of goes to another flow whenever it is read; NULL: no more. */
void flow_reuse(enum who from, const struct frame *f);

/* Every kind of flow: family, protocol, bridged or routed. Between WEB and DB. */
#define N_KINDS 12
struct flow flow_kind(int i);

#endif /* FV_TEST_FLOW_H */
