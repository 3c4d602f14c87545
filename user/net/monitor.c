/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events: a netlink socket each for devices and traffic control, nftables, and IPsec policies.
 *
 * Where a buffer was full the kernel says so once (ENOBUFS), and then drops whatever comes until
 * the socket has been read empty. So it is read empty before the loss is told: what is listed
 * after that is not followed by an event that is dropped without a word.
 */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "net/monitor.h"
#include "net/rtnl_priv.h"

#define BUFFER_SIZE (64 * 1024)
#define RECEIVE_BUFFER (4 * 1024 * 1024)

/* Traffic control's index of a block that devices share (TCM_IFINDEX_MAGIC_BLOCK). */
#define NO_DEVICE (-1)

#define GROUP(number) (1U << ((number)-1))

enum source { ROUTE, NFTABLES, XFRM, N_SOURCES };

static const struct {
	const char *what;
	int bus;
	unsigned int groups;
} sources[N_SOURCES] = {
	[ROUTE] = { "devices", NETLINK_ROUTE,
		    GROUP(RTNLGRP_LINK) | GROUP(RTNLGRP_TC) | GROUP(RTNLGRP_IPV4_ROUTE) |
			    GROUP(RTNLGRP_IPV6_ROUTE) },
	[NFTABLES] = { "nftables", NETLINK_NETFILTER, GROUP(NFNLGRP_NFTABLES) },
	[XFRM] = { "IPsec policies", NETLINK_XFRM, GROUP(XFRMNLGRP_POLICY) },
};

struct fv_monitor {
	int epoll;
	struct mnl_socket *nl[N_SOURCES]; /* NULL: not in this kernel */
	const struct nlmsghdr *next;	  /* of ROUTE, in buf */
	int left;			  /* bytes from there on */
	uint8_t buf[BUFFER_SIZE] __attribute__((aligned(8)));
};

static int open_source(struct fv_monitor *m, enum source i, struct fv_err *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	int size = RECEIVE_BUFFER, fd, r;

	m->nl[i] = mnl_socket_open2(sources[i].bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!m->nl[i] && errno == EPROTONOSUPPORT && i != ROUTE)
		return 0;
	if (m->nl[i]) {
		fd = mnl_socket_get_fd(m->nl[i]);
		/* Best effort: with a small one, events are lost earlier, which is told. */
		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
			setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		if (mnl_socket_bind(m->nl[i], sources[i].groups, MNL_SOCKET_AUTOPID) == 0 &&
		    epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
			return 0;
	}
	r = -errno;
	return fv_err_set(err, r, "cannot watch %s: %s%s", sources[i].what, strerror(-r),
			  r == -EPERM ? " (needs CAP_NET_ADMIN: run as root)" : "");
}

int fv_monitor_open(struct fv_err *err, struct fv_monitor **ret)
{
	FV_CLEANUP(fv_monitor_close) struct fv_monitor *m = NULL;
	int r = 0;

	m = malloc(sizeof(*m));
	if (!m)
		return fv_err_oom(err);
	/* Without the buffer. */
	memset(m, 0, offsetof(struct fv_monitor, buf));
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll < 0) {
		r = -errno;
		return fv_err_set(err, r, "cannot watch for changes: %s", strerror(-r));
	}
	for (int i = 0; i < N_SOURCES && !r; i++)
		r = open_source(m, i, err);
	if (r)
		return r;
	*ret = FV_TAKE_PTR(m);
	return 0;
}

void fv_monitor_close(struct fv_monitor **m)
{
	if (!*m)
		return;
	for (int i = 0; i < N_SOURCES; i++)
		if ((*m)->nl[i])
			mnl_socket_close((*m)->nl[i]);
	if ((*m)->epoll >= 0)
		close((*m)->epoll);
	free(*m);
	*m = NULL;
}

int fv_monitor_fd(const struct fv_monitor *m)
{
	return m->epoll;
}

/*
 * The kernel's next datagram, in m->buf; its length. -EAGAIN: there is none; -ENOBUFS: some, or a
 * part of this one, are missing. Any process with the privilege may send to us: those are dropped.
 */
static int receive(struct fv_monitor *m, enum source i)
{
	struct iovec iov = { .iov_base = m->buf, .iov_len = sizeof(m->buf) };

	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct msghdr msg = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
		};
		ssize_t n = recvmsg(mnl_socket_get_fd(m->nl[i]), &msg, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid || msg.msg_namelen != sizeof(from))
			continue;
		return msg.msg_flags & MSG_TRUNC ? -ENOBUFS : (int)n;
	}
}

