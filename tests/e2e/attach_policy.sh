#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the host forbids stays forbidden: a deny that comes under a running flow stops it within two
# seconds, and the flow goes on within two seconds after it is taken away. Each time first without
# the shortcut, then with it. The containers: attach_lab.bash.
# kernel: any
# timeout: 300
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_policy bpftool ip jq nft ping python3 ss tc

# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"

# What a packet takes to be seen, on a busy machine.
GRACE=0.15
NUMBER=7000
# Virtual machines need not show that the rules themselves do what they say.
MODES="slow fast"
[ -z "${FV_VM:-}" ] || MODES=fast

later() { # TIME SECONDS
	jq -n "$1 + $2"
}

# denied CASE FROM TO ADDRESS DENY ALLOW: commands for eval. LIMIT: seconds after which nothing
# arrives any more, also by the shortcut.
LIMIT=2
# In virtual machines those alone that need what kernels differ in.
denied() {
	local case=$1 from=$2 to=$3 address=$4 deny=$5 allow=$6 mode limit denied allowed ended

	case ${FV_VM:+vm}:$case in
	vm:iptables | vm:ebtables_legacy | vm:nft_forward6 | vm:isolated | vm:vlan | vm:route | vm:own_rules | :*) ;;
	*) return ;;
	esac
	if ! eval "$deny" 2>/dev/null; then
		eval "$allow" 2>/dev/null
		skip "$case" "this kernel or host cannot: $deny"
		return
	fi
	eval "$allow"
	for mode in $MODES; do
		limit=$GRACE
		if [ "$mode" = fast ]; then
			"$FASTVETH" -q attach br0 br1
			limit=$(later $LIMIT $GRACE)
		fi
		NUMBER=$((NUMBER + 1))
		flow "$from" "$to" "$address" $NUMBER
		if [ "$mode" = fast ]; then
			wait_for 10 more_than 20 "$(counted "v$to" rx.shortcut_packets)" "v$to" rx.shortcut_packets
			check "${case}_takes_the_shortcut" more_than 20 0 "v$to" rx.shortcut_packets
		else
			wait_for 10 arrives
		fi
		eval "$deny"
		denied=$EPOCHREALTIME
		sleep 3
		ended=$EPOCHREALTIME
		eval "$allow"
		allowed=$EPOCHREALTIME
		wait_for 5 arrives_after "$allowed"
		check "${case}_${mode}_stops" "$PACE" gap "$ARRIVED" "$(later "$denied" "$limit")" "$ended"
		check "${case}_${mode}_goes_on" jq -en "$("$PACE" first "$ARRIVED" "$allowed") < 2 * ${FV_SLOW:-1}"
		flow_over
		[ "$mode" = slow ] || "$FASTVETH" -q detach --all
	done
}

arrives() {
	[ -s "$ARRIVED" ]
}

arrives_after() { # TIME
	[ "$("$PACE" first "$ARRIVED" "$1")" != never ]
}

mac_of() { # NAME
	ip -n "$1" -j link show eth0 | jq -r '.[0].address'
}

containers
BEFORE=$(host_now)

# Rules of the host, for bridged packets and for routed ones.
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] && command -v iptables >/dev/null; then
	sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
	BEFORE=$(host_now)
	denied iptables a b $B4 "iptables -I FORWARD -s $A4 -d $B4 -j DROP" \
		"iptables -D FORWARD -s $A4 -d $B4 -j DROP"
	denied ip6tables a b $B6 "ip6tables -I FORWARD -p udp -j REJECT" \
		"ip6tables -D FORWARD -p udp -j REJECT"
else
	skip iptables "no br_netfilter, or no iptables"
fi
denied nft_bridge a b $B4 'nft "table bridge t { chain f { type filter hook forward priority 0; oif vb drop; }; }"' \
	'nft delete table bridge t'
for ebtables in ebtables-nft ebtables-legacy; do
	denied ${ebtables//-/_} a b $B4 "$ebtables -A FORWARD -p IPv4 -o vb -j DROP" "$ebtables -F FORWARD"
	denied ${ebtables//-/_}6 a b $B6 "$ebtables -A FORWARD -p IPv6 -s $(mac_of a) -j DROP" "$ebtables -F FORWARD"
done
denied nft_forward a d $D4 'nft "table inet t { chain f { type filter hook forward priority 0; ip daddr '$D4' drop; }; }"' \
	'nft delete table inet t'
denied nft_forward6 d a $A6 'nft "table inet t { chain f { type filter hook forward priority 0; ip6 daddr '$A6' drop; }; }"' \
	'nft delete table inet t'

# The bridge's own means.
denied isolated a b $B4 'bridge link set dev va isolated on && bridge link set dev vb isolated on' \
	'bridge link set dev va isolated off; bridge link set dev vb isolated off'
denied locked a b $B4 'bridge link set dev va locked on && bridge fdb del '"$(mac_of a)"' dev va master' \
	'bridge link set dev va locked off'
denied port_disabled a b $B4 'bridge link set dev vb state 0' 'bridge link set dev vb state 3'
denied vlan a b $B4 'ip link set br0 type bridge vlan_filtering 1 && bridge vlan del dev vb vid 1' \
	'ip link set br0 type bridge vlan_filtering 0; bridge vlan add dev vb vid 1 pvid untagged'
denied other_bridge a b $B4 'ip link set vb master br1' 'ip link set vb master br0'

# Routes and neighbours.
denied route a d $D4 "ip route add unreachable $D4/32" "ip route del unreachable $D4/32"
denied neighbour a d $D4 "ip neigh replace $D4 lladdr 02:00:00:00:00:99 dev br1 nud permanent" \
	"ip neigh del $D4 dev br1"
denied forwarding a d $D4 "sysctl -qw net.ipv4.conf.br0.forwarding=0" \
	"sysctl -qw net.ipv4.conf.br0.forwarding=1"

# A container's own rules are met by every packet.
LIMIT=0
denied own_rules a b $B4 'at b nft "table inet t { chain i { type filter hook input priority 0; udp dport > 6999 drop; }; }"' \
	'at b nft delete table inet t'

check_equal host_is_as_before "$BEFORE" "$(host_now)"
finish
