#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A container stops while flows lead to it and from it, and another takes its place at once: the same
# port name, mostly the same addresses and the same ifindex. What the host keeps from the new one, or keeps
# the new one from sending, is kept by the shortcut, too, and that at once: the old one's flows prove
# nothing for it. Each time first without the shortcut, then with it. Containers: attach_lab.bash; b2
# comes in the place of b.
# kernel: any
# timeout: 150
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_renewed bpftool ip jq nft ping python3 ss tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"

# Virtual machines need not show that the rules themselves do what they say.
MODES="slow fast"
[ -z "${FV_VM:-}" ] || MODES=fast
NUMBER=7000

# renew INDEX MAC: vb goes, another one comes, in few processes.
renew() {
	ip -batch - <<-END
		link del vb
		link add vb index $1 type veth peer name eth0 netns b2 address $2
		link set vb master br0 up
	END
	ip -n b2 -batch - <<-END
		addr add $B4/24 dev eth0
		link set eth0 up
		neigh replace $A4 lladdr $MAC_A dev eth0 nud permanent
	END
}

arrives_after() { # FILE TIME
	[ "$("$PACE" first "$1" "$2")" != never ]
}

# begin MODE FROM TO ADDRESS: a flow, from port to port, by the way that MODE says.
begin() {
	NUMBER=$((NUMBER + 1))
	[ "$1" = slow ] || "$FASTVETH" -q attach br0
	flow "$2" "$3" "$4" $NUMBER $((NUMBER + 1000))
	PIDS="$SENDER $RECEIVER"
	if [ "$1" = slow ]; then
		wait_for 10 test -s "$ARRIVED"
	else
		check "${CASE}_takes_the_shortcut" wait_for 10 more_than 50 0 "v$3" rx.shortcut_packets
	fi
}

# end MODE: new flows to the new container work at once, and the next case finds b as ever.
end() {
	check "${CASE}_${1}_new_flow_at_once" at a ping -q -c 1 -W 2 $B4
	# shellcheck disable=SC2086 # words
	kill $PIDS
	# shellcheck disable=SC2086 # words
	wait $PIDS 2>/dev/null
	if [ "$1" = fast ]; then
		flow a b2 $B4 $((NUMBER + 500))
		check "${CASE}_new_shortcut" wait_for 10 more_than 50 \
			"$(counted vb rx.shortcut_packets)" vb rx.shortcut_packets
		flow_over
		"$FASTVETH" -q detach --all
	fi
	ip link del vb
	ip netns del b
	ip netns del b2
	container b br0 10.5.0 fd05 3 "$MAC_B"
	ip netns add b2
	ip -n a neigh flush dev eth0
	wait_for 5 at a ping -q -c 1 -W 1 $B4
}

# to_it CASE INDEX MAC DENY ALLOW: the flow leads to it. INDEX, MAC: "same", or other ones.
to_it() {
	local mode index mac allowed heard

	CASE=$1
	for mode in $MODES; do
		begin "$mode" a b $B4
		index=$2 mac=$3 heard=$FV_TMP/heard.$NUMBER
		[ "$index" != same ] || index=$(cat /sys/class/net/vb/ifindex)
		[ "$mac" != same ] || mac=$MAC_B
		ip netns exec b2 "$PACE" receive $NUMBER "$heard" &
		PIDS+=" $!"
		wait_for 5 listening b2 $NUMBER
		eval "$4"
		renew "$index" "$mac"
		[ "$mode" = slow ] || check "${CASE}_attach" "$FASTVETH" -q attach
		sleep 2
		check_equal "${CASE}_${mode}_gets_nothing" "" "$(cat "$heard")"
		allowed=$EPOCHREALTIME
		eval "$5"
		check "${CASE}_${mode}_then_it_does" wait_for 5 arrives_after "$heard" "$allowed"
		end "$mode"
	done
}

# from_it CASE INDEX: the flow comes from it, which may not send.
from_it() {
	local mode index renewed allowed

	CASE=$1
	for mode in $MODES; do
		begin "$mode" b a $A4
		index=$2
		[ "$index" != same ] || index=$(cat /sys/class/net/vb/ifindex)
		# It begins as soon as it has an interface.
		ip netns exec b2 "$PACE" send $A4 $NUMBER 100 64 $((NUMBER + 1000)) &
		PIDS+=" $!"
		nft 'table bridge t { chain p { type filter hook prerouting priority 0; iifname vb ip protocol udp drop; }; }'
		renew "$index" "$MAC_B"
		renewed=$EPOCHREALTIME
		[ "$mode" = slow ] || check "${CASE}_attach" "$FASTVETH" -q attach
		sleep 2
		allowed=$EPOCHREALTIME
		nft delete table bridge t
		check "${CASE}_${mode}_sends_nothing" "$PACE" gap "$ARRIVED" "$renewed" "$allowed"
		check "${CASE}_${mode}_then_it_does" wait_for 5 arrives_after "$ARRIVED" "$allowed"
		end "$mode"
	done
}

containers
ip netns add b2
MAC_A=$(ip -n a -j link show eth0 | jq -r '.[0].address')
MAC_B=$(ip -n b -j link show eth0 | jq -r '.[0].address')
DENY='nft "table bridge t { chain p { type filter hook prerouting priority 0; iifname va ip daddr '$B4' ip protocol udp drop; }; }"'
ALLOW='nft delete table bridge t'
to_it same same same "$DENY" "$ALLOW"
to_it another_ifindex 4001 same "$DENY" "$ALLOW"
# Its frames are addressed to the old one.
to_it another_mac same 02:00:00:00:00:77 "ip -n a neigh replace $B4 lladdr $MAC_B dev eth0 nud permanent" \
	"ip -n a neigh del $B4 dev eth0"
from_it same_sender same
from_it another_ifindex_sender 4002
finish