/* Reads a socket empty. 1: there was something, 0: nothing. */
static int drain(struct fv_monitor *m, enum source i)
{
	int got = 0;

	for (;;) {
		int n = receive(m, i);

		if (n == -EAGAIN)
			return got;
		if (n < 0 && n != -ENOBUFS)
			return n;
		got = 1;
	}
}

static bool take_link(const struct nlmsghdr *nlh, struct fv_monitor_event *ret)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1];

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return false;
	fv_attr_table(nlh, sizeof(*ifi), tb, FV_ARRAY_SIZE(tb));
	fv_attr_str(tb[IFLA_IFNAME], ret->name, sizeof(ret->name));
	ret->ifindex = ifi->ifi_index;
	ret->up = ifi->ifi_flags & IFF_UP;
	ret->from_bridge = ifi->ifi_family == AF_BRIDGE;

	/* What a bridge calls gone is the port: the device has left it. */
	if (nlh->nlmsg_type == RTM_DELLINK && !ret->from_bridge) {
		ret->what = FV_EVENT_LINK_GONE;
		return true;
	}
	ret->what = FV_EVENT_LINK_NEW;
	if (nlh->nlmsg_type == RTM_NEWLINK)
		fv_attr_bytes(tb[IFLA_MASTER], &ret->master, sizeof(ret->master));
	/* So a bridge speaks of itself. */
	if (ret->master == ret->ifindex)
		ret->master = 0;
	return true;
}

static bool take_tc(const struct nlmsghdr *nlh, struct fv_monitor_event *ret)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*tcm))
		return false;
	ret->what = FV_EVENT_TC;
	ret->ifindex = tcm->tcm_ifindex == NO_DEVICE ? 0 : tcm->tcm_ifindex;
	return true;
}

/* Only what may lead to another uplink is told: a host can have many routes. */
static bool take_route(const struct nlmsghdr *nlh, struct fv_monitor_event *ret)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	ret->what = FV_EVENT_ROUTE;
	return mnl_nlmsg_get_payload_len(nlh) >= sizeof(*rtm) && !rtm->rtm_dst_len &&
	       !(rtm->rtm_flags & RTM_F_CLONED);
}

static bool take(const struct nlmsghdr *nlh, struct fv_monitor_event *ret)
{
	memset(ret, 0, sizeof(*ret));
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return take_link(nlh, ret);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return take_route(nlh, ret);
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
	case RTM_NEWTCLASS:
	case RTM_DELTCLASS:
	case RTM_NEWTFILTER:
	case RTM_DELTFILTER:
	case RTM_NEWCHAIN:
	case RTM_DELCHAIN:
		return take_tc(nlh, ret);
	case RTM_NEWACTION:
	case RTM_DELACTION:
		ret->what = FV_EVENT_TC;
		return true;
	default:
		return false;
	}
}

static int read_route(struct fv_monitor *m, struct fv_monitor_event *ret)
{
	for (;;) {
		int n;

		while (mnl_nlmsg_ok(m->next, m->left)) {
			const struct nlmsghdr *nlh = m->next;

			m->next = mnl_nlmsg_next(nlh, &m->left);
			if (take(nlh, ret))
				return 1;
		}
		m->left = 0;
		n = receive(m, ROUTE);
		if (n == -EAGAIN)
			return 0;
		if (n == -ENOBUFS) {
			n = drain(m, ROUTE);
			*ret = (struct fv_monitor_event){ .what = FV_EVENT_LOST };
			return n < 0 ? n : 1;
		}
		if (n < 0)
			return n;
		m->next = (const struct nlmsghdr *)m->buf;
		m->left = n;
	}
}

int fv_monitor_read(struct fv_monitor *m, struct fv_err *err, struct fv_monitor_event *ret)
{
	/* Of the others nothing is kept but that something came: a loss is no loss. */
	static const enum fv_event events[N_SOURCES] = {
		[NFTABLES] = FV_EVENT_RULES,
		[XFRM] = FV_EVENT_XFRM,
	};
	struct fv_monitor_event event;
	int i = ROUTE, r;

	/* It first, and to its end: they share the buffer. */
	r = read_route(m, &event);
	while (!r && ++i < N_SOURCES) {
		event = (struct fv_monitor_event){ .what = events[i] };
		r = m->nl[i] ? drain(m, i) : 0;
	}
	if (r < 0)
		return fv_err_set(err, r, "cannot watch %s: %s", sources[i].what, strerror(-r));
	if (r)
		*ret = event;
	return r;
}
