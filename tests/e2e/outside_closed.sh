#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who must not reach whom, and who may not speak as whom: first where the programs decide, then
# with the programs gone, where the kernel's own path must come to the same end. The machine is
# drawn in outside_machine.bash.
# kernel: any
# timeout: 180
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need outside_closed ip jq nft ping socat
# shellcheck source=tests/e2e/outside_machine.bash
. "$(dirname "$0")/outside_machine.bash"

# ---- from outside ----

outside() { # PATH
	refused "$1_outside_reaches_none" outside tcp 10.77.0.10 80 udp 10.77.0.10 53 \
		tcp fd77::a 80 udp fd77::a 53 tcp 10.77.0.11 80 tcp 10.79.0.10 80 tcp fd79::a 80 \
		tcp 10.78.0.10 80 tcp fd78::a 80 udp 10.78.0.10 53 tcp 10.76.0.10 80 \
		tcp fd76::a 80 udp 10.76.0.10 53
	check_fails "$1_outside_pings_none" pings outside 10.77.0.10
	check_fails "$1_outside_pings_none_ipv6" pings outside fd77::a
	# That it would get there: it does get to the host by the same way.
	check "$1_outside_knows_the_way" pings outside 10.77.0.1
	check "$1_outside_knows_the_way_ipv6" pings outside fd77::1
}

# ---- between networks ----

# Every pair of networks, both ways.
between() { # PATH
	local path=$1

	refused "${path}_lab_to_others" web tcp 10.79.0.10 80 udp 10.79.0.10 53 tcp fd79::a 80 \
		udp fd79::a 53 tcp 10.78.0.10 80 tcp fd78::a 80 tcp 10.76.0.10 80 tcp fd76::a 80
	refused "${path}_yard_to_others" peer tcp 10.77.0.10 80 udp 10.77.0.10 53 tcp fd77::a 80 \
		udp fd77::a 53 tcp 10.78.0.10 80 tcp fd78::a 80 tcp 10.76.0.10 80 tcp fd76::a 80
	refused "${path}_dark_to_others" vault tcp 10.77.0.10 80 tcp fd77::a 80 tcp 10.79.0.10 80 \
		tcp fd79::a 80 udp 10.79.0.10 53 tcp 10.76.0.10 80 tcp fd76::a 80
	refused "${path}_fast_to_others" xa tcp 10.77.0.10 80 udp 10.77.0.10 53 tcp fd77::a 80 \
		udp fd77::a 53 tcp 10.78.0.10 80 tcp fd78::a 80 tcp 10.79.0.10 80
	check_fails "${path}_ping" pings web 10.79.0.10
	check_fails "${path}_ping_ipv6" pings web fd79::a
	check_fails "${path}_ping_in_fragments" pings web 10.79.0.10 -s 4000
	check_fails "${path}_ping_in_fragments_ipv6" pings web fd79::a -s 4000
	check "${path}_fragments_do_pass_inside" pings web 10.77.0.11 -s 4000
	check "${path}_fragments_do_pass_inside_ipv6" pings web fd77::b -s 4000
}

inside() { # PATH
	sees "$1_inside" web tcp 10.77.0.11 80 db 10.77.0.10
	sees "$1_inside_ipv6" web tcp fd77::b 80 db fd77::a
	sees "$1_inside_udp" web udp 10.77.0.11 53 db 10.77.0.10
	sees "$1_inside_udp_ipv6" web udp fd77::b 53 db fd77::a
	sees "$1_inside_internal" vault tcp 10.78.0.11 80 safe 10.78.0.10
	sees "$1_inside_xdp" xa tcp 10.76.0.11 80 xb 10.76.0.10
	sees "$1_inside_xdp_ipv6" xa tcp fd76::b 80 xb fd76::a
	sees "$1_inside_xdp_udp" xa udp 10.76.0.11 53 xb 10.76.0.10
}

# ---- forged sources ----

FORGED=0

# forge CLIENT SOURCE DESTINATION: one datagram to port 7777 there.
forge() {
	local family=4 source=$2 to=$3

	if [ "${2#*:}" != "$2" ]; then
		family=6 source="[$2]" to="[$3]"
	fi
	echo "from $2" | at "$1" socat -u - "UDP$family-SENDTO:$to:7777,bind=$source" 2>/dev/null
}

