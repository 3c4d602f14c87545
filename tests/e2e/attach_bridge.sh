#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `attach` and `detach` of a bridge and of namespaces: what takes the shortcut, what arrives, what is
# counted, what is left. The containers: attach_lab.bash.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_bridge bpftool ethtool ip iperf3 jq nstat ping python3 ss tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"

states() {
	"$FASTVETH" status -j | jq -c '[.ports[] | [.port, .state, .hook]]'
}

# What the devices inside counted of what they got and sent, less what we did: what there was before
# `attach`. What a port's queue had no room for came out of our program, but not in. The shortcut is
# ours alone where they do not count it. "va 12 10, vb ..."
ahead() {
	{
		ip -n a -j -s link show eth0
		ip -n b -j -s link show eth0
		ip -n d -j -s link show eth0
		ip -j -s link show type veth
		"$FASTVETH" stats -j
	} | jq -rs --argjson count "$PEERS_COUNT" '(.[3] | INDEX(.ifname)) as $port |
		(.[4].endpoints | INDEX(.port)) as $ours |
		[.[:3], ["va", "vb", "vd"]] | transpose | map(.[0][0].stats64 as $inside | $ours[.[1]] as $o |
			"\(.[1]) \($inside.rx.packets + $port[.[1]].stats64.tx.dropped - $o.rx.packets +
				if $count then 0 else $o.rx.shortcut_packets end
			) \($inside.tx.packets - $o.tx.packets)") | join(", ")'
}

# Twice the same: nothing is on its way any more.
stays_ahead() {
	local last=$AHEAD

	AHEAD=$(ahead)
	[ "$AHEAD" = "$last" ]
}

stream() { # FROM TO ADDRESS
	at "$2" iperf3 -s -1 -p 5201 >/dev/null &
	wait_for 5 listening "$2" 5201
	at "$1" iperf3 -c "$3" -p 5201 -n "$(less 200)M" >/dev/null
	wait $!
}

is_ahead() {
	AHEAD=$(ahead)
	[ "$AHEAD" = "$before" ]
}

# packets PORT: "SHORTCUT ALL PROBES", the first two of what its endpoint got, the last of what all sent
packets() {
	"$FASTVETH" stats -j | jq -r --arg p "$1" '([.endpoints[].slow.probe // 0] | add) as $probes |
		.endpoints[] | select(.port == $p) |
		"\(.rx.shortcut_packets) \(.rx.packets) \($probes)"'
}

# by_shortcut CASE TO COMMAND...: it succeeds, and most of what TO got took the shortcut.
by_shortcut() {
	local case=$1 to=$2 shortcut all shortcut_now all_now _

	shift 2
	read -r shortcut all _ < <(packets "v$to")
	check "$case" "$@"
	read -r shortcut_now all_now _ < <(packets "v$to")
	check "${case}_by_the_shortcut" test $((shortcut_now - shortcut)) -gt \
		$(((all_now - all) * 8 / 10)) -a $((all_now - all)) -gt 10
}

good_checksums() {
	local ns

	for ns in a b d; do
		at "$ns" nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors IcmpInCsumErrors |
			awk '!/^#/ && $2 { print; bad = 1 } END { exit bad }' || return
	done
}

elsewhere() { # PID
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

containers
BEFORE=$(host_now)
check attach "$FASTVETH" -q attach br0 br1 || finish
check_equal all_are_accelerated \
	'[["va","accelerated","'$TC'"],["vb","accelerated","'$TC'"],["vc","accelerated","'$TC'"],["vd","accelerated","'$TC'"]]' \
	"$(states)"
check_equal again_changes_nothing false "$("$FASTVETH" -j attach br0 br1 | jq .changed)"
check_equal no_targets_changes_nothing false "$("$FASTVETH" -j attach | jq .changed)"
check healthy "$FASTVETH" -q status
check_equal listed_by_name '["a","br0",["10.5.0.2","fd05::2"],"eth0"]' "$("$FASTVETH" list -j |
	jq -c '.endpoints[] | select(.port == "va") | [.name, .network, .addresses, .ifname]')"

PEERS_COUNT=$("$FASTVETH" status -j | jq .kernel.peer_counters)
AHEAD=
wait_for 10 stays_ahead
before=$AHEAD
by_shortcut bridged_tcp b stream a b $B4
by_shortcut bridged_tcp6 b stream a b $B6
by_shortcut routed_tcp d stream a d $D4
by_shortcut routed_tcp6 d stream a d $D6
by_shortcut bridged_echo b at a ping -q -i 0.01 -c 100 $B4
by_shortcut routed_echo6 d at a ping -q -i 0.01 -c 100 $D6
check checksums good_checksums
wait_for 5 is_ahead
check_equal exact "$before" "$AHEAD"

