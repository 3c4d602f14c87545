#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# From the first packet on: ping, TCP and UDP of both families pass where only the shortcut
# does, are counted so, and are not where the programs are off. The network: path_lab.bash.
# timeout: 90
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need path_first ip jq nstat ping socat ss tc

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"

pings() { # CASE ADDRESS
	local rx

	rx=$(counted b rx.shortcut_packets)
	check "$1" at a ping -q -c 1 -W 1 "$2"
	check_equal "$1_is_counted" $((rx + 1)) "$(counted b rx.shortcut_packets)"
}

# One question, one answer; what it asked comes back before the server's word.
asks() { # CASE tcp|udp LISTEN_ADDRESS ADDRESS PORT
	local rx tx server

	rx=$(counted b rx.shortcut_packets)
	tx=$(counted b tx.shortcut_packets)
	start b socat "$3:$5" "SYSTEM:head -c 3; echo b"
	server=$STARTED
	wait_for 3 listening b "$5"
	check_equal "$1" askb "$(at a timeout 5 bash -c \
		'exec 3<>"/dev/$0/$1/$2" && printf ask >&3 && head -c 4 <&3' "$2" "$4" "$5")"
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	check "$1_is_counted" test "$(counted b rx.shortcut_packets)" -gt "$rx" \
		-a "$(counted b tx.shortcut_packets)" -gt "$tx"
}

# Others make and delete namespaces meanwhile: that takes the lock for which new devices wait.
crowd() {
	while :; do
		for _ in 1 2 3 4 5 6; do
			unshare -n sh -c 'ip link add x up type veth peer name y; ip link set y up' &
		done
		wait
	done
}

first_in_a_crowd() {
	local crowd round lost=0

	lab_file tcx >"$FV_TMP/lab.yaml"
	crowd &
	crowd=$!
	for round in {1..12}; do
		"$FASTVETH" up -q "$FV_TMP/lab.yaml" || lost="$round: up failed"
		at a ping -q -c 1 -W 0.3 $B4 >/dev/null || lost="$round"
		"$FASTVETH" down -q || lost="$round: down failed"
	done
	kill $crowd
	check_equal first_packet_right_after_up 0 "$lost"
}

first_in_a_crowd
for hook in tcx clsact xdp; do
	has_hook $hook || continue
	lab $hook
	wall a b
	check_equal ${hook}_nothing_counted_before 0 "$(counted a tx.shortcut_packets)"
	pings ${hook}_first_ping $B4
	pings ${hook}_first_ping_ipv6 $B6
	asks ${hook}_tcp tcp TCP4-LISTEN $B4 7000
	asks ${hook}_tcp_ipv6 tcp TCP6-LISTEN $B6 7001
	asks ${hook}_udp udp UDP4-LISTEN $B4 7002
	asks ${hook}_udp_ipv6 udp UDP6-LISTEN $B6 7003
	check_equal ${hook}_nothing_was_dropped '[{},{},{}]' \
		"$("$FASTVETH" stats -j | jq -c '[.endpoints[].drop]')"
	check_equal ${hook}_nothing_was_slow "[]" "$("$FASTVETH" stats -j |
		jq -c '[.endpoints[].slow | del(.link_local) | select(. != {})]')"
	check ${hook}_checksums_are_good checksums_good a b

	# The other way round: without programs nothing gets through, so the wall is one.
	detach a b
	check_fails ${hook}_wall_stops_the_slow_path at a ping -q -c 1 -W 0.3 $B4
	check_fails ${hook}_wall_stops_the_slow_path_ipv6 at a ping -q -c 1 -W 0.3 $B6
	check ${hook}_up_repairs "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check ${hook}_shortcut_again at a ping -q -c 1 -W 1 $B4
	lab_down $hook
done
finish
