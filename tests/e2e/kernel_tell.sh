#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What `status` and `inspect` say this kernel has is what it has, by its own symbols and by what
# it does; and what is used is the best of it.
#
#	a 10.77.0.2 --- host --- b 10.77.0.3
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need kernel_tell bpftool ip jq ping

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "$0")/life_lab.bash"

symbol() { # NAME: "built-in", the module it is in, or ""
	awk -v name="$1" '$3 == name { m = $4; gsub(/[][]/, "", m); print m == "" ? "built-in" : m; exit }' \
		/proc/kallsyms
}

has() { # NAME...: true if the kernel has one of these
	local name

	for name; do
		[ -z "$(symbol "$name")" ] || { echo true; return; }
	done
	echo false
}

told() { # KEY
	jq -r ".kernel.$1" <<<"$STATUS"
}

life_host
cat >"$FV_TMP/lab.yaml" <<END
networks:
  lab:
    subnet: 10.77.0.0/24
    namespaces: { a: {}, b: {} }
  fast:
    subnet: 10.78.0.0/24
    hook: $XDP
    namespaces: { x: {}, y: {} }
END
BEFORE=$(host_now)
# Locked memory that would not do for one map: it is raised where that counts.
check up_with_little_locked_memory bash -c 'ulimit -l 64; exec "$@"' sh \
	"$FASTVETH" -q up "$FV_TMP/lab.yaml"
STATUS=$("$FASTVETH" status -j)
check_equal release "$(uname -r)" "$(told release)"
check_equal hook "$([ "$(has tcx_prog_attach)" = true ] && echo tcx || echo clsact)" "$(told hook)"
check_equal hook_by_release $TC "$(told hook)"
check_equal xdp_by_release "$([ $XDP = xdp ] && echo true || echo false)" "$(told xdp)"
# Maps of devices take frames of several buffers where devices say what they can.
check_equal xdp_frags "$(has xdp_set_features_flag)" "$(told xdp_frags)"
check_equal memory "$([ "$(has bpf_map_charge_init)" = true ] && echo memlock || echo cgroup)" \
	"$(told memory)"
case $(symbol bpf_skb_ct_lookup) in
built-in) CT=built-in ;;
nf_conntrack) CT=module ;;
*) CT=null ;;
esac
check_equal conntrack "$CT" "$(told conntrack)"
check_equal inspect_says_the_same "$(jq -S .kernel <<<"$STATUS")" \
	"$("$FASTVETH" inspect -j | jq -S .kernel)"
check_equal status_text "kernel $(uname -r): tc by $TC" \
	"$("$FASTVETH" status | grep -o '^kernel [^,]*')"

# What is used.
check_equal ports "$TC $XDP" "$(jq -r '[.ports[] | select(.endpoint == ("a", "x")).hook] | join(" ")' \
	<<<"$STATUS" | sed "s/$TC $TC/$TC tc/")"
check_equal links "$([ $TC = tcx ] && echo "fv-a fv-b" || :)" "$("$FASTVETH" inspect -j |
	jq -r '[.links[].device | select(. == ("fv-a", "fv-b"))] | unique | join(" ")')"

# Packets of the shortcut, as the device inside counts them.
at a ping -q -c 20 -i 0.02 -W 1 10.77.0.3 >/dev/null
check_equal packets_took_the_shortcut 20 "$(counted b rx.shortcut_packets)"
check_equal peer_counters "$(told peer_counters)" "$(ip -n b -j -s link show eth0 |
	jq '.[0].stats64.rx.packets >= 20')"
check_equal bytes_do_not_depend_on_that "$((20 * 98))" "$(counted b rx.shortcut_bytes)"
check down "$FASTVETH" -q down --all
check_host host_is_as_before "$BEFORE"
finish
