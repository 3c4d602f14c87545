#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes, neighbours, devices and rules change under running connections through NAT. Each time first by the
# host's own path alone (--uplink none), then with the shortcut: what goes on goes on, what stops stops, a
# deny within two seconds, and what goes on takes the shortcut again. The machine: uplink_lab.bash.
# kernel: any
# timeout: 300
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_change bpftool conntrack ip jq nft python3 ss

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"

# What a packet takes to be seen, on a busy machine; how long a proof holds.
GRACE=0.15 LIMIT=2
MODES="slow fast"
[ -z "${FV_VM:-}" ] || MODES=fast
FLOWS="" FILES="" N=0 MODE=""

listening() { # NAMESPACE PORT
	at "$1" ss -Hlnt "sport = :$2" | grep -q .
}

# Connections in which 100 times a second something arrives; files of arrivals are in FILES.
download_out() {
	ip netns exec c1 "$PACE" fetch $FAR4 90 "$(next_file)" &
	began $!
}

download_in() {
	ip netns exec wire "$PACE" fetch $HOST4 8082 "$(next_file)" &
	began $!
}

next_file() {
	echo "$FV_TMP/arrived.$((N + 1))"
}

began() { # PID
	N=$((N + 1))
	FLOWS="$FLOWS $1" FILES="$FILES $FV_TMP/arrived.$N"
}

over() {
	kill $FLOWS
	wait $FLOWS
	FLOWS="" FILES=""
} 2>/dev/null

attached() { # [WORD...]
	if [ $MODE = slow ]; then
		"$FASTVETH" -q attach br9 --uplink none
	else
		"$FASTVETH" -q attach br9 "$@"
	fi
}

