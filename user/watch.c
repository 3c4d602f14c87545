// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps what `attach` was told attached, for as long as it runs.
 *
 * Whatever happens, the same is done: look, and where something is not as it should be, call
 * fv_attach; then tell what is another than was told before. Events only say when. They come in
 * crowds, one's own changes among them, so it is waited until they pause. What gives no
 * event is found by looking from time to time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "core/cleanup.h"
#include "fastveth/fastveth.h"
#include "net/monitor.h"

#define PAUSE_MS 50
#define LATEST_MS 250
#define PERIOD_MS 5000
/* From one useless look, or run that did not help, to the next: doubled each time. */
#define HOLD_MS 50
#define HOLD_LOOK_MS 1000
#define HOLD_RUN_MS PERIOD_MS
/* A device may be gone by the time it is its turn: that is tried again before anybody is told. */
#define QUIET_FAILURES 2
#define LOOKS_FOR_NAME 2
#define MESSAGES 16

enum { MONITOR, WAKE };

struct watch {
	const struct fv_options *opts;
	struct fv_options run_opts;
	const struct fv_watcher *to;
	struct fv_monitor *monitor;
	int epoll;
	struct fv_view view; /* as told */
	uint64_t sum;	     /* of it */
	int unnamed;	     /* looks by time after a port that had no name yet */
	bool silent;	     /* what is attached already is no news */
	bool all;	     /* the next look is followed by a run in any case */
	/* In milliseconds; 0: not at all. */
	long long first;  /* event that nobody has looked after yet */
	long long due;	  /* the look that events ask for */
	long long rest;	  /* but not before that */
	long long period; /* the look that time asks for */
	int hold;
	unsigned int failures;
	char *said[MESSAGES];
	size_t n_said;
};

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static bool stopped(const struct watch *w)
{
	return w->opts->interrupted && *w->opts->interrupted;
}

/* ---- telling ---- */

static void forget_said(struct watch *w)
{
	while (w->n_said)
		free(w->said[--w->n_said]);
	w->failures = 0;
}

static void say(struct watch *w, const struct fv_err *err)
{
	char *copy;

	for (size_t i = 0; i < w->n_said; i++)
		if (!strcmp(w->said[i], err->msg))
			return;
	if (w->n_said == MESSAGES) {
		free(w->said[0]);
		memmove(w->said, w->said + 1, --w->n_said * sizeof(*w->said));
	}
	copy = strdup(err->msg);
	if (copy)
		w->said[w->n_said++] = copy;
	w->to->failed(err, w->to->data);
}

static const struct fv_view_ep *find(const struct fv_view *view, int ifindex)
{
	for (size_t i = 0; i < view->n_eps; i++)
		if (view->eps[i].attached && view->eps[i].ifindex == ifindex)
			return &view->eps[i];
	return NULL;
}

static bool differs(const struct fv_view_ep *a, const struct fv_view_ep *b)
{
	return a->declined != b->declined ||
	       strcmp(a->objections ?: "", b->objections ?: "") != 0 ||
	       strcmp(a->ep->port, b->ep->port) != 0 || strcmp(a->ep->name, b->ep->name) != 0 ||
	       strcmp(a->net->name, b->net->name) != 0 || memcmp(a->ep->mac, b->ep->mac, 6) != 0;
}

static int tell(struct watch *w, uint64_t sum, struct fv_err *err)
{
	FV_CLEANUP(fv_view_fini) struct fv_view view = {}, old = w->view;
	int r;

	r = fv_look(FV_LOOK_ATTACHED, err, &view);
	if (r) {
		memset(&old, 0, sizeof(old));
		return r;
	}
	for (size_t i = 0; i < old.n_eps; i++)
		if (old.eps[i].attached && !find(&view, old.eps[i].ifindex))
			w->to->port(FV_OP_REMOVE, &old.eps[i], w->to->data);
	for (size_t i = 0; i < view.n_eps; i++) {
		const struct fv_view_ep *v = &view.eps[i];
		const struct fv_view_ep *was = find(&old, v->ifindex);

		if (!v->attached || w->silent)
			continue;
		/* An engine knows its container a moment after the port is there. */
		if (!was && !strcmp(v->ep->name, v->ep->port))
			w->unnamed = LOOKS_FOR_NAME;
		if (!was)
			w->to->port(FV_OP_CREATE, v, w->to->data);
		else if (differs(was, v))
			w->to->port(FV_OP_CHANGE, v, w->to->data);
	}
	w->view = view;
	memset(&view, 0, sizeof(view));
	w->sum = sum;
	return 0;
}

/* ---- looking ---- */

static int run(struct watch *w, const char *const *targets, size_t n, const struct fv_attach *how,
	       struct fv_err *err)
{
	FV_CLEANUP(fv_actions_fini) struct fv_actions actions = {};
	int r = fv_attach(&w->run_opts, targets, n, how, err, &actions);

	for (size_t i = 0; i < actions.n && !r; i++)
		if (strcmp(actions.a[i].kind, "port") != 0)
			w->to->action(&actions.a[i], w->to->data);
	return r;
}

static void hold(struct watch *w, int most)
{
	w->hold = w->hold ? 2 * w->hold : HOLD_MS;
	if (w->hold > most)
		w->hold = most;
}

static void failed(struct watch *w, int r, const struct fv_err *err)
{
	/* A signal, while it waited for another run. */
	if (r == -EINTR) {
		w->all = true;
		w->due = now_ms();
		return;
	}
	if (++w->failures > QUIET_FAILURES || r == -ETIMEDOUT)
		say(w, err);
	hold(w, HOLD_RUN_MS);
	if (w->failures <= QUIET_FAILURES || r == -ETIMEDOUT)
		w->due = now_ms() + w->hold;
}

