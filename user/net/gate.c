// SPDX-License-Identifier: GPL-2.0-only
/* IPsec policies, qdiscs, and filters of others, as the kernel lists them. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "net/gate.h"
#include "net/rtnl_priv.h"

/* Our own filters, as user/dp attaches them. */
#define OUR_PRIORITY 0xc0f5
#define OUR_HANDLE 0xf5

#define DUMPS_MAX 8

/* ---- IPsec ---- */

struct policies {
	size_t n;
	char first[192]; /* "policy dir fwd 10.0.0.0/8 -> 10.1.0.0/16" */
};

static void name_policy(const struct xfrm_userpolicy_info *info, char *ret, size_t size)
{
	static const char *const dirs[] = { "in", "out", "fwd" };
	const struct xfrm_selector *sel = &info->sel;
	int family = sel->family == AF_INET6 ? AF_INET6 : AF_INET;
	struct fv_prefix from = { .ip.family = family, .len = sel->prefixlen_s };
	struct fv_prefix to = { .ip.family = family, .len = sel->prefixlen_d };
	char buf[2][FV_IP_STRLEN];

	memcpy(from.ip.b, &sel->saddr, family == AF_INET ? 4 : 16);
	memcpy(to.ip.b, &sel->daddr, family == AF_INET ? 4 : 16);
	snprintf(ret, size, "policy dir %s %s -> %s", dirs[info->dir], fv_prefix_str(&from, buf[0]),
		 fv_prefix_str(&to, buf[1]));
}

static int take_policy(const struct nlmsghdr *nlh, void *data)
{
	struct policies *policies = data;
	struct xfrm_userpolicy_info info;

	if (nlh->nlmsg_type != XFRM_MSG_NEWPOLICY || mnl_nlmsg_get_payload_len(nlh) < sizeof(info))
		return MNL_CB_OK;
	/* Copied: it wants 8 bytes of alignment, netlink gives 4. */
	memcpy(&info, mnl_nlmsg_get_payload(nlh), sizeof(info));
	/* Policies of single sockets are listed with directions of their own, behind the others. */
	if (info.dir <= XFRM_POLICY_FWD && !policies->n++)
		name_policy(&info, policies->first, sizeof(policies->first));
	return MNL_CB_OK;
}

static void close_socket(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

/* -EINTR: they changed meanwhile. What is left of that list goes with the socket. */
static int dump_policies(struct policies *ret)
{
	FV_CLEANUP(close_socket) struct mnl_socket *nl = NULL;
	char buf[32 * 1024] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int r = MNL_CB_OK;
	ssize_t n;

	/* The kernel may load a module for this socket: nothing else knows of policies. */
	nl = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	nlh->nlmsg_type = XFRM_MSG_GETPOLICY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), take_policy, ret);
	}
	return r < 0 ? -errno : 0;
}

int fv_gate_xfrm(struct fv_err *err, struct fv_gate_list *add)
{
	struct policies policies = {};
	int r = -EINTR;

	for (int i = 0; i < DUMPS_MAX && r == -EINTR; i++) {
		policies = (struct policies){};
		r = dump_policies(&policies);
	}
	if (r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT)
		return 0;
	if (r)
		return fv_err_set(err, r, "cannot list IPsec policies: %s%s", strerror(-r),
				  r == -EPERM ? " (needs CAP_NET_ADMIN: run as root)" : "");
	if (policies.n == 1)
		return fv_gate_add(add, err, FV_GATE_XFRM, "%s", policies.first);
	if (policies.n)
		return fv_gate_add(add, err, FV_GATE_XFRM, "%s and %zu more", policies.first,
				   policies.n - 1);
	return 0;
}

/* ---- qdiscs ---- */

struct qdisc {
	int ifindex;
	char kind[16];
};

struct fv_qdiscs {
	struct qdisc *q; /* sorted by device */
	size_t n;
};

static bool parse_qdisc(const struct nlmsghdr *nlh, void *item)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[TCA_MAX + 1];
	struct qdisc *q = item;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*tcm) || nlh->nlmsg_type != RTM_NEWQDISC)
		return false;
	fv_attr_table(nlh, sizeof(*tcm), tb, FV_ARRAY_SIZE(tb));
	q->ifindex = tcm->tcm_ifindex;
	fv_attr_str(tb[TCA_KIND], q->kind, sizeof(q->kind));
	return true;
}

