#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Copies of a proven flow's packets that somebody else sends, or the same sender with other Ethernet
# addresses, reach no farther than they do without the shortcut: where the host lets them through, and
# where it has rules against them. Containers: attach_lab.bash. Flows: a to b, bridged, IPv4 and IPv6; a
# to d, routed.
# kernel: any
# timeout: 150
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_spoof bpftool ip jq nft ping python3 ss tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"
SPOOF=$(dirname "$0")/spoof

mac_of() { # NAMESPACE
	ip -n "$1" -j link show eth0 | jq -r '.[0].address'
}

# Nobody's MAC, and one that the bridge has never learned, either.
OTHER=02:00:00:00:00:66 NOBODY=02:00:00:00:00:67
# CASE OWNER PORT FROM SOURCE_MAC DESTINATION_MAC, then who gets it, and who does not by the rules below.
cases() {
	cat <<-END
		same_frame            a 7001 c -       -       b    b
		same_frame6           a 7002 c -       -       b    b
		own_mac               a 7001 c $MAC_C  -       b    b
		routed                a 7003 c -       -       d    d
		from_another_network  a 7001 d -       $BR1    b    b
		another_source_mac    a 7001 a $OTHER  -       b    b
		another_source_mac6   a 7002 a $OTHER  -       b    b
		another_source_routed a 7003 a $OTHER  -       d    d
		to_another_mac        a 7001 a -       $MAC_C  c    -
		to_another_mac6       a 7002 a -       $MAC_C  c    -
		to_no_mac             a 7001 a -       $NOBODY bc   -
		routed_to_another_mac a 7003 a -       $MAC_C  c    -
	END
}

expected() { # CASE NAMESPACES: what `spoof` prints where these get all of them, and nobody else any
	local ns line=$1

	for ns in a b c d; do
		if [[ $2 = *$ns* ]]; then
			line+=" $ns=25"
		else
			line+=" $ns=0"
		fi
	done
	echo "$line"
}

# What keeps containers to their own addresses.
forbid() {
	sysctl -qw net.ipv4.conf.br1.rp_filter=1
	nft -f - <<-END
		table bridge t {
			chain p {
				type filter hook prerouting priority 0;
				iif va ether saddr != $MAC_A drop
				iif vc ether saddr != $MAC_C drop
				iif vc ip saddr != $C4 drop
			}
		}
	END
}

allow() {
	sysctl -qw net.ipv4.conf.br1.rp_filter=0
	nft delete table bridge t
}

# spoof_all MODE RULES: every case, while the flows go on.
spoof_all() {
	local mode=$1 rules=$2 name _ open stopped line

	cases | awk '{ print $1, $2, $3, $4, $5, $6 }' | "$SPOOF" a b c d >"$FV_TMP/spoofed"
	while read -r name _ _ _ _ _ open stopped; do
		line=$(grep "^$name " "$FV_TMP/spoofed")
		if [ "$rules" = closed ] && [ "$stopped" != - ]; then
			open=
		fi
		check_equal "${name}_${rules}_$mode" "$(expected "$name" "$open")" "$line"
	done < <(cases)
}

start_flow() { # TO ADDRESS PORT
	flow a "$1" "$2" "$3"
	PIDS+=" $SENDER $RECEIVER"
}

C4=10.5.0.4 PIDS=
containers
MAC_A=$(mac_of a) MAC_C=$(mac_of c) BR1=$(cat /sys/class/net/br1/address)
# The source check that the host has set for all must not stand in the way of `open`; nor may containers
# pass on what is not theirs.
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.br0.rp_filter=0 net.ipv4.conf.br1.rp_filter=0
for ns in a b c d; do
	at $ns sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
done
BEFORE=$(host_now)
start_flow b $B4 7001
start_flow b $B6 7002
start_flow d $D4 7003
# Virtual machines need not show that the rules themselves do what they say.
MODES="slow fast"
[ -z "${FV_VM:-}" ] || MODES=fast
for mode in $MODES; do
	[ "$mode" = slow ] || check attach "$FASTVETH" -q attach br0 br1
	for rules in open closed; do
		[ $rules = open ] || forbid
		if [ "$mode" = fast ]; then
			wait_for 10 more_than 50 0 vd rx.shortcut_packets
			wait_for 10 more_than 50 0 vb rx.shortcut_packets
			before=$("$FASTVETH" stats -j)
		fi
		spoof_all "$mode" $rules
		[ $rules = open ] || allow
	done
	[ "$mode" = slow ] || check the_flows_took_the_shortcut jq -en --argjson before "$before" \
		--argjson after "$("$FASTVETH" stats -j)" '[$before, $after | .endpoints[] |
			select(.port == "vb" or .port == "vd") | .rx.shortcut_packets] |
			.[2] - .[0] > 300 and .[3] - .[1] > 150'
done
# shellcheck disable=SC2086 # words
kill $PIDS
check detach "$FASTVETH" -q detach --all
check_equal host_is_as_before "$BEFORE" "$(host_now)"
finish
