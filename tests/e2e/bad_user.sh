#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Without what it needs from the user and the kernel: no root, a capability less, no BTF, no bpf(),
# a call of it that is refused. Every verb says what is missing; nothing changes.
# kernel: any
# timeout: 180
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need bad_user ip jq nft setpriv strace

# shellcheck source=tests/e2e/bad_lab.bash
. "$(dirname "$0")/bad_lab.bash"

life_host
net lab 10.77.0.0/24 >"$FV_TMP/lab.yaml"
cp "$FASTVETH" /run/fv
FASTVETH=/run/fv
remember

nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"
}

without() { # CAPABILITY COMMAND...
	setpriv --bounding-set "-$1" --inh-caps "-$1" -- "${@:2}"
}

# every_verb CASE TEXT PREFIX...: all that need the right, with and without networks.
every_verb() {
	local case=$1 text=$2

	shift 2
	refused "${case}_up" 1 "$text" "$@" "$FASTVETH" up "$FV_TMP/lab.yaml"
	refused "${case}_plan" 1 "$text" "$@" "$FASTVETH" plan "$FV_TMP/lab.yaml"
	refused "${case}_down" 1 "$text" "$@" "$FASTVETH" down --all
	refused "${case}_add" 1 "$text" "$@" "$FASTVETH" add b --network lab --subnet 10.77.0.0/24
	refused "${case}_del" 1 "$text" "$@" "$FASTVETH" del a
}

for verb in version help; do
	check "nobody_$verb" nobody "$FASTVETH" $verb
done
every_verb nobody CAP_NET_ADMIN nobody
every_verb no_net_admin CAP_NET_ADMIN without net_admin
every_verb no_sys_admin CAP_SYS_ADMIN without sys_admin
every_verb no_sys_ptrace CAP_SYS_PTRACE without sys_ptrace
refused nobody_exec 1 CAP_NET_ADMIN nobody "$FASTVETH" exec a -- true
refused no_sys_admin_exec 1 CAP_SYS_ADMIN without sys_admin "$FASTVETH" exec a -- true

inject() { # ERROR COMMAND...
	strace -qq -f -o /dev/null -e trace=bpf -e signal=none -e inject=bpf:error="$1" "${@:2}"
}

refused bpf_refused 1 "BPF" inject EPERM "$FASTVETH" up "$FV_TMP/lab.yaml"
refused bpf_missing 1 "BPF" inject ENOSYS "$FASTVETH" up "$FV_TMP/lab.yaml"
refused bpf_refused_plan 1 "BPF" inject EPERM "$FASTVETH" plan "$FV_TMP/lab.yaml"

mount -t tmpfs tmpfs /sys/kernel/btf
remember
refused no_btf 1 "BTF" "$FASTVETH" up "$FV_TMP/lab.yaml"
refused no_btf_plan 1 "BTF" "$FASTVETH" plan "$FV_TMP/lab.yaml"
umount /sys/kernel/btf
remember

# The same beside a network that runs.
check up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
remember
every_verb running_nobody CAP_NET_ADMIN nobody
every_verb running_no_sys_admin CAP_SYS_ADMIN without sys_admin
for verb in list status stats inspect; do
	refused "running_nobody_$verb" 1 "root" nobody "$FASTVETH" $verb
done
refused running_bpf_refused 1 "BPF" inject EPERM "$FASTVETH" down --all
check still_healthy healthy
check down "$FASTVETH" -q down --all
finish
