# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sizes and hops: what fits takes the shortcut up to the last byte, what does not arrives in
# fragments or is answered by the gateway, as a router does. `sizes HOOK`; the network is that of
# path_lab.bash, and
#
#	(namespace without a name) 192.0.2.2 2001:db8::2 --- up0, MTU 1500 --- host

head -c 65507 /dev/urandom >"$FV_TMP/bytes"
head -c 20000000 /dev/urandom >"$FV_TMP/stream"

outside() {
	unshare -n sleep 86400 &
	wait_for 3 other_netns $!
	ip link add up0 type veth peer name eth0 netns $!
	ip addr add 192.0.2.1/24 dev up0
	ip addr add 2001:db8::1/64 dev up0 nodad
	ip link set up0 up
	nsenter -t $! -n sh -c 'ip addr add 192.0.2.2/24 dev eth0
		ip addr add 2001:db8::2/64 dev eth0 nodad; ip link set eth0 up
		ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1'
}

other_netns() { # PID
	[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$1/ns/net")" ]
}

# "N M": packets that b got by the shortcut, and that a sent slowly, but for what a kernel tells its
# neighbours when it likes.
ways() {
	"$FASTVETH" stats -j | jq -r '(.endpoints | INDEX(.name)) as $e |
		"\($e.b.rx.shortcut_packets) \([$e.a.slow | del(.multicast, .link_local, .not_ip)[]] | add // 0)"'
}

# shortcuts CASE PACKETS COMMAND...: it succeeds, b gets so many by the shortcut, and a sends none else.
shortcuts() {
	local case=$1 packets=$2 rx slow rx_now slow_now

	shift 2
	read -r rx slow < <(ways)
	check "$case" "$@" || return
	read -r rx_now slow_now < <(ways)
	check_equal "${case}_by_the_shortcut" "$packets and 0" "$((rx_now - rx)) and $((slow_now - slow))"
}

# slow CASE REASON COMMAND...: it succeeds, and some packet of a is slow for that reason.
slow() {
	local case=$1 reason=$2 before

	shift 2
	before=$(counted a "slow.$reason")
	check "$case" "$@"
	check "${case}_is_slow" test "$(counted a "slow.$reason")" -gt "$before"
}

# answers NEEDLE COMMAND...: it fails and says so.
answers() {
	local needle=$1 out

	shift
	out=$("$@" 2>&1) && return 1
	grep -F -- "$needle" <<<"$out" && return
	echo "$out"
	return 1
}

pinged() { # SIZE ADDRESS: in one piece
	at a ping -q -c 1 -W 1 -M "do" -s "$1" "$2"
}

# One datagram of so many bytes arrives, and is the same.
datagram() { # 4|6 ADDRESS BYTES
	local server sum

	ip netns exec b socat -u -b 70000 "UDP$1-RECV:9001" - >"$FV_TMP/datagram" &
	server=$!
	wait_for 3 listening b 9001
	head -c "$3" "$FV_TMP/bytes" | at a socat -u -b 70000 - "UDP$1-SENDTO:$2:9001"
	wait_for 3 has_size "$FV_TMP/datagram" "$3"
	sum=$(sha256sum <"$FV_TMP/datagram")
	kill $server
	wait $server
	[ "$sum" = "$(head -c "$3" "$FV_TMP/bytes" | sha256sum)" ]
}

has_size() { # FILE BYTES
	[ "$(stat -c %s "$1")" = "$2" ]
}

stream() { # FROM TO LISTEN_ADDRESS CONNECT_ADDRESS
	local server

	ip netns exec "$2" socat -u "$3:9002,reuseaddr" - 2>/dev/null | sha256sum >"$FV_TMP/sum" &
	server=$!
	wait_for 3 listening "$2" 9002
	at "$1" timeout 20 socat -u OPEN:"$FV_TMP/stream" "$4:9002" || return
	wait $server
	[ "$(cat "$FV_TMP/sum")" = "$(sha256sum <"$FV_TMP/stream")" ]
}