more() { # N BEFORE UPLINK: in both directions
	local now

	now=$(stats | jq --arg d "$3" '[.uplinks[] | select(.device == $d)][0] |
		.rx.shortcut_packets + .tx.shortcut_packets')
	[ $((now - $2)) -gt "$1" ]
}

both() { # UPLINK
	stats | jq --arg d "$1" '[.uplinks[] | select(.device == $d)][0] | .rx.shortcut_packets + .tx.shortcut_packets'
}

# fast_by CASE UPLINK: a flow takes the shortcut there, within what a proof and two looks take.
fast_by() {
	[ $MODE = fast ] && [ -n "$NAT" ] || return 0
	check "$1" wait_for 5 more 50 "$(both $2)" $2
}

begun() { # CASE
	local file

	for file in $FILES; do
		wait_for 10 test -s "$file" || not_ok "$1_begins" "nothing arrives"
	done
	fast_by "$1_takes_the_shortcut" up0
}

# arrives_after TIME: in each of FILES
arrives_after() {
	local file

	for file in $FILES; do
		[ "$("$PACE" first "$file" "$1")" != never ] || return
	done
}

# goes_on CASE [SECONDS_OF_PATIENCE]: all that run, from now on
goes_on() {
	local now=$EPOCHREALTIME file

	check "${1}_goes_on" wait_for ${2:-6} arrives_after "$now"
	for file in $FILES; do
		check_equal "${1}_whole" "0 0" "$("$PACE" lost "$file")"
	done
}

# stops CASE SINCE: nothing arrives, by the host's own path at once, by the shortcut two seconds later
stops() {
	local limit=$GRACE file

	[ $MODE = slow ] || limit=$(jq -n "$LIMIT + $GRACE")
	sleep 3
	for file in $FILES; do
		check "${1}_stops" "$PACE" gap "$file" "$(jq -n "$2 + $limit")" $EPOCHREALTIME
	done
}

server_at() { # ADDRESS PORT: who answers; nothing where nobody does
	FV_SLOW=1 talk wire who "$1" "$2" tcp 2>/dev/null | cut -d' ' -f3
}

# ---- routes and devices ----

moved() { # CASE [WORD...]
	local case=$1

	shift
	SNAT=snat rules
	attached "$@"
	download_out
	begun "$case"
	default_by up1
	goes_on "$case"
	fast_by "${case}_takes_the_other" up1
	default_by up0
	goes_on "${case}_back"
	fast_by "${case}_back_again" up0
	over
}

route_moved() { moved "${MODE}_route_moved" --uplink up0 --uplink up1; }

# By watch alone: nobody says which uplinks.
route_watched() {
	local watch

	[ $MODE = fast ] || return 0
	"$FASTVETH" -q attach --uplink auto
	"$FASTVETH" -q watch &
	watch=$!
	moved watched
	kill $watch
	wait $watch
}

# Whoever is masqueraded by another uplink is another one: the host ends that connection.
masqueraded_moved() {
	local moved

	rules
	attached --uplink up0 --uplink up1
	download_out
	begun "${MODE}_masqueraded"
	default_by up1
	moved=$EPOCHREALTIME
	stops "${MODE}_masqueraded" $moved
	check_equal "${MODE}_masqueraded_anew" $SECOND4 "$(talk c1 who $FAR4 80 tcp | cut -d' ' -f1)"
	default_by up0
	over
}

# The next hop says so, as whoever takes over an address does.
next_hop_mac() {
	rules
	at wire sysctl -qw net.ipv4.conf.eth0.arp_notify=1
	attached --uplink up0
	download_out
	download_in
	begun "${MODE}_mac"
	ip -n wire link set eth0 address 02:00:00:00:00:$((10 + N))
	goes_on "${MODE}_mac"
	fast_by "${MODE}_mac_again" up0
	over
}

flap() {
	SNAT=snat rules
	attached --uplink up0 --uplink up1
	download_out
	begun "${MODE}_flap"
	ip link set up0 down
	sleep 1
	ip link set up0 up
	ip addr replace $HOST6/64 dev up0 nodad
	default_by up0
	goes_on "${MODE}_flap" 10
	fast_by "${MODE}_flap_again" up0
	over
}

mtu_lowered() {
	local pid

	rules
	attached --uplink up0
	download_out
	begun "${MODE}_mtu"
	talk c1 put $FAR4 80 $((400 * 4096)) 100 &
	pid=$!
	sleep 1.5
	ip link set up0 mtu 1300
	wait $pid
	check_equal "${MODE}_mtu_upload" 0 $?
	goes_on "${MODE}_mtu"
	ip link set up0 mtu 1500
	over
	at c1 ip route flush cache
}

# ---- rules ----

target_replaced() {
	TARGET4=$C1_4 rules
	attached --uplink up0
	download_in
	begun "${MODE}_target"
	check_equal "${MODE}_target_before" $C1_4 "$(server_at $HOST4 8080)"
	TARGET4=$C2_4 rules
	check_equal "${MODE}_target_at_once" $C2_4 "$(server_at $HOST4 8080)"
	goes_on "${MODE}_target_old_one"
	fast_by "${MODE}_target_old_one_fast" up0
	nft flush chain inet lab published
	check_equal "${MODE}_unpublished" "" "$(server_at $HOST4 8080)"
	goes_on "${MODE}_unpublished_old_one"
	over
}

denied() {
	local denied way

	for way in out in; do
		rules
		attached --uplink up0
		download_$way
		begun "${MODE}_denied_$way"
		FORWARD="ip saddr $C1_4 drop; ip daddr $C1_4 drop;" rules
		denied=$EPOCHREALTIME
		stops "${MODE}_denied_$way" $denied
		rules
		goes_on "${MODE}_allowed_$way" 15
		fast_by "${MODE}_allowed_${way}_fast" up0
		over
	done
}

# Data comes from who opens: so the host alone finds the same addresses again, and loses those few of which an
# answer was under way. With the shortcut those are lost of which an answer is a probe before data are one;
# of both there may be one in ten.
flushed() {
	local pids lost n=20

	rules
	attached --uplink up0
	ip netns exec c1 "$TALK" hold $FAR4 80 $n $((6 * ${FV_SLOW:-1})) >"$FV_TMP/lost.out" &
	pids=$!
	ip netns exec wire "$TALK" hold $HOST4 8080 $n $((6 * ${FV_SLOW:-1})) >"$FV_TMP/lost.in" &
	pids="$pids $!"
	sleep $((2 * ${FV_SLOW:-1}))
	fast_by "${MODE}_flushed_takes_the_shortcut" up0
	conntrack -F >/dev/null 2>&1
	sleep 2
	fast_by "${MODE}_flushed_again" up0
	wait $pids
	lost=$(($(cat "$FV_TMP/lost.out") + $(cat "$FV_TMP/lost.in")))
	check "${MODE}_flushed_go_on" [ $lost -le $((2 * n / 10)) ]
}

machine
rules
servers wire c1 c2
ip netns exec wire "$PACE" serve 90 100 &
ip netns exec c1 "$PACE" serve 82 100 &
wait_for 10 listening wire 90
wait_for 10 listening c1 82
CASES="${*:-route_moved route_watched masqueraded_moved next_hop_mac flap mtu_lowered target_replaced denied flushed}"
for case in $CASES; do
	for MODE in $MODES; do
		$case
	done
done
check detach "$FASTVETH" -q detach --all
finish
