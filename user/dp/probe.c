// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this kernel can do, found by trying: distributions carry features back,
 * so a version says nothing. Tiny programs are loaded and links are asked for on a
 * device that cannot exist; nothing of it stays.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "dp/priv.h"

#define NO_SUCH_IFINDEX 0x7ffffffe
/* Names that the headers of Debian 12 do not have yet. */
#define TCX_INGRESS 46
#define XDP_HAS_FRAGS (1U << 5)
#define XDP_DEV_BOUND_ONLY (1U << 6)
#define LOOPBACK 1 /* ifindex of lo in every namespace */

static int load_tiny(enum bpf_prog_type type, int retval, __u32 flags, __u32 ifindex)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = retval },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = flags, .prog_ifindex = ifindex);

	return bpf_prog_load(type, "fv_probe", "GPL", insns, FV_ARRAY_SIZE(insns), &opts);
}

static bool has_tcx(void)
{
	FV_AUTO_FD int prog = load_tiny(BPF_PROG_TYPE_SCHED_CLS, -1, 0, 0);
	const char *off = getenv("FASTVETH_NO_TCX");
	int link;

	if (prog < 0 || (off && !strcmp(off, "1")))
		return false;
	link = bpf_link_create(prog, NO_SUCH_IFINDEX, TCX_INGRESS, NULL);
	if (link >= 0) {
		close(link);
		return true;
	}
	/* A kernel without tcx refuses the attach type before it looks for the device. */
	return link == -ENODEV;
}

/*
 * From 5.18 on a program may take frames of several buffers, but a map of devices takes them only
 * since 6.3: before, the redirect fails and the frame is lost. Programs bound to a device came
 * with 6.3, too: a kernel without them refuses the flag before it looks at the device.
 */
static bool has_xdp_frags(void)
{
	FV_AUTO_FD int frags = load_tiny(BPF_PROG_TYPE_XDP, XDP_PASS, XDP_HAS_FRAGS, 0);
	FV_AUTO_FD int bound = -1;

	if (frags < 0)
		return false;
	bound = load_tiny(BPF_PROG_TYPE_XDP, XDP_PASS, XDP_DEV_BOUND_ONLY, LOOPBACK);
	return bound >= 0 || bound == -EOPNOTSUPP;
}

static int lacks(struct fv_err *err, const char *what)
{
	struct utsname u;

	if (uname(&u))
		strcpy(u.release, "?");
	return fv_err_set(err, -EOPNOTSUPP, "kernel %s cannot run fastveth: it lacks %s", u.release,
			  what);
}

int fv_dp_probe(struct fv_err *err, struct fv_features *ret)
{
	struct fv_features f = {};
	int prog, r;

	prog = load_tiny(BPF_PROG_TYPE_SCHED_CLS, -1, 0, 0);
	if (prog == -EPERM)
		return fv_err_set(
			err, prog,
			"loading a BPF program was refused: needs CAP_BPF and CAP_NET_ADMIN "
			"(run as root), and a kernel that is not locked down");
	if (prog == -ENOSYS)
		return lacks(err, "the bpf() system call (CONFIG_BPF_SYSCALL)");
	if (prog < 0)
		return fv_err_set(err, prog, "loading a BPF program failed: %s", strerror(-prog));
	close(prog);
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return lacks(err, "BTF (/sys/kernel/btf/vmlinux; CONFIG_DEBUG_INFO_BTF)");
	r = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_peer, NULL);
	if (r < 0)
		return fv_err_set(err, r, "probing BPF helpers failed: %s", strerror(-r));
	if (!r)
		return lacks(err, "bpf_redirect_peer (Linux 5.10)");
	f.tcx = has_tcx();
	/*
	 * That GRO on a veth brings NAPI shows in no interface; it came with 5.13, as
	 * this helper did.
	 */
	f.xdp = libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_snprintf, NULL) == 1;
	f.xdp_frags = has_xdp_frags();
	*ret = f;
	return 0;
}

static const char *const slow_names[FV_SLOW_COUNT] = {
	[FV_SLOW_NOT_IP] = "not_ip",
	[FV_SLOW_VLAN] = "vlan",
	[FV_SLOW_MULTICAST] = "multicast",
	[FV_SLOW_MALFORMED] = "malformed",
	[FV_SLOW_OPTIONS] = "options",
	[FV_SLOW_FRAGMENT] = "fragment",
	[FV_SLOW_TTL] = "ttl",
	[FV_SLOW_MTU] = "mtu",
	[FV_SLOW_LINK_LOCAL] = "link_local",
	[FV_SLOW_OUTSIDE] = "outside",
	[FV_SLOW_NOT_ROUTED] = "not_routed",
	[FV_SLOW_TARGET] = "target",
	[FV_SLOW_DECLINED] = "declined",
	[FV_SLOW_PROTOCOL] = "protocol",
	[FV_SLOW_CONTROL] = "control",
	[FV_SLOW_UNPROVEN] = "unproven",
	[FV_SLOW_PROBE] = "probe",
	[FV_SLOW_STALE] = "stale",
	[FV_SLOW_CHANGED] = "changed",
	[FV_SLOW_LONGER] = "longer",
	[FV_SLOW_WINDOW] = "window",
};

static const char *const drop_names[FV_DROP_COUNT] = {
	[FV_DROP_SPOOFED_MAC] = "spoofed_mac",
	[FV_DROP_SPOOFED_ADDR] = "spoofed_addr",
	[FV_DROP_ISOLATION] = "isolation",
};

static const char *const prog_names[FV_PROG_COUNT] = {
	[FV_PROG_FROM_NS] = "fv_from_ns",	  [FV_PROG_TO_NS] = "fv_to_ns",
	[FV_PROG_XDP_FROM_NS] = "fv_xdp_from_ns", [FV_PROG_FROM_UPLINK] = "fv_from_uplink",
	[FV_PROG_TO_UPLINK] = "fv_to_uplink",
};

const char *fv_slow_name(enum fv_slow why)
{
	return slow_names[why];
}

const char *fv_drop_name(enum fv_drop why)
{
	return drop_names[why];
}

const char *fv_prog_name(enum fv_prog prog)
{
	return prog_names[prog];
}