static void look(struct watch *w)
{
	bool to_do = false, by_event = w->due, all = w->all, ran = false, news = false;
	long long begin = now_ms(), took, now;
	struct fv_err err = {};
	uint64_t sum = w->sum;
	int r;

	w->first = w->due = 0;
	w->all = false;
	r = fv_attach_look(&err, &to_do, &sum);
	took = now_ms() - begin;
	if (!r && (to_do || all)) {
		ran = true;
		r = run(w, NULL, 0, NULL, &err);
		r = r ?: fv_attach_look(&err, &to_do, &sum);
	}
	news = sum != w->sum;
	if (!r && (news || (!by_event && w->unnamed-- > 0)))
		r = tell(w, sum, &err);
	if (w->unnamed < 0)
		w->unnamed = 0;
	now = now_ms();
	w->period = now + PERIOD_MS;
	if (r) {
		failed(w, r, &err);
	} else {
		forget_said(w);
		if (to_do) {
			hold(w, HOLD_RUN_MS);
			w->due = now + w->hold;
		} else if (by_event && !ran && !news) {
			hold(w, HOLD_LOOK_MS);
		} else {
			w->hold = 0;
		}
	}
	/* Not more than half of the time. */
	w->rest = now + (took > w->hold ? took : w->hold);
}

/* ---- waiting ---- */

static int take_events(struct watch *w, struct fv_err *err)
{
	struct fv_monitor_event event;
	bool some = false;
	long long now;
	int r;

	while ((r = fv_monitor_read(w->monitor, err, &event)) == 1)
		some = true;
	if (r || !some)
		return r;
	now = now_ms();
	w->first = w->first ?: now;
	w->due = now + PAUSE_MS < w->first + LATEST_MS ? now + PAUSE_MS : w->first + LATEST_MS;
	return 0;
}

static long long next_look(const struct watch *w)
{
	long long due = w->due > w->rest ? w->due : w->rest;

	return w->due && due < w->period ? due : w->period;
}

static int await(struct watch *w, struct fv_err *err)
{
	long long left = next_look(w) - now_ms();
	struct epoll_event events[2];
	uint64_t count;
	int n, r = 0;

	n = epoll_wait(w->epoll, events, FV_ARRAY_SIZE(events), left > 0 ? left : 0);
	if (n < 0 && errno != EINTR)
		return fv_err_set(err, -errno, "waiting for changes: %s", strerror(errno));
	for (int i = 0; i < n && !r; i++) {
		if (events[i].data.u32 == MONITOR) {
			r = take_events(w, err);
		} else if (read(w->to->wake, &count, sizeof(count)) > 0) {
			w->all = true;
			w->rest = 0;
			w->due = now_ms();
		}
	}
	return r;
}

/* ---- beginning and end ---- */

static int open_watch(struct watch *w, struct fv_err *err)
{
	struct epoll_event monitor = { .events = EPOLLIN, .data.u32 = MONITOR };
	struct epoll_event wake = { .events = EPOLLIN, .data.u32 = WAKE };
	int r;

	r = fv_check_privilege(err);
	r = r ?: fv_monitor_open(err, &w->monitor);
	if (r)
		return r;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0 ||
	    epoll_ctl(w->epoll, EPOLL_CTL_ADD, fv_monitor_fd(w->monitor), &monitor) ||
	    (w->to->wake >= 0 && epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->to->wake, &wake)))
		return fv_err_set(err, -errno, "waiting for changes: %s", strerror(errno));
	return 0;
}

static void close_watch(struct watch *w)
{
	forget_said(w);
	fv_view_fini(&w->view);
	fv_monitor_close(&w->monitor);
	if (w->epoll >= 0)
		close(w->epoll);
}

/* Nothing that a later look could find otherwise. */
static bool is_final(int r)
{
	return r == -EPERM || r == -EOPNOTSUPP || r == -EXDEV;
}

/*
 * As `attach` does: what it refuses is refused. But that another run takes long is no reason to give
 * up, nor is, where no target was named, what may be otherwise later.
 */
static int begin(struct watch *w, const char *const *targets, size_t n, const struct fv_attach *how,
		 struct fv_err *err)
{
	bool to_do;
	int r;

	w->silent = true;
	r = fv_attach_look(err, &to_do, &w->sum);
	r = r ?: tell(w, w->sum, err);
	w->silent = false;
	while (!r && !stopped(w)) {
		r = run(w, targets, n, how, err);
		if (!r)
			break;
		if (r != -ETIMEDOUT && r != -EINTR)
			break;
		if (r == -ETIMEDOUT)
			say(w, err);
		r = 0;
		*err = (struct fv_err){};
	}
	if (!r || n || is_final(r))
		return r;
	say(w, err);
	*err = (struct fv_err){};
	return 0;
}

int fv_watch(const struct fv_options *opts, const char *const *targets, size_t n,
	     const struct fv_attach *how, const struct fv_watcher *to, struct fv_err *err)
{
	FV_CLEANUP(close_watch)
	struct watch w = {
		.opts = opts,
		.run_opts = *opts,
		.to = to,
		.epoll = -1,
	};
	int r;

	/* A run that has begun is brought to its end. */
	w.run_opts.interrupted = NULL;
	r = open_watch(&w, err);
	r = r ?: begin(&w, targets, n, how, err);
	if (r)
		return r;
	if (!stopped(&w) && to->ready)
		to->ready(to->data);
	/* What this has changed is told at once. */
	w.due = now_ms();
	while (!r && !stopped(&w)) {
		if (now_ms() >= next_look(&w))
			look(&w);
		else
			r = await(&w, err);
	}
	return r;
}
