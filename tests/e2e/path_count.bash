# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Counters are exact: after traffic stops, packets and bytes are those of the devices inside,
# whatever the traffic and whichever way it took. `count HOOK`; the network: path_lab.bash.

# iperf FROM TO ADDRESS OPTION...: one test against a server for it alone.
iperf() {
	local from=$1 to=$2 address=$3 server

	shift 3
	start "$to" iperf3 -s -1 -p 5201
	server=$STARTED
	wait_for 3 listening "$to" 5201
	at "$from" iperf3 -c "$address" -p 5201 "$@" >/dev/null
	wait $server
}

received() { # NAME: packets by the shortcut and by the slow path
	"$FASTVETH" stats -j "$1" | jq -r '.endpoints[0].rx |
		"\(.shortcut_packets) \(.packets - .shortcut_packets)"'
}

# Packets and bytes of both kinds for everything that moves, and that they did move.
same_after() { # CASE HOOK SHORTCUT|SLOW COMMAND...
	local case=$1 hook=$2 way=$3 shortcut other more_shortcut more_other

	shift 3
	read -r shortcut other < <(received b)
	check "$case" "$@"
	exact "$case" "$hook" a b c
	read -r more_shortcut more_other < <(received b)
	shortcut=$((more_shortcut - shortcut)) other=$((more_other - other))
	if [ "$way" = SHORTCUT ]; then
		check "${case}_took_the_shortcut" test $shortcut -gt 50 -a $other -lt 10
	else
		check "${case}_was_slow" test $other -gt 50 -a $shortcut -lt 50
	fi
}

both_ways() {
	iperf a b $B4 -n "$(less 50)M" && iperf b a $A6 -n "$(less 50)M"
}

# The reply of a UDP server that is not there, and what b's own firewall stops, are counted too.
firewalled() {
	at b nft 'add table ip t; add chain ip t in { type filter hook input priority 0; };
		add rule ip t in udp dport 5201 limit rate 1000/second accept;
		add rule ip t in udp dport 5201 drop'
	iperf a b $B4 -u -b 0 -l 64 -n "$(less 500)K"
	at b nft delete table ip t
	at a bash -c "for i in {1..100}; do echo x >/dev/udp/$B4/9; done" 2>/dev/null
	return 0
}

# b's device takes what it can: two senders on each of two CPUs; OPTIONS of the IP header, if any.
flood() { # [OPTIONS]
	local cpu ns server pids=

	start b socat -u UDP4-RECV:9 /dev/null
	server=$STARTED
	wait_for 3 listening b 9
	for cpu in 0 $(($(nproc) - 1)); do
		for ns in a c; do
			start $ns taskset -c "$cpu" python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes.fromhex('${1:-}'))
s.connect(('$B4', 9))
for i in range($(less 20000)):
    try:
        s.send(b'x' * 20)
    except OSError:
        pass"
			pids="$pids $STARTED"
		done
	done
	# shellcheck disable=SC2086 # words
	wait $pids
	kill "$server"
}

# What b's device refuses is not received: frames above the MTU that b's root gave it.
refused() {
	ip -n b link set eth0 mtu 1300
	at a ping -q -i 0.002 -c 60 -W 0.1 -s 1400 $B4 >/dev/null
	ping -q -i 0.002 -c 60 -W 0.1 -s 1400 $B4 >/dev/null
	ip -n b link set eth0 mtu 1500
}

count() { # HOOK
	lab "$1"
	same_after ping "$1" SHORTCUT at a ping -q -i 0.002 -c 100 -W 1 $B4
	same_after tcp "$1" SHORTCUT both_ways
	same_after udp "$1" SHORTCUT iperf a b $B6 -u -b 0 -l 64 -n "$(less 500)K"
	same_after firewall "$1" SHORTCUT firewalled
	same_after flood "$1" SHORTCUT flood
	same_after fragments "$1" SLOW iperf a b $B6 -u -b 0 -l 9000 -n "$(less 10)M"
	same_after slow_flood "$1" SLOW flood 01010101
	same_after host_tcp "$1" SLOW iperf host b $B4 -n "$(less 50)M"
	same_after host_udp "$1" SLOW iperf host b $B6 -u -b 0 -l 1400 -n "$(less 10)M"
	refused
	exact refused "$1" a b
	iperf host a $A4 -n "$(less 50)M" -R
	exact to_the_host "$1" a b
	check up_again "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	exact up_again_keeps_them "$1" a b c
	lab_down "$1"
}
