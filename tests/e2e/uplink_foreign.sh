#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is no uplink is refused and nothing has changed; programs, qdiscs and classifiers of others on an uplink
# stay, are called, and have their say; an uplink that goes and comes again is one again. The machine:
# uplink_lab.bash; the programs: foreign.
# kernel: any
# timeout: 180
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_foreign bpftool ip jq nft python3 tc

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
FOREIGN=$(dirname "$0")/foreign
RATE=200 NUMBER=300
[ -z "${FV_VM:-}" ] || RATE=50 NUMBER=200

echoes() { # [NUMBER]
	lossless talk c1 echo $WIRE4 80 ${1:-$NUMBER} $RATE
}

# ---- words ----

refused() { # CASE TEXT NAME...
	local case=$1 text=$2 before

	shift 2
	before=$(host_now; "$FASTVETH" status -j)
	expect_fail "${case}_is_refused" 1 "$text" "$FASTVETH" attach br9 "$@"
	check_equal "${case}_changes_nothing" "$before" "$(host_now; "$FASTVETH" status -j)"
}

words_of_tun() {
	if ! ip tuntap add tun9 mode tun 2>/dev/null; then
		skip tun "this kernel or host has none"
		return
	fi
	ip link set tun9 up
	refused tun "no Ethernet header" --uplink tun9
	# A default route by what is no uplink: said, and nothing else.
	ip route add default dev tun9 metric 5
	check tun_route_attach "$FASTVETH" -q attach
	check tun_route_is_told grep -q "what leaves by tun9 stays slow" <("$FASTVETH" status)
	ip link del tun9
}

words() {
	refused nosuch "no device of that name" --uplink nosuch
	refused loopback "loopback" --uplink lo
	refused container_port "attached" --uplink vc1
	refused bridge "attached" --uplink br9
	refused good_and_bad "no device of that name" --uplink up0 --uplink nosuch
	check words_attach "$FASTVETH" -q attach br9
	refused attached_nosuch "no device of that name" --uplink nosuch
	refused attached_port "attached" --uplink vc2
	check_equal words_left_it "up0 accelerated" "$("$FASTVETH" status -j | jq -r '.uplinks[] | "\(.device) \(.state)"')"
	expect_fail none_and_one 2 "uplink" "$FASTVETH" attach br9 --uplink none --uplink up0
	words_of_tun
	check words_detach "$FASTVETH" -q detach --all
}

# ---- programs ----

called() { # CASE NAME AT_LEAST COMMAND...
	local case=$1 name=$2 least=$3 before

	shift 3
	before=$("$FOREIGN" count "$name")
	check "$case" "$@"
	check "${case}_is_called" [ $(($("$FOREIGN" count "$name") - before)) -ge $least ]
}

filter() { # NAME ingress|egress PRIORITY
	tc qdisc show dev up0 clsact | grep -q . || tc qdisc add dev up0 clsact
	tc filter add dev up0 "$2" prio "$3" protocol all bpf direct-action object-pinned /sys/fs/bpf/"$1"
}

theirs() {
	find /sys/fs/bpf -maxdepth 1 -name 'they*' -printf '%i %f\n' | sort -k 2
	tc filter show dev up0 ingress 2>/dev/null | grep -o 'pref [0-9]* .*they.*'
	tc filter show dev up0 egress 2>/dev/null | grep -o 'pref [0-9]* .*they.*'
}

# Whoever is before ours sees all that comes in; and all programs on the way out all that leaves.
programs() { # CASE COMMAND_FOR_FIRST COMMAND_FOR_OUT COMMAND_FOR_LAST
	local before

	"$FOREIGN" load they-first tc -1
	"$FOREIGN" load they-out tc -1
	"$FOREIGN" load they-last tc -1
	eval "$2 && $3"
	before=$(theirs)
	check "$1_attach" "$FASTVETH" -q attach br9
	check_equal "$1_is_no_reason" accelerated "$(status_of up0 .state)"
	called "$1_first" they-first $NUMBER passes "$1_shortcut" "$NAT" echoes
	called "$1_out" they-out $NUMBER echoes
	check "$1_attach_again" "$FASTVETH" -q attach
	check_equal "$1_they_stay" "$before" "$(theirs)"
	# One behind ours would not see what takes the shortcut.
	eval "$4"
	check "$1_attach_with_one_behind" "$FASTVETH" -q attach
	check_equal "$1_behind_is_declined" declined "$(status_of up0 .state)"
	check "$1_reason" grep -qE "ingress-program.*up0|up0.*ingress-program" <("$FASTVETH" status)
	called "$1_last" they-last $NUMBER passes "$1_declined" "" echoes
	check "$1_allowed" "$FASTVETH" -q attach br9 --allow ingress-program
	check_equal "$1_is_allowed" accelerated "$(status_of up0 .state)"
	check "$1_detach" "$FASTVETH" -q detach --all
	called "$1_last_alone" they-last 20 echoes 20
	called "$1_first_alone" they-first 20 echoes 20
	rm -f /sys/fs/bpf/they*
	tc qdisc del dev up0 clsact 2>/dev/null
}

