#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `conntrack -F` under running flows that rules by `ct state` let through: whoever may open a connection
# goes on without losing anything; whoever may only answer is stopped, by the shortcut within two
# seconds. Each time first without the shortcut, then with it. Containers: attach_lab.bash.
# kernel: any
# timeout: 200
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_conntrack bpftool conntrack ip jq nft ping python3 ss tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"

# What a packet takes to be seen, on a busy machine, and how long a proof holds.
GRACE=0.15 LIMIT=2
# Virtual machines need not show that the rules themselves do what they say.
MODES="slow fast"
[ -z "${FV_VM:-}" ] || MODES=fast
NUMBER=7000

# Only a may open what goes to or from these ports.
rules() {
	nft -f - <<-END
		table inet t {
			chain f {
				type filter hook forward priority 0
				meta l4proto { tcp, udp } jump judge
			}
			chain judge {
				ct state established accept
				iifname { br0, va } ip saddr $A4 ct state new accept
				iifname { br0, va } ip6 saddr $A6 ct state new accept
				drop
			}
		}
	END
}

# a sends one datagram from port NUMBER, so that the answers may come.
open_it() { # TO_ADDRESS
	local opener opened

	ip netns exec a "$PACE" send "$1" $((NUMBER + 1000)) 4 64 "$NUMBER" &
	opener=$!
	wait_for 5 is_opened
	opened=$?
	kill "$opener"
	wait "$opener" 2>/dev/null
	return "$opened"
}

is_opened() {
	conntrack -L -p udp --orig-port-src "$NUMBER" 2>/dev/null | grep -q .
}

arrives() {
	[ -s "$ARRIVED" ]
}

# begins CASE MODE TO: the flow is there, by the way that MODE says.
begins() {
	if [ "$2" = slow ]; then
		check "${1}_slow_arrives" wait_for 10 arrives
	else
		check "${1}_takes_the_shortcut" wait_for 10 more_than 50 0 "v$3" rx.shortcut_packets
	fi
}

attached() { # MODE
	[ "$1" = slow ] || "$FASTVETH" -q attach br0 br1
}

detached() { # MODE
	[ "$1" = slow ] || "$FASTVETH" -q detach --all
}

# goes_on CASE TO ADDRESS [tcp]: a flow of a outlives the flush.
goes_on() {
	local case=$1 to=$2 address=$3 kind=${4:-udp} mode

	for mode in $MODES; do
		NUMBER=$((NUMBER + 1))
		attached "$mode"
		flow a "$to" "$address" $NUMBER 0 "$kind"
		begins "$case" "$mode" "$to"
		check "${case}_${mode}_flush" conntrack -F
		sleep 3
		if [ "$mode" = fast ]; then
			check "${case}_still_takes_it" wait_for 5 more_than 20 \
				"$(counted "v$to" rx.shortcut_packets)" "v$to" rx.shortcut_packets
		fi
		flow_over
		check_equal "${case}_${mode}_loses_nothing" "0 0" "$("$PACE" lost "$ARRIVED")"
		check "${case}_${mode}_is_tracked_again" grep -q "dport=$NUMBER" /proc/net/nf_conntrack
		detached "$mode"
	done
}

# stops CASE FROM TO ADDRESS FROM_ADDRESS [tcp]: answers that nobody may open, or a connection in its midst.
stops() {
	local case=$1 from=$2 to=$3 address=$4 back=$5 kind=${6:-udp} mode limit flushed ended

	for mode in $MODES; do
		NUMBER=$((NUMBER + 1)) limit=$GRACE
		[ "$mode" = slow ] || limit=$(jq -n "$LIMIT + $GRACE")
		attached "$mode"
		if [ "$kind" = udp ]; then
			check "${case}_${mode}_is_opened" open_it "$back"
		fi
		flow "$from" "$to" "$address" $NUMBER $((NUMBER + 1000)) "$kind"
		begins "$case" "$mode" "$to"
		check "${case}_${mode}_flush" conntrack -F
		flushed=$EPOCHREALTIME
		sleep 3
		ended=$EPOCHREALTIME
		check "${case}_${mode}_stops" "$PACE" gap "$ARRIVED" "$(jq -n "$flushed + $limit")" "$ended"
		flow_over
		detached "$mode"
	done
}

containers
sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0
BEFORE=$(host_now)
rules
goes_on opener d $D4
goes_on opener6 d $D6
goes_on opener_tcp d $D4 tcp
stops answers d a $A4 $D4
stops answers6 d a $A6 $D6
# A connection that conntrack does not know is none for it, unless it picks up what it finds.
loose=$(sysctl -n net.netfilter.nf_conntrack_tcp_loose)
sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
stops connection a d $D4 - tcp
sysctl -qw net.netfilter.nf_conntrack_tcp_loose="$loose"
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
	call=$(sysctl -n net.bridge.bridge-nf-call-iptables)
	sysctl -qw net.bridge.bridge-nf-call-iptables=1
	goes_on bridged_opener b $B4
	stops bridged_answers b a $A4 $B4
	sysctl -qw net.bridge.bridge-nf-call-iptables="$call"
else
	skip bridged "no br_netfilter"
fi
nft delete table inet t
check_equal host_is_as_before "$BEFORE" "$(host_now)"
finish
