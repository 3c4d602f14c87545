#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What must not just go on goes the host's way, beside a flow that has the shortcut: packets that are longer than
# the uplink's MTU, that expire here, fragments, and ICMP errors about a flow behind NAT. Each case first
# without the shortcut (--uplink none), then with it, and what it prints is compared. The machine:
# uplink_lab.bash; probe.py, below, sends and listens.
# kernel: any
# timeout: 200
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_limits bpftool ethtool ip jq nft ping python3 ss tcpdump

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
MODE=""

probe() { # NAMESPACE ADDRESS PORT SOURCE_PORT SIZE TTL [NUMBER]
	ip netns exec "$1" python3 "$FV_TMP/probe.py" "${@:2}"
}

slow_of() { # REASON: of all ports and uplinks
	stats | jq --arg r "$1" '[.uplinks[], .endpoints[] | .slow[$r] // 0] | add'
}

# In the midst of a flow that has the shortcut, from the same port: 60 datagrams, then one that is odd.
# odd FROM ADDRESS PORT SIZE TTL: what comes back for that one
odd() {
	SOURCE=$((SOURCE + 1))
	probe $1 $2 $3 $SOURCE $4 $5
}

# ---- cases ----

# The last words: ICMP type, code, who says it, and of which flow (as the sender knows it).
ttl_out() { odd c1 $WIRE4 80 64 1; }
ttl_out6() { odd c1 $WIRE6 80 64 1; }
ttl_in() { odd wire $HOST4 8080 64 1; }
ttl_in6() { odd wire $HOST6 8080 64 1; }
ttl_2() { odd wire $HOST4 8080 64 2; }

# Longer than a device of the container's: cut up or refused at once; as long as it: passes.
long_out() { odd c1 $WIRE4 80 1472 64; }
over_out() { odd c1 $WIRE4 80 1473 64; }
lower_mtu() { # COMMAND...
	ip link set up0 mtu 1400
	ip -n wire link set eth0 mtu 1400
	"$@"
	"$@"
	ip link set up0 mtu 1500
	ip -n wire link set eth0 mtu 1500
	at c1 ip route flush cache
	at c1 ip -6 route flush cache
}
lower_out() { lower_mtu odd c1 $WIRE4 80 1472 64; }
lower_out6() { lower_mtu odd c1 $WIRE6 80 1452 64; }
# Inside, the container's own device is the shorter one.
lower_in() {
	ip link set br9 mtu 1400
	odd wire $HOST4 8080 1472 64
	odd wire $HOST6 8080 1452 64
	ip link set br9 mtu 1500
	at wire ip route flush cache
	at wire ip -6 route flush cache
}

# Nobody listens there: an error comes from behind NAT.
unreachable_out() { odd c1 $WIRE4 9 64 64; }
unreachable_out6() { odd c1 $WIRE6 9 64 64; }

fragments() {
	talk wire echo $HOST4 8080 20 50 3000
	talk c1 echo $WIRE4 80 20 50 3000
	talk c1 echo $WIRE6 80 20 50 3000
}

# A whole connection, in large segments, under a smaller MTU: those on the wire are no longer than that.
segments() {
	local pid

	# Cut up here: what is seen there are packets.
	ethtool -K up0 tso off gso off >/dev/null
	ip link set up0 mtu 1300
	ip -n wire link set eth0 mtu 1300
	ip netns exec wire tcpdump -nqi eth0 -U -w "$FV_TMP/segments.pcap" tcp 2>"$FV_TMP/dump.err" &
	pid=$!
	wait_for 5 grep -q listening "$FV_TMP/dump.err"
	talk c1 put $WIRE4 80 $((300 * 4096)) 150 && echo uploaded
	talk wire get $HOST6 8080 $((300 * 4096)) 150 && echo downloaded
	kill $pid
	wait $pid
	ethtool -K up0 tso on gso on >/dev/null
	ip link set up0 mtu 1500
	ip -n wire link set eth0 mtu 1500
	at c1 ip route flush cache
	at c1 ip -6 route flush cache
}

CASES="ttl_out ttl_out6 ttl_in ttl_in6 ttl_2 long_out over_out lower_out lower_out6 lower_in unreachable_out
	unreachable_out6 fragments segments"