# A hop less to the other bridge, none less to the same one.
check ttl_bridged at a ping -q -c 3 -i 0.2 -t 2 $B4
check ttl_routed at a ping -q -c 3 -i 0.2 -t 2 $D4
check_fails ttl_expires at a ping -q -c 1 -W 1 -t 1 $D4

# What the shortcut does not carry arrives all the same.
check fragments at a ping -q -c 3 -i 0.2 -s 4000 $B4
check broadcast at a ping -q -b -c 1 -W 1 10.5.0.1

# Connections live through it, and no datagram is lost, but for those that a queue had no room for.
overflowed() {
	{
		while read -r _ dropped _; do
			echo $((16#$dropped))
		done </proc/net/softnet_stat
		at b nstat -asz UdpRcvbufErrors Udp6RcvbufErrors | awk '!/^#/ { print $2 }'
		ip -j -s link show vb | jq '.[0].stats64.tx.dropped'
	} | jq -s 'add'
}

overflowed=$(overflowed)
at b iperf3 -s -1 -p 5202 >/dev/null &
wait_for 5 listening b 5202
at a iperf3 -c $B4 -p 5202 -t 6 -J >"$FV_TMP/iperf" &
IPERF=$!
flow a b $B4 7000
sleep 1.5
check detach_under_traffic "$FASTVETH" -q detach br0
sleep 1.5
check attach_under_traffic "$FASTVETH" -q attach br0
wait_for 5 more_than 50 0 vb rx.shortcut_packets
check shortcut_again more_than 50 0 vb rx.shortcut_packets
wait $IPERF
check connection_lives_on jq -e '.error == null and .end.sum_received.bytes > 0' "$FV_TMP/iperf"
flow_over
read -r lost doubled < <("$PACE" lost "$ARRIVED")
# A clsact qdisc that comes or goes costs what the kernel is handed meanwhile: see README, Limits.
room=0
[ "$TC" = tcx ] || room=50
check nothing_is_lost test "$lost" -le $(($(overflowed) - overflowed + room))
check_equal nothing_is_doubled 0 "$doubled"

# The steady state: one probe a second and flow; four at most, where it comes out late.
flow a b $B4 7001
wait_for 5 more_than 20 "$(counted vb rx.shortcut_packets)" vb rx.shortcut_packets
began=$EPOCHSECONDS
read -r shortcut all probes < <(packets vb)
sleep 4
read -r shortcut_now all_now probes_now < <(packets vb)
took=$((EPOCHSECONDS - began + 1)) all=$((all_now - all)) probes=$((probes_now - probes))
slow=$((all - (shortcut_now - shortcut)))
check some_probes test $probes -ge 2
check few_probes test $probes -le $((4 * took))
check few_are_slow test $slow -le $((4 * took + 10)) -o $((4 * slow)) -le $all
flow_over

# A namespace, whichever way it is named; the same port under two targets.
check detach "$FASTVETH" -q detach br0 br1
check_equal detached_is_as_before "$BEFORE" "$(host_now)"
check_equal again_nothing_to_do "nothing to do" "$("$FASTVETH" detach br0)"
ip netns exec b sleep 1000 &
PID=$!
wait_for 5 elsewhere $PID
check attach_netns "$FASTVETH" -q attach netns:a
check attach_pid "$FASTVETH" -q attach pid:$PID
check_equal two_are_accelerated '[["va","accelerated","'$TC'"],["vb","accelerated","'$TC'"]]' "$(states)"
by_shortcut between_namespaces b at a ping -q -i 0.01 -c 100 $B4
check attach_bridge_too "$FASTVETH" -q attach br0
check detach_bridge "$FASTVETH" -q detach br0
check_equal namespaces_stay '[["va","accelerated","'$TC'"],["vb","accelerated","'$TC'"]]' "$(states)"
check detach_all "$FASTVETH" -q detach --all
check_equal all_is_as_before "$BEFORE" "$(host_now)"

expect_fail no_such_bridge 1 'bridge "br7": there is no device of that name' "$FASTVETH" attach bridge:br7
expect_fail no_bridge 1 'bridge "va"' "$FASTVETH" attach bridge:va
expect_fail no_such_container 1 'nosuch' "$FASTVETH" attach nosuch
expect_fail host_is_no_target 1 "host's own" "$FASTVETH" attach pid:$$
expect_fail no_reason_of_that_name 2 'nonsense' "$FASTVETH" attach br0 --allow nonsense
expect_fail nothing_named 2 'TARGET' "$FASTVETH" detach
check_equal refused_is_as_before "$BEFORE" "$(host_now)"
finish
