/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the monitor share: one opened for each test, reading all that it has. */
#ifndef FV_TEST_MONITOR_TEST_H
#define FV_TEST_MONITOR_TEST_H

#include <poll.h>

#include "net/monitor.h"
#include "unit/net_test.h"

static inline int open_monitor(void **state)
{
	static struct fv_monitor *m;

	OK(fv_monitor_open(&err, &m));
	*state = m;
	return 0;
}

static inline int close_monitor(void **state)
{
	struct fv_monitor *m = *state;

	fv_monitor_close(&m);
	assert_null(m);
	fv_monitor_close(&m);
	SH("ip link set lo down; ip link del group 7 2>/dev/null; :");
	return 0;
}

static inline bool readable(const struct fv_monitor *m)
{
	struct pollfd fd = { .fd = fv_monitor_fd(m), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static inline int read_one(struct fv_monitor *m, struct fv_monitor_event *ret)
{
	struct fv_err error = { 0 };
	int r = fv_monitor_read(m, &error, ret);

	if (r < 0)
		fail_msg("fv_monitor_read: %d: %s", r, error.msg);
	return r;
}

struct seen {
	int n[FV_EVENT_LOST + 1];
	int n_bridge;
	struct fv_monitor_event link, gone, tc, bridge; /* the last of each */
};

/* All there is for now; kept is what is said of one device (0: of any). */
static inline struct seen read_all(struct fv_monitor *m, int of)
{
	struct fv_monitor_event event;
	struct seen seen = { 0 };

	while (read_one(m, &event)) {
		seen.n[event.what]++;
		if (of && of != event.ifindex)
			continue;
		if (event.what == FV_EVENT_LINK_GONE) {
			seen.gone = event;
		} else if (event.what == FV_EVENT_TC) {
			seen.tc = event;
		} else if (event.what == FV_EVENT_LINK_NEW && event.from_bridge) {
			seen.n_bridge++;
			seen.bridge = event;
		} else if (event.what == FV_EVENT_LINK_NEW) {
			seen.link = event;
		}
	}
	assert_false(readable(m));
	return seen;
}

static inline void expect_link(const struct fv_monitor_event *event, const char *name, int ifindex)
{
	assert_string_equal(event->name, name);
	assert_int_equal(event->ifindex, ifindex);
}

/* A kernel without the parts of it is no failure. */
static inline struct seen seen_after(struct fv_monitor *m, const char *command)
{
	if (sh("%s 2>/dev/null", command)) {
		print_message("not in this kernel: %s\n", command);
		skip();
	}
	return read_all(m, 0);
}

#endif /* FV_TEST_MONITOR_TEST_H */