datagrams() { # CASE MTU
	local size

	for size in 1 $(($2 - 48)); do
		shortcuts "$1_udp_$size" 1 datagram 4 $B4 "$size"
		shortcuts "$1_udp6_$size" 1 datagram 6 "[$B6]" "$size"
	done
	shortcuts "$1_udp_fits" 1 datagram 4 $B4 $(($2 - 28))
	for size in $(($2 - 27)) 65487; do
		slow "$1_udp_$size" fragment datagram 4 $B4 "$size"
		slow "$1_udp6_$size" fragment datagram 6 "[$B6]" "$size"
	done
	slow "$1_udp_largest" fragment datagram 4 $B4 65507
}

echoes() { # that b was asked for
	at b nstat -asz IcmpInEchos Icmp6InEchos | awk '!/^#/ { print $1, $2 }'
}

hops() { # CASE
	local before

	before=$(echoes)
	slow "$1_ttl_1" ttl answers "From $GW4 icmp_seq=1 Time to live exceeded" \
		at a ping -n -c 1 -W 1 -t 1 $B4
	slow "$1_hop_limit_1" ttl answers "From $GW6 icmp_seq=1 Time exceeded: Hop limit" \
		at a ping -n -c 1 -W 1 -t 1 $B6
	check_equal "$1_ttl_1_goes_no_further" "$before" "$(echoes)"
	shortcuts "$1_ttl_2" 1 at a ping -q -c 1 -W 1 -t 2 $B4
	shortcuts "$1_hop_limit_2" 1 at a ping -q -c 1 -W 1 -t 2 $B6
}

# A smaller MTU beyond the gateway is the gateway's to tell.
too_large() { # CASE
	check "$1_frag_needed" answers "From $GW4 icmp_seq=1 Frag needed and DF set (mtu = 1500)" \
		at a ping -n -c 1 -W 1 -M "do" -s 2000 192.0.2.2
	check "$1_packet_too_big" answers "From $GW6 icmp_seq=1 Packet too big: mtu=1500" \
		at a ping -n -c 1 -W 1 -M "do" -s 2000 2001:db8::2
	ip -n a route flush cache
	ip -n a -6 route flush cache
}

# One end's root lowers its MTU: TCP adapts, whoever it was.
mixed() { # CASE MTU
	for ns in a b; do
		ip -n $ns link set eth0 mtu 1400
		check "$1_lower_mtu_at_$ns" stream a b TCP4-LISTEN TCP4:$B4
		check "$1_lower_mtu_at_${ns}_ipv6" stream b a TCP6-LISTEN "TCP6:[$A6]"
		ip -n $ns link set eth0 mtu "$2"
	done
}

# Both ends raise their MTU, their ports have 1500 still: a GSO packet gets as far as the port, is
# too large for the target, the kernel answers, and TCP goes on with less.
raised() {
	ip -n a link set eth0 mtu 9000
	ip -n b link set eth0 mtu 9000
	slow too_large_for_the_target mtu stream a b TCP4-LISTEN TCP4:$B4
	check_equal gateway_told_so 1 "$(ip -n a route get $B4 | grep -c 'mtu 1500')"
	slow too_large_for_the_target_ipv6 mtu stream a b TCP6-LISTEN "TCP6:[$B6]"
}

sizes() { # HOOK
	outside
	lab "$1"
	datagrams mtu_1500 1500
	hops mtu_1500
	mixed mtu_1500 1500
	# XDP takes GSO away from the sender: its large frames end at its own device.
	[ "$1" = xdp ] || raised
	lab_down "$1"

	if [ "$1" = xdp ] && [ "$("$FASTVETH" status -j | jq .kernel.xdp_frags)" = false ]; then
		lab_file xdp "mtu: 9000" >"$FV_TMP/lab.yaml"
		expect_fail mtu_9000_is_refused 1 "takes an MTU of at most 3498" \
			"$FASTVETH" up -q "$FV_TMP/lab.yaml"
		return
	fi
	lab "$1" "mtu: 9000"
	shortcuts mtu_9000_ping 1 pinged 8972 $B4
	shortcuts mtu_9000_ping_ipv6 1 pinged 8952 $B6
	datagrams mtu_9000 9000
	check mtu_9000_stream stream a b TCP4-LISTEN TCP4:$B4
	too_large mtu_9000
	mixed mtu_9000 9000
	check checksums_are_good checksums_good a b
	lab_down "$1"
}
