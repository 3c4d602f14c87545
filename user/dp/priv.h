/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of this room share. */
#ifndef FV_DP_PRIV_H
#define FV_DP_PRIV_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/cleanup.h"
#include "dp/dp.h"

enum fv_map {
	FV_MAP_PORTS,
	FV_MAP_PORTS_X,
	FV_MAP_ENDPOINTS,
	FV_MAP_ENDPOINTS_X,
	FV_MAP_SUBNETS,
	FV_MAP_COUNTERS,
	FV_MAP_REASONS,
	FV_MAP_CARRIED,
	FV_MAP_LIVE,
	FV_MAP_FLOWS4,
	FV_MAP_FLOWS6,
	FV_MAP_NOTES,
	FV_MAP_NOTED,
	FV_MAP_COUNT
};

extern const char *const fv_map_names[FV_MAP_COUNT];

/* One set of maps. The two arrays are mapped, so that they are read and written without calls. */
struct fv_maps {
	int fd[FV_MAP_COUNT];	       /* -1: none */
	uint32_t slots;		       /* entries of fv_counters and the like */
	uint32_t n_ports, n_endpoints; /* entries of the two arrays */
	uint32_t n_notes;	       /* entries of fv_notes; 1: made without flows */
	struct fv_port *ports;
	struct fv_endpoint *endpoints;
};

/* fv_maps_init - nothing open. fv_maps_map - sizes and memory of the open maps. */
void fv_maps_init(struct fv_maps *maps);
int fv_maps_map(struct fv_maps *maps, struct fv_err *err);
void fv_maps_fini(struct fv_maps *maps);
/* From pins; -ENOENT without a message where the set is not whole. */
int fv_maps_open(int dir, struct fv_maps *maps, struct fv_err *err);

struct fv_dp {
	int dir, maps_dir, progs_dir, links_dir; /* pin directories */
	struct fv_maps maps;
	struct fv_maps old;	      /* smaller maps that these ones replace; map[0] -1: none */
	bool new_maps;		      /* not pinned yet */
	bool new_prog[FV_PROG_COUNT]; /* not pinned yet */
	int prog[FV_PROG_COUNT];      /* -1: not loaded */
	uint32_t prog_id[FV_PROG_COUNT];
};

/*
 * A hash or trie that shall hold exactly some entries. Use: init, add, put
 * (writes what is missing), prune (deletes what is not wanted; after put), fini. With
 * apply false nothing is written, only *ret_same is cleared where something would be.
 */
struct fv_table {
	int fd;
	enum fv_map map;
	size_t key_size, value_size;
	char *records; /* key and value, n of them */
	size_t n, room;
	char *found; /* keys in the map before put */
	size_t n_found;
};

void fv_table_init(struct fv_table *t, const struct fv_maps *maps, enum fv_map map);
void fv_table_fini(struct fv_table *t);
int fv_table_add(struct fv_table *t, const void *key, const void *value, struct fv_err *err);
int fv_table_put(struct fv_table *t, bool apply, bool *ret_same, struct fv_err *err);
int fv_table_prune(struct fv_table *t, bool apply, bool *ret_same, struct fv_err *err);

/*
 * fv_flows_renew - ports that fv_live does not know are new devices: flows of devices that had
 * their numbers are forgotten. Before they get into fv_live, by which programs may use such flows.
 */
int fv_flows_renew(const struct fv_maps *maps, const struct fv_dp_endpoint *eps, size_t n_eps,
		   struct fv_err *err);

/* Waits until no program runs that has looked into a map before. */
void fv_wait_programs(void);

/* A path through a directory descriptor, for calls that take only paths. */
struct fv_pin_path {
	char s[192];
};
struct fv_pin_path fv_pin_at(int dir, const char *name);

/*
 * fv_pins_open - open the pin directory, checked on the descriptor: bpffs, ours alone.
 * @create: make what is missing, mount bpffs where there is none
 */
int fv_pins_open(bool create, struct fv_err *err, int *ret_dir, bool *ret_mounted);
/* A directory inside it. -ENOENT without a message unless @create. */
int fv_pins_subdir(int dir, const char *name, bool create, struct fv_err *err, int *ret);
/* Link pins are named DEVICE:PROGRAM; bpffs allows no dot, so '.' in a device name becomes ','. */
void fv_link_pin_name(const char *port, enum fv_prog prog, char ret[64]);
/* Call fn for every name in a pin directory; stops at the first that returns non-zero. */
int fv_pins_each(int dir, int (*fn)(int dir, const char *name, void *arg, struct fv_err *err),
		 void *arg, struct fv_err *err);

/* fv_pins_drop_others - remove the directories of other ABIs. */
int fv_pins_drop_others(int dir, struct fv_err *err);

/* Pin, in place of a pin of that name if there is one; NAME:new for a moment. */
#define FV_PIN_NEW ":new"
int fv_pin_replace(int fd, int dir, const char *name, struct fv_err *err);

int fv_prog_info(int fd, struct bpf_prog_info *ret);
__u32 fv_link_ifindex(const struct bpf_link_info *info);
int fv_map_info(int fd, struct bpf_map_info *ret);

/* Add the totals of one slot to what is in @add. */
int fv_stats_slot(const struct fv_maps *maps, uint32_t slot, struct fv_err *err,
		  struct fv_stats *add);

/* Put the totals of dp->old into fv_carried of dp->maps. */
int fv_stats_carry(struct fv_dp *dp, struct fv_err *err);

/* An address as the maps keep it: IPv4 as ::ffff:a.b.c.d. */
void fv_map_addr(const struct fv_ip *ip, __be32 ret[4]);
/* Where it is in fv_endpoints, before base and mask: IPv4, or the low 32 bits of IPv6. */
uint32_t fv_map_index(const struct fv_ip *ip);

/* Ticks of the kernel a second. */
uint32_t fv_ticks_per_second(void);

/* The entry of a port in the maps; one of fv_ports_x is copied to buf. NULL: unknown. */
const struct fv_port *fv_port_of(const struct fv_maps *maps, uint32_t ifindex, struct fv_port *buf);

#endif /* FV_DP_PRIV_H */