# ---- qdiscs ----

speed() { # milliseconds for so many bytes
	local begin=${EPOCHREALTIME/./}

	talk c1 put $WIRE4 80 "$1" || return
	echo $(((${EPOCHREALTIME/./} - begin) / 1000))
}

sent() { # packets by the root qdisc
	tc -j -s qdisc show dev up0 root | jq '.[0].packets'
}

# A megabyte at 4 Mbit/s takes two seconds, wherever packets come from; without, a fraction of that.
shaped() {
	local free limited before after

	check shaped_attach "$FASTVETH" -q attach br9
	# The best of three: others may be busy here.
	free=$(for _ in 1 2 3; do speed 1000000; done | sort -n | head -n 1)
	if ! tc qdisc add dev up0 root tbf rate 4mbit burst 10k latency 400ms 2>/dev/null; then
		skip shaped "this kernel has no tbf"
		return
	fi
	check shaped_attach_again "$FASTVETH" -q attach
	check_equal shaped_is_no_reason accelerated "$(status_of up0 .state)"
	before=$(stats) after=$(sent)
	limited=$(speed 1000000)
	check shaped_is_shaped [ "$limited" -gt 1500 ]
	[ -n "${FV_VM:-}" ] || check shaped_is_slower [ "$limited" -gt $((2 * free)) ]
	if [ -n "$NAT" ]; then
		check shaped_took_the_shortcut [ "$(shares "$before" "$(stats)" | cut -d' ' -f2)" -gt 50 ]
	fi
	# As large packets count once there, cut up, it has as many packets as the device, or less.
	check shaped_qdisc_counts [ $(($(sent) - after)) -ge 15 ]
	tc qdisc del dev up0 root
}

# The forward chain marks; a classifier at the uplink goes by that.
classified() {
	local hits

	FORWARD="iifname br9 oifname up0 udp dport 80 meta mark set 7" rules
	if ! { tc qdisc add dev up0 root handle 1: htb default 1 &&
		tc class add dev up0 parent 1: classid 1:1 htb rate 1gbit &&
		tc class add dev up0 parent 1: classid 1:7 htb rate 1gbit; } 2>/dev/null; then
		skip classified "this kernel has no htb"
		tc qdisc del dev up0 root 2>/dev/null
		rules
		return
	fi
	# Where there is no fw, the same as a program: the mark, and to which class.
	tc filter add dev up0 parent 1: protocol all handle 7 fw classid 1:7 2>/dev/null ||
		tc filter add dev up0 parent 1: protocol all bpf classid 1:7 \
			bytecode '4,32 0 0 4294963220,21 0 1 7,6 0 0 4294967295,6 0 0 0'
	check classified_attach "$FASTVETH" -q attach br9
	passes classified "$NAT" echoes
	hits=$(tc -s class show dev up0 classid 1:7 | awk '$1 == "Sent" { print $4; exit }')
	check_equal classified_all $NUMBER "$hits"
	tc qdisc del dev up0 root
	rules
}

# ---- again ----

twice() {
	local before

	check twice_first "$FASTVETH" -q attach br9 --uplink up0
	before=$(bpftool net; "$FASTVETH" status -j)
	check_equal twice_says_nothing_changed false "$("$FASTVETH" attach br9 --uplink up0 -j | jq .changed)"
	check_equal twice_does_nothing "$before" "$(bpftool net; "$FASTVETH" status -j)"
}

made_again() {
	local before

	before=$(bpftool net | grep -c fv_)
	ip link del up0
	check gone_status grep -q "up0.*gone\|gone.*up0" <("$FASTVETH" status)
	check gone_attach "$FASTVETH" -q attach
	uplink up0 192.0.2 2001:db8 eth0
	default_by up0
	check_equal again_is_not_yet "" "$(status_of up0 .state)"
	check again_attach "$FASTVETH" -q attach
	check_equal again_accelerated accelerated "$(status_of up0 .state)"
	check_equal again_programs "$before" "$(bpftool net | grep -c fv_)"
	passes again "$NAT" echoes
	check again_detach "$FASTVETH" -q detach --all
	check_equal nothing_left 0 "$(bpftool net | grep -c fv_)"
}

machine
rules
servers wire
words
if has_hook tcx; then
	programs tcx '"$FOREIGN" tcx they-first up0 ingress first' '"$FOREIGN" tcx they-out up0 egress last' \
		'"$FOREIGN" tcx they-last up0 ingress last'
fi
if has_hook clsact; then
	export FASTVETH_NO_TCX=1
	# Filters of ingress are a reason wherever they are.
	programs clsact 'filter they-first egress 1' 'filter they-out egress 60000' \
		'filter they-last ingress 60000'
	unset FASTVETH_NO_TCX
fi
shaped
classified
twice
made_again
finish
