#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What arrives by the shortcut between attached ports is byte for byte what the host's own path
# delivers: the same frames are sent with the ports attached and without, bridged and routed, and
# everything that comes out at any of three namespaces is compared. Frames of a flow that was proven and
# others that go the host's way may overtake each other. The frames: frames.
#
#	a b c 10.77.0.10 .11 .12 fd77::10 ::11 ::12 --- va vb vc --- br0 10.77.0.1 fd77::1
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_bytes ip jq nft python3 tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"
FRAMES=$(dirname "$0")/frames

# send_all WHICH MAC: to that MAC; what arrives is in $FV_TMP/WHICH.NAME
send_all() {
	local which=$1 ns pids=

	rm -f "$FV_TMP"/ready.*
	for ns in a b c; do
		ip netns exec $ns "$FRAMES" catch eth0 "$FV_TMP/ready.$ns" >"$FV_TMP/$which.$ns" &
		pids="$pids $!"
		wait_for 10 test -e "$FV_TMP/ready.$ns"
	done
	at a "$FRAMES" send eth0 "$(mac a)" "$2" >/dev/null
	touch "$FV_TMP"/ready.{a,b,c}.over
	# shellcheck disable=SC2086 # words
	wait $pids
	# Left out: what is said to groups and to all, and what the host says when it likes:
	# that a neighbour does not answer, that there is a shorter way.
	for ns in a b c; do
		grep -vE '^3333|^01005e000016|^ffffffffffff|^icmp from [^ ]*: 3 1 |^icmp6 from [^ ]*: 1 3 |^.{24}86dd6.{11}3afffe80.{60}89' \
			"$FV_TMP/$which.$ns" | sort >"$FV_TMP/sorted"
		mv "$FV_TMP/sorted" "$FV_TMP/$which.$ns"
	done
}

mac() { # NAME
	ip -n "$1" -j link show eth0 | jq -r '.[0].address'
}

# Every error is sent, and redirects never.
sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
make_bridge br0 10.77.0 fd77
container a br0 10.77.0 fd77 10
container b br0 10.77.0 fd77 11
container c br0 10.77.0 fd77 12
wait_for 5 at a ping -q -c 1 -W 1 10.77.0.11
# What a namespace itself would answer differs each time: it says nothing, so it must be known.
for ns in a b c; do
	for to in a b c; do
		[ $ns = $to ] || at $ns ip neigh replace "$(ip -n $to -4 -j addr show eth0 |
			jq -r '.[0].addr_info[0].local')" lladdr "$(mac $to)" dev eth0 nud permanent
	done
	for ip in 4 6; do
		ip neigh replace "$(ip -n $ns -$ip -j addr show eth0 |
			jq -r '[.[0].addr_info[] | select(.scope == "global")][0].local')" \
			lladdr "$(mac $ns)" dev br0 nud permanent
	done
	at $ns nft 'table inet mute { chain out { type filter hook output priority 0; policy drop; }; }'
done
for way in bridged routed; do
	to=$(mac b)
	[ $way = bridged ] || to=$(cat /sys/class/net/br0/address)
	send_all slow "$to"
	"$FASTVETH" -q attach br0
	send_all fast "$to"
	check ${way}_some_took_the_shortcut test "$(counted va tx.shortcut_packets)" -gt 10
	check ${way}_some_did_not test "$(counted va slow.changed)" -gt 0
	for ns in a b c; do
		check_equal ${way}_the_same_arrives_at_$ns \
			"$(cat "$FV_TMP/slow.$ns")" "$(cat "$FV_TMP/fast.$ns")"
	done
	check ${way}_something_arrives test -s "$FV_TMP/slow.b"
	"$FASTVETH" -q detach --all
done
finish
