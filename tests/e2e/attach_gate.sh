#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What makes `attach` decline: each reason put in, told by its name, heeded, overridden by --allow,
# and gone. Programs of others stay and are called. The containers: attach_lab.bash.
# kernel: any
# timeout: 300
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_gate bpftool ip jq nft ping python3 ss tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"

state() { # PORT
	port "$1" '"\(.state) \(.reasons | map(split(":")[0]) | unique | join(","))"'
}

# Everything of a to b by the host's own path?
all_slow() {
	local before

	before=$(counted vb rx.shortcut_packets)
	at a ping -q -i 0.01 -c 50 "$B4" >/dev/null
	[ "$(counted vb rx.shortcut_packets)" = "$before" ]
}

some_fast() {
	local before

	before=$(counted vb rx.shortcut_packets)
	at a ping -q -i 0.01 -c 50 "$B4" >/dev/null
	more_than 30 "$before" vb rx.shortcut_packets
}

# gate NAME PUT TAKE_AWAY CASE [WHOLE]: commands for eval. It concerns vb at the least. In virtual
# machines all of it only where the last argument says so.
gate() {
	local name=$1 put=$2 away=$3 case=${1//-/_}_$4

	if ! eval "$put" >/dev/null 2>&1; then
		eval "$away" >/dev/null 2>&1
		skip "$case" "this kernel or host cannot: $put"
		return
	fi
	check "${case}_attach" "$FASTVETH" -q attach br0
	check_equal "${case}_declined" "declined $name" "$(state vb)"
	if [ -n "${FV_VM:-}" ] && [ -z "${5:-}" ]; then
		eval "$away"
		return
	fi
	check "${case}_is_slow" all_slow
	check_equal "${case}_by_name" true \
		"$("$FASTVETH" stats -j | jq '[.endpoints[] | select(.port == "vb")][0] | .slow.declined > 0')"
	check "${case}_allow" "$FASTVETH" -q attach br0 --allow "$name"
	check_equal "${case}_allowed" "accelerated $name" "$(state vb)"
	check_equal "${case}_allowed_is_shown" true "$(port vb '.reasons | any(endswith("(allowed)"))')"
	check "${case}_is_fast" some_fast
	check "${case}_no_longer_allowed" "$FASTVETH" -q attach br0
	check "${case}_taken_away" eval "$away"
	check_fails "${case}_is_noticed" "$FASTVETH" -q status
	check "${case}_looked_at_again" "$FASTVETH" -q attach
	check_equal "${case}_gone" "accelerated " "$(state vb)"
	check "${case}_is_fast_again" some_fast
}

# A rule of nftables in a chain that bridged or routed packets pass.
rule() {
	printf 'nft "table inet t { chain f { type filter hook forward priority 0; %s; }; }"' "$1"
}
AWAY='nft delete table inet t'

containers
BEFORE=$(host_now)
gate limit "$(rule 'limit rate 10/second drop')" "$AWAY" nft whole
gate quota "$(rule 'quota over 100 mbytes drop')" "$AWAY" nft
gate statistic "$(rule 'numgen random mod 100 < 1 drop')" "$AWAY" nft
gate length "$(rule 'meta length > 1400 drop')" "$AWAY" nft
gate payload "$(rule '@th,64,8 0x17 drop')" "$AWAY" nft
gate connbytes "$(rule 'ct original bytes > 100000 drop')" "$AWAY" nft
for what in "limit:-m limit --limit 10/s -j DROP" "queue:-p udp --dport 9 -j NFQUEUE" \
	"hashlimit:-m hashlimit --hashlimit-above 1000/s --hashlimit-name t -j DROP" \
	"recent:-m recent --set --name t -j DROP" "payload:-m string --algo bm --string x -j DROP"; do
	command -v iptables >/dev/null || break
	gate "${what%%:*}" "iptables -A FORWARD -d 203.0.113.1 ${what#*:}" "iptables -F FORWARD" iptables
done
gate xfrm 'ip xfrm policy add src 203.0.113.0/24 dst 198.51.100.0/24 dir fwd' \
	'ip xfrm policy flush' policy
gate qdisc 'tc qdisc add dev vb root tbf rate 100mbit burst 64k latency 50ms' \
	'tc qdisc del dev vb root' tbf whole
# Whoever comes after ours sees nothing of the shortcut.
for side in ingress egress; do
	gate $side-program "tc qdisc add dev vb clsact; tc filter add dev vb $side prio 50000 matchall action ok ||
		tc filter add dev vb $side prio 50000 protocol all bpf bytecode '1,6 0 0 4294967295' direct-action" \
		"tc filter del dev vb $side prio 50000" filter whole
done

# A rule that no forwarded packet meets, and one that only tells, are no reasons.
nft 'table inet t { chain i { type filter hook input priority 0; limit rate 10/second drop; };
	chain f { type filter hook forward priority 0; limit rate 10/second log; counter accept; }; }'
check harmless "$FASTVETH" -q attach br0
check_equal harmless_rules "accelerated " "$(state vb)"
nft delete table inet t

# Windows of TCP that stay strict.
if [ -e /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal ]; then
	nft 'table inet tracked { chain f { type filter hook forward priority 0; ct state established counter; }; }'
	check conntrack_comes "$FASTVETH" -q attach br0
	check_equal liberal 1 "$(cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal)"
	check no_sysctl "$FASTVETH" -q attach br0 --no-sysctl
	check_equal liberal_no_more 0 "$(cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal)"
	check_equal window_is_told "accelerated window" "$(state vb)"
	check others_are_fast some_fast
	sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=1
	check own_setting "$FASTVETH" -q attach br0
	check own_setting_detach "$FASTVETH" -q detach --all
	check_equal own_setting_stays 1 "$(cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal)"
	sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0
	nft delete table inet tracked
fi
check detach "$FASTVETH" -q detach --all
tc qdisc del dev vb clsact 2>/dev/null
check_equal host_is_as_before "$BEFORE" "$(host_now)"
finish
