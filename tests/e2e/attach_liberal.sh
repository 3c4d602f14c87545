#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The sysctl nf_conntrack_tcp_be_liberal: set while conntrack sees flows that may take the shortcut, and
# not before; told, and put back; and what a connection would come to without it. Containers:
# attach_lab.bash.
# kernel: any
# timeout: 200
# shellcheck disable=SC2317 # called through check and wait_for
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_liberal bpftool ip jq nft ping python3 socat ss
# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"

LIBERAL=/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal
if [ ! -e $LIBERAL ]; then
	skip attach_liberal "no conntrack"
	finish
fi

# Rules that need conntrack; what they count is what conntrack takes for invalid.
rules() {
	nft -f - <<-END
		table inet t {
			counter invalid { }
			chain f {
				type filter hook forward priority 0
				ct state invalid counter name invalid drop
			}
		}
	END
}

no_rules() {
	nft delete table inet t
}

invalid() {
	nft -j list counter inet t invalid | jq '[.nftables[].counter? // empty | .packets] | add'
}

liberal() {
	cat $LIBERAL
}

is() { # 0|1
	[ "$(liberal)" = "$1" ]
}

# Does this kernel say who is on its hooks? (nftables has asked it since 1.0.6 at the latest.)
hooks_are_told() {
	local told=1

	rules
	nft list hooks 2>/dev/null | grep -q conntrack && told=0
	no_rules
	return $told
}

status_says() { # TEXT
	"$FASTVETH" status -j | jq -r '.warnings[], .problems[]' | grep -qF -- "$1"
}

# Of b on br0, an attached port: are TCP flows slow?
window() {
	"$FASTVETH" status -j | jq -e '[.ports[].reasons[] | select(test("^window"))] | length > 0'
}

told_once() { # NAME TEXT COMMAND...
	local name=$1 text=$2

	shift 2
	check_equal "$name" 1 "$("$@" | grep -cF -- "$text")"
}

# ---- set, or not ----

without_rules() {
	check_equal not_told "" "$("$FASTVETH" attach br0 br1 | grep sysctl)"
	check_equal not_set 0 "$(liberal)"
	check healthy "$FASTVETH" -q status
	check_fails no_word_of_it status_says be_liberal
	rules
	check rules_that_came_are_a_problem status_says "nf_conntrack_tcp_be_liberal is 0"
	check_fails status_fails "$FASTVETH" -q status
	told_once rules_are_seen "~ sysctl $LIBERAL  1" "$FASTVETH" attach
	check_equal set_by_the_next_attach 1 "$(liberal)"
	no_rules
	told_once no_rules_are_seen "~ sysctl $LIBERAL  0 again" "$FASTVETH" attach
	check_equal put_back_without_them 0 "$(liberal)"
	check attach_no_sysctl "$FASTVETH" attach -q br0 br1 --no-sysctl
	check_fails tcp_is_fast window
	check allow_again "$FASTVETH" attach -q br0 br1
	"$FASTVETH" watch >"$FV_TMP/watch.log" 2>&1 &
	rules
	check watch_sets_it wait_for 10 is 1
	check watch_tells_it wait_for 5 grep -q "^~ sysctl $LIBERAL" "$FV_TMP/watch.log"
	no_rules
	check watch_puts_it_back wait_for 10 is 0
	kill $!
	wait $! 2>/dev/null
	check detach_without_rules "$FASTVETH" detach -q --all
}

