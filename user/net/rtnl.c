/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rtnetlink socket: queue, acknowledgements, dumps.
 *
 * The kernel works on a rtnetlink request inside sendmsg(), and on the next part
 * of a dump inside recvmsg(): every answer is there when the call returns.
 * So nothing here waits, and an answer that is missing is lost.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "net/rtnl_priv.h"

#define BUFFER_SIZE (64 * 1024)
#define QUEUE_MAX 512

/* Upper bound of what an ack takes of the receive buffer: 832 bytes with ext-ack text on 6.18. */
#define ACK_SIZE 2048

/* The device list of a busy host changes under most dumps of it, but not for so long under all. */
#define DUMP_SECONDS 5

struct fv_rtnl {
	struct mnl_socket *nl;
	unsigned int portid;
	uint32_t seq;	 /* next one */
	uint32_t base;	 /* that of the first queued request; the others follow it */
	size_t max_reqs; /* as many as the receive buffer holds acks of */
	size_t n_reqs;
	size_t out_len;
	struct fv_err failed; /* first failure since the last flush */
	struct fv_rtnl_req reqs[QUEUE_MAX];
	uint8_t out[BUFFER_SIZE] __attribute__((aligned(8)));
	uint8_t in[BUFFER_SIZE] __attribute__((aligned(8)));
};

struct list {
	char *items;
	size_t n, cap;
};

static int set_options(struct fv_rtnl *rt, struct fv_err *err)
{
	/* CAP_ACK: an ack need not carry its request back. */
	static const int options[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK };
	int fd = mnl_socket_get_fd(rt->nl), size = QUEUE_MAX * ACK_SIZE, on = 1;
	socklen_t len = sizeof(size);

	for (size_t i = 0; i < FV_ARRAY_SIZE(options); i++) {
		if (mnl_socket_setsockopt(rt->nl, options[i], &on, sizeof(on)) < 0) {
			int r = -errno;

			return fv_err_set(err, r, "rtnetlink: cannot set socket option %d: %s",
					  options[i], strerror(-r));
		}
	}

	/* Best effort, the kernel doubles it: max_reqs goes by what it gave. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len) < 0) {
		int r = -errno;

		return fv_err_set(err, r, "rtnetlink: cannot read the buffer size: %s",
				  strerror(-r));
	}
	rt->max_reqs = size / ACK_SIZE;
	if (rt->max_reqs > QUEUE_MAX)
		rt->max_reqs = QUEUE_MAX;
	if (!rt->max_reqs)
		rt->max_reqs = 1;
	return 0;
}

int fv_rtnl_open(struct fv_err *err, struct fv_rtnl **ret)
{
	FV_CLEANUP(fv_rtnl_close) struct fv_rtnl *rt = NULL;
	int r;

	/* Not zeroed as a whole: the buffers are large and mostly stay untouched. */
	rt = malloc(sizeof(*rt));
	if (!rt)
		return fv_err_oom(err);
	memset(rt, 0, offsetof(struct fv_rtnl, reqs));
	rt->seq = 1;

	rt->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rt->nl || mnl_socket_bind(rt->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		return fv_err_set(err, r, "cannot open a rtnetlink socket: %s", strerror(-r));
	}
	rt->portid = mnl_socket_get_portid(rt->nl);

	r = set_options(rt, err);
	if (r)
		return r;

	*ret = FV_TAKE_PTR(rt);
	return 0;
}

void fv_rtnl_close(struct fv_rtnl **rt)
{
	if (!*rt)
		return;
	if ((*rt)->nl)
		mnl_socket_close((*rt)->nl);
	free(*rt);
	*rt = NULL;
}

int fv_rtnl_fd(const struct fv_rtnl *rt)
{
	return mnl_socket_get_fd(rt->nl);
}

/* The kernel's next datagram, in rt->in. Any process may send to our port: those are dropped. */
static int receive(struct fv_rtnl *rt, int *ret_len)
{
	struct iovec iov = { .iov_base = rt->in, .iov_len = sizeof(rt->in) };

	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct msghdr msg = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
		};
		ssize_t n = recvmsg(fv_rtnl_fd(rt), &msg, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EIO : -errno;
		if (from.nl_pid || msg.msg_namelen != sizeof(from))
			continue;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		*ret_len = (int)n;
		return 0;
	}
}

static const char *lost_reason(int r)
{
	switch (r) {
	case -EIO:
		return "the kernel gave no answer";
	case -EMSGSIZE:
		return "the kernel's answer is too long";
	default:
		return strerror(-r);
	}
}

