#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs of others on our ports stay where they are, in order, and are called as before; marks
# do not cross; what reuses a device's number or an endpoint's address gets nothing of what was
# meant for the other. The network: path_lab.bash; the programs: foreign.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need path_foreign ip jq nft ping python3 tc unshare

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"
FOREIGN=$(dirname "$0")/foreign

# calls CASE NAME NUMBER COMMAND...: it succeeds, and the program NAME is called so often.
calls() {
	local case=$1 name=$2 number=$3 before

	shift 3
	before=$("$FOREIGN" count "$name")
	check "$case" "$@"
	check_equal "${case}_calls" "$number" $(($("$FOREIGN" count "$name") - before))
}

ping_from() { # NAMESPACE ADDRESS NUMBER
	at "$1" ping -q -i 0.01 -c "$3" -W 1 "$2"
}

# Everything that is attached to a port of ours and not ours, in order.
foreign_things() {
	local dir

	find /sys/fs/bpf -maxdepth 1 -name 'they*' -printf '%i %f\n' | sort -k 2
	for dir in ingress egress; do
		tc filter show dev fv-a $dir | grep -o 'pref [0-9]* .*they.*'
	done
	tc qdisc show dev fv-a clsact | cut -d' ' -f1-4
	bpftool net show dev fv-a 2>/dev/null | grep -E 'they' | sed 's/ id .*//'
}

# Every run that does something, or nothing, to the ports or to others.
runs() { # CASE
	local before

	before=$(foreign_things)
	check "$1_up_again" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check "$1_add" "$FASTVETH" add -q d --network lab
	check "$1_del" "$FASTVETH" del -q d
	sed -i 's/12"/13"/' "$FV_TMP/lab.yaml"
	check "$1_edited" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	sed -i 's/13"/12"/' "$FV_TMP/lab.yaml"
	check "$1_edited_back" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	rm -f $LINKS/fv-b:fv_from_ns
	check "$1_repaired" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check_equal "$1_they_stay" "$before" "$(foreign_things)"
}

# Drop whatever is not marked, which a packet of the other namespace must not be.
marks() { # CASE
	at b nft 'table inet marks { counter marked {}; chain in {
		type filter hook input priority 0; meta mark != 0 counter name marked; }; }'
	calls "$1" "$2" 5 at a ping -q -m 7 -i 0.01 -c 5 -W 1 $B4
	calls "$1_ipv6" "$2" 5 at a ping -q -m 7 -i 0.01 -c 5 -W 1 $B6
	check_equal "$1_do_not_cross" 0 "$(at b nft -j list counters |
		jq '.nftables[] | select(.counter).counter.packets')"
	at b nft delete table inet marks
}

with_links() {
	local passed

	"$FOREIGN" load they-first tc -1 0x99
	"$FOREIGN" load they-last tc -1
	"$FOREIGN" load they-out tc -1
	"$FOREIGN" load they-stop tc 2
	"$FOREIGN" tcx they-first fv-a ingress first
	"$FOREIGN" tcx they-last fv-a ingress last
	"$FOREIGN" tcx they-out fv-a egress last

	passed=$("$FOREIGN" count they-last)
	calls links_first_sees_the_shortcut they-first 3 ping_from a $B4 3
	check_equal links_last_does_not "$passed" "$("$FOREIGN" count they-last)"
	calls links_last_sees_the_slow_path they-last 3 ping_from a $GW4 3
	calls links_egress_sees_the_slow_path they-out 3 ping_from a $GW6 3
	marks links_marks they-first
	runs links
	calls links_first_is_called_after_all_that they-first 3 ping_from a $B4 3
	calls links_last_is_called_after_all_that they-last 3 ping_from a $GW4 3

	# Who comes first decides.
	"$FOREIGN" tcx they-stop fv-a ingress first
	passed=$(counted b rx.packets)
	check_fails links_stop_means_stop ping_from a $B4 1
	check_equal links_stop_is_before_the_shortcut "$passed" "$(counted b rx.packets)"
	rm /sys/fs/bpf/they-stop-fv-a
	check links_and_no_longer ping_from a $B4 1
}

filter() { # NAME ingress|egress PRIORITY
	tc qdisc show dev fv-a clsact | grep -q . || tc qdisc add dev fv-a clsact
	tc filter add dev fv-a "$2" prio "$3" protocol all \
		bpf direct-action object-pinned /sys/fs/bpf/"$1"
}

with_filters() { # CASE
	"$FOREIGN" load they-first tc -1 0x99
	"$FOREIGN" load they-last tc -1
	"$FOREIGN" load they-out tc -1
	filter they-first ingress 1
	filter they-last ingress 60000
	filter they-out egress 60000
	calls "$1_last_sees_the_slow_path" they-last 3 ping_from a $GW4 3
	calls "$1_egress_sees_the_slow_path" they-out 3 ping_from a $GW6 3
	# Links come before filters: only beside our filters can one of theirs be first.
	[ "$1" = filters_and_links ] || marks "$1_marks" they-first
	runs "$1"
	calls "$1_are_called_after_all_that" they-last 3 ping_from a $GW4 3
}