# forge_all CLIENT "DESTINATION4..." "DESTINATION6..." SOURCE...: from addresses that it does not
# have. (To itself it may say what it likes.)
forge_all() {
	local client=$1 to4=$2 to6=$3 src dst

	shift 3
	for src; do
		if [ "${src#*:}" = "$src" ]; then
			ip -n "$client" addr add "$src/32" dev lo
		else
			ip -n "$client" addr add "$src/128" dev lo nodad
		fi
		for dst in $([ "${src#*:}" = "$src" ] && echo "$to4" || echo "$to6"); do
			[ "$src" != "$dst" ] || continue
			forge "$client" "$src" "$dst"
			FORGED=$((FORGED + 1))
		done
		ip -n "$client" addr flush dev lo to "$src"
	done
}

heard() { # WHERE TEXT
	grep -qxF "$2" "$FV_TMP/heard.$1"
}

listen() {
	local ns

	for ns in $ALL host outside; do
		: >"$FV_TMP/heard.$ns"
		at "$ns" socat -u UDP6-RECV:7777,ipv6only=0 "OPEN:$FV_TMP/heard.$ns,append" &
	done
	for ns in $ALL host outside; do
		wait_for 3 listens "$ns"
	done
}

listens() {
	[ -n "$(at "$1" ss -Hlun "sport = 7777")" ]
}

forgery() { # PATH
	local path=$1 ns src sources

	for ns in $ALL host outside; do
		: >"$FV_TMP/heard.$ns"
	done
	# Free, a neighbour's, the gateway's, of another network, the host's, the outside's, any.
	sources="10.77.0.99 10.77.0.11 10.77.0.1 10.79.0.10 $UP4 $OUT4 198.51.100.1
		fd77::99 fd77::b fd77::1 fd79::a $UP6 $OUT6 2001:db8:5::1"
	# shellcheck disable=SC2086 # words
	forge_all web "10.77.0.11 10.79.0.10 $UP4 $OUT4" "fd77::b fd79::a $UP6 $OUT6" $sources
	# shellcheck disable=SC2086 # words
	forge_all xa "10.76.0.11 10.79.0.10 $UP4 $OUT4" "fd76::b fd79::a $UP6 $OUT6" $sources \
		10.76.0.11 10.76.0.1 fd76::b fd76::1
	# As somebody whom the other side would listen to.
	forge_all peer "10.77.0.11" "fd77::b" 10.77.0.10 fd77::a

	# The last word of each is true, and behind it nothing can come any more.
	for src in 10.77.0.10 fd77::a; do
		for ns in $([ $src = fd77::a ] && echo fd77::b $UP6 $OUT6 ||
			echo 10.77.0.11 $UP4 $OUT4); do
			forge web $src "$ns"
		done
	done
	forge xa 10.76.0.10 10.76.0.11
	forge xa fd76::a fd76::b
	for ns in db host outside; do
		check "${path}_true_source_reaches_$ns" wait_for 2 heard $ns "from 10.77.0.10"
		check "${path}_true_source_reaches_${ns}_ipv6" wait_for 2 heard $ns "from fd77::a"
	done
	check "${path}_true_source_reaches_xb" wait_for 2 heard xb "from 10.76.0.10"
	check "${path}_true_source_reaches_xb_ipv6" wait_for 2 heard xb "from fd76::a"
	check_equal "${path}_nothing_forged_is_heard" "" "$(cat "$FV_TMP"/heard.* | sort -u |
		grep -vxF -e "from 10.77.0.10" -e "from fd77::a" -e "from 10.76.0.10" -e "from fd76::a")"
	check_equal "${path}_other_networks_hear_nothing" "" \
		"$(cat "$FV_TMP/heard.peer" "$FV_TMP/heard.vault" "$FV_TMP/heard.safe")"
}

# What the host keeps to itself: its own loopback, even with a route that leads there.
loopback() { # PATH
	refused "$1_loopback_of_the_host" db tcp 127.0.0.1 6000 udp 127.0.0.1 6000
}

# Without a loopback device 127.0.0.1 is an address like any other, and goes out of eth0.
send_loopback_out() { # NAMESPACE GATEWAY
	ip -n "$1" link set lo down
	ip -n "$1" addr flush dev lo
	ip netns exec "$1" sysctl -qw net.ipv4.conf.all.route_localnet=1
	ip -n "$1" route add 127.0.0.1/32 via "$2" dev eth0 onlink
}

