#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the root of a namespace can do to its device: its own traffic suffers or not, that of
# the others goes on by the shortcut, and nothing in another's name gets through. The network:
# path_lab.bash.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need path_root ethtool ip jq ping python3 socat ss

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"
C4=10.77.0.12 C6=fd77::12

# others CASE: a and c reach each other, by the shortcut.
others() {
	local before

	before=$(counted c rx.shortcut_packets)
	check "$1_others_go_on" reach a $C4 $C6
	check_equal "$1_others_take_the_shortcut" $((before + 2)) \
		"$(counted c rx.shortcut_packets)"
}

reach() { # FROM ADDRESS...
	local from=$1 address

	shift
	for address; do
		at "$from" ping -q -c 1 -W 1 "$address" || return
	done
}

# A pair of endpoints can talk TCP: names with data enough for all offloads.
talk() { # FROM TO ADDRESS
	local server

	ip netns exec "$2" socat -u TCP4-LISTEN:9003,reuseaddr - 2>/dev/null |
		sha256sum >"$FV_TMP/sum" &
	server=$!
	wait_for 3 listening "$2" 9003
	at "$1" timeout 10 socat -u OPEN:"$FV_TMP/stream" "TCP4:$3:9003" || return
	wait "$server"
	[ "$(cat "$FV_TMP/sum")" = "$(sha256sum <"$FV_TMP/stream")" ]
}

device_changes() { # HOOK
	local mac inode before

	ip -n b link set eth0 down
	others "$1_down"
	check_fails "$1_down_gets_nothing" reach a $B4
	ip -n b link set eth0 up
	# Routes and neighbours of a device go when it goes down: `up` says so and repairs.
	expect_status_names "$1_down_is_told" b "inside"
	check "$1_up_repairs" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check "$1_repaired" reach a $B4 $B6

	ip -n b link set eth0 down
	ip -n b link set eth0 name other0
	ip -n b link set other0 up
	check "$1_up_after_a_new_name" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check "$1_new_name_works" reach a $B4 $B6
	others "$1_new_name"
	ip -n b link set other0 down
	ip -n b link set other0 name eth0
	ip -n b link set eth0 up
	check "$1_up_after_the_old_name" "$FASTVETH" up -q "$FV_TMP/lab.yaml"

	mac=$(ip -n b -j link show eth0 | jq -r '.[0].address')
	before=$(counted b drop.spoofed_mac)
	ip -n b link set eth0 address 02:00:00:00:00:77
	check_fails "$1_new_mac_is_cut_off" reach b $C4
	check "$1_new_mac_is_a_false_one" test "$(counted b drop.spoofed_mac)" -gt "$before"
	others "$1_new_mac"
	# Repaired in the namespace that it is, with what runs there.
	inode=$(stat -L -c %i /run/netns/b)
	expect_status_names "$1_new_mac_is_told" b "inside"
	check "$1_up_with_the_new_mac" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check_equal "$1_has_the_old_mac_again" "$mac" "$(ip -n b -j link show eth0 |
		jq -r '.[0].address')"
	check_equal "$1_is_the_same_namespace" "$inode" "$(stat -L -c %i /run/netns/b)"
	check "$1_old_mac_is_not_cut_off" reach b $C4 $C6
	ip -n b link set eth0 address 02:00:00:00:00:77
	ip -n b link set eth0 address "$mac"
	# The kernel forgets the neighbours of a device with a new MAC, permanent ones too.
	expect_status_names "$1_lost_neighbours_are_told" b "inside"
	check "$1_up_after_the_old_mac" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check "$1_old_mac_works" reach b $C4 $C6
}

expect_status_names() { # CASE NAME TEXT
	local out

	if out=$("$FASTVETH" status -j); then
		not_ok "$1" "status says healthy"
	else
		check "$1" jq -e --arg name "$2" --arg text "$3" 'any(.ports[]; .endpoint == $name and
			any(.reasons[]; contains($text)))' <<<"$out"
	fi
}

offloads() { # HOOK
	local what

	for what in "tso off gso off" "gro off" "tx off" "rx off" "tx on" "gro on tso on gso on"; do
		# shellcheck disable=SC2086 # words
		at b ethtool -K eth0 $what >/dev/null 2>&1
		if [ "$1" = tcx ]; then
			check "$1_offloads_${what// /_}" talk a b $B4
			check "$1_offloads_${what// /_}_back" talk b a $A4
		else
			check "$1_offloads_${what// /_}_others" talk a c $C4
		fi
	done
	others "$1_offloads"
	check "$1_up_after_offloads" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check "$1_talks_after_up" talk a b $B4
}

# As another: its address, its MAC, or both; by the gateway or directly. And telling the host that
# the other is here.
false_names() { # HOOK
	local before

	before=$(inside b rx packets)
	ip netns exec a python3 - "$(cat /sys/class/net/fv-a/address)" <<'END'
import socket, struct, sys
B4, C4 = (socket.inet_aton(x) for x in ("10.77.0.11", "10.77.0.12"))
B6, C6 = (socket.inet_pton(socket.AF_INET6, x) for x in ("fd77::11", "fd77::12"))
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
own, gateway = (bytes.fromhex(x.replace(":", "")) for x in (
    open("/sys/class/net/eth0/address").read().strip(), sys.argv[1]))
other = b"\2\0\0\0\0\x33"
four = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0)
six = struct.pack("!IHBB", 6 << 28, 8, 17, 64)
udp = struct.pack("!HHHH", 1, 2, 8, 0)
for dst in gateway, b"\xff" * 6:
    out.send(dst + own + b"\x08\x00" + four + C4 + B4 + udp)
    out.send(dst + own + b"\x86\xdd" + six + C6 + B6 + udp)
    out.send(dst + other + b"\x08\x00" + four + C4 + B4 + udp)
for kind in 1, 2:
    out.send(b"\xff" * 6 + own + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, kind) +
             own + C4 + b"\xff" * 6 + C4)
advert = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + C6 + b"\2\1" + own
out.send(gateway + own + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(advert), 58, 255) +
         C6 + C6 + advert)
END
	check_equal "$1_nothing_in_cs_name" "$before" "$(inside b rx packets)"
	check_equal "$1_false_names_are_counted" "5 2" \
		"$("$FASTVETH" stats -j a |
			jq -r '.endpoints[0].drop | "\(.spoofed_addr) \(.spoofed_mac)"')"
	others "$1_false_names"
	check "$1_host_is_not_misled" reach host $C4 $C6
	ip -n a addr add $C4/32 dev lo
	check_fails "$1_cs_address_is_of_no_use" at a ping -q -c 1 -W 0.3 -I $C4 $B4
	ip -n a addr del $C4/32 dev lo
}

# Its end deleted: the port goes with it, and what is sent to it is the kernel's to refuse.
deleted() { # HOOK
	ip -n b link del eth0
	check_fails "$1_deleted_is_unreachable" reach a $B4
	others "$1_deleted"
	expect_status_names "$1_deleted_is_told" b "device is gone"
	check "$1_up_after_deletion" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check "$1_back_after_deletion" reach a $B4 $B6
	others "$1_back"
}

head -c 3000000 /dev/urandom >"$FV_TMP/stream"
for hook in "$TC" xdp; do
	has_hook $hook || continue
	lab $hook
	device_changes $hook
	offloads $hook
	false_names $hook
	deleted $hook
	lab_down $hook
done
finish
