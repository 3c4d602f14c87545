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
		AHEAD[$name]=$(settled "$name" "$1")
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

# Counters of NAME: ours, and those of its device inside.
ours() { # NAME
	"$FASTVETH" stats -j "$1" |
		jq -r '.endpoints[0] | "rx \(.rx.packets) tx \(.tx.packets)"'
}

# Where the device does not count the shortcut, the rest must be exact.
theirs() { # NAME
	ip -n "$1" -j -s link show eth0 | jq -r --argjson more "$(uncounted "$1" packets)" \
		'.[0].stats64 | "rx \(.rx.packets + $more) tx \(.tx.packets)"'
}

uncounted() { # NAME packets|bytes
	if peers_count; then
		echo 0
	else
		counted "$1" "rx.shortcut_$2"
	fi
}

# Of this kernel; kernel_tell.sh sees to it that it is true.
PEERS_COUNT=
peers_count() {
	[ -n "$PEERS_COUNT" ] || PEERS_COUNT=$("$FASTVETH" status -j | jq .kernel.peer_counters)
	[ "$PEERS_COUNT" = true ]
}

# What ours are ahead in bytes, and packets that the port has lost: of those nobody knows the
# bytes. With hook xdp the device counts what it sends without its Ethernet header.
ahead() { # NAME HOOK
	local rx tx lost

	rx=$(($(counted "$1" rx.bytes) - $(inside "$1" rx bytes) - $(uncounted "$1" bytes)))
	tx=$(($(counted "$1" tx.bytes) - $(inside "$1" tx bytes)))
	[ "$2" != xdp ] || tx=$((tx - 14 * $(counted "$1" tx.packets)))
	lost=$(ip -j -s link show "fv-$1" | jq '.[0].stats64.tx.dropped')
	echo "$lost: $rx $tx"
}

# exact CASE HOOK NAME...: packets always, bytes where nothing was lost since the last call.
# Two counts that are equal by chance stay so only if nothing moves.
declare -A AHEAD=()

# The two are read one after the other, and a packet may come between: until it says the same twice.
settled() { # NAME HOOK
	local before now tries

	now=$(ahead "$@")
	for ((tries = 0; tries < 10; tries++)); do
		before=$now
		sleep 0.2
		now=$(ahead "$@")
		[ "$now" != "$before" ] || break
	done
	echo "$now"
}

exact() {
	local case=$1 hook=$2 name now

	shift 2
	for name; do
		wait_for 3 same_counts "$name"
		check_equal "${case}_$name" "$(theirs "$name")" "$(ours "$name")"
		now=$(settled "$name" "$hook")
		if [ "${AHEAD[$name]%:*}" = "${now%:*}" ]; then
			check_equal "${case}_bytes_$name" "${AHEAD[$name]}" "$now"
		fi
		AHEAD[$name]=$now
	done
}

same_counts() { # NAME
	[ "$(theirs "$1")" = "$(ours "$1")" ]
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
