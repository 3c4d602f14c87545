// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded, it makes this kernel one that lacks something: what REFUSE names, words of
 *
 *	bpf		the bpf() system call
 *	tcx		links of that attach type
 *	redirect_peer	that helper, in any program
 *	frags		XDP programs for frames of several buffers
 *	snprintf	that helper: what tells fastveth that veth has NAPI without a program
 *	devmap_hash	maps of that type
 *
 * and fails as a kernel does that has never heard of it. libbpf calls bpf() by syscall().
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define XDP_HAS_FRAGS (1U << 5)

long syscall(long number, ...);

static int refuses(const char *word)
{
	const char *words = getenv("REFUSE");

	return words && strstr(words, word);
}

static int calls(const union bpf_attr *attr, __s32 helper)
{
	const struct bpf_insn *insn = (const void *)(unsigned long)attr->insns;

	for (__u32 i = 0; i < attr->insn_cnt; i++)
		if (insn[i].code == (BPF_JMP | BPF_CALL) && !insn[i].src_reg &&
		    insn[i].imm == helper)
			return 1;
	return 0;
}

/* The verifier's words, by which libbpf knows that it is the helper that it does not have. */
static int unknown(const union bpf_attr *attr, __s32 helper)
{
	char *log = (void *)(unsigned long)attr->log_buf;

	if (!calls(attr, helper))
		return 0;
	if (log && attr->log_level && attr->log_size > 64)
		sprintf(log, "invalid func unknown#%d\n", helper);
	return 1;
}

static int refused(long command, const union bpf_attr *attr)
{
	if (refuses("bpf"))
		return ENOSYS;
	if (command == BPF_LINK_CREATE && refuses("tcx") &&
	    (attr->link_create.attach_type == TCX_INGRESS ||
	     attr->link_create.attach_type == TCX_EGRESS))
		return EINVAL;
	if (command == BPF_MAP_CREATE && refuses("devmap_hash") &&
	    attr->map_type == BPF_MAP_TYPE_DEVMAP_HASH)
		return EINVAL;
	if (command != BPF_PROG_LOAD)
		return 0;
	if ((refuses("redirect_peer") && unknown(attr, BPF_FUNC_redirect_peer)) ||
	    (refuses("snprintf") && unknown(attr, BPF_FUNC_snprintf)) ||
	    (refuses("frags") && attr->prog_flags & XDP_HAS_FRAGS))
		return EINVAL;
	return 0;
}

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_bpf) {
		int code = refused(a[0], (const union bpf_attr *)a[1]);

		if (code) {
			errno = code;
			return -1;
		}
	}
	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
