#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Kernels that lack something: without what fastveth needs, one line names it before
# anything is changed; without what it only prefers, it does without and tells. Older
# kernels than 5.10 are not to be had: refuse.c makes this one look like them.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need kernel_lacks ip jq nft ping

# shellcheck source=tests/e2e/bad_lab.bash
. "$(dirname "$0")/bad_lab.bash"
REFUSE_SO=${FV_REFUSE:-$FV_ROOT/build/tests/refuse.so}
if [ ! -e "$REFUSE_SO" ]; then
	not_ok kernel_lacks "$REFUSE_SO is not built"
	finish
fi

lacking() { # WORDS COMMAND...
	LD_PRELOAD=$REFUSE_SO REFUSE=$1 "${@:2}"
}

life_host
net lab 10.77.0.0/24 '{ a: {}, b: {} }' >"$FV_TMP/lab.yaml"
sed 's/subnet/hook: xdp\n    subnet/' "$FV_TMP/lab.yaml" >"$FV_TMP/xdp.yaml"
remember

# What it cannot do without.
needs() { # CASE WORDS TEXT
	refused "$1" 1 "$3" lacking "$2" "$FASTVETH" up "$FV_TMP/lab.yaml"
	refused "$1_plan" 1 "$3" lacking "$2" "$FASTVETH" plan "$FV_TMP/lab.yaml"
	refused "$1_add" 1 "$3" lacking "$2" "$FASTVETH" add x --address 10.1.0.2
}
release=$(uname -r)
needs no_bpf bpf "kernel $release cannot run fastveth: it lacks the bpf() system call"
needs no_redirect_peer redirect_peer "kernel $release cannot run fastveth: it lacks bpf_redirect_peer"
needs no_devmap_hash devmap_hash "fv_live"
refused no_xdp 1 "cannot redirect XDP frames to a veth" lacking snprintf \
	"$FASTVETH" up "$FV_TMP/xdp.yaml"

# What it can.
hooks() {
	lacking "$1" "$FASTVETH" status -j | jq -r '[.ports[].hook] | unique | join(" ")'
}
kernel() { # WORDS KEY
	lacking "$1" "$FASTVETH" status -j | jq -r ".kernel.$2"
}
check no_tcx_up lacking tcx "$FASTVETH" -q up "$FV_TMP/lab.yaml"
check_equal no_tcx_is_told clsact "$(kernel tcx hook)"
check_equal no_tcx_is_seen clsact "$(hooks tcx)"
check no_tcx_works reaches a 10.77.0.3
check_equal no_tcx_takes_the_shortcut 1 "$(counted b rx.shortcut_packets)"
check no_tcx_healthy lacking tcx "$FASTVETH" -q status
check no_tcx_down lacking tcx "$FASTVETH" -q down --all
if has_hook xdp; then
	check no_frags_up lacking frags "$FASTVETH" -q up "$FV_TMP/xdp.yaml"
	check_equal no_frags_is_told false "$(kernel frags xdp_frags)"
	check_equal no_frags_is_seen xdp "$(hooks frags)"
	check no_frags_works reaches a 10.77.0.3
	check_equal no_frags_takes_the_shortcut 1 "$(counted b rx.shortcut_packets)"
	check no_frags_down lacking frags "$FASTVETH" -q down --all
	sed -i 's/subnet/mtu: 9000\n    subnet/' "$FV_TMP/xdp.yaml"
	refused no_frags_and_a_large_mtu 1 "MTU of at most" lacking frags "$FASTVETH" up "$FV_TMP/xdp.yaml"
fi
check_equal nothing_left "$HOST_BEFORE" "$(now)"
finish
