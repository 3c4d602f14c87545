#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is on the wire of an uplink is what the host's own path would have put there: addresses, ports, TTL and
# DSCP are those of the same exchange without the shortcut, and every checksum is right, whoever is to
# compute it: the sender's device, its kernel, or nobody because a packet never leaves memory. The
# machine: uplink_lab.bash.
# kernel: any
# timeout: 240
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_bytes bpftool ethtool ip jq nft nstat python3 tcpdump

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
SIZE=$((100 * 4096)) RATE=50 DATAGRAMS=100
[ -z "${FV_VM:-}" ] || SIZE=$((60 * 4096)) RATE=30 DATAGRAMS=60

dump_begin() { # NAMESPACE DEV: into $FV_TMP/dump
	: >"$FV_TMP/dump.err"
	ip netns exec "$1" tcpdump -nvvi "$2" -U -w "$FV_TMP/dump.pcap" 'tcp or udp' 2>"$FV_TMP/dump.err" &
	DUMP=$!
	wait_for 5 grep -q listening "$FV_TMP/dump.err"
}

dump_end() {
	sleep 0.3
	kill $DUMP
	wait $DUMP 2>/dev/null
	# Whole lines: tcpdump breaks an IPv4 packet in two.
	tcpdump -nvvr "$FV_TMP/dump.pcap" 2>/dev/null | sed -E ':a; N; $!{/\n +[^ ].*$/!{P; D}}; s/\n +/ /; ta' \
		>"$FV_TMP/dump"
}

# Ports by chance are "high". Each kind of packet that was seen, without what differs by chance or time: who sends how much at once.
headers() {
	sed -nE 's/.*(IP6?) \((.*)\) ([^ ]+) > ([^ ]+): .*/\1 \3 > \4 \2/p' "$FV_TMP/dump" |
		sed -E 's/(id|offset|length|payload length:|flags|flowlabel) [^,]*,? ?//g; s/next-header //; s/ , /, /g
			s/\.[0-9]{5}( |$)/.high\1/g' | sed -E 's/, *$//; s/length [0-9]+//' | sort -u
}

# DSCP by the container's own rules, so that each packet has one that is not zero.
colours() {
	at c1 nft "table inet colours { chain out { type route hook output priority 0
		ip dscp set af21; ip6 dscp set af31; }; }"
	at wire nft "table inet colours { chain out { type route hook output priority 0
		ip dscp set cs3; ip6 dscp set cs4; }; }"
	ip netns exec c1 sysctl -qw net.ipv4.ip_default_ttl=77 net.ipv6.conf.eth0.hop_limit=78
	ip netns exec wire sysctl -qw net.ipv4.ip_default_ttl=99 net.ipv6.conf.eth0.hop_limit=98
}

exchanges() {
	local pids=() code=0 pid

	talk wire get $HOST4 8080 $SIZE $RATE &
	pids+=($!)
	talk wire put $HOST6 8080 $SIZE $RATE &
	pids+=($!)
	talk c1 put $WIRE4 80 $SIZE $RATE &
	pids+=($!)
	talk c1 get $WIRE6 80 $SIZE $RATE &
	pids+=($!)
	lossless talk wire echo $HOST4 8080 $DATAGRAMS $RATE &
	pids+=($!)
	lossless talk c1 echo $WIRE6 80 $DATAGRAMS $RATE 1400 &
	pids+=($!)
	for pid in "${pids[@]}"; do
		wait "$pid" || code=1
	done
	return $code
}

# same_headers: on the wire and inside, with the shortcut and without.
same_headers() {
	local mode side

	for side in wire c1; do
		for mode in slow fast; do
			[ $mode = slow ] || "$FASTVETH" -q attach br9
			dump_begin $side eth0
			if [ $mode = slow ]; then
				check "${side}_slow_exchange" exchanges
			else
				passes "${side}_fast_exchange" "$NAT" exchanges
			fi
			dump_end
			headers >"$FV_TMP/headers.$mode"
			[ $mode = slow ] || "$FASTVETH" -q detach --all
		done
		check_equal "${side}_same_headers" "$(cat "$FV_TMP/headers.slow")" "$(cat "$FV_TMP/headers.fast")"
		check_equal "${side}_there_are_all" 12 "$(grep -c . "$FV_TMP/headers.slow")"
	done
}

offload() { # NAMESPACE|"" DEV FEATURE...: "tx off"
	local ns=$1 dev=$2

	shift 2
	${ns:+ip netns exec "$ns"} ethtool -K "$dev" "$@" >/dev/null 2>&1
}

# Bytes that arrive are right whatever devices do; checksums show on a wire where devices do not compute them,
# and no packet is one of several segments: TOLD is "in" then.
checksums() { # CASE FEATURES-OF-CONTAINER FEATURES-OF-UPLINK FEATURES-OF-WIRE TOLD
	local bad

	offload c1 eth0 $2
	offload "" vc1 $2
	offload "" up0 $3
	offload wire eth0 $4
	"$FASTVETH" -q attach br9
	dump_begin wire eth0
	passes "$1" "$NAT" exchanges
	dump_end
	"$FASTVETH" -q detach --all
	# What the wire itself sends is summed up by its device, after it is seen.
	if [ "$5" = in ]; then
		bad=$(grep -E '(192\.0\.2\.1|2001:db8::1)\.[0-9]+ >' "$FV_TMP/dump" | grep -cE 'incorrect|bad (udp )?cksum')
		check_equal "$1_checksums_from_host" 0 "$bad"
		check "$1_checksums_are_seen" grep -qE '(192\.0\.2\.1|2001:db8::1)\.[0-9]+ >.*correct' "$FV_TMP/dump"
	fi
	bad=$(grep -cE 'bad cksum|bad-hlen|bad-len|truncated|bad length' "$FV_TMP/dump")
	check_equal "$1_headers" 0 "$bad"
	bad=$(at c1 nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors | awk 'NR > 1 { n += $2 } END { print n }')
	check_equal "$1_none_is_bad_inside" 0 "$bad"
	bad=$(at wire nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors | awk 'NR > 1 { n += $2 } END { print n }')
	check_equal "$1_none_is_bad_outside" 0 "$bad"
}

machine
rules
servers wire c1
colours
same_headers
checksums offloads_on "tx on rx on tso on gso on gro on" "tx on rx on" "tx on rx on" any
checksums no_tx "tx off" "tx off" "tx off" in
[ -n "${FV_VM:-}" ] || checksums no_tx_no_rx "tx off rx off" "tx off rx off" "tx off rx off" in
checksums no_gso "tx off tso off gso off gro off" "tx off tso off gso off gro off" "tx off tso off gso off gro off" in
checksums gro "tx off tso off gso on gro on" "tx off tso off gso on gro on" "tx off tso off gso on gro on" any
# The devices that sum up are those at the uplink alone: what comes from inside is whole, or is not.
checksums tx_off_outside "tx on tso on gso on" "tx off tso off" "tx off tso off" any
checksums tx_off_inside "tx off tso off" "tx on tso on" "tx on tso on" any
finish
