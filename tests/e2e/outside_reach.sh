#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# From inside to the outside and to the host, and back: masquerade, the gateway, unused
# addresses, packet sizes, networks with no way out. The machine is drawn in
# outside_machine.bash.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need outside_reach bpftool ip jq nft ping socat
# shellcheck source=tests/e2e/outside_machine.bash
. "$(dirname "$0")/outside_machine.bash"

# ---- to the outside ----

masquerade() {
	local ns slow

	for ns in web peer xa; do
		sees "${ns}_to_the_outside" $ns tcp $OUT4 80 outside $UP4
		sees "${ns}_to_the_outside_ipv6" $ns tcp $OUT6 80 outside $UP6
		sees "${ns}_to_the_outside_udp" $ns udp $OUT4 53 outside $UP4
		sees "${ns}_to_the_outside_udp_ipv6" $ns udp $OUT6 53 outside $UP6
		check "${ns}_pings_the_outside" pings $ns $OUT4
		check "${ns}_pings_the_outside_ipv6" pings $ns $OUT6
		# Two routers on the way would make it 62.
		check "${ns}_is_one_hop_away" grep -q " ttl=63 " \
			<(at $ns ping -c 1 -W 1 $OUT4)
	done
	slow=$(stat_of web .slow.outside)
	sees outside_again web tcp $OUT4 80 outside $UP4
	check outside_is_the_reason [ "$(stat_of web .slow.outside)" -gt "$slow" ]
}

# A router that a packet is too large for says so, and the message finds its way back.
sizes() {
	local ns

	at outside ip link set eth0 mtu 1400
	ip link set up0 mtu 1400
	for ns in web xa; do
		check_fails "${ns}_is_told_the_size" pings $ns $OUT4 -M "do" -s 1450
		check "${ns}_knows_the_size" grep -q "mtu 1400" <(at $ns ip route get $OUT4)
		check_fails "${ns}_is_told_the_size_ipv6" pings $ns $OUT6 -M "do" -s 1450
		check "${ns}_knows_the_size_ipv6" grep -q "mtu 1400" <(at $ns ip route get $OUT6)
	done
	check new_network_takes_the_size_of_the_uplink "$FASTVETH" add new --network small \
		--subnet 10.75.0.0/24
	check_equal size_of_the_new_network 1400 \
		"$("$FASTVETH" list -j | jq '.networks[] | select(.name == "small").mtu')"
	check_equal size_of_its_interface 1400 "$("$FASTVETH" exec new cat /sys/class/net/eth0/mtu)"
	check new_network_goes "$FASTVETH" down small
	ip link set up0 mtu 1500
	at outside ip link set eth0 mtu 1500
}

# bulk NAME CLIENT ADDRESS: what the outside sends comes as it was sent, and back.
bulk() {
	local server

	at outside socat "TCP6-LISTEN:9,ipv6only=0,reuseaddr" EXEC:cat &
	server=$!
	wait_for 2 listens outside 9
	at "$2" timeout 20 socat -t 10 - "$3:9" <"$FV_TMP/bulk" >"$FV_TMP/bulk.back"
	check "$1" cmp "$FV_TMP/bulk" "$FV_TMP/bulk.back"
	kill $server 2>/dev/null
	wait $server
}

listens() { # NAMESPACE PORT
	[ -n "$(at "$1" ss -Hltn "sport = $2")" ]
}

# ---- the host ----

host() {
	local ns before

	for ns in $ALL; do
		sees "host_reaches_$ns" host tcp "$(address "$ns" 4)" 80 "$ns" "$(gateway "$ns" 4)"
		sees "host_reaches_${ns}_ipv6" host tcp "$(address "$ns" 6)" 80 "$ns" "$(gateway "$ns" 6)"
		sees "host_reaches_${ns}_udp" host udp "$(address "$ns" 4)" 53 "$ns" "$(gateway "$ns" 4)"
		check "host_pings_$ns" pings host "$(address "$ns" 6)"
		check "gateway_answers_$ns" pings "$ns" "$(gateway "$ns" 4)"
		check "gateway_answers_${ns}_ipv6" pings "$ns" "$(gateway "$ns" 6)"
		sees "${ns}_reaches_its_gateway" "$ns" tcp "$(gateway "$ns" 4)" 80 host "$(address "$ns" 4)"
		sees "${ns}_reaches_its_gateway_ipv6" "$ns" tcp "$(gateway "$ns" 6)" 80 host \
			"$(address "$ns" 6)"
	done
	sees web_reaches_the_host_by_its_address web tcp $UP4 80 host 10.77.0.10
	sees web_reaches_the_host_by_its_address_ipv6 web tcp $UP6 80 host fd77::a
	# The gateway of another network is the host, too, not somebody of that network.
	check gateway_of_another_network pings web 10.79.0.1
	check gateway_of_another_network_ipv6 pings web fd79::1
	check_equal gateway_is_one_hop_away "64" "$(ttl web 10.77.0.1)"
	check_equal neighbour_is_two_hops_away "63" "$(ttl web 10.77.0.11)"
	check_equal neighbour_is_two_hops_away_ipv6 "63" "$(ttl web fd77::b)"
	check_equal neighbour_is_two_hops_away_xdp "63" "$(ttl xa 10.76.0.11)"

	before=$(stat_of web .rx.shortcut_packets)
	check host_by_the_slow_path pings host 10.77.0.10
	check_equal host_is_no_shortcut "$before" "$(stat_of web .rx.shortcut_packets)"
}

