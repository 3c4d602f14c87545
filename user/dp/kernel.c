// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel has that explains what is seen, for `status` and `inspect`; whether flows with NAT can
 * be proven, for all. It reads the kernel's BTF, which takes 10 ms and more.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dp/priv.h"

#define CT_MODULE "nf_conntrack"

static void free_btf(struct btf **btf)
{
	btf__free(*btf);
}

/* The kernel's own descriptor of a module's BTF: calls into a module name it. */
static int module_btf(const char *name)
{
	__u32 id = 0;

	while (!bpf_btf_get_next_id(id, &id)) {
		FV_AUTO_FD int fd = bpf_btf_get_fd_by_id(id);
		char buf[64] = "";
		struct bpf_btf_info info = { .name = (__u64)(unsigned long)buf,
					     .name_len = sizeof(buf) };
		__u32 len = sizeof(info);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.kernel_btf &&
		    !strcmp(buf, name))
			return FV_TAKE_FD(fd);
	}
	return -1;
}

/* A program that looks a connection up and lets go of it: what proof of flows with NAT needs. */
static bool loads_lookup(const struct btf *btf, int btf_fd)
{
	const __s32 lookup = btf__find_by_name_kind(btf, "bpf_skb_ct_lookup", BTF_KIND_FUNC);
	const __s32 release = btf__find_by_name_kind(btf, "bpf_ct_release", BTF_KIND_FUNC);
	const int fds[] = { -1, btf_fd };
	const __s16 at = btf_fd >= 0;
	/* fp-32: struct bpf_ct_opts of 12 bytes; fp-16: tuple of 12 bytes */
	const struct bpf_insn insns[] = {
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -16 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -24 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -32, .imm = -1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -16 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 12 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X,
		  .dst_reg = BPF_REG_4,
		  .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_4, .imm = -32 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_5, .imm = 12 },
		{ .code = BPF_JMP | BPF_CALL,
		  .src_reg = BPF_PSEUDO_KFUNC_CALL,
		  .off = at,
		  .imm = lookup },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_CALL,
		  .src_reg = BPF_PSEUDO_KFUNC_CALL,
		  .off = at,
		  .imm = release },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .fd_array = fds);

	FV_AUTO_FD int prog = -1;

	if (lookup <= 0 || release <= 0)
		return false;
	prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "fv_probe", "GPL", insns,
			     FV_ARRAY_SIZE(insns), &opts);
	return prog >= 0;
}

static enum fv_conntrack conntrack_calls(struct btf *vmlinux)
{
	FV_CLEANUP(free_btf) struct btf *module = NULL;
	FV_AUTO_FD int fd = -1;

	if (loads_lookup(vmlinux, -1))
		return FV_CONNTRACK_BUILT_IN;
	fd = module_btf(CT_MODULE);
	if (fd < 0)
		return FV_CONNTRACK_NONE;
	module = btf__load_module_btf(CT_MODULE, vmlinux);
	return module && loads_lookup(module, fd) ? FV_CONNTRACK_MODULE : FV_CONNTRACK_NONE;
}

/*
 * That bpf_redirect_peer counts on the device it delivers to came with this member
 * (024ee930cb3c and what it leans on, 6.7 and stable kernels since); the counting itself shows nowhere.
 */
static bool counts_peers(const struct btf *vmlinux)
{
	__s32 id = btf__find_by_name_kind(vmlinux, "net_device", BTF_KIND_STRUCT);
	const struct btf_type *t = id > 0 ? btf__type_by_id(vmlinux, id) : NULL;

	for (__u32 i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(vmlinux, btf_members(t)[i].name_off),
			    "pcpu_stat_type"))
			return true;
	return false;
}

/* Does a map count against RLIMIT_MEMLOCK? libbpf has raised that by now, for the first program. */
static bool counts_memlock(void)
{
	struct rlimit old, none;
	int map;

	if (getrlimit(RLIMIT_MEMLOCK, &old))
		return false;
	none = old;
	none.rlim_cur = 0;
	if (setrlimit(RLIMIT_MEMLOCK, &none))
		return false;
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "fv_probe", 4, 4, 1, NULL);
	setrlimit(RLIMIT_MEMLOCK, &old);
	if (map >= 0)
		close(map);
	return map == -EPERM;
}

bool fv_dp_could_nat(void)
{
	/* The calls come with conntrack, and there is no need to look for them twice. */
	static enum { UNKNOWN, NO, YES } known;
	FV_CLEANUP(free_btf) struct btf *vmlinux = NULL;

	if (known != UNKNOWN || access("/sys/module/" CT_MODULE, F_OK))
		return known == YES;
	vmlinux = btf__load_vmlinux_btf();
	known = vmlinux && conntrack_calls(vmlinux) != FV_CONNTRACK_NONE ? YES : NO;
	return known == YES;
}

int fv_dp_kernel(struct fv_err *err, struct fv_kernel *ret)
{
	FV_CLEANUP(free_btf) struct btf *vmlinux = NULL;
	struct fv_features features;
	int r;

	r = fv_dp_probe(err, &features);
	if (r)
		return r;
	vmlinux = btf__load_vmlinux_btf();
	if (!vmlinux)
		return fv_err_set(err, -errno, "reading the kernel's BTF failed: %s",
				  strerror(errno));
	ret->features = features;
	ret->conntrack = conntrack_calls(vmlinux);
	ret->peer_counted = counts_peers(vmlinux);
	ret->memlock = counts_memlock();
	return 0;
}
