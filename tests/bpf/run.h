/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames through the programs: what came out, and what was counted. */
#ifndef FV_TEST_RUN_H
#define FV_TEST_RUN_H

#include "bpf/model.h"

/* Where networks cannot have hook xdp (bed_features), XDP programs cannot be run as of a port either. */
enum hook { HOOK_TC, HOOK_XDP };

/* What the programs say, as the kernel defines it. */
#define TC_NEXT (-1)
#define TC_SHOT 2
#define TC_REDIRECT 7

struct outcome {
	int ret; /* the program's */
	unsigned int mark;
	bool other_meta; /* something else in struct __sk_buff changed */
	struct frame f;
};

/*
 * 0, or -errno where the kernel does not take the frame. run_tc: what a test run does not take by
 * itself (meta->tagged, short IP frames) goes to fv_from_ns of the bed whatever @prog is.
 */
int run_tc(int prog, int ifindex, const struct frame *f, const struct meta *meta,
	   struct outcome *ret);
/* Newer kernels refuse an IP frame without a whole IP header; older ones did not. */
bool run_too_short(const struct frame *f);
int run_xdp(int prog, int ifindex, const struct frame *f, struct outcome *ret);

/* Everything that is counted, summed over CPUs, by slot. Read without the help of user/dp. */
struct counts {
	struct fv_counters c[N_WHO];
	struct fv_reasons r[N_WHO];
};

void counts_read(struct fv_dp *dp, struct counts *ret);
/* Add what a frame of so many bytes must add. */
void counts_expect(struct counts *counts, enum who from, const struct want *want, size_t bytes);
/* True where they are the same; says what is not. */
bool counts_equal(const char *what, const struct counts *seen, const struct counts *want);

/*
 * run_check - run the frame through the hook's program for what leaves a namespace, compare
 * verdict, every byte, metadata, every counter. Complains and returns false where they differ.
 */
bool run_check(const char *what, enum hook hook, enum who from, const struct frame *f,
	       const struct meta *meta, const struct want *want);
/* The same without reading counters: for very many frames. */
bool run_frame(const char *what, enum hook hook, int prog, enum who from, const struct frame *f,
	       const struct meta *meta, const struct want *want);

/* One packet of a table. */
struct row {
	const char *name;
	struct spec spec;
	struct want want;
	struct meta meta;
};

#define ROW(name_, want_, ...)                                                                     \
	{                                                                                          \
		.name = (name_), .want = want_, .spec = { __VA_ARGS__ }                            \
	}
#define GSO_ROW(name_, gso_, want_, ...)                                                           \
	{                                                                                          \
		.name = (name_), .want = want_, .spec = { __VA_ARGS__ }, .meta = {.gso = (gso_) }  \
	}

/* Run a table through both hooks; rows without a family twice. Fails where a row does. */
void run_rows(const struct row *rows, size_t n);

/* cmocka group fixtures: bed_open and bed_close, and what run_check needs besides. */
int run_open(void **state);
int run_close(void **state);

#endif /* FV_TEST_RUN_H */
