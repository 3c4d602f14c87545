#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Things that users, containers and administrators do have the same outcome with the shortcut and without: each
# case is run first without, then with the ports attached, and what it prints is compared. Containers:
# attach_lab.bash.
# kernel: any
# timeout: 150
# shellcheck disable=SC2317 # called through run_all
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_same bpftool ip jq nft ping python3 ss tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"
MODE=""

# pings ADDRESS SIZE...: how many of eight are answered, with and without leave to fragment
pings() {
	local to=$1 size df

	shift
	for size in "$@"; do
		for df in "do" dont; do
			echo "$to $size $df: $(at a ping -q -c 8 -i 0.05 -W 0.5 -M "$df" -s "$size" "$to" 2>&1 |
				grep -o '[0-9]* received')"
		done
	done
}

# ---- cases ----

sizes_bridged() { pings "$B4" 0 1472 1473 65507; }
sizes_routed() { pings "$D4" 0 1472 1473 65507; }
sizes6() { pings "$B6" 0 1452 1453; }

link_local() {
	local to

	to=$(ip -n b -6 -j addr show eth0 | jq -r '.[].addr_info[]? | select(.scope == "link") | .local')
	at a ping -q -c 8 -i 0.05 -W 1 "$to%eth0" | grep -o '[0-9]* received'
}

# A peer with a smaller MTU.
lower_mtu() {
	ip link set vd mtu 1300
	ip -n d link set eth0 mtu 1300
	pings "$D4" 1272 1273 1472
	ip link set vd mtu 1500
	ip -n d link set eth0 mtu 1500
	# What a has learned of it.
	ip -n a route flush cache
	ip -n a addr flush dev eth0 scope global
	ip -n a addr add "$A4"/24 dev eth0
	ip -n a addr add "$A6"/64 dev eth0 nodad
	ip -n a route replace default via 10.5.0.1
	ip -n a -6 route replace default via fd05::1
}

# down_and_up COMMAND COMMAND: a flow to b stops by the first and goes on by the second.
down_and_up() {
	local stopped ended

	NUMBER=$((NUMBER + 1))
	flow a b "$B4" "$NUMBER"
	if [ "$MODE" = fast ]; then
		wait_for 10 more_than 50 "$(counted vb rx.shortcut_packets)" vb rx.shortcut_packets
	else
		wait_for 10 test -s "$ARRIVED"
	fi
	eval "$1"
	stopped=$EPOCHREALTIME
	sleep 1
	ended=$EPOCHREALTIME
	eval "$2"
	wait_for 10 arrives_after "$ended"
	"$PACE" gap "$ARRIVED" "$(jq -n "$stopped + 0.15")" "$ended" && echo stops
	jq -rn "$("$PACE" first "$ARRIVED" "$ended") < 2 * ${FV_SLOW:-1} | if . then \"goes on\" else \"late\" end"
	flow_over
}

arrives_after() { # TIME
	[ "$("$PACE" first "$ARRIVED" "$1")" != never ]
}

peer_down() {
	down_and_up 'ip -n b link set eth0 down' 'ip -n b link set eth0 up'
	# Those of IPv6 went with it.
	ip -n b addr add "$B6"/64 dev eth0 nodad
}

# What b does at its own device is b's business, and nobody else's.
own_program() {
	at b tc qdisc add dev eth0 clsact
	at b tc filter add dev eth0 ingress protocol ip u32 match ip protocol 1 0xff action drop 2>/dev/null ||
		at b tc filter add dev eth0 ingress protocol ip bpf direct-action bytecode '1,6 0 0 2'
	pings "$B4" 100
	pings "$D4" 100
	at b tc qdisc del dev eth0 clsact
	pings "$B4" 100
}

# A MAC that b gives itself; who had learned the old one hears of it.
own_mac() {
	local old

	old=$(ip -n b -j link show eth0 | jq -r '.[0].address')
	ip -n b link set eth0 address "$1"
	ip -n a neigh flush dev eth0
	pings "$B4" 100
	ip -n b link set eth0 address "$old"
	ip -n a neigh flush dev eth0
	pings "$B4" 100
}

another_mac() { own_mac 02:00:00:00:00:55; }
bridge_mac() {
	ip link set br0 address "$1"
	ip -n a neigh flush dev eth0
	pings "$D4" 100
}

another_bridge_mac() { bridge_mac 02:00:00:00:00:66; }

# The host's end gets another name, and goes to another namespace and back.
renamed() {
	ip link set vd down
	ip link set vd name vx
	ip link set vx up
	pings "$D4" 100
	ip link set vx down
	ip link set vx name vd
	ip link set vd up
	pings "$D4" 100
}

moved() {
	ip link set vd netns c
	at a ping -q -c 2 -i 0.2 -W 1 "$D4" | grep -o '[0-9]* received'
	ip -n c link set vd netns "$$"
	ip link set vd master br1 up
	[ "$MODE" = slow ] || "$FASTVETH" -q attach || echo "attach fails"
	wait_for 5 at a ping -q -c 1 -W 1 "$D4"
	pings "$D4" 100
}

# With the port that gets something by the shortcut; -: none need.
CASES="sizes_bridged:vb sizes_routed:vd sizes6:vb link_local:- lower_mtu:vd peer_down:vb own_program:vb
	another_mac:vb another_bridge_mac:vd renamed:vd moved:vd"

run_all() { # MODE
	local case port before

	MODE=$1
	for case in $CASES; do
		port=${case#*:} case=${case%:*}
		[ "$MODE" = slow ] || [ "$port" = - ] || before=$(counted "$port" rx.shortcut_packets)
		$case >"$FV_TMP/$case.$MODE" 2>&1
		[ "$MODE" = fast ] || continue
		check_equal "$case" "$(cat "$FV_TMP/$case.slow")" "$(cat "$FV_TMP/$case.fast")"
		[ "$port" = - ] || check "${case}_took_the_shortcut" more_than 5 "$before" "$port" rx.shortcut_packets
	done
}

containers
NUMBER=7000
run_all slow
check something_is_answered grep -q "8 received" "$FV_TMP/sizes_bridged.slow"
check something_is_not grep -q ": 0 received" "$FV_TMP/lower_mtu.slow"
check own_program_stops_it test "$(head -n 1 "$FV_TMP/own_program.slow")" = "$B4 100 do: 0 received"
check_equal peer_down_is_seen "stops goes on" "$(xargs <"$FV_TMP/peer_down.slow")"
check attach "$FASTVETH" -q attach br0 br1
run_all fast
check detach "$FASTVETH" -q detach --all
finish
