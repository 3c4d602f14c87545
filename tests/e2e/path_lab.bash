# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The network in which path_*.sh send, and what they look at. `lab tcx|clsact|xdp [LINE...]`
# brings it up; each LINE is one more key of the network ("mtu: 9000").
#
#	a 10.77.0.10 fd77::10 --- fv-a \
#	b 10.77.0.11 fd77::11 --- fv-b  host 10.77.0.1 fd77::1
#	c 10.77.0.12 fd77::12 --- fv-c /

A4=10.77.0.10 A6=fd77::10 B4=10.77.0.11 B6=fd77::11 GW4=10.77.0.1 GW6=fd77::1
LINKS=/sys/fs/bpf/fastveth/links

lab_file() { # HOOK [LINE...]
	local hook=$1 line

	shift
	printf 'networks:\n  lab:\n    subnet: 10.77.0.0/24\n    subnet6: fd77::/64\n'
	printf '    hook: %s\n' "$([ "$hook" = xdp ] && echo xdp || echo tc)"
	for line; do
		printf '    %s\n' "$line"
	done
	cat <<-END
		    namespaces:
		      a: { address: $A4, address6: "$A6" }
		      b: { address: $B4, address6: "$B6" }
		      c: { address: 10.77.0.12, address6: "fd77::12" }
	END
}

lab() { # HOOK [LINE...]
	local hooks name

	peers_count
	unset FASTVETH_NO_TCX
	[ "$1" != clsact ] || export FASTVETH_NO_TCX=1
	lab_file "$@" >"$FV_TMP/lab.yaml"
	check "$1_up" "$FASTVETH" up -q "$FV_TMP/lab.yaml" || finish
	hooks=$("$FASTVETH" status -j | jq -r '.ports[].hook' | sort -u)
	if [ "$1" = tcx ] && [ "$hooks" = clsact ]; then
		skip tcx_is_used "this kernel has none"
		return
	fi
	check_equal "$1_is_used" "$1" "$hooks" || finish
	# What new devices announce of themselves has been lost or not.
	for name in a b c; do
		IFS='|' read -r _ _ AHEAD["$name"] < <(settled "$name" "$1")
	done
}

lab_down() {
	check "$1_down" "$FASTVETH" down -q
}

at() { # NAMESPACE|host COMMAND...
	local ns=$1

	shift
	if [ "$ns" = host ]; then
		"$@"
	else
		ip netns exec "$ns" "$@"
	fi
}

# What the slow path would deliver into NAME's namespace is dropped at its port: what
# arrives has taken the shortcut. Our own clsact filter, which counts, comes after it.
wall() { # NAME...
	local name

	for name; do
		tc qdisc show dev "fv-$name" clsact | grep -q . ||
			tc qdisc add dev "fv-$name" clsact
		tc filter add dev "fv-$name" egress prio 1 handle 7 protocol all \
			bpf bytecode '1,6 0 0 2' direct-action
	done
}

unwall() { # NAME...
	local name

	for name; do
		tc filter del dev "fv-$name" egress prio 1 handle 7 protocol all bpf
	done
}

# Nothing of ours redirects any more: the kernel's own path. `lab` again brings it back.
detach() { # NAME...
	local name

	for name; do
		rm -f $LINKS/"fv-$name":fv_from_ns $LINKS/"fv-$name":fv_xdp_from_ns
		tc filter del dev "fv-$name" ingress prio 0xc0f5 2>/dev/null
	done
	return 0
}

counted() { # NAME JQ_PATH, such as rx.shortcut_packets or slow.mtu
	"$FASTVETH" stats -j "$1" | jq ".endpoints[0].$2 // 0"
}

inside() { # NAME rx|tx packets|bytes: what `ip -s link` says there
	ip -n "$1" -j -s link show eth0 | jq ".[0].stats64.$2.$3"
}

# Of this kernel; kernel_tell.sh sees to it that it is true.
PEERS_COUNT=
peers_count() {
	[ -n "$PEERS_COUNT" ] || PEERS_COUNT=$("$FASTVETH" status -j | jq .kernel.peer_counters)
	[ "$PEERS_COUNT" = true ]
}

# "OURS|THEIRS|LOST: RX TX" of NAME: packets by our counters and by its device inside (where that does not
# count the shortcut, the rest must be exact), packets that the port has lost, and what
# ours are ahead in bytes. With hook xdp the device counts what it sends without its Ethernet header.
numbers() { # NAME HOOK
	{
		"$FASTVETH" stats -j "$1"
		ip -n "$1" -j -s link show eth0
		ip -j -s link show "fv-$1"
	} | jq -rs --argjson count "$(peers_count && echo true || echo false)" \
		--argjson header "$([ "$2" = xdp ] && echo 14 || echo 0)" '
		.[0].endpoints[0] as $o | .[1][0].stats64 as $t | .[2][0].stats64.tx.dropped as $lost |
		(if $count then 0 else $o.rx.shortcut_packets end) as $more |
		(if $count then 0 else $o.rx.shortcut_bytes end) as $more_bytes |
		"rx \($o.rx.packets) tx \($o.tx.packets)|" +
		"rx \($t.rx.packets + $more) tx \($t.tx.packets)|" +
		"\($lost): \($o.rx.bytes - $t.rx.bytes - $more_bytes) " +
		"\($o.tx.bytes - $t.tx.bytes - $header * $o.tx.packets)"'
}

# The two are read one after the other, and a packet may come between: until it says the same
# twice, and that both are the same (or time is up: then they are not).
settled() { # NAME HOOK
	local before now tries ours theirs

	now=$(numbers "$@")
	for ((tries = 0; tries < 15; tries++)); do
		before=$now
		sleep 0.2
		now=$(numbers "$@")
		IFS='|' read -r ours theirs _ <<<"$now"
		[ "$now" != "$before" ] || [ "$ours" != "$theirs" ] || break
	done
	echo "$now"
}

# exact CASE HOOK NAME...: packets always, bytes where nothing was lost since the last call.
declare -A AHEAD=()
exact() {
	local case=$1 hook=$2 name ours theirs ahead

	shift 2
	for name; do
		IFS='|' read -r ours theirs ahead < <(settled "$name" "$hook")
		check_equal "${case}_$name" "$theirs" "$ours"
		if [ "${AHEAD[$name]%:*}" = "${ahead%:*}" ]; then
			check_equal "${case}_bytes_$name" "${AHEAD[$name]}" "$ahead"
		fi
		AHEAD[$name]=$ahead
	done
}

# In the background, as the process $STARTED itself: `at ... &` would be a shell around it.
start() { # NAMESPACE|host COMMAND...
	local ns=$1

	shift
	if [ "$ns" = host ]; then
		"$@" >/dev/null 2>&1 &
	else
		ip netns exec "$ns" "$@" >/dev/null 2>&1 &
	fi
	STARTED=$!
}

listening() { # NAMESPACE PORT
	at "$1" ss -Hlntu "sport = :$2" | grep -q .
}

# Exit code 0: none of the receivers has seen a bad checksum.
checksums_good() { # NAME...
	local name

	for name; do
		at "$name" nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors \
			IcmpInCsumErrors Icmp6InCsumErrors IpExtInCsumErrors |
			awk '!/^#/ && $2 { print "bad checksums: " $0; bad = 1 } END { exit bad }' ||
			return
	done
}
