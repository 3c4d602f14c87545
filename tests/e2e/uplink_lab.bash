# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The machine of uplink_*.sh: a host with two uplinks, and two containers behind its NAT, made by hand as a
# container engine makes them.
#
#	c1 172.30.0.2 fd30::2 --- vc1 \                        up0 192.0.2.1 2001:db8::1 --- eth0 .2 ::2 \
#	c2 172.30.0.3 fd30::3 --- vc2  br9 172.30.0.1 fd30::1                                             wire
#	                                          [host]       up1 198.18.0.1 2001:db8:1::1 --- eth1 .2 ::2 /
#
# wire is also 203.0.113.9 and 2001:db8:9::9, by either uplink; the default route leads by up0. To it, the host
# is also 203.0.113.1 and 2001:db8:9::1.

HOST4=192.0.2.1 HOST6=2001:db8::1 WIRE4=192.0.2.2 WIRE6=2001:db8::2
SECOND4=198.18.0.1 SECOND6=2001:db8:1::1 WIRE2_4=198.18.0.2 WIRE2_6=2001:db8:1::2
FAR4=203.0.113.9 FAR6=2001:db8:9::9 SNAT4=203.0.113.1 SNAT6=2001:db8:9::1
C1_4=172.30.0.2 C1_6=fd30::2 C2_4=172.30.0.3 C2_6=fd30::3
TALK=$(dirname "$0")/talk PACE=$(dirname "$0")/pace

# Without conntrack's calls for programs, what has been through NAT stays slow.
NAT=yes
kernel_from 5.18 || NAT=

at() { # NAMESPACE COMMAND...
	ip netns exec "$@"
}

uplink() { # DEV SUBNET4 SUBNET6 DEV_IN_WIRE
	ip link add "$1" type veth peer name "$4" netns wire
	addressed "$@"
}

addressed() { # DEV SUBNET4 SUBNET6 DEV_IN_WIRE
	ip addr add "$2.1/24" dev "$1"
	ip addr add "$3::1/64" dev "$1" nodad
	ip link set "$1" up
	ip -n wire addr add "$2.2/24" dev "$4"
	ip -n wire addr add "$3::2/64" dev "$4" nodad
	ip -n wire link set "$4" up
}

default_by() { # DEV: there and back
	if [ "$1" = up0 ]; then
		routed_by "$1" 192.0.2 2001:db8 eth0
	else
		routed_by "$1" 198.18.0 2001:db8:1 eth1
	fi
}

routed_by() { # DEV SUBNET4 SUBNET6 DEV_IN_WIRE
	ip route replace default via "$2.2" dev "$1"
	ip -6 route replace default via "$3::2" dev "$1"
	ip -n wire route replace default via "$2.1" dev "$4"
	ip -n wire -6 route replace default via "$3::1" dev "$4"
}

container() { # NAME HOST
	ip netns add "$1"
	ip link add "v$1" type veth peer name eth0 netns "$1"
	ip link set "v$1" master br9 up
	bridge link set dev "v$1" hairpin on
	ip -n "$1" link set lo up
	ip -n "$1" addr add "172.30.0.$2/24" dev eth0
	ip -n "$1" addr add "fd30::$2/64" dev eth0 nodad
	ip -n "$1" link set eth0 up
	ip -n "$1" route add default via 172.30.0.1
	ip -n "$1" -6 route add default via fd30::1
}

host_and_wire() {
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ip netns add wire
	at wire sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ip -n wire link set lo up
	ip -n wire addr add $FAR4/32 dev lo
	ip -n wire addr add $FAR6/128 dev lo nodad
}

containers() {
	ip link add br9 type bridge
	ip addr add 172.30.0.1/24 dev br9
	ip addr add fd30::1/64 dev br9 nodad
	ip link set br9 up
	container c1 2
	container c2 3
}

machine() {
	host_and_wire
	uplink up0 192.0.2 2001:db8 eth0
	uplink up1 198.18.0 2001:db8:1 eth1
	default_by up0
	containers
	wait_for 5 at c1 ping -q -c 1 -W 1 $HOST4
	wait_for 5 at c1 ping -q -c 1 -W 1 $HOST6
}

