#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Devices that sum up all of a packet (CHECKSUM_COMPLETE): that sum must be true of what comes out of the shortcut, or
# the receiver sums up everything again, and drops UDP over IPv6. No device of a test machine does so; but what
# comes out of a VXLAN tunnel has such a sum, where that of the packet around it had to be looked at by the
# kernel. tests/bpf/sum.bpf.c compares it with the packet inside of the container. The machine: uplink_lab.bash.
# kernel: any
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_sums bpftool ethtool ip jq nft python3 tc

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
UPLINK=x0 OBJECT=$(dirname "$FASTVETH")/bpf/sum.bpf.o

plain() { # NAMESPACE DEV: nothing is left to a device
	ip netns exec "$1" ethtool -K "$2" tx off rx off gro off gso off tso off >/dev/null 2>&1
}

sum_program() {
	at c1 tc filter add dev eth0 ingress bpf direct-action obj "$OBJECT" sec tc
}

sums() { # prints how many packets brought a sum, and of how many it was true
	bpftool -j map dump name sums | jq -r '[.[].formatted.value] | join(" ")'
}

true_of() { # CASE COMMAND...: more than nine in ten packets by the shortcut; all that bring a sum, bring a true one
	local case=$1 before after

	shift
	before=$(sums)
	passes "$case" "$NAT" "$@"
	after=$(sums)
	check "${case}_brings_sums" [ $((${after% *} - ${before% *})) -gt 50 ]
	check_equal "${case}_and_they_are_true" $((${after% *} - ${before% *})) $((${after#* } - ${before#* }))
}

machine
rules
ip link add x0 type vxlan id 9 dstport 4789 local $HOST4 remote $WIRE4 dev up0 udpcsum
ip -n wire link add x0 type vxlan id 9 dstport 4789 local $WIRE4 remote $HOST4 dev eth0 udpcsum
addressed x0 198.51.100 2001:db8:2 x0
plain wire eth0
plain wire x0
plain c1 eth0
ethtool -K up0 rx off gro off >/dev/null
servers c1
check sum_is_looked_at at c1 tc qdisc add dev eth0 clsact
# On other kernels it may be refused, which says nothing of fastveth's own programs.
if [ -n "${FV_VM:-}" ] && ! sum_program 2>/dev/null; then
	skip uplink_sums "this kernel does not take the program that sums up packets"
	finish
fi
[ -n "${FV_VM:-}" ] || check sum_program sum_program
check attached "$FASTVETH" -q attach br9 --uplink x0

true_of udp lossless talk wire echo 198.51.100.1 8080 200 200 500
true_of udp_ipv6 lossless talk wire echo 2001:db8:2::1 8080 200 200 500
# Acknowledgements: they are short enough.
true_of tcp talk wire get 198.51.100.1 8080 $((200 * 4096)) 100
true_of tcp_ipv6 talk wire get 2001:db8:2::1 8080 $((200 * 4096)) 100

finish