/* The kernel's explanation in an NLMSG_ERROR, "" where it gives none. */
static void ext_ack_text(const struct nlmsghdr *nlh, char *ret, size_t size)
{
	const struct nlmsgerr *ack = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*ack);
	const struct nlattr *attr;

	ret[0] = '\0';
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += ack->msg.nlmsg_len - sizeof(ack->msg);
	if (offset > mnl_nlmsg_get_payload_len(nlh))
		return;
	mnl_attr_for_each(attr, nlh, offset)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			fv_attr_str(attr, ret, size);
	}
}

/* Code of an NLMSG_ERROR: 0 is an ack. */
static int ack_code(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *ack = mnl_nlmsg_get_payload(nlh);

	return mnl_nlmsg_get_payload_len(nlh) < sizeof(*ack) ? -EBADMSG : ack->error;
}

static int refused(const struct nlmsghdr *nlh, const char *what, struct fv_err *err)
{
	int code = ack_code(nlh);
	const char *hint = code == -EPERM ? " (needs CAP_NET_ADMIN: run as root)" : "";
	char text[256];

	ext_ack_text(nlh, text, sizeof(text));
	if (text[0])
		return fv_err_set(err, code, "cannot %s: %s: %s%s", what, strerror(-code), text,
				  hint);
	return fv_err_set(err, code, "cannot %s: %s%s", what, strerror(-code), hint);
}

/* ---- queue ---- */

static bool accepted(unsigned int accept, int code)
{
	switch (code) {
	case 0:
		return true;
	case -EEXIST:
		return accept & FV_ACCEPT_EXISTS;
	case -ENOENT:
	case -ENODEV:
	case -ESRCH:
	case -EADDRNOTAVAIL:
		return accept & FV_ACCEPT_GONE;
	case -EAFNOSUPPORT:
		return accept & FV_ACCEPT_NO_IP6;
	default:
		return false;
	}
}

/* Takes the acks of one datagram; returns how many there were. */
static size_t take_acks(struct fv_rtnl *rt, int len)
{
	size_t taken = 0;

	for (const struct nlmsghdr *nlh = (void *)rt->in; mnl_nlmsg_ok(nlh, len);
	     nlh = mnl_nlmsg_next(nlh, &len)) {
		uint32_t i = nlh->nlmsg_seq - rt->base;
		char what[192];

		if (nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_pid != rt->portid ||
		    i >= rt->n_reqs || rt->reqs[i].acked)
			continue;
		rt->reqs[i].acked = true;
		taken++;
		if (!rt->failed.code && !accepted(rt->reqs[i].accept, ack_code(nlh)))
			refused(nlh, fv_req_str(rt, &rt->reqs[i], what, sizeof(what)), &rt->failed);
	}
	return taken;
}

/* Failures go to rt->failed. */
static void send_queue(struct fv_rtnl *rt)
{
	int r = 0, len;

	if (!rt->n_reqs)
		return;

	if (mnl_socket_sendto(rt->nl, rt->out, rt->out_len) < 0) {
		r = -errno;
		fv_err_set(&rt->failed, r, "rtnetlink: cannot send %zu requests: %s", rt->n_reqs,
			   strerror(-r));
	}
	for (size_t left = rt->n_reqs; !r && left;) {
		r = receive(rt, &len);
		if (!r)
			left -= take_acks(rt, len);
		else
			fv_err_set(&rt->failed, r, "rtnetlink: %zu of %zu answers lost: %s", left,
				   rt->n_reqs, lost_reason(r));
	}
	rt->n_reqs = 0;
	rt->out_len = 0;
}

struct nlmsghdr *fv_rtnl_begin(struct fv_rtnl *rt, uint16_t type, uint16_t flags,
			       const struct fv_rtnl_req *req)
{
	struct nlmsghdr *nlh;

	if (rt->n_reqs == rt->max_reqs || sizeof(rt->out) - rt->out_len < FV_RTNL_MSG_MAX)
		send_queue(rt);

	if (!rt->n_reqs) {
		rt->base = rt->seq;
		rt->seq += QUEUE_MAX;
	}

	nlh = mnl_nlmsg_put_header(rt->out + rt->out_len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = rt->base + (uint32_t)rt->n_reqs;
	rt->reqs[rt->n_reqs++] = *req;
	return nlh;
}

void fv_rtnl_end(struct fv_rtnl *rt, const struct nlmsghdr *nlh)
{
	rt->out_len += NLMSG_ALIGN(nlh->nlmsg_len);
}

int fv_rtnl_flush(struct fv_rtnl *rt, struct fv_err *err)
{
	int r;

	send_queue(rt);
	r = rt->failed.code;
	if (r && err && !err->code)
		*err = rt->failed;
	rt->failed.code = 0;
	return r;
}

/* ---- requests with an answer ---- */

int fv_rtnl_ask(struct fv_rtnl *rt, struct nlmsghdr *nlh, const char *what, int quiet,
		bool (*parse)(const struct nlmsghdr *nlh, void *ret), struct fv_err *err, void *ret)
{
	uint32_t seq = rt->seq++;
	bool answered = false;
	int r, len;

	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = seq;
	if (mnl_socket_sendto(rt->nl, nlh, nlh->nlmsg_len) < 0) {
		r = -errno;
		return fv_err_set(err, r, "cannot %s: %s", what, strerror(-r));
	}

	for (;;) {
		r = receive(rt, &len);
		if (r)
			return fv_err_set(err, r, "cannot %s: %s", what, lost_reason(r));
		for (nlh = (void *)rt->in; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != seq || nlh->nlmsg_pid != rt->portid)
				continue;
			if (nlh->nlmsg_type != NLMSG_ERROR) {
				answered |= parse(nlh, ret);
				continue;
			}
			r = ack_code(nlh);
			if (!r && answered)
				return 0;
			if (!r)
				return fv_err_set(err, -EBADMSG, "cannot %s: no answer in the ack",
						  what);
			return r == -quiet ? r : refused(nlh, what, err);
		}
	}
}

