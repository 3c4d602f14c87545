/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What should become of a frame, decided once more and another way: on bytes, by a search
 * through the bed, in the order of the words of abi.h and DESIGN. The programs are right where they
 * agree with it on every frame.
 */
#ifndef FV_TEST_MODEL_H
#define FV_TEST_MODEL_H

#include "bpf/frame.h"

enum way { WAY_SHORTCUT, WAY_SLOW, WAY_DROP };

struct want {
	enum way way;
	int reason;  /* enum fv_slow, enum fv_drop */
	enum who to; /* of a shortcut */
};

#define SHORTCUT(who)                                                                              \
	{                                                                                          \
		WAY_SHORTCUT, 0, (who)                                                             \
	}
#define SLOW(reason)                                                                               \
	{                                                                                          \
		WAY_SLOW, FV_SLOW_##reason, NOBODY                                                 \
	}
#define DROP(reason)                                                                               \
	{                                                                                          \
		WAY_DROP, FV_DROP_##reason, NOBODY                                                 \
	}

/* What reaches a program beside the frame itself. */
struct meta {
	unsigned int gso; /* bytes of a segment's payload; 0: no GSO packet */
	unsigned int mark;
	bool tagged; /* VLAN tag in the packet's metadata */
};

struct want model_decide(enum who from, const struct frame *f, const struct meta *meta);
/* The frame as the target gets it. */
void model_forward(struct frame *f, enum who to);
/* "slow: mtu" and the like; static memory. */
const char *model_str(const struct want *want);

#endif /* FV_TEST_MODEL_H */
