#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# watch: ports that come, go and move, and what is judged anew, without anybody saying so; that it
# is quiet where nothing happens; that everything works on without it.
#
#	br0 [host] --- va (netns a, 10.9.0.1), vb (netns b, 10.9.0.2), ...
# kernel: any
# timeout: 240
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_watch flock ip jq nft tc

LOG=$FV_TMP/watch.log ERR=$FV_TMP/watch.err
LIBERAL=/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal
WATCH="" PORTS="" LINES_READ=0 LINES=() TOLD=0

start() { # [WORD...]
	: >"$LOG"
	: >"$ERR"
	"$FASTVETH" watch "$@" >>"$LOG" 2>>"$ERR" &
	WATCH=$!
}

bridge() { # NAME
	ip link add "$1" type bridge
	ip link set "$1" up
}

port() { # NAME BRIDGE NUMBER: v$NAME
	[ -e "/run/netns/$1" ] || ip netns add "$1"
	ip link add "v$1" type veth peer name eth0 netns "$1"
	ip -n "$1" addr replace "10.9.0.$3/24" dev eth0
	ip -n "$1" link set eth0 up
	ip link set "v$1" master "$2" up
}

ports() { # "va accelerated br0,..."; and whether it is what it should be
	"$FASTVETH" status -j |
		jq -r '[.ports[] | "\(.port) \(.state) \(.network)"] + [if .healthy then empty
			else "unhealthy" end] | sort | join(",")'
}

ports_are() { # WANTED
	PORTS=$(ports)
	[ "$PORTS" = "$1" ]
}