/* ---- dumps ---- */

static int list_room(struct list *list, size_t item)
{
	size_t cap = list->cap ? list->cap * 2 : 64;
	char *items;

	if (list->n < list->cap)
		return 0;
	items = reallocarray(list->items, cap, item);
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->cap = cap;
	return 0;
}

static int take_dump(const struct nlmsghdr *nlh, const struct fv_rtnl_dump *dump, uint8_t family,
		     struct fv_err *err, struct list *list)
{
	const uint8_t *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	char what[64];
	int code = 0;

	switch (nlh->nlmsg_type) {
	case NLMSG_DONE:
		if (len >= sizeof(code))
			memcpy(&code, payload, sizeof(code));
		if (code < 0)
			return fv_err_set(err, code, "cannot list %s: %s", dump->what,
					  strerror(-code));
		return 0;
	case NLMSG_ERROR:
		snprintf(what, sizeof(what), "list %s", dump->what);
		return refused(nlh, what, err);
	}

	if (len < dump->header)
		return 0;
	/* Without IPv6 the kernel answers a question for it with every family it has. */
	if (family && payload[0] != family)
		return 0;
	if (list_room(list, dump->item))
		return fv_err_oom(err);
	memset(list->items + list->n * dump->item, 0, dump->item);
	if (dump->parse(nlh, list->items + list->n * dump->item))
		list->n++;
	return 0;
}

/* -EINTR, without a message: the list changed meanwhile. */
static int dump_family(struct fv_rtnl *rt, const struct fv_rtnl_dump *dump, uint8_t family,
		       struct fv_err *err, struct list *list)
{
	char buf[MNL_NLMSG_HDRLEN + 64] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	bool intr = false, end = false;
	uint32_t seq = rt->seq++;
	uint8_t *header;
	int r = 0, len;

	nlh->nlmsg_type = dump->type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	header = mnl_nlmsg_put_extra_header(nlh, dump->header);
	if (dump->body)
		memcpy(header, dump->body, dump->header);
	header[0] = family;
	if (mnl_socket_sendto(rt->nl, nlh, nlh->nlmsg_len) < 0) {
		r = -errno;
		return fv_err_set(err, r, "cannot list %s: %s", dump->what, strerror(-r));
	}

	/* Read to the end even after a failure: the kernel has one dump a socket at a time. */
	while (!end) {
		int lost = receive(rt, &len);

		if (lost)
			return r ? r
				 : fv_err_set(err, lost, "cannot list %s: %s", dump->what,
					      lost_reason(lost));
		for (nlh = (void *)rt->in; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != seq || nlh->nlmsg_pid != rt->portid)
				continue;
			intr |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
			end = nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR;
			if (!r)
				r = take_dump(nlh, dump, family, err, list);
		}
	}
	return !r && intr ? -EINTR : r;
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

int fv_rtnl_dump(struct fv_rtnl *rt, const struct fv_rtnl_dump *dump, struct fv_err *err,
		 void **ret, size_t *ret_n)
{
	FV_AUTO_FREE char *items = NULL;
	time_t end = seconds() + DUMP_SECONDS;
	struct list list = { 0 };

	for (size_t i = 0; i < FV_ARRAY_SIZE(dump->families); i++) {
		size_t before = list.n;
		int r;

		if (i && dump->families[i] == AF_UNSPEC)
			break;
		do {
			list.n = before;
			r = dump_family(rt, dump, dump->families[i], err, &list);
			items = list.items;
		} while (r == -EINTR && seconds() <= end);
		if (r == -EINTR)
			return fv_err_set(err, -EAGAIN,
					  "cannot list %s: they keep changing; try again",
					  dump->what);
		if (r)
			return r;
	}
	*ret = FV_TAKE_PTR(items);
	*ret_n = list.n;
	return 0;
}
