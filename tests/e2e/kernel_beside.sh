#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Beside what else a kernel has: netem on the way of the shortcut, VLAN devices, netkit pairs,
# a flowtable. Each goes on as it was, and so do we.
#
#	a 10.77.0.10 --- fv-a [host] fv-b --- b 10.77.0.11
# timeout: 180
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need kernel_beside ip jq nft ping socat tc

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "$0")/life_lab.bash"

A4=10.77.0.10 B4=10.77.0.11
cat >"$FV_TMP/lab.yaml" <<END
networks:
  lab:
    subnet: 10.77.0.0/24
    mtu: 1500
    namespaces: { a: { address: $A4 }, b: { address: $B4 } }
END

# A file over TCP from a to b arrives whole, by the shortcut.
sends() { # CASE BYTES
	local before got

	before=$(counted b rx.shortcut_bytes)
	head -c "$2" /dev/urandom >"$FV_TMP/sent"
	rm -f "$FV_TMP/received"
	ip netns exec b socat -u TCP4-LISTEN:5001,reuseaddr CREATE:"$FV_TMP/received" &
	wait_for 5 listens b
	check "$1_sends" ip netns exec a socat -u OPEN:"$FV_TMP/sent" TCP4:$B4:5001
	wait $!
	check "$1_arrives_unchanged" cmp "$FV_TMP/sent" "$FV_TMP/received"
	got=$(($(counted b rx.shortcut_bytes) - before))
	check "$1_by_the_shortcut" test $got -gt "$2"
}

listens() { # NAMESPACE
	ip netns exec "$1" ss -Hlnt "sport = :5001" | grep -q .
}

# netem OPTION...: on what a sends; skipped where the kernel has none.
netem() { # CASE BYTES OPTION...
	local case=$1 bytes=$2

	shift 2
	if ! tc -n a qdisc add dev eth0 root netem "$@" 2>"$FV_TMP/err"; then
		skip "netem_$case" "$(head -n 1 "$FV_TMP/err")"
		return
	fi
	sends "netem_$case" "$bytes"
	check "netem_${case}_had_its_say" test "$(tc -n a -j -s qdisc show dev eth0 |
		jq '[.[] | select(.kind == "netem").packets] | add')" -gt 20
	tc -n a qdisc del dev eth0 root
}

# Packets may come late, twice, never, or in another order; the other half is netem's own count.
lossy() {
	netem delay 300000 delay 5ms 1ms
	netem loss 200000 loss 5%
	netem reorder 200000 delay 2ms reorder 25% 50%
	netem duplicate 200000 duplicate 10%
}

# On the port netem shapes the slow path alone: the shortcut goes past it.
shaped_port() {
	if ! tc qdisc add dev fv-b root netem loss 100% 2>"$FV_TMP/err"; then
		skip netem_on_the_port "$(head -n 1 "$FV_TMP/err")"
		return
	fi
	check netem_on_the_port_is_passed reaches a $B4
	check_fails netem_on_the_port_stops_the_slow_path ping -q -c 1 -W 0.5 $B4
	check netem_on_the_port_up_again "$FASTVETH" -q up "$FV_TMP/lab.yaml"
	check netem_on_the_port_stays bash -c 'tc qdisc show dev fv-b | grep -q netem'
	tc qdisc del dev fv-b root
	check netem_on_the_port_and_gone ping -q -c 1 -W 1 $B4
}

vlan() {
	if ! ip link add link fv-a name vlan5 type vlan id 5 2>"$FV_TMP/err"; then
		skip vlan "$(tail -n 1 "$FV_TMP/err")"
		return
	fi
	ip addr add 10.5.0.1/24 dev vlan5
	ip link set vlan5 up
	ip -n a link add link eth0 name vlan5 type vlan id 5
	ip -n a addr add 10.5.0.2/24 dev vlan5
	ip -n a link set vlan5 up
	check vlan_of_others_works reaches a 10.5.0.1
	check vlan_is_told test "$(counted a slow.vlan)" -gt 0
	check vlan_leaves_the_shortcut reaches a $B4
	check vlan_up_again "$FASTVETH" -q up "$FV_TMP/lab.yaml"
	check vlan_goes_on reaches a 10.5.0.1
	check vlan_is_no_problem healthy
	ip link del vlan5
}

netkit() {
	if ! ip link add type netkit 2>"$FV_TMP/err"; then
		skip netkit "$(tail -n 1 "$FV_TMP/err")"
		return
	fi
	ip netns add other
	ip link set nk0 netns other
	ip -n other addr add 10.6.0.2/24 dev nk0
	ip -n other link set nk0 up
	ip addr add 10.6.0.1/24 dev nk1
	ip link set nk1 up
	check netkit_works ping -q -c 1 -W 1 10.6.0.2
	check netkit_leaves_the_shortcut reaches a $B4
	check netkit_up_again "$FASTVETH" -q up "$FV_TMP/lab.yaml"
	# A namespace of ours as netkit's, too.
	ip -n other link set nk0 netns a
	ip -n a addr add 10.6.0.2/24 dev nk0
	ip -n a link set nk0 up
	check netkit_in_an_endpoint ping -q -c 1 -W 1 10.6.0.2
	check netkit_in_an_endpoint_and_ours reaches a $B4
	check netkit_is_no_problem healthy
	ip link del nk1
	ip netns del other
}

flowtable() {
	if ! nft -f - 2>"$FV_TMP/err" <<-END; then
		table inet theirs {
			flowtable f { hook ingress priority 0; devices = { fv-a, up0 }; }
			chain forward {
				type filter hook forward priority 10
				meta l4proto tcp flow add @f
				counter
			}
		}
	END
		skip flowtable "$(grep -m 1 Error "$FV_TMP/err")"
		return
	fi
	sends flowtable 300000
	# To the outside the flow is theirs.
	nsenter -t "$UPLINK_PID" -n socat -u TCP4-LISTEN:5001,reuseaddr CREATE:"$FV_TMP/outside" &
	wait_for 5 sh -c "nsenter -t $UPLINK_PID -n ss -Hlnt 'sport = :5001' | grep -q ."
	check flowtable_to_the_outside ip netns exec a socat -u OPEN:"$FV_TMP/sent" TCP4:192.0.2.2:5001
	wait $!
	check flowtable_outside_unchanged cmp "$FV_TMP/sent" "$FV_TMP/outside"
	check flowtable_up_again "$FASTVETH" -q up "$FV_TMP/lab.yaml"
	check flowtable_stays bash -c 'nft list flowtables | grep -q fv-a'
	check flowtable_is_no_problem healthy
	nft delete table inet theirs
}

life_host
forwarding 0
nsenter -t "$UPLINK_PID" -n ip route add 10.77.0.0/24 via 192.0.2.1
BEFORE=$(host_now)
check up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
sends plain 300000
lossy
shaped_port
vlan
netkit
flowtable
check still_healthy healthy
check down "$FASTVETH" -q down --all
check_host host_is_as_before "$BEFORE"
finish
