/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs are tested on: endpoints with real devices in a network namespace
 * of the test's own, and maps filled by user/dp.
 *
 *	network 1  10.77.0.0/16 fd77::/64   web db small jumbo only4 only6 twin crowd late
 *	network 2  10.78.0.0/24 fd78::/64   alien
 *
 * The devices' other ends lie in the same namespace: a test run sends nothing.
 */
#ifndef FV_TEST_BED_H
#define FV_TEST_BED_H

#include <stdbool.h>
#include <stddef.h>

#include "dp/priv.h"

#define BED_STR_(n) #n
#define BED_STR(n) BED_STR_(n)
/* Where the pins of this ABI are. */
#define BED_PINS FV_PIN_DIR "/v" BED_STR(FV_ABI)

enum who {
	WEB,
	DB,
	SMALL, /* MTU 1280 */
	JUMBO, /* MTU 9000 */
	ONLY4,
	ONLY6,
	TWIN,  /* its ifindex and WEB's have one place in fv_ports: it is in fv_ports_x */
	CROWD, /* its addresses and DB's have one place in fv_endpoints: in fv_endpoints_x */
	LATE,  /* not in the maps unless a test adds it */
	ALIEN, /* in another network */
	N_WHO,
	NOBODY = -1
};

/* Networks' ids and the host's addresses in them. */
#define NET 1
#define ALIEN_NET 2
#define GATEWAY4 "10.77.0.1"
#define GATEWAY6 "fd77::1"
#define ALIEN_GATEWAY4 "10.78.0.1"
#define ALIEN_GATEWAY6 "fd78::1"

struct bed_endpoint {
	const char *port; /* device */
	const char *ip4, *ip6;
	uint32_t mtu;
	struct fv_dp_endpoint dp;
	bool absent; /* not in the maps */
	bool gone;   /* its device is */
};

extern struct bed_endpoint bed[N_WHO];
extern struct fv_features bed_features;
extern struct fv_dp *bed_dp;

/*
 * bed_isolate - call it first: namespaces of the process's own, and a bpffs. Ends the process where
 * that fails.
 */
void bed_isolate(void);
/* Run a command, a line for sh. */
void bed_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Make the devices; every port has an XDP program that passes everything. */
void bed_make_devices(void);
void bed_make_device(enum who who);
void bed_delete_devices(void);
void bed_delete_device(enum who who);
/* The devices in the order of enum who, those that are absent left out. */
size_t bed_endpoints(struct fv_dp_endpoint ret[N_WHO]);
/* The networks; so many of them. */
#define N_SUBNETS 8
extern struct fv_dp_subnet bed_subnets[N_SUBNETS];
/* Make the maps say what the bed says. */
void bed_fill(void);
void bed_fill_into(struct fv_dp *dp);

/*
 * What `up` does with the datapath: load for so many, make directories, fill, attach to every port
 * that is in the maps, pin.
 */
void bed_raise(size_t n, bool xdp, struct fv_dp **ret);
/* Attach to one port of the bed. */
void bed_attach(struct fv_dp *dp, enum who who, bool xdp);

enum bed_place { BED_INGRESS, BED_EGRESS, BED_XDP };

/* Without it bed_programs does not ask tc, which takes its time, for filters. */
extern bool bed_has_filters;

/* How many programs, ours and others', are there; @ret_id: of the last, 0: none. Not by user/dp. */
size_t bed_programs(enum who who, enum bed_place place, uint32_t *ret_id);

/* cmocka group fixtures: devices, maps and programs, nothing pinned. */
int bed_open(void **state);
int bed_close(void **state);

/* A call with "&err" in it that must work. */
#define OK(call)                                                                                   \
	do {                                                                                       \
		struct fv_err err = { 0 };                                                         \
		int ok_ = (call);                                                                  \
                                                                                                   \
		if (ok_)                                                                           \
			fail_msg("%s: %d: %s", #call, ok_, err.msg);                               \
	} while (0)

#endif /* FV_TEST_BED_H */