# ---- the programs ----

by_the_programs() {
	local before sum

	watch fv-web fv-db
	inside shortcut
	check_equal inside_did_not_go_by_the_host 0 "$(forwarded)"
	outside shortcut
	watch fv-web fv-peer
	between shortcut
	check isolation_is_counted [ "$(stat_of web .drop.isolation)" -ge 10 ]
	check isolation_is_counted_xdp [ "$(stat_of xa .drop.isolation)" -ge 7 ]
	check isolation_is_counted_internal [ "$(stat_of vault .drop.isolation)" -ge 7 ]
	# Only pings in fragments came to the forward hook: they are the kernel's.
	check_equal only_fragments_came_to_the_host 2 "$(forwarded)"
	check_equal nobody_was_taken_for_a_forger 0 \
		"$("$FASTVETH" stats -j | jq '[.endpoints[].drop.spoofed_addr // 0] | add')"

	before=$("$FASTVETH" stats -j | jq '[.endpoints[].drop.spoofed_addr // 0] | add')
	forgery shortcut
	sum=$("$FASTVETH" stats -j | jq '[.endpoints[].drop.spoofed_addr // 0] | add')
	check_equal forged_packets_are_counted $FORGED $((sum - before))
	loopback shortcut

	# A false MAC address, and the true one again.
	before=$(at web cat /sys/class/net/eth0/address)
	ip -n web link set eth0 address 02:00:00:00:00:99
	check_fails false_mac_reaches_nobody pings web 10.77.0.11
	check_fails false_mac_reaches_no_gateway pings web 10.77.0.1
	check_fails false_mac_reaches_nobody_ipv6 pings web fd77::b
	check false_mac_is_counted [ "$(stat_of web .drop.spoofed_mac)" -ge 3 ]
	# The kernel has forgotten who the gateway is: its neighbours went with the address.
	ip -n web link set eth0 address "$before"
	check up_says_who_is_the_gateway "$FASTVETH" up "$FV_TMP/lab.yaml"
	check true_mac_reaches_them pings web 10.77.0.11
	check true_mac_reaches_the_gateway pings web 10.77.0.1
	check true_mac_reaches_them_ipv6 pings web fd77::b
}

by_the_kernel() {
	local before

	check programs_are_detached detach_programs
	check_fails status_says_so "$FASTVETH" status
	check status_says_what grep -q "programs are not attached" <("$FASTVETH" status)
	before=$("$FASTVETH" stats -j | jq -c '[.endpoints[] | .rx, .tx]')
	watch fv-web fv-db
	inside slow
	check inside_went_by_the_host [ "$(forwarded)" -ge 10 ]
	outside slow
	watch fv-web fv-peer
	between slow
	check isolated_packets_came_to_the_host [ "$(forwarded)" -ge 8 ]
	FORGED=0
	forgery slow
	check forgers_were_at_work [ $FORGED -gt 100 ]
	loopback slow
	check_equal programs_saw_nothing_of_it "$before" \
		"$("$FASTVETH" stats -j | jq -c '[.endpoints[] | .rx, .tx]')"
}

repaired() {
	local before

	check up_repairs "$FASTVETH" up "$FV_TMP/lab.yaml"
	check status_is_healthy "$FASTVETH" status
	before=$(stat_of db .rx.shortcut_packets)
	check ping_again pings web 10.77.0.11
	check_equal it_is_the_shortcut_again $((before + 1)) "$(stat_of db .rx.shortcut_packets)"
	before=$(stat_of xb .rx.shortcut_packets)
	check ping_again_xdp pings xa 10.76.0.11
	check_equal it_is_the_shortcut_again_xdp $((before + 1)) "$(stat_of xb .rx.shortcut_packets)"
}

# With something published, its port accepts packets for 127.0.0.0/8 (from the host).
# shellcheck disable=SC2034 # read by topology
PUBLISH_DB='["8080:80"]'
machine
# shellcheck disable=SC2086 # words
servers $ALL outside
serve host TCP4-LISTEN:6000,bind=127.0.0.1
serve host UDP4-RECVFROM:6000,bind=127.0.0.1
listen
send_loopback_out db 10.77.0.1
by_the_programs
by_the_kernel
repaired
check down "$FASTVETH" down --all
finish
