// SPDX-License-Identifier: GPL-2.0-only
/* Functions on netfilter's hooks, as nfnetlink_hook lists them. Only conntrack is looked for. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#include "core/cleanup.h"
#include "net/hooks.h"
#include "net/rtnl_priv.h"

/* <linux/netfilter/nfnetlink_hook.h> and its number are of 5.14, later than some headers. */
#define SUBSYS_HOOK 12
#define MSG_HOOK_GET 0

enum { HOOK_NUMBER = 1, HOOK_PRIORITY = 2, HOOK_FUNCTION = 4, HOOK_ATTRS = 16 };

#define DUMPS_MAX 8

static int take_hook(const struct nlmsghdr *nlh, void *ret_)
{
	const struct nlattr *tb[HOOK_ATTRS];
	uint32_t priority = 0;
	bool *ret = ret_;
	char name[64] = "";

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return MNL_CB_OK;
	fv_attr_table(nlh, sizeof(struct nfgenmsg), tb, FV_ARRAY_SIZE(tb));
	fv_attr_str(tb[HOOK_FUNCTION], name, sizeof(name));
	fv_attr_bytes(tb[HOOK_PRIORITY], &priority, sizeof(priority));
	/* Kernels without symbols name no functions. */
	if (*name)
		*ret |= !strncmp(name + (!strncmp(name, "ipv", 3) ? 4 : 0), "_conntrack_in", 13);
	else
		*ret |= (int32_t)ntohl(priority) == NF_IP_PRI_CONNTRACK;
	return MNL_CB_OK;
}

static void close_socket(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

/* Where packets come in. -EINTR: they changed meanwhile. */
static int dump_hooks(uint8_t family, bool *ret)
{
	FV_CLEANUP(close_socket) struct mnl_socket *nl = NULL;
	char buf[16 * 1024] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	int r = MNL_CB_OK;
	ssize_t n;

	nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	nlh->nlmsg_type = SUBSYS_HOOK << 8 | MSG_HOOK_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	mnl_attr_put_u32(nlh, HOOK_NUMBER, htonl(NF_INET_PRE_ROUTING));
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), take_hook, ret);
	}
	return r < 0 ? -errno : 0;
}

int fv_hooks_tracked(struct fv_err *err, bool *ret)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	bool tracked = false;

	for (size_t f = 0; f < FV_ARRAY_SIZE(families) && !tracked; f++) {
		int r = -EINTR;

		for (int i = 0; i < DUMPS_MAX && r == -EINTR; i++)
			r = dump_hooks(families[f], &tracked);
		/* No such subsystem, no netfilter at all; a kernel without IPv6 has no hooks of it. */
		if (r == -EOPNOTSUPP && f)
			break;
		if (r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
			return -EOPNOTSUPP;
		if (r)
			return fv_err_set(err, r, "cannot list netfilter's hooks: %s%s",
					  strerror(-r),
					  r == -EPERM ? " (needs CAP_NET_ADMIN: run as root)" : "");
	}
	*ret = tracked;
	return 0;
}
