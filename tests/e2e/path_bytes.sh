#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What arrives by the shortcut is byte for byte what the kernel's own path delivers: the same
# frames are sent with the programs attached and without, and everything that comes out at any
# of the three namespaces is compared. The network: path_lab.bash; the frames: frames.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need path_bytes ip jq nft python3 tc

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"
FRAMES=$(dirname "$0")/frames

# send_all WHICH: what arrives is in $FV_TMP/WHICH.NAME, what was expected in $FV_TMP/WHICH.ways
send_all() {
	local which=$1 ns pids=

	rm -f "$FV_TMP"/ready.*
	for ns in a b c; do
		ip netns exec $ns "$FRAMES" catch eth0 "$FV_TMP/ready.$ns" >"$FV_TMP/$which.$ns" &
		pids="$pids $!"
		wait_for 10 test -e "$FV_TMP/ready.$ns"
	done
	at a "$FRAMES" send eth0 "$(mac a)" "$(cat /sys/class/net/fv-a/address)" \
		>"$FV_TMP/$which.ways"
	touch "$FV_TMP"/ready.{a,b,c}.over
	# shellcheck disable=SC2086 # words
	wait $pids
}

mac() { # NAME
	ip -n "$1" -j link show eth0 | jq -r '.[0].address'
}

ways() {
	"$FASTVETH" stats -j a | jq -r '.endpoints[0] | {shortcut: .tx.shortcut_packets} + .slow +
		.drop | to_entries[] | "\(.key) \(.value)"' | sort
}

# Every error is sent, not only the first few.
# Redirects are held back by time, too: none of them.
sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
for hook in tcx clsact xdp; do
	has_hook $hook || continue
	lab $hook
	# What a namespace itself would answer differs each time: it says nothing.
	for ns in a b c; do
		at $ns nft 'table inet mute { chain out {
			type filter hook output priority 0; policy drop; }; }'
	done
	ways >"$FV_TMP/before"
	send_all fast
	check_equal ${hook}_each_went_its_way "$(cat "$FV_TMP/fast.ways")" "$(
		join -a 2 -e 0 -o 0,1.2,2.2 "$FV_TMP/before" <(ways) |
			awk '$3 != $2 { print $1, $3 - $2 }')"
	detach a b c
	send_all slow
	for ns in a b c; do
		check ${hook}_some_arrive_at_$ns test -s "$FV_TMP/slow.$ns"
		check_equal ${hook}_the_same_arrives_at_$ns \
			"$(cat "$FV_TMP/slow.$ns")" "$(cat "$FV_TMP/fast.$ns")"
	done
	lab_down $hook
done
finish
