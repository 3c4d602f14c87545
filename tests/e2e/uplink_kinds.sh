#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Uplinks of all kinds: a flow through NAT takes the shortcut in and out, by whatever leads out. What a kernel
# does not have is skipped. The machine, but for the uplink: uplink_lab.bash.
# kernel: any
# timeout: 180
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_kinds bpftool ip jq nft python3 ss

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
RATE=150 NUMBER=225
[ -z "${FV_VM:-}" ] || RATE=50 NUMBER=200

# Each makes x0 here and x0 in wire, over p0 and p0 there.
wired() {
	ip link add p0 type veth peer name p0 netns wire
	ip link set p0 up
	ip -n wire link set p0 up
}

make_veth() {
	ip link add x0 type veth peer name x0 netns wire
}

make_bond() {
	wired
	ip link add x0 type bond mode active-backup miimon 100 &&
		ip link set p0 down && ip link set p0 master x0 && ip link set p0 up &&
		ip -n wire link set p0 down && ip -n wire link set p0 name x0
}

make_vlan() {
	wired
	ip link add link p0 name x0 type vlan id 5 && ip -n wire link add link p0 name x0 type vlan id 5
}

make_vxlan() {
	wired
	ip addr add 192.168.9.1/24 dev p0
	ip -n wire addr add 192.168.9.2/24 dev p0
	ip link add x0 type vxlan id 9 dstport 4789 local 192.168.9.1 remote 192.168.9.2 dev p0 &&
		ip -n wire link add x0 type vxlan id 9 dstport 4789 local 192.168.9.2 remote 192.168.9.1 dev p0
}

make_bridge() {
	wired
	# br_netfilter would have done the NAT before a packet comes in by the bridge: there would be none to see.
	sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null
	ip link add x0 type bridge && ip link set p0 master x0 &&
		ip -n wire link set p0 down && ip -n wire link set p0 name x0
}

make_macvlan() {
	wired
	ip link add link p0 name x0 type macvlan mode private && ip -n wire link set p0 down &&
		ip -n wire link set p0 name x0
}

make_ipvlan() {
	wired
	ip link add link p0 name x0 type ipvlan mode l2 && ip -n wire link set p0 down &&
		ip -n wire link set p0 name x0
}

unmake() {
	ip link del x0
	ip link del p0
	ip -n wire link del x0
	ip -n wire link del p0
} 2>/dev/null

echoes() { # FROM ADDRESS PORT
	local pid code

	talk $1 get $2 $3 $((NUMBER * 4096)) $RATE &
	pid=$!
	lossless talk $1 echo $2 $3 $NUMBER $RATE
	code=$?
	wait $pid && [ $code = 0 ]
}

reached() {
	ping -q -c 1 -W 1 $WIRE4 && ping -q -c 1 -W 1 $WIRE6
}

by() { # KIND
	if ! make_$1 2>"$FV_TMP/make.err"; then
		unmake
		skip $1 "$(head -n 1 "$FV_TMP/make.err")"
		return
	fi
	addressed x0 192.0.2 2001:db8 x0
	routed_by x0 192.0.2 2001:db8 x0
	if ! check $1_reached wait_for 5 reached; then
		unmake
		return
	fi
	check $1_attach "$FASTVETH" -q attach br9
	check_equal $1_uplink "x0 accelerated" "$("$FASTVETH" status -j | jq -r '.uplinks[] | "\(.device) \(.state)"')"
	check_equal $1_client $HOST4 "$(talk c1 who $WIRE4 80 tcp | cut -d' ' -f1)"
	passes $1_out "$NAT" echoes c1 $WIRE4 80
	passes $1_in "$NAT" echoes wire $HOST4 8080
	passes $1_out6 "$NAT" echoes c1 $WIRE6 80
	check $1_detach "$FASTVETH" -q detach --all
	unmake
}

# Nothing can leave by it, and nothing is worse for that.
by_dummy() {
	if ! ip link add x0 type dummy 2>/dev/null; then
		skip dummy "this kernel has none"
		return
	fi
	ip addr add $HOST4/24 dev x0
	ip link set x0 up
	ip route replace default dev x0
	check dummy_attach "$FASTVETH" -q attach br9
	check_equal dummy_takes_nothing 30 "$(talk c1 echo $WIRE4 80 30 100)"
	check dummy_detach "$FASTVETH" -q detach --all
	ip link del x0
}

host_and_wire
containers
rules
servers wire c1
UPLINK=x0
for kind in veth bond vlan vxlan bridge macvlan ipvlan; do
	by $kind
done
by_dummy
finish
