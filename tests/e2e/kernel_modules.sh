#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A kernel whose modules are not loaded yet, or cannot be: what is needed comes by itself, and
# what cannot come is named before anything has changed. Only in a virtual machine of tests/vm: the
# machine's own modules are left alone.
# serial
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
if [ "${FV_VM:-}" != 1 ]; then
	skip kernel_modules "not a virtual machine of tests/vm"
	finish
fi
# The kernel calls modprobe outside of all isolation: what it may load is said there, by files that
# this script makes later.
CONF=/etc/modprobe.d/fastveth-test.conf NO=/tmp/fastveth-test-no
if [ "${FV_ISOLATED:-}" != 1 ]; then
	for module in veth nf_tables sch_ingress cls_bpf; do
		echo "install $module [ ! -e $NO-$module ] && modprobe --ignore-install $module"
	done >$CONF
	"$FV_HARNESS/isolate" "$(readlink -f "$0")"
	code=$?
	rm -f $CONF $NO-*
	modprobe -a nf_conntrack br_netfilter
	exit $code
fi
fv_isolate "$@"
need kernel_modules ip jq nft ping modprobe

# shellcheck source=tests/e2e/bad_lab.bash
. "$(dirname "$0")/bad_lab.bash"

# Take out, again and again, what nobody uses any more.
unload() {
	local module used

	for _ in 1 2 3 4 5 6; do
		while read -r module _ used _; do
			[ "$used" = 0 ] || continue
			case $module in
			veth | sch_* | cls_* | act_* | nf_* | nft_* | nfnetlink* | xt_* | x_tables | ip_* | \
				ip6_* | ip*table* | br_netfilter | bridge) modprobe -r "$module" 2>/dev/null ;;
			esac
		done </proc/modules
		sleep 0.1
	done
}

loaded() { # NAME...: those of them that are
	local name

	for name; do
		grep -o "^$name " /proc/modules
	done | xargs
}

conntrack() {
	"$FASTVETH" status -j | jq -r .kernel.conntrack
}

# without MODULE CASE TEXT: it cannot come, and `up` and `plan` say so before anything has changed.
without() {
	remember
	unload
	touch $NO-"$1"
	refused "$2" 1 "$3" "$FASTVETH" up "$FV_TMP/lab.yaml"
	refused "$2_plan" 1 "$3" "$FASTVETH" plan "$FV_TMP/lab.yaml"
	rm $NO-"$1"
}

net lab 10.77.0.0/24 '{ a: {}, b: {} }' >"$FV_TMP/lab.yaml"
unload
check_equal nothing_is_loaded "" "$(loaded veth nf_tables nf_conntrack sch_ingress cls_bpf)"
check_equal no_conntrack null "$(conntrack)"
check_equal looking_loads_nothing "" "$(loaded veth nf_tables nf_conntrack)"
without nf_tables no_nftables "this kernel has no nftables"
without veth no_veth "this kernel has no veth devices"
unload
check up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
check works reaches a 10.77.0.3
check_equal by_the_shortcut 1 "$(counted b rx.shortcut_packets)"
check healthy healthy
check down "$FASTVETH" -q down --all
if [ $TC = clsact ]; then
	# That shows only at the first port: it is undone.
	modprobe -r cls_bpf sch_ingress
	remember
	touch $NO-sch_ingress
	refused no_clsact 1 "neither tcx nor clsact" "$FASTVETH" up "$FV_TMP/lab.yaml"
	rm $NO-sch_ingress
	touch $NO-cls_bpf
	refused no_cls_bpf 1 "no BPF classifier" "$FASTVETH" up "$FV_TMP/lab.yaml"
	rm $NO-cls_bpf
fi

# ---- conntrack comes later ----

says() { # TEXT: `status` does
	"$FASTVETH" status >"$FV_TMP/status"
	grep -qF "$1" "$FV_TMP/status"
}

unload
check_equal conntrack_is_not_there null "$(conntrack)"
ip netns add c
ip netns add wire
ip link add br9 up type bridge
ip link add up0 up type veth peer name eth0 netns wire
ip link add vc up master br9 type veth peer name eth0 netns c
ip -n c link set eth0 up
ip -n wire link set eth0 up
check attach "$FASTVETH" -q attach --uplink up0 br9
if kernel_from 5.18; then
	check not_loaded_is_told says "nf_conntrack is not loaded: flows with NAT would stay slow"
	check that_is_no_problem healthy
	modprobe nf_conntrack
	check came_later_is_told says "nf_conntrack was loaded since: flows with NAT stay slow"
	check why_of_a_port says "know no NAT: nf_conntrack was loaded since"
	check_fails that_is_not_healthy healthy
else
	modprobe nf_conntrack
	check never_is_told says "this kernel's conntrack cannot be asked by BPF programs"
	check_fails not_told_of_a_port says "nf_conntrack was loaded since"
fi
check attach_again "$FASTVETH" -q attach
check_equal nat_is_told_where_it_stays_slow "$(kernel_from 5.18 && echo 0 || echo 1)" \
	"$("$FASTVETH" status | grep -c "flows with NAT stay slow")"
check all_is_well healthy
check_equal conntrack_came_later "$(kernel_from 5.18 && echo module || echo null)" "$(conntrack)"
check detach "$FASTVETH" -q detach --all
finish
