// SPDX-License-Identifier: GPL-2.0-only
/*
 * One libnftables context per call: contexts cache the ruleset, and ours must
 * never be older than the question.
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "nat/nft.h"

static void free_ctx(struct nft_ctx **ctx)
{
	if (*ctx)
		nft_ctx_free(*ctx);
}

/* Asks for the ruleset's generation; libnftables would end the process where there is no socket. */
static int ask_kernel(void)
{
	struct {
		struct nlmsghdr nlh;
		struct nfgenmsg nfg;
	} req = {
		.nlh = { .nlmsg_len = sizeof(req),
			 .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
			 .nlmsg_flags = NLM_F_REQUEST },
		.nfg = { .version = NFNETLINK_V0 },
	};
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	FV_AUTO_FD int fd = -1;
	union {
		struct nlmsghdr nlh;
		char bytes[8192];
	} ans;
	ssize_t n;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0)
		return -errno;
	n = sendto(fd, &req, sizeof(req), 0, (struct sockaddr *)&kernel, sizeof(kernel));
	if (n < 0)
		return -errno;
	n = recv(fd, &ans, sizeof(ans), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(&ans.nlh, n) || ans.nlh.nlmsg_type != NLMSG_ERROR)
		return 0;
	return ((struct nlmsgerr *)NLMSG_DATA(&ans.nlh))->error;
}

/* The subsystem answers EINVAL where nf_tables is missing: nfnetlink does not know the number. */
int fv_nft_check(const char *what, struct fv_err *err)
{
	int r = ask_kernel();

	switch (r) {
	case 0:
		return 0;
	case -EPERM:
	case -EACCES:
		return fv_err_set(err, -EPERM, "nftables: %s: not permitted: needs CAP_NET_ADMIN",
				  what);
	case -EPROTONOSUPPORT:
	case -EAFNOSUPPORT:
	case -EINVAL:
	case -EOPNOTSUPP:
		return fv_err_set(err, -EOPNOTSUPP,
				  "nftables: %s: this kernel has no nftables: load the module "
				  "nf_tables or use a kernel with CONFIG_NF_TABLES",
				  what);
	default:
		return fv_err_set(err, r, "nftables: %s: cannot talk to the kernel: %s", what,
				  strerror(-r));
	}
}

static int code_of(const char *reason)
{
	for (int code = 1; code < 134; code++)
		if (strstr(reason, strerror(code)))
			return -code;
	return -EINVAL;
}

/* Length of a line without what surrounds it; *line is moved to its first character. */
static int trim(const char **line)
{
	int n;

	*line += strspn(*line, " \t");
	n = (int)strcspn(*line, "\n");
	while (n > 0 && strchr(" \t", (*line)[n - 1]))
		n--;
	return n;
}

int fv_nft_explain(const char *printed, char *ret, size_t size)
{
	const char *reason = strstr(printed, "Error: "), *rule;
	int n, m, code;

	if (!reason) {
		snprintf(ret, size, "libnftables failed without a reason");
		return -EIO;
	}
	reason += strlen("Error: ");
	n = trim(&reason);
	rule = reason + n + strspn(reason + n, " \t\n");
	m = trim(&rule);
	snprintf(ret, size, "%.*s", n, reason);
	code = code_of(ret);
	if (m > 0)
		snprintf(ret, size, "%.*s, in \"%.*s%s\"", n, reason, m > 160 ? 160 : m, rule,
			 m > 160 ? "..." : "");
	return code;
}

/*
 * Commands go in by a file: of a buffer libnftables quotes the first line, wherever the error
 * is.
 */
static int write_memfd(const char *text, struct fv_err *err, int *ret_fd)
{
	FV_AUTO_FD int fd = memfd_create("fastveth-nft", MFD_CLOEXEC);
	size_t size = strlen(text), done = 0;
	ssize_t n;

	while (fd >= 0 && done < size) {
		n = write(fd, text + done, size - done);
		if (n < 0)
			return fv_err_set(err, -errno, "nftables: cannot write to memory: %s",
					  strerror(errno));
		done += (size_t)n;
	}
	if (fd < 0)
		return fv_err_set(err, -errno, "nftables: cannot get memory: %s", strerror(errno));
	*ret_fd = FV_TAKE_FD(fd);
	return 0;
}

int fv_nft_run(const char *what, const char *commands, enum fv_nft_output output,
	       struct fv_err *err, char **ret_output)
{
	FV_CLEANUP(free_ctx) struct nft_ctx *ctx = NULL;
	char reason[512], path[32];
	FV_AUTO_FD int fd = -1;
	char *text;
	int r;

	r = fv_nft_check(what, err);
	r = r ?: write_memfd(commands, err, &fd);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx || nft_ctx_buffer_output(ctx) != 0 || nft_ctx_buffer_error(ctx) != 0)
		return fv_err_oom(err);
	/* Protocol names come from /etc/protocols: a listing must not change with that. */
	nft_ctx_output_set_flags(ctx, output == FV_NFT_JSON ? NFT_CTX_OUTPUT_JSON
							    : NFT_CTX_OUTPUT_STATELESS |
								      NFT_CTX_OUTPUT_NUMERIC_PROTO);
	if (nft_run_cmd_from_filename(ctx, path) != 0) {
		r = fv_nft_explain(nft_ctx_get_error_buffer(ctx), reason, sizeof(reason));
		return fv_err_set(err, r, "nftables: %s: %s", what, reason);
	}
	if (!ret_output)
		return 0;
	text = strdup(nft_ctx_get_output_buffer(ctx));
	if (!text)
		return fv_err_oom(err);
	*ret_output = text;
	return 0;
}