# As Docker has them: published ports 8080 to 80 and 8082 to 82 of a container, what leaves is masqueraded, and
# nothing else is forwarded. Words can be other ones: TARGET4, TARGET6, SNAT ("masquerade", "snat"), FORWARD.
rules() {
	local out4=masquerade out6=masquerade

	if [ "${SNAT:-masquerade}" = snat ]; then
		out4="snat ip to $SNAT4" out6="snat ip6 to $SNAT6"
	fi
	nft -f - <<-END
		table inet lab
		delete table inet lab
		table inet lab {
			chain pre {
				type nat hook prerouting priority -100
				fib daddr type local jump published
			}
			chain published {
				meta nfproto ipv4 tcp dport 8080 dnat ip to ${TARGET4:-$C1_4}:80
				meta nfproto ipv4 udp dport 8080 dnat ip to ${TARGET4:-$C1_4}:80
				meta nfproto ipv6 tcp dport 8080 dnat ip6 to [${TARGET6:-$C1_6}]:80
				meta nfproto ipv6 udp dport 8080 dnat ip6 to [${TARGET6:-$C1_6}]:80
				meta nfproto ipv4 tcp dport 8082 dnat ip to ${TARGET4:-$C1_4}:82
			}
			chain post {
				type nat hook postrouting priority 100
				oifname br9 ct status dnat ip saddr 172.30.0.0/24 masquerade
				oifname br9 ct status dnat ip6 saddr fd30::/64 masquerade
				oifname != br9 ip saddr 172.30.0.0/24 $out4
				oifname != br9 ip6 saddr fd30::/64 $out6
			}
			chain forward {
				type filter hook forward priority 0; policy drop
				${FORWARD:-}
				ct state established,related accept
				iifname br9 oifname != br9 accept
				ct status dnat accept
				ip6 nexthdr icmpv6 accept
			}
		}
	END
}

# The same by iptables or iptables-legacy.
iptables_rules() { # [-legacy]
	local ip sub to

	for ip in ip ip6; do
		sub=172.30.0.0/24 to=$C1_4:80
		[ $ip = ip ] || sub=fd30::/64 to=[$C1_6]:80
		"${ip}tables$1" -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 8080 \
			-j DNAT --to-destination "$to" &&
			"${ip}tables$1" -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p udp --dport 8080 \
				-j DNAT --to-destination "$to" &&
			"${ip}tables$1" -t nat -A POSTROUTING -s "$sub" ! -o br9 -j MASQUERADE &&
			"${ip}tables$1" -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT &&
			"${ip}tables$1" -A FORWARD -i br9 ! -o br9 -j ACCEPT &&
			"${ip}tables$1" -P FORWARD DROP || return
	done
}

no_iptables_rules() { # [-legacy]
	local ip

	for ip in ip ip6; do
		"${ip}tables$1" -P FORWARD ACCEPT
		"${ip}tables$1" -F
		"${ip}tables$1" -t nat -F
	done
}

# servers NAMESPACE...: talk, at port 80. (Not by `at`: what is killed must be the program itself.)
servers() {
	local ns

	for ns; do
		rm -f "$FV_TMP/ready.$ns"
		ip netns exec "$ns" "$TALK" serve "$FV_TMP/ready.$ns" 80 &
		eval "SERVER_$ns=\$!"
		wait_for 10 test -e "$FV_TMP/ready.$ns" || not_ok "server_$ns" "it does not begin"
	done
}

talk() { # NAMESPACE WHAT ADDRESS PORT...
	local ns=$1

	shift
	ip netns exec "$ns" "$TALK" "$@"
}

stats() {
	"$FASTVETH" stats -j
}

count() { # UPLINK JQ_PATH, such as rx.shortcut_packets
	stats | jq --arg d "$1" "[.uplinks[] | select(.device == \$d)][0].$2 // 0"
}

# shares BEFORE AFTER [DEV]: percent of packets that took the shortcut by an uplink, in and out.
shares() {
	jq -nr --argjson a "$1" --argjson b "$2" --arg d "${3:-up0}" 'def of(x; $w):
			[x.uplinks[] | select(.device == $d)][0][$w] // { packets: 0, shortcut_packets: 0 };
		["rx", "tx"] | map(. as $w | (of($b; $w).shortcut_packets - of($a; $w).shortcut_packets) * 100 /
			([of($b; $w).packets - of($a; $w).packets, 1] | max) | floor) | join(" ")'
}

# passes CASE FAST COMMAND...: it succeeds, and more than eight in ten of all packets by $UPLINK, both ways, took
# the shortcut (of a short flow those of its first tick, its probes and its end do not); with FAST empty, none did.
UPLINK=up0 SHARE=80
passes() {
	local case=$1 fast=$2 before in out

	shift 2
	before=$(stats)
	check "$case" "$@"
	read -r in out < <(shares "$before" "$(stats)" $UPLINK)
	if [ -n "$fast" ]; then
		check "${case}_takes_the_shortcut" [ "$in" -gt $SHARE -a "$out" -gt $SHARE ]
	else
		check_equal "${case}_is_slow" "0 0" "$in $out"
	fi
}

lossless() { # COMMAND...: prints 0
	[ "$("$@")" = 0 ]
}

status_of() { # UPLINK JQ_PATH
	"$FASTVETH" status -j | jq -r --arg d "$1" ".uplinks[] | select(.device == \$d) | $2"
}

# What a program must not leave behind on the host.
host_now() {
	ip -d -o link | sed -E 's/ promiscuity.*//; s/link-netns[^ ]* [^ ]*//; s/ state [A-Z]*//'
	tc qdisc
	grep -sr . /proc/sys/net/{netfilter,core} | grep -vE 'conntrack_(count|acct)|nf_log' | sort
	bpftool net 2>/dev/null
	ls /sys/fs/bpf
	ls /run/fastveth 2>/dev/null | grep -v lock
}