ttl() { # NAMESPACE ADDRESS
	at "$1" ping -c 1 -W 1 "$2" | sed -n 's/.* ttl=\([0-9]*\) .*/\1/p'
}

address() { # NAMESPACE 4|6
	local at

	case $1 in
	web) at="10.77.0.10 fd77::a" ;;
	db) at="10.77.0.11 fd77::b" ;;
	peer) at="10.79.0.10 fd79::a" ;;
	vault) at="10.78.0.10 fd78::a" ;;
	safe) at="10.78.0.11 fd78::b" ;;
	xa) at="10.76.0.10 fd76::a" ;;
	xb) at="10.76.0.11 fd76::b" ;;
	esac
	[ "$2" = 4 ] && echo "${at% *}" || echo "${at#* }"
}

gateway() { # NAMESPACE 4|6
	address "$1" "$2" | sed -E 's/(\.|::)[0-9a-f]+$/\11/'
}

# ---- nobody there ----

# The answer is an ICMP error of the gateway, and at once.
unused() {
	local ns

	for ns in web vault xa; do
		check "unused_address_from_$ns" unreachable $ns "$(gateway $ns 4)00"
		check "unused_address_from_${ns}_ipv6" unreachable $ns "$(gateway $ns 6)00"
	done
	check unused_address_from_host unreachable host 10.77.0.100
	check unused_address_from_host_ipv6 unreachable host fd77::100
	check_equal unused_address_is_told_by_the_gateway "From 10.77.0.1" \
		"$(at web ping -c 1 -W 1 10.77.0.200 | grep -o 'From [0-9.]*')"
	check_equal last_hop_is_told_by_the_gateway "From 10.77.0.1" \
		"$(at web ping -c 1 -W 1 -t 1 10.77.0.11 | grep -o 'From [0-9.]*')"
	check_equal last_hop_is_told_by_the_gateway_ipv6 "From fd77::1" \
		"$(at web ping -c 1 -W 1 -t 1 fd77::b | grep -o 'From [0-9a-f:]*[0-9a-f]')"
	check last_hop_is_a_reason [ "$(stat_of web .slow.ttl)" = 2 ]
	check closed_port_is_refused_at_once connection_refused web 10.77.0.11 81
	check closed_port_is_refused_at_once_ipv6 connection_refused web fd77::b 81
}

unreachable() { # NAMESPACE ADDRESS
	local text

	text=$(at "$1" ping -c 1 -W 2 "$2" 2>&1)
	echo "$text"
	grep -qiE "unreachable|no route" <<<"$text"
}

connection_refused() { # NAMESPACE ADDRESS PORT
	at "$1" timeout 2 bash -c 'echo >"/dev/tcp/$0/$1"' "$2" "$3" 2>&1 |
		grep -q "Connection refused"
}

# ---- networks with no way out ----

internal() {
	local before

	refused internal_has_no_way_out vault tcp $OUT4 80 tcp $OUT6 80 udp $OUT4 53 udp $OUT6 53
	check_fails internal_has_no_way_out_ping pings vault $OUT4
	check_fails internal_has_no_way_out_ping_ipv6 pings vault $OUT6
	before=$(stat_of safe .rx.shortcut_packets)
	sees inside_they_reach_each_other vault tcp 10.78.0.11 80 safe 10.78.0.10
	sees inside_they_reach_each_other_ipv6 vault tcp fd78::b 80 safe fd78::a
	check and_take_the_shortcut [ "$(stat_of safe .rx.shortcut_packets)" -ge $((before + 8)) ]
	refused outside_does_not_reach_internal outside tcp 10.78.0.10 80 tcp fd78::a 80 \
		udp 10.78.0.10 53
}

machine
check_equal healthy_from_the_start true "$("$FASTVETH" status -j | jq .healthy)"
# shellcheck disable=SC2086 # words
servers $ALL outside host
head -c 3000000 /dev/urandom >"$FV_TMP/bulk"
masquerade
sizes
bulk bulk_ipv4 web TCP4:$OUT4
bulk bulk_ipv6 web "TCP6:[$OUT6]"
bulk bulk_xdp xa TCP4:$OUT4
bulk bulk_xdp_ipv6 xa "TCP6:[$OUT6]"
host
unused
internal
check_equal nobody_was_dropped '{}' "$("$FASTVETH" stats -j | jq -c '[.endpoints[].drop] | add')"
check down "$FASTVETH" down --all
check_equal rules_are_gone "" "$(nft list tables)"
finish
