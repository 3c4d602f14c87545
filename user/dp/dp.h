/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath as the user side sees it: load, fill, attach, read. The only room
 * that knows libbpf.
 *
 * Everything lives in pins below /sys/fs/bpf/fastveth (0700), so it goes on
 * without any process. Every call here can be repeated, and what a killed call left
 * behind is completed by the next.
 */
#ifndef FV_DP_DP_H
#define FV_DP_DP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ip.h"
#include "fastveth/abi.h"

#define FV_BPFFS "/sys/fs/bpf"
#define FV_PIN_DIR FV_BPFFS "/fastveth"

/* Largest MTU of a veth whose XDP program takes frames of one buffer only (x86, 4 KiB pages). */
#define FV_XDP_MTU_MAX 3498

/* Programs; names as bpftool shows them: fv_prog_name(). */
enum fv_prog {
	FV_PROG_FROM_NS,
	FV_PROG_TO_NS,
	FV_PROG_XDP_FROM_NS,
	FV_PROG_FROM_UPLINK,
	FV_PROG_TO_UPLINK,
	FV_PROG_COUNT
};

const char *fv_prog_name(enum fv_prog prog);
const char *fv_slow_name(enum fv_slow why);
const char *fv_drop_name(enum fv_drop why);

/* What this kernel can do, found by trying it, never by its version. */
struct fv_features {
	bool tcx;
	bool xdp; /* redirect to a veth whose other end receives by GRO's NAPI (5.13) */
	bool xdp_frags;
};

/*
 * fv_dp_probe - try it. Needs CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN alone before 5.8).
 * Returns 0, or -EOPNOTSUPP naming what fastveth cannot do without and this kernel lacks.
 * FASTVETH_NO_TCX=1 in the environment makes it behave as on a kernel without tcx.
 */
int fv_dp_probe(struct fv_err *err, struct fv_features *ret);

/* Where the calls for a connection's conntrack entry are (bpf_skb_ct_lookup, 5.18). */
enum fv_conntrack {
	FV_CONNTRACK_NONE,     /* this kernel has none, or nf_conntrack is not loaded yet */
	FV_CONNTRACK_BUILT_IN, /* in the kernel's own BTF */
	FV_CONNTRACK_MODULE,   /* in that of module nf_conntrack */
};

/* What else explains what is seen on this kernel. */
struct fv_kernel {
	struct fv_features features;
	enum fv_conntrack conntrack;
	bool peer_counted; /* `ip -s link` inside counts packets of the shortcut */
	bool memlock;	   /* maps count against RLIMIT_MEMLOCK, not against a memory cgroup */
};

/* fv_dp_kernel - as fv_dp_probe, more of it and slower. */
int fv_dp_kernel(struct fv_err *err, struct fv_kernel *ret);

struct fv_dp;

/*
 * fv_dp_reads_nat - do the programs that are pinned know NAT? They do where the kernel had the calls when
 * they were loaded. fv_dp_could_nat - would programs that are loaded now? Quick unless that has changed.
 */
bool fv_dp_reads_nat(const struct fv_dp *dp);
bool fv_dp_could_nat(void);

/*
 * fv_dp_open - open what is pinned, change nothing. -ENOENT without a message where
 * nothing is; -EPERM, -EINVAL for a directory or a pin that is not ours.
 */
int fv_dp_open(struct fv_err *err, struct fv_dp **ret);

/*
 * fv_dp_load - maps for so many endpoints and the programs of this build. Pinned maps
 * that are large enough stay, with their counters; smaller ones are replaced. Pinned
 * programs that are already this build's stay. What is new is pinned by fv_dp_commit, after
 * fv_dp_fill and after fv_dp_attach on every port, and the counters of replaced maps are
 * carried over there: a run that is killed before leaves the old pins. Nothing on
 * the host changes before fv_dp_prepare, which makes the pin directories.
 * @what: FV_LOAD_*
 */
#define FV_LOAD_XDP 1U	 /* the XDP program too */
#define FV_LOAD_FLOWS 2U /* room for proven flows, and the programs of uplinks */
int fv_dp_load(const struct fv_features *features, size_t n_endpoints, unsigned int what,
	       struct fv_err *err, struct fv_dp **ret);
/* fv_dp_mounted - is there a BPF file system at /sys/fs/bpf? */
bool fv_dp_mounted(void);
/* @ret_mounted: set to true if /sys/fs/bpf had to be mounted */
int fv_dp_prepare(struct fv_dp *dp, struct fv_err *err, bool *ret_mounted);
int fv_dp_commit(struct fv_dp *dp, struct fv_err *err);
void fv_dp_close(struct fv_dp **dp);
/* true where a load of so many endpoints would replace maps or programs (as opened by fv_dp_load). */
bool fv_dp_changed(const struct fv_dp *dp);

/* One endpoint as the programs need it. */
struct fv_dp_endpoint {
	uint32_t network;
	int ifindex; /* of the port */
	uint32_t mtu;
	struct fv_ip ip4, ip6;
	uint8_t mac[6], port_mac[6];
	/* Of somebody else: network 0, no addresses, flows take the shortcut by proof. */
	bool attached;
	bool uplink;	 /* attached too: leads out of the host; mac is its own */
	bool declined;	 /* flows are only counted; own networks: those out of the network */
	bool no_tcp;	 /* likewise, of TCP alone */
	uint32_t master; /* attached: ifindex of the bridge; 0: none */
};