# Asked often: in this process.
log_grew() {
	mapfile -t LINES <"$LOG"
	[ ${#LINES[@]} != "$LINES_READ" ]
}

# becomes CASE PORTS: within the seconds that a look from time to time takes, and more. What is
# read while it is rewritten may be neither the old nor the new.
becomes() {
	# Each `status` takes its time: whoever has news has a line, mostly.
	wait_for 2 log_grew
	wait_for 15 ports_are "$2"
	mapfile -t LINES <"$LOG"
	LINES_READ=${#LINES[@]}
	check_equal "$1" "$2" "$PORTS" || sed 's/^/# /' "$LOG" "$ERR"
}

# tells CASE LINE: a line of the log, once, as a pattern of the whole line.
tells() {
	wait_for 10 told "$2"
	check_equal "$1" 1 "$TOLD" || sed 's/^/# /' "$LOG"
}

told() { # LINE
	local line

	TOLD=0
	while IFS= read -r line; do
		[[ ! $line =~ ^($1)$ ]] || TOLD=$((TOLD + 1))
	done <"$LOG"
	[ "$TOLD" != 0 ]
}

healthy() {
	"$FASTVETH" status
}

# ---- words ----

words() {
	expect_fail allow_needs_a_target 2 "missing TARGET" "$FASTVETH" watch --allow limit
	expect_fail allow_needs_a_name 2 "limits" "$FASTVETH" watch br0 --allow limits
	expect_fail nobody_is_refused 1 "no device of that name" "$FASTVETH" watch bridge:nobody
	check refusal_leaves_nothing test ! -e /sys/fs/bpf/fastveth
}

# ---- what comes and goes ----

comes_and_goes() {
	tells sysctl_is_told "~ sysctl $LIBERAL  1; .*"
	tells first_is_told "\+ port va  a on br0  accelerated"
	becomes first "va accelerated br0"
	port b br0 2
	becomes comes "va accelerated br0,vb accelerated br0"
	tells coming_is_told "\+ port vb  b on br0  accelerated"
	ip link del vb
	becomes goes "va accelerated br0"
	tells going_is_told "- port vb  b on br0"
	ip link set va nomaster
	becomes leaves_its_bridge ""
	ip link set va master br0
	becomes returns "va accelerated br0"
	port b br0 2
	becomes comes_again "va accelerated br0,vb accelerated br0"
}

# Other runs say what is to be watched.
others_say() {
	bridge br1
	bridge br2
	check attach_beside_it "$FASTVETH" attach -q br2
	ip link set vb master br1
	becomes moves_away "va accelerated br0"
	ip link set vb master br2
	becomes moves_to_another "va accelerated br0,vb accelerated br2"
	ip link set vb master br0
	becomes moves_at_once "va accelerated br0,vb accelerated br0"
	tells move_is_told "~ port vb  b on br0  accelerated"
	port c br2 3
	becomes other_target "va accelerated br0,vb accelerated br0,vc accelerated br2"
	check detach_beside_it "$FASTVETH" detach -q br2
	tells detach_is_told "- port vc  c on br2"
	port d br2 4
	port e br0 5
	becomes detached_stays_so "va accelerated br0,vb accelerated br0,ve accelerated br0"
	ip link del ve
	ip link del vd
	ip link del vc
	becomes others_end "va accelerated br0,vb accelerated br0"
}

bridge_anew() {
	ip link del br0
	becomes without_bridge ""
	bridge br0
	ip link set va master br0
	ip link set vb master br0
	becomes with_bridge_again "va accelerated br0,vb accelerated br0"
}

# ---- what is judged anew ----

judged() {
	: >"$LOG"
	if nft add table ip t 2>/dev/null; then
		nft add chain ip t f '{ type filter hook forward priority 0; }'
		nft add rule ip t f limit rate 10/second accept
		becomes limit "va declined br0,vb declined br0"
		tells limit_is_told "~ port va  a on br0  declined: limit: table ip t, chain f: limit"
		nft delete table ip t
		becomes limit_gone "va accelerated br0,vb accelerated br0"
	else
		skip limit "this kernel has no nftables"
	fi
	: >"$LOG"
	if tc qdisc add dev vb root tbf rate 10mbit burst 32k latency 50ms 2>/dev/null; then
		becomes shaping "va accelerated br0,vb declined br0"
		tells shaping_is_told "~ port vb  b on br0  declined: qdisc: qdisc tbf on vb"
		tc qdisc del dev vb root
		becomes shaping_gone "va accelerated br0,vb accelerated br0"
		tells shaping_gone_is_told "~ port vb  b on br0  accelerated"
	else
		skip shaping "this kernel has no tbf"
	fi
	# The kernel tells nobody of these two.
	: >"$LOG"
	ip -n b link set eth0 address 02:00:00:00:00:77
	tells mac_is_told "~ port vb  b on br0  accelerated"
	check mac_is_healthy wait_for 10 healthy
	if [ -e $LIBERAL ]; then
		echo 0 >$LIBERAL
		wait_for 10 grep -qx 1 $LIBERAL
		check_equal sysctl_is_set_again 1 "$(cat $LIBERAL)"
	fi
}

# ---- nothing ----

written() {
	stat -c '%n %i %y' /run/fastveth/*
	cat "$LOG" "$ERR"
}

idle() {
	local before

	check idle_begins wait_for 10 healthy
	sleep "${FV_SLOW:-1}"
	before=$(written)
	sleep 11
	check_equal idle_is_quiet "$before" "$(written)"
	kill -HUP $WATCH
	wait_for 5 lock_is_newer "$before"
	before=$(cat "$LOG" "$ERR")
	sleep 1
	check_equal hangup_finds_nothing "$before" "$(cat "$LOG" "$ERR")"
	check hangup_goes_on kill -0 $WATCH
}

lock_is_newer() { # WRITTEN
	! grep -qxF "$(stat -c '%n %i %y' /run/fastveth/lock)" <<<"$1"
}

# ---- crowds, and other runs ----

flood() {
	local n i

	n=$(less 200)
	ip netns add crowd
	for ((i = 0; i < n; i++)); do
		echo "link add f$i type veth peer name p$i netns crowd"
		echo "link set f$i master br0 up"
	done >"$FV_TMP/come"
	for ((i = 0; i < n; i++)); do
		echo "link del f$i"
	done >"$FV_TMP/go"
	ip -batch "$FV_TMP/come"
	ip -batch "$FV_TMP/go"
	ip -batch "$FV_TMP/come"
	wait_for 20 test "$(grep -c '^+ port f' "$LOG")" -ge 1
	ip -batch "$FV_TMP/go"
	becomes flood_ends "va accelerated br0,vb accelerated br0"
	check_equal flood_is_no_failure "" "$(cat "$ERR")"
}

# As long as another run holds the lock it can only wait, and says so.
locked() {
	start --wait 1
	wait_for 10 lock_was_let_go
	flock --no-fork /run/fastveth/lock sleep 1000 &
	LOCKER=$!
	wait_for 5 lock_is_held
	port e br0 5
	wait_for 10 grep -q "another run holds the lock" "$ERR"
	check lock_is_told grep -q "another run holds the lock" "$ERR"
	sleep 3
	check_equal lock_is_told_once 1 "$(wc -l <"$ERR")"
	check_equal lock_is_waited_for "va accelerated br0,vb accelerated br0" "$(ports)"
	kill $LOCKER
	becomes lock_comes_free "va accelerated br0,vb accelerated br0,ve accelerated br0"
	ip link del ve
	becomes lock_ends "va accelerated br0,vb accelerated br0"
}

lock_is_held() {
	! flock -n /run/fastveth/lock true
}

# It was there, and has done what it does first.
lock_was_let_go() {
	grep -q "watch" /run/fastveth/lock && ! lock_is_held
}

# ---- its end ----

shortcut() { # packets that b has received by it
	"$FASTVETH" stats -j b | jq '.endpoints[0].rx.shortcut_packets'
}


stream() { # one flow, for as long as it takes
	# shellcheck disable=SC2016 # it is the other shell's
	ip netns exec a bash -c 'exec 3>/dev/udp/10.9.0.2/9 4<> <(:)
		for ((i = 0; i < $0; i++)); do echo x >&3; read -rt 0.02 -u 4; done' "$(less 200)" 2>/dev/null
}

goes_on() {
	local before

	before=$(shortcut)
	stream
	test "$(shortcut)" -gt $((before + $(less 20)))
}

# Of all that is attached. Pins of links whose device is gone are swept by any later run.
ids() {
	"$FASTVETH" inspect -j |
		jq -cS '[.programs[].id, .maps[].id, (.links[] | select(.device) | .id)]'
}

ended() {
	local before code

	check shortcut_is_taken goes_on
	before=$(ids)
	kill -KILL $WATCH
	wait $WATCH 2>/dev/null
	check killed_goes_on goes_on
	check_equal killed_leaves_all "$before" "$(ids)"
	start
	wait_for 10 lock_was_let_go
	sleep 1
	check_equal next_is_silent "" "$(cat "$LOG" "$ERR")"
	check_equal next_goes_on_with_it "$before" "$(ids)"
	port c br0 3
	becomes next_works "va accelerated br0,vb accelerated br0,vc accelerated br0"
	kill -TERM $WATCH
	wait $WATCH
	code=$?
	check_equal term_exit_code 0 $code
	check_equal term_leaves_all "va accelerated br0,vb accelerated br0,vc accelerated br0" \
		"$(ports)"
	start -q
	wait_for 10 lock_was_let_go
	ip link del vc
	becomes quiet_works "va accelerated br0,vb accelerated br0"
	kill -INT $WATCH
	wait $WATCH
	code=$?
	check_equal int_exit_code 0 $code
	check_equal quiet_says_nothing "" "$(cat "$LOG" "$ERR")"
}

json() {
	start -j br0
	wait_for 10 lock_was_let_go
	port c br0 3
	wait_for 10 test -s "$LOG"
	check_equal json_comes '["create","port","vc","c","br0","accelerated",[]]' \
		"$(jq -c '[.op, .kind, .port, .endpoint, .network, .state, .reasons]' "$LOG")"
	check json_has_the_time jq -e '.time | test("^[0-9-]{10}T[0-9:.]{12}Z$")' "$LOG"
	: >"$LOG"
	ip link del vc
	wait_for 10 test -s "$LOG"
	check_equal json_goes '["remove","vc"]' "$(jq -c '[.op, .port]' "$LOG")"
	kill $WATCH
	wait $WATCH
}

# So that conntrack is there to be told of.
conntracked() {
	nft -f - <<-END
		table inet tracked {
			chain f {
				type filter hook forward priority 10
				ct state established counter
			}
		}
	END
}

words
conntracked
bridge br0
port a br0 1
start br0
comes_and_goes
others_say
bridge_anew
judged
idle
flood
ended
locked
kill $WATCH
wait $WATCH
json
check detach_all "$FASTVETH" detach -q --all
check nothing_is_left test ! -e /sys/fs/bpf/fastveth
finish
