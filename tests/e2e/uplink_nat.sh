#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the host's NAT does to flows from and to an uplink, the shortcut does, too: whoever is asked sees the
# same client, nothing is lost, and nine in ten packets took the shortcut. The machine: uplink_lab.bash.
# timeout: 180
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_nat bpftool conntrack ip jq nft python3 ss tcpdump

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"

# Pieces of 4096 bytes, and datagrams: so many, so many a second.
RATE=200 NUMBER=300
[ -z "${FV_VM:-}" ] || RATE=50 NUMBER=200

# A connection and datagrams at the same time.
both_kinds() { # FROM get|put ADDRESS PORT
	local pid code

	talk "$1" "$2" "$3" "$4" $((NUMBER * 4096)) $RATE &
	pid=$!
	lossless talk "$1" echo "$3" "$4" $NUMBER $RATE
	code=$?
	wait $pid && [ $code = 0 ]
}

# to_and_fro CASE FROM ADDRESS PORT SEEN FAST [get|put]: by the uplink; SEEN is the client.
to_and_fro() {
	local case=$1 from=$2 to=$3 port=$4 seen=$5 fast=$6 kind got

	for kind in tcp udp; do
		got=$(talk "$from" who "$to" "$port" $kind)
		check_equal "${case}_${kind}_client" "$seen" "${got%% *}"
	done
	passes "$case" "$fast" both_kinds "$from" "${7:-get}" "$to" "$port"
}

# both_ways CASE: in by the published port, out by the source NAT.
both_ways() {
	local snat4=$HOST4 snat6=$HOST6

	[ "${SNAT:-}" != snat ] || snat4=$SNAT4 snat6=$SNAT6
	to_and_fro "$1_in" wire $HOST4 8080 $WIRE4 "$NAT"
	to_and_fro "$1_in6" wire $HOST6 8080 $WIRE6 "$NAT" put
	to_and_fro "$1_out" c1 $WIRE4 80 $snat4 "$NAT"
	to_and_fro "$1_out6" c1 $WIRE6 80 $snat6 "$NAT" put
}

# A container by the host's published port to another one, and to itself.
hairpin() { # CASE
	local from way before now slow

	for from in c1 c2; do
		for way in $HOST4 $HOST6; do
			before=$(stats)
			check_equal "$1_${from}_${way//[.:]/_}" "$([ $way = $HOST4 ] && echo 172.30.0.1 || echo fd30::1)" \
				"$(talk $from who $way 8080 tcp | cut -d' ' -f1)"
			check "$1_${from}_${way//[.:]/_}_data" talk $from get $way 8080 $((100 * 4096)) 200
			check "$1_${from}_${way//[.:]/_}_udp" lossless talk $from echo $way 8080 50 100
			now=$(stats)
			slow=$(jq -n --argjson a "$before" --argjson b "$now" 'def n(x):
				[x.endpoints[] | .rx.shortcut_packets] | add; n($b) - n($a)')
			check_equal "$1_${from}_${way//[.:]/_}_is_slow" 0 "$slow"
		done
	done
}

# zero_checksums CASE: datagrams without a checksum have none at the other end, on any way.
zero_checksums() {
	local pid seen

	ip netns exec wire tcpdump -lvvni eth0 -U udp port 80 >"$FV_TMP/dump" 2>"$FV_TMP/dump.err" &
	pid=$!
	wait_for 5 grep -q listening "$FV_TMP/dump.err"
	passes "$1" "$NAT" lossless talk c1 echo $WIRE4 80 200 100 64 nocheck
	sleep 0.5
	kill $pid
	wait $pid
	seen=$(grep -c '> 192.0.2.2.80: \[no cksum\]' "$FV_TMP/dump")
	check_equal "$1_stay_zero" "200 0" "$seen $(grep '> 192.0.2.2.80:' "$FV_TMP/dump" | grep -vc 'no cksum')"
}

# Without NAT a flow takes the shortcut on every kernel.
plain_route() {
	ip -n wire route add 172.30.0.0/24 via $HOST4
	ip -n wire route add fd30::/64 via $HOST6
	to_and_fro plain_in wire $C1_4 80 $WIRE4 yes
	to_and_fro plain_out6 c1 $WIRE6 80 $C1_6 yes
	ip -n wire route del 172.30.0.0/24
	ip -n wire route del fd30::/64
}

said_of_nat() {
	"$FASTVETH" status -j | jq '[.warnings[]? | select(test("NAT"))] | length'
}

run_all() { # CASE
	rules
	check "$1_attach" "$FASTVETH" -q attach br9
	check_equal "$1_uplink" "up0 accelerated" "$("$FASTVETH" status -j |
		jq -r '.uplinks[] | "\(.device) \(.state)"')"
	check_equal "$1_told_of_nat" "$([ -n "$NAT" ] && echo 0 || echo 1)" "$(said_of_nat)"
	both_ways "$1"
}

machine
servers wire c1
BEFORE=$(host_now)
run_all nft
hairpin hairpin
zero_checksums zero_checksums
SNAT=snat rules
SNAT=snat both_ways snat
nft delete table inet lab
plain_route
for kind in "" -legacy; do
	if command -v "ip6tables$kind" >/dev/null && iptables_rules "$kind" 2>/dev/null; then
		check "iptables${kind}_attach" "$FASTVETH" -q attach
		to_and_fro "iptables${kind}_in" wire $HOST4 8080 $WIRE4 "$NAT"
		to_and_fro "iptables${kind}_out6" c1 $WIRE6 80 $HOST6 "$NAT"
	else
		skip "iptables$kind" "none, or this kernel has not all it needs"
	fi
	no_iptables_rules "$kind" 2>/dev/null
done
check detach "$FASTVETH" -q detach --all

# The same by filters of clsact.
if has_hook clsact; then
	export FASTVETH_NO_TCX=1
	run_all clsact
	check_equal clsact_is_used clsact "$(status_of up0 .hook)"
	check clsact_detach "$FASTVETH" -q detach --all
	unset FASTVETH_NO_TCX
fi
nft delete table inet lab
check_equal host_is_as_before "$(grep -v ^qdisc <<<"$BEFORE")" "$(host_now | grep -v ^qdisc)"
finish
