#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The root of a namespace as a rogue router: what it advertises changes neither the host's
# routes, nor its addresses, nor where its packets go.
#
#	outside 192.0.2.2 2001:db8::2 --- up0 [host]    four: web 10.77.0.10, db 10.77.0.11
#	                                                both: peer 10.79.0.10 fd79::10
# timeout: 60
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need outside_rogue ip jq nft ping socat
# shellcheck source=tests/e2e/outside_machine.bash
. "$(dirname "$0")/outside_machine.bash"

# A host as it is before it has networks: it listens to routers. The administrator of the second
# one wants that in spite of forwarding.
four_only() {
	cat <<-'END'
	networks:
	  four:
	    subnet: 10.77.0.0/24
	    namespaces:
	      web: { address: 10.77.0.10 }
	      db: { address: 10.77.0.11 }
	END
}

both_families() {
	cat <<-'END'
	networks:
	  both:
	    subnet: 10.79.0.0/24
	    subnet6: fd79::/64
	    namespaces:
	      peer: { address: 10.79.0.10, address6: "fd79::10" }
	END
}

bytes() { # HEX
	printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"
}

# From a link-local address, with the hop limit of a neighbour; the kernel adds the checksum.
icmp6() { # NAMESPACE DESTINATION HEX
	bytes "$3" | at "$1" socat -u - \
		"IP6-SENDTO:[$2%eth0]:58,so-bindtodevice=eth0,setsockopt-int=41:18:255,setsockopt-int=41:16:255"
}

# Router advertisement: lifetime 1800 s, and 2001:db8:bad::/64 to make an address of.
advertise() { # NAMESPACE
	local prefix=20010db80bad00000000000000000000

	icmp6 "$1" ff02::1 "86000000400007080000000000000000030440c0000151800000384000000000$prefix"
}

host_routes() {
	ip -6 route show table all | sed -E 's/ expires [^ ]+//'
	ip -o -6 addr | sed -E 's/ (valid|preferred)_lft [^ ]+//g'
}

no_tentative() {
	! ip -6 -o addr show tentative | grep -q .
}

believes() {
	host_routes | grep -q "default.* dev fv-$1 .*proto ra"
}

rogue() { # NAMESPACE
	local before rules

	ip -n "$1" addr add fe80::99/64 dev eth0 nodad
	wait_for 5 no_tentative
	before=$(host_routes)
	advertise "$1"
	advertise "$1"
	sleep 0.3
	check_equal "routes_and_addresses_are_the_same_$1" "$before" "$(host_routes)"
	# It is our rule that stops it: without it the host would believe.
	rules=$(nft list table inet fastveth)
	nft flush chain inet fastveth guard
	advertise "$1"
	check "it_is_a_real_advertisement_$1" wait_for 3 believes "$1"
	nft -f - <<<"delete table inet fastveth; $rules"
	ip -6 route flush proto ra
}

# web says that db's address is its own.
poison() {
	local before

	ip -n web addr add 10.77.0.11/32 dev eth0
	ip netns exec web sysctl -qw net.ipv4.conf.eth0.arp_notify=1
	before=$(ip neigh show nud permanent)
	ip -n web link set eth0 down
	ip -n web link set eth0 up
	if command -v arping >/dev/null; then
		at web arping -q -U -c 2 -I eth0 10.77.0.11
	fi
	check_equal neighbours_are_the_same "$before" "$(ip neigh show nud permanent)"
	sees host_still_reaches_db host tcp 10.77.0.11 80 db 10.77.0.1
	ip -n web addr del 10.77.0.11/32 dev eth0
}

uplink
sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_ra=1
four_only >"$FV_TMP/lab.yaml"
check up_ipv4 "$FASTVETH" up "$FV_TMP/lab.yaml"
rogue web
servers web db
poison
check down_ipv4 "$FASTVETH" down --all

sysctl -qw net.ipv6.conf.default.accept_ra=2
both_families >"$FV_TMP/lab.yaml"
check up_ipv6 "$FASTVETH" up "$FV_TMP/lab.yaml"
rogue peer
check neighbours_still_talk pings peer fd79::1
check down_ipv6 "$FASTVETH" down --all
finish
