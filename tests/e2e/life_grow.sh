#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# More endpoints than the maps hold: they are replaced by larger ones under traffic, no packet is
# lost, no counter loses one, reasons included. And back to few. The network: path_lab.bash.
# kernel: any
# timeout: 180
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need life_grow ip jq ping

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"

# lab.yaml and a second network of so many.
many() { # HOOK NUMBER
	lab_file "$1"
	printf '  crowd:\n    subnet: 10.80.0.0/16\n    internal: true\n    namespaces:\n'
	seq -f '      n%.0f: {}' "$2"
}

maps() {
	"$FASTVETH" inspect -j | jq -c '[.maps[] | [.name, .id]] | sort'
}

slots() {
	"$FASTVETH" inspect -j | jq '.maps[] | select(.name == "fv_counters").entries'
}

# All of a, b, c but what still moves by itself: shortcut packets and bytes, reasons.
counts() {
	"$FASTVETH" stats -j | jq -c '.endpoints[] | select(.network == "lab") | [.name,
		.rx.shortcut_packets, .rx.shortcut_bytes, .tx.shortcut_packets,
		.tx.shortcut_bytes, .slow.options, .slow.ttl, .drop]'
}

# grows HOOK: pings go on meanwhile, each is answered by the shortcut and counted.
grows() {
	local rx tx pings slots before sent received

	at a ping -q -c 3 -W 1 -i 0.01 -t 1 $B4 >/dev/null
	at a ping -q -c 2 -W 1 -i 0.01 -R $B4 >/dev/null
	# Not its own address, by the gateway: dropped.
	ip -n a addr add 10.77.0.99/32 dev lo
	at a ping -q -c 4 -W 0.1 -i 0.01 -I 10.77.0.99 $B4 >/dev/null
	slots=$(slots) before=$(maps)
	rx=$(counted b rx.shortcut_packets) tx=$(counted b tx.shortcut_packets)
	check_equal "$1_reasons_before" "3 2 4" "$(counted a slow.ttl) $(counted a slow.options) \
$(counted a drop.spoofed_addr)"
	many "$1" $((slots + 1)) >"$FV_TMP/many.yaml"
	ip netns exec a ping -q -i 0.002 -c 100000 -W 1 $B4 >"$FV_TMP/ping" &
	pings=$!
	sleep 0.2
	check "$1_up_of_many" "$FASTVETH" up -q "$FV_TMP/many.yaml"
	check_equal "$1_larger" true "$([ "$(slots)" -gt "$slots" ] && echo true)"
	check "$1_other_maps" test "$before" != "$(maps)"
	sleep 0.2
	kill -INT $pings
	wait $pings
	read -r sent received < <(sed -nE 's/^([0-9]+) packets.* ([0-9]+) received.*/\1 \2/p' \
		"$FV_TMP/ping")
	check_equal "$1_no_ping_is_lost" "$sent" "$received"
	check "$1_some_were_sent" test "$sent" -gt 100
	check_equal "$1_all_are_counted" "$sent $sent" "$(($(counted b rx.shortcut_packets) - rx)) \
$(($(counted b tx.shortcut_packets) - tx))"
	check_equal "$1_reasons_are_carried" "3 2 4" "$(counted a slow.ttl) \
$(counted a slow.options) $(counted a drop.spoofed_addr)"
	exact "$1_exact" "$1" a b c
}

# shrinks HOOK: few again, in the larger maps; then a build that loads them again changes nothing.
shrinks() {
	local before

	before=$(maps; counts)
	check "$1_crowd_goes" "$FASTVETH" down -q crowd
	check_equal "$1_maps_and_counters_stay" "$before" "$(maps; counts)"
	check_equal "$1_nothing_to_do" false "$("$FASTVETH" up -j "$FV_TMP/lab.yaml" | jq .changed)"
	check "$1_healthy" "$FASTVETH" status
	check "$1_still_works" at a ping -q -c 1 -W 1 $B4
}

for hook in "$TC" xdp; do
	has_hook $hook || continue
	lab $hook
	grows $hook
	shrinks $hook
	lab_down $hook
done
finish