static int by_device(const void *a, const void *b)
{
	const struct qdisc *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

int fv_qdiscs_load(struct fv_rtnl *rt, struct fv_err *err, struct fv_qdiscs **ret)
{
	static const struct fv_rtnl_dump dump = {
		.what = "qdiscs",
		.type = RTM_GETQDISC,
		.header = sizeof(struct tcmsg),
		.item = sizeof(struct qdisc),
		.parse = parse_qdisc,
	};
	FV_CLEANUP(fv_qdiscs_free) struct fv_qdiscs *qdiscs = calloc(1, sizeof(*qdiscs));
	void *items = NULL;
	int r;

	if (!qdiscs)
		return fv_err_oom(err);
	r = fv_rtnl_dump(rt, &dump, err, &items, &qdiscs->n);
	if (r)
		return r;
	qdiscs->q = items;
	if (qdiscs->n)
		qsort(qdiscs->q, qdiscs->n, sizeof(*qdiscs->q), by_device);
	*ret = FV_TAKE_PTR(qdiscs);
	return 0;
}

void fv_qdiscs_free(struct fv_qdiscs **qdiscs)
{
	if (!*qdiscs)
		return;
	free((*qdiscs)->q);
	free(*qdiscs);
	*qdiscs = NULL;
}

bool fv_qdiscs_clsact(const struct fv_qdiscs *qdiscs, int ifindex)
{
	for (size_t i = 0; i < qdiscs->n; i++)
		if (qdiscs->q[i].ifindex == ifindex && strcmp(qdiscs->q[i].kind, "clsact") == 0)
			return true;
	return false;
}

/* They hold packets back only where the device itself does, and drop only when they are full. */
static bool only_queues(const char *kind)
{
	static const char *const kinds[] = { "noqueue", "mq",	    "pfifo_fast", "pfifo",
					     "bfifo",	"fq_codel", "clsact",	  "ingress" };

	for (size_t i = 0; i < FV_ARRAY_SIZE(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

/* ---- filters ---- */

struct filter {
	uint32_t pref, handle;
	char kind[16], name[64];
};

static bool is_ours(const struct filter *f)
{
	return strcmp(f->kind, "bpf") == 0 && f->pref == OUR_PRIORITY && f->handle == OUR_HANDLE &&
	       (strncmp(f->name, "fv_from_", 8) == 0 || strncmp(f->name, "fv_to_", 6) == 0);
}

static bool parse_filter(const struct nlmsghdr *nlh, void *item)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[TCA_MAX + 1];
	struct filter *f = item;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*tcm) || nlh->nlmsg_type != RTM_NEWTFILTER)
		return false;
	fv_attr_table(nlh, sizeof(*tcm), tb, FV_ARRAY_SIZE(tb));
	/* Each priority is listed once by itself, without options, before the filters in it. */
	if (!tb[TCA_OPTIONS])
		return false;
	f->pref = TC_H_MAJ(tcm->tcm_info) >> 16;
	f->handle = tcm->tcm_handle;
	fv_attr_str(tb[TCA_KIND], f->kind, sizeof(f->kind));
	if (strcmp(f->kind, "bpf") == 0)
		fv_attr_str(fv_attr_nested(tb[TCA_OPTIONS], TCA_BPF_NAME), f->name,
			    sizeof(f->name));
	return true;
}

static int look_at_filters(struct fv_rtnl *rt, int ifindex, const char *name, bool egress,
			   struct fv_err *err, struct fv_gate_list *add)
{
	const struct tcmsg tcm = {
		.tcm_ifindex = ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
	};
	const struct fv_rtnl_dump dump = {
		.what = "filters",
		.type = RTM_GETTFILTER,
		.header = sizeof(tcm),
		.body = &tcm,
		.item = sizeof(struct filter),
		.parse = parse_filter,
	};
	FV_AUTO_FREE void *items = NULL;
	const struct filter *f;
	size_t n;
	int r;

	r = fv_rtnl_dump(rt, &dump, err, &items, &n);
	f = items;
	for (size_t i = 0; !r && i < n; i++) {
		if (is_ours(&f[i]))
			continue;
		r = fv_gate_add(add, err, egress ? FV_GATE_EGRESS_PROGRAM : FV_GATE_INGRESS_PROGRAM,
				"filter pref %u %s%s%s on %s %s", f[i].pref, f[i].kind,
				f[i].name[0] ? " " : "", f[i].name, name,
				egress ? "egress" : "ingress");
	}
	return r;
}

int fv_gate_device(struct fv_rtnl *rt, const struct fv_qdiscs *qdiscs, int ifindex,
		   const char *name, struct fv_err *err, struct fv_gate_list *add)
{
	const struct qdisc key = { .ifindex = ifindex }, *end = qdiscs->q + qdiscs->n, *q = NULL;
	int r = 0;

	if (qdiscs->n)
		q = bsearch(&key, qdiscs->q, qdiscs->n, sizeof(*q), by_device);
	while (q && q > qdiscs->q && q[-1].ifindex == ifindex)
		q--;
	for (; !r && q && q < end && q->ifindex == ifindex; q++) {
		bool clsact = strcmp(q->kind, "clsact") == 0;

		if (!only_queues(q->kind))
			r = fv_gate_add(add, err, FV_GATE_QDISC, "qdisc %s on %s", q->kind, name);
		/* The ingress qdisc has one list of filters, whichever side is asked for. */
		if (!r && (clsact || strcmp(q->kind, "ingress") == 0))
			r = look_at_filters(rt, ifindex, name, false, err, add);
		if (!r && clsact)
			r = look_at_filters(rt, ifindex, name, true, err, add);
	}
	return r;
}