cat >"$FV_TMP/probe.py" <<'END'
import os, select, socket, struct, sys, time
address, port, source, size, ttl = sys.argv[1], *map(int, sys.argv[2:6])
six = ":" in address
sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
sock.setsockopt(level, 25 if six else 11, 1)     # RECVERR
sock.setsockopt(level, 23 if six else 10, 2)     # MTU_DISCOVER: DO
hops = socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL
sock.bind(("", source))
sock.connect((address, port))
slow = int(os.environ.get("FV_SLOW", 1))

def events(timeout):
    """What comes back: "answer LENGTH" or "error TYPE CODE FROM INFO"."""
    end = time.monotonic() + timeout
    while True:
        try:
            data, ancillary, flags, _ = sock.recvmsg(1 << 16, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            for _, _, info in ancillary:
                number, origin, kind, code, _, mtu, _ = struct.unpack("=IBBBBII", info[:16])
                offender = info[16:]
                who = "-"
                if origin > 1 and len(offender) >= 8:
                    who = (socket.inet_ntop(socket.AF_INET6, offender[8:24]) if six
                           else socket.inet_ntop(socket.AF_INET, offender[4:8]))
                yield "error %d %d %s mtu %d" % (kind, code, who, mtu if number == 90 else 0)
                return
        except BlockingIOError:
            pass
        except OSError:
            continue
        try:
            yield "answer %d" % len(sock.recv(1 << 16, socket.MSG_DONTWAIT))
            return
        except OSError:
            pass
        if time.monotonic() > end:
            yield "nothing"
            return
        time.sleep(0.002)

def send(length):
    try:
        sock.send(b"x" * length)
    except OSError as error:
        return "refused %d" % error.errno
    return next(events(0.7 * slow))

seen = {}
for _ in range(60):
    got = send(64)
    seen[got] = seen.get(got, 0) + 1
    time.sleep(0.005)
sock.setsockopt(level, hops, ttl)
for _ in range(3):
    print(send(size))
sock.setsockopt(level, hops, 64)
print(send(64))
print(max(seen, key=seen.get))
END

run_all() { # MODE
	local case before

	MODE=$1 SOURCE=5000
	if [ $MODE = slow ]; then
		"$FASTVETH" -q attach br9 --uplink none
	else
		"$FASTVETH" -q attach br9 --uplink up0
	fi
	for case in $CASES; do
		before=$(count up0 rx.shortcut_packets)
		$case >"$FV_TMP/$case.$MODE" 2>&1
		[ $MODE = fast ] || continue
		check_equal $case "$(cat "$FV_TMP/$case.slow")" "$(cat "$FV_TMP/$case.fast")"
		case $case in
		unreachable* | fragments) ;;
		*)
			[ -z "$NAT" ] || check ${case}_beside_the_shortcut \
				[ $(($(count up0 rx.shortcut_packets) - before)) -gt 40 ]
			;;
		esac
	done
}

machine
sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
for ns in wire c1; do
	at $ns sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
done
rules
servers wire c1
run_all slow
check ttl_is_answered grep -q "^error 11 0 172.30.0.1" "$FV_TMP/ttl_out.slow"
check lower_mtu_is_told grep -q "^error 3 4 172.30.0.1 mtu 1400" "$FV_TMP/lower_out.slow"
check lower_mtu_is_told_outside grep -q "^error 3 4 $HOST4 mtu 1400" "$FV_TMP/lower_in.slow"
check unreachable_is_told grep -q "^error 3 3 $WIRE4" "$FV_TMP/unreachable_out.slow"
run_all fast
check fragments_are_slow [ "$(slow_of fragment)" -ge 100 ]
check expiring_are_slow [ "$(slow_of ttl)" -ge 12 ]
longest=$(tcpdump -ner "$FV_TMP/segments.pcap" 2>/dev/null |
	sed -nE 's/.* length ([0-9]+): .*> 192\.0\.2\.2\.80.*/\1/p' | sort -n | tail -n 1)
check segments_fit [ "${longest:-0}" -gt 1000 -a "${longest:-0}" -le 1314 ]
check detach "$FASTVETH" -q detach --all
finish