with_rules() {
	rules
	told_once told "~ sysctl $LIBERAL  1" "$FASTVETH" attach br0 br1
	check_equal set 1 "$(liberal)"
	check status_says_what_it_was status_says "nf_conntrack_tcp_be_liberal is 1, and was 0"
	check set_is_healthy "$FASTVETH" -q status
	check_equal told_as_json 1 "$("$FASTVETH" detach -q --all && "$FASTVETH" attach -j br0 br1 |
		jq '[.actions[] | select(.kind == "sysctl" and .name == "'$LIBERAL'")] | length')"
	check attach_no_sysctl_with_rules "$FASTVETH" attach -q br0 br1 --no-sysctl
	check_equal put_back_by_no_sysctl 0 "$(liberal)"
	check tcp_is_slow window
	check attach_with_sysctl "$FASTVETH" attach -q br0 br1
	check_equal set_again 1 "$(liberal)"
	check detach "$FASTVETH" detach -q --all
	check_equal put_back 0 "$(liberal)"
	no_rules
}

# Rules of an own network need conntrack, too.
own_network() {
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip link set up0 up
	ip -n outside link set eth0 up
	ip addr add 192.0.2.1/24 dev up0
	ip route add default via 192.0.2.2
	told_once own_told "~ sysctl $LIBERAL  1" "$FASTVETH" add web --network lab --address 10.77.0.10
	check_equal own_set 1 "$(liberal)"
	check attach_beside_no_sysctl "$FASTVETH" attach -q br0 --no-sysctl
	check_equal own_put_back_by_no_sysctl 0 "$(liberal)"
	check_equal own_tcp_is_slow '"window"' \
		"$("$FASTVETH" explain -j web world:192.0.2.2 --proto tcp | jq .reason)"
	check detach_beside "$FASTVETH" detach -q --all
	check_equal own_set_again 1 "$(liberal)"
	check own_down "$FASTVETH" down -q --all
	check_equal own_put_back 0 "$(liberal)"
	ip netns del outside
}

# ---- what it is good for ----

# As much as goes in four seconds, from a to d, which says how much that was. Both ends by the shortcut.
transfer() { # PORT
	ip netns exec d timeout 60 socat -u "TCP4-LISTEN:$1,reuseaddr" - 2>/dev/null |
		wc -c >"$FV_TMP/received" &
	RECEIVER=$!
	wait_for 5 listening d "$1"
	ip netns exec a python3 - $D4 "$1" >"$FV_TMP/sent" <<-'END'
		import socket, sys, time
		sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
		sock.settimeout(15)
		end, sent, block = time.monotonic() + 4, 0, bytes(65536)
		while time.monotonic() < end:
		    sent += sock.send(block)
		sock.shutdown(socket.SHUT_WR)
		# The other end closes when it has all.
		sock.recv(1)
		print(sent)
	END
}

# Sequence numbers go far beyond what conntrack has seen, and the packets of each second's sample and the
# FIN go by its way.
needed() {
	local before

	rules
	check attach_to_send "$FASTVETH" attach -q br0 br1
	before=$(counted vd rx.shortcut_packets)
	transfer 7001
	check_equal liberal_transfer_ends 0 $?
	wait $RECEIVER
	check_equal liberal_all_arrives "$(cat "$FV_TMP/sent")" "$(cat "$FV_TMP/received")"
	check liberal_takes_the_shortcut more_than 50 "$before" vd rx.shortcut_packets
	check_equal liberal_nothing_is_invalid 0 "$(invalid)"
	echo 0 >$LIBERAL
	before=$(counted vd rx.shortcut_packets)
	transfer 7002 2>/dev/null
	check_equal strict_transfer_breaks 1 $?
	# Few may be enough: an acknowledgement of what conntrack has not seen is invalid to it.
	check strict_took_the_shortcut more_than 0 "$before" vd rx.shortcut_packets
	check strict_is_invalid test "$(invalid)" -gt 0
	kill $RECEIVER 2>/dev/null
	check detach_at_last "$FASTVETH" detach -q --all
	no_rules
}

containers
echo 0 >$LIBERAL
BEFORE=$(host_now)
if hooks_are_told; then
	without_rules
else
	skip without_rules "this kernel does not tell who is on its hooks"
fi
with_rules
own_network
needed
echo 0 >$LIBERAL
check_equal host_is_as_before "$BEFORE" "$(host_now)"
finish