struct fv_dp_subnet {
	struct fv_prefix prefix;
	uint32_t network; /* 0: an address of the host inside another subnet */
};

/*
 * fv_dp_fill - make the maps say exactly this. Unchanged endpoints are not touched and keep
 * their counters; a changed entry is never seen half-written by a program.
 */
int fv_dp_fill(struct fv_dp *dp, const struct fv_dp_endpoint *eps, size_t n_eps,
	       const struct fv_dp_subnet *subnets, size_t n_subnets, struct fv_err *err);
/* true where fv_dp_fill would change nothing. */
int fv_dp_filled(struct fv_dp *dp, const struct fv_dp_endpoint *eps, size_t n_eps,
		 const struct fv_dp_subnet *subnets, size_t n_subnets, struct fv_err *err,
		 bool *ret);

/* What is attached to a port. */
struct fv_attached {
	uint32_t from_ns; /* program id of fv_from_ns or fv_from_uplink; 0: none of ours */
	uint32_t to_ns;	  /* likewise */
	uint32_t xdp_from_ns;
	bool uplink;	  /* those two are the programs of an uplink */
	bool tcx;	  /* by tcx links; else clsact filters */
	bool current;	  /* each is the program that is pinned now, and its link is pinned */
	bool foreign_xdp; /* somebody else's XDP program is on the port */
};

void fv_dp_query(struct fv_dp *dp, int ifindex, const char *port, struct fv_attached *ret);

/*
 * fv_dp_attach - attach what the port needs, replace in place what is of another
 * build, detach what belongs to the other hook. Programs of others stay where they are.
 * -EBUSY where another XDP program is on the port.
 */
enum fv_dp_place { FV_DP_TC, FV_DP_XDP, FV_DP_UPLINK };

int fv_dp_attach(struct fv_dp *dp, const struct fv_features *features, int ifindex,
		 const char *port, enum fv_dp_place place, struct fv_err *err);
/* A port of somebody else, or an uplink. */
struct fv_dp_port {
	int ifindex;
	const char *name;
};
/* fv_dp_detach - take our programs off ports that stay. What is not there is fine. */
int fv_dp_detach(struct fv_dp *dp, const struct fv_dp_port *ports, size_t n, struct fv_err *err);
/* fv_dp_drop_clsact - remove the qdisc from a device; the caller knows that it is ours and empty. */
int fv_dp_drop_clsact(int ifindex, const char *port, struct fv_err *err);
/*
 * fv_dp_foreign - tcx programs of others that a redirect passes over: any at egress, at ingress
 * those behind ours. Names of the first, "" for none.
 */
void fv_dp_foreign(int ifindex, char ret_ingress[16], char ret_egress[16]);

/*
 * fv_dp_attached - ports that the maps know as attached (those that fv_dp_fill will replace). *ret is
 * malloc'ed, in no order.
 */
int fv_dp_attached(struct fv_dp *dp, struct fv_err *err, struct fv_dp_endpoint **ret,
		   size_t *ret_n);

/* Remove the pins of a port that is about to be deleted or is gone. */
int fv_dp_forget(struct fv_dp *dp, const char *port, struct fv_err *err);
/* Remove pins of links whose device is gone. */
int fv_dp_sweep(struct fv_dp *dp, struct fv_err *err);

/* Totals of one endpoint over all CPUs. */
struct fv_stats {
	struct fv_counters c;
	struct fv_reasons r;
};

/* -ENOENT without a message where the maps do not know the port. */
int fv_dp_stats(struct fv_dp *dp, int ifindex, struct fv_err *err, struct fv_stats *ret);

/* For `inspect`: what bpftool would need. All strings belong to the struct. */
struct fv_dp_prog {
	enum fv_prog prog;
	uint32_t id;
	char tag[17];
	uint64_t run_ns, run_cnt; /* 0 unless kernel.bpf_stats_enabled */
	char pin[128];
};

struct fv_dp_map {
	char name[16];
	uint32_t id;
	uint32_t entries;
	char pin[128];
};

struct fv_dp_link {
	uint32_t id;
	uint32_t prog_id;
	int ifindex; /* 0: its device is gone */
	char pin[128];
};

int fv_dp_inspect_progs(struct fv_dp *dp, struct fv_err *err, struct fv_dp_prog **ret,
			size_t *ret_n);
int fv_dp_inspect_maps(struct fv_dp *dp, struct fv_err *err, struct fv_dp_map **ret, size_t *ret_n);
int fv_dp_inspect_links(struct fv_dp *dp, struct fv_err *err, struct fv_dp_link **ret,
			size_t *ret_n);

/*
 * fv_dp_remove - remove all pins and our directory. Links go with their pins.
 * @unmount: also unmount /sys/fs/bpf if nobody else's pins are there
 */
int fv_dp_remove(bool unmount, struct fv_err *err);

#endif /* FV_DP_DP_H */