# An XDP program has the port: ours is refused, and nothing has happened.
with_xdp() {
	local before

	"$FOREIGN" load they-xdp xdp 2
	"$FOREIGN" xdp they-xdp fv-a
	calls xdp_is_called they-xdp 3 ping_from a $B4 3
	check xdp_up_again "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	before=$(foreign_things; "$FASTVETH" status -j)
	lab_file xdp >"$FV_TMP/xdp.yaml"
	expect_fail xdp_is_not_replaced 1 "another XDP program" \
		"$FASTVETH" up -q "$FV_TMP/xdp.yaml"
	check_equal xdp_refusal_changes_nothing "$before" "$(foreign_things; "$FASTVETH" status -j)"
	# The refused run has set devices up and back: they may announce themselves meanwhile.
	before=$("$FOREIGN" count they-xdp)
	check xdp_still_works ping_from a $B4 3
	check xdp_is_still_called test $(($("$FOREIGN" count they-xdp) - before)) -ge 3
	rm /sys/fs/bpf/they-xdp-fv-a
	check xdp_place_is_free "$FASTVETH" up -q "$FV_TMP/xdp.yaml"
	check xdp_place_is_ours ping_from a $B4 1
}

gone() {
	rm -f /sys/fs/bpf/they*
}

# The number of a port that is deleted goes to somebody else's device at once; the address of an
# endpoint goes to another. $1: how it goes.
reused() { # HOOK
	local index other

	index=$(cat /sys/class/net/fv-b/ifindex)
	unshare -n sleep 86400 &
	other=$!
	wait_for 3 other_netns $other
	ip netns exec a bash -c "while :; do echo x >/dev/udp/$B4/9; done" 2>/dev/null &
	sleep 0.2
	ip -batch - <<-END
		link del fv-b
		link add x0 index $index type veth peer name y0 netns $other
	END
	# No packets of its own.
	sysctl -qw net.ipv6.conf.x0.disable_ipv6=1
	nsenter -t $other -n sysctl -qw net.ipv6.conf.y0.disable_ipv6=1
	ip link set x0 up
	nsenter -t $other -n ip link set y0 up
	check_equal "$1_number_is_reused" "$index" "$(cat /sys/class/net/x0/ifindex)"
	ping_from a $B4 5 >/dev/null
	ping_from a $B6 5 >/dev/null
	kill $!
	check_equal "$1_new_owner_gets_nothing" 0 "$(nsenter -t $other -n ip -j -s link show y0 |
		jq '.[0].stats64.rx.packets')"
	check "$1_up_gives_it_another_number" "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check "$1_it_works" ping_from a $B4 1
	check_equal "$1_new_owner_still_gets_nothing" 0 "$(nsenter -t $other -n \
		ip -j -s link show y0 | jq '.[0].stats64.rx.packets')"
	check "$1_new_owner_is_left_alone" ip link show x0
	ip link del x0
	kill $other
}

other_netns() { # PID
	[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$1/ns/net")" ]
}

address_goes_to_another() { # HOOK
	local rx

	ip netns add old
	check "$1_another_is_added" "$FASTVETH" add -q old --network lab --target netns:old \
		--address 10.77.0.40
	check "$1_another_works" ping_from a 10.77.0.40 1
	check "$1_another_is_removed" "$FASTVETH" del -q old
	check_fails "$1_nobody_has_its_address" ping_from a 10.77.0.40 1
	check "$1_its_address_is_given_out" "$FASTVETH" add -q new --network lab \
		--address 10.77.0.40
	rx=$(counted new rx.shortcut_packets)
	check "$1_new_one_works" ping_from a 10.77.0.40 3
	check_equal "$1_new_one_gets_it_all" $((rx + 3)) "$(counted new rx.shortcut_packets)"
	check_equal "$1_old_one_has_nothing_left" lo "$(ip -n old -j link | jq -r '.[].ifname')"
	check "$1_new_one_goes" "$FASTVETH" del -q new
	ip netns del old
}

if has_hook tcx; then
	lab tcx
	with_links
	gone
	with_filters filters_and_links
	gone
	reused tcx
	address_goes_to_another tcx
	lab_down tcx
fi
lab clsact
with_filters filters
gone
reused clsact
address_goes_to_another clsact
lab_down clsact
if has_hook xdp; then
	lab $TC
	# Until new devices have announced their addresses twice: it counts every packet.
	sleep 3
	with_xdp
	gone
	lab_down xdp
	lab xdp
	reused xdp
	address_goes_to_another xdp
	lab_down xdp
fi
finish
