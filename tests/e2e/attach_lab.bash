# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Containers of others in which attach_*.sh send, made by hand as a container engine makes them:
#
#	a 10.5.0.2 fd05::2 --- va \
#	b 10.5.0.3 fd05::3 --- vb  br0 10.5.0.1 fd05::1 \
#	c 10.5.0.4 fd05::4 --- vc /                       host, which forwards
#	d 10.6.0.2 fd06::2 --- vd -  br1 10.6.0.1 fd06::1 /

A4=10.5.0.2 A6=fd05::2 B4=10.5.0.3 B6=fd05::3 D4=10.6.0.2 D6=fd06::2
PACE=$(dirname "$0")/pace

make_bridge() { # NAME SUBNET4 SUBNET6
	ip link add "$1" type bridge
	ip addr add "$2.1/24" dev "$1"
	ip addr add "$3::1/64" dev "$1" nodad
	ip link set "$1" up
}

container() { # NAME BRIDGE SUBNET4 SUBNET6 HOST [MAC]
	ip netns add "$1"
	ip link add "v$1" type veth peer name eth0 netns "$1" ${6:+address "$6"}
	ip link set "v$1" master "$2" up
	ip -n "$1" link set lo up
	ip -n "$1" addr add "$3.$5/24" dev eth0
	ip -n "$1" addr add "$4::$5/64" dev eth0 nodad
	ip -n "$1" link set eth0 up
	ip -n "$1" route add default via "$3.1"
	ip -n "$1" -6 route add default via "$4::1"
}

containers() {
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	make_bridge br0 10.5.0 fd05
	make_bridge br1 10.6.0 fd06
	container a br0 10.5.0 fd05 2
	container b br0 10.5.0 fd05 3
	container c br0 10.5.0 fd05 4
	container d br1 10.6.0 fd06 2
	for to in $B4 $B6 $D4 $D6; do
		wait_for 5 at a ping -q -c 1 -W 1 $to
	done
}

at() { # NAMESPACE COMMAND...
	ip netns exec "$@"
}

# What a program must not leave behind on the host.
host_now() {
	ip -d -o link | sed -E 's/ promiscuity.*//; s/link-netns[^ ]* [^ ]*//; s/ state [A-Z]*//'
	tc qdisc
	for port in va vb vc vd; do
		tc filter show dev $port ingress 2>/dev/null
		tc filter show dev $port egress 2>/dev/null
	done
	bridge -d link 2>/dev/null
	grep -sr . /proc/sys/net/{netfilter,bridge,core} | grep -vE 'conntrack_(count|acct)|nf_log' | sort
	bpftool net 2>/dev/null
	ls /sys/fs/bpf
	ls /run/fastveth 2>/dev/null | grep -v lock
}

port() { # PORT JQ_PATH of `status`
	"$FASTVETH" status -j | jq -r --arg p "$1" ".ports[] | select(.port == \$p) | $2"
}

counted() { # PORT JQ_PATH, such as rx.shortcut_packets
	"$FASTVETH" stats -j | jq --arg p "$1" "[.endpoints[] | select(.port == \$p)][0].$2 // 0"
}

# counts more than N at PORT JQ_PATH since BEFORE
more_than() { # N BEFORE PORT JQ_PATH
	[ $(($(counted "$3" "$4") - $2)) -gt "$1" ]
}

listening() { # NAMESPACE PORT
	at "$1" ss -Hlntu "sport = :$2" | grep -q .
}

# flow FROM TO ADDRESS PORT [SOURCE_PORT [tcp]]: datagrams, 100 a second, until flow_over; or as much in
# a connection. What arrives is in $ARRIVED. (Not by `at`: what is killed must be the program itself.)
flow() {
	ARRIVED=$FV_TMP/arrived.$4
	ip netns exec "$2" "$PACE" receive "$4" "$ARRIVED" "${6:-udp}" &
	RECEIVER=$!
	wait_for 5 listening "$2" "$4"
	ip netns exec "$1" "$PACE" send "$3" "$4" 100 64 "${5:-0}" "${6:-udp}" &
	SENDER=$!
}

flow_over() {
	kill $SENDER $RECEIVER
	wait $SENDER $RECEIVER
} 2>/dev/null
