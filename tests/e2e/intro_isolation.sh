#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a network namespace isolates, and what a second name for one does not.
#
#	web 10.77.0.10 fd77::10 --+
#	db  10.77.0.11 fd77::11 --+-- host
#	side: web by another name; floor: the host by another name
# timeout: 60
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need intro_isolation ip jq ping socat

cat >"$FV_TMP/lab.yaml" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web: { address: 10.77.0.10, address6: "fd77::10" }
      db: { address: 10.77.0.11, address6: "fd77::11" }
      side: { share: web }
      floor: { share: host }
END

in_ns() { # NAMESPACE|host COMMAND...
	local ns=$1

	shift
	if [ "$ns" = host ]; then
		"$@"
	else
		ip netns exec "$ns" "$@"
	fi
}

links() { # NAMESPACE
	in_ns "$1" ip -j link | jq -r '.[].ifname' | sort | xargs
}

addresses() { # NAMESPACE
	in_ns "$1" ip -j addr | jq -r '.[].addr_info[].local' | sort | xargs
}

# All that `ip` says of a namespace's interfaces and routes, as text. (link-netns is the name of
# the namespace at the other end: of two names for it, ip prints any.)
everything() { # NAMESPACE
	in_ns "$1" ip -o -d addr | sed -E 's/ (valid|preferred)_lft [^ ]+//g; s/link-netns [^ ]+//'
	in_ns "$1" ip route show table all
	in_ns "$1" ip -6 route show table all
	in_ns "$1" cat /proc/net/dev | cut -d: -f1
	in_ns "$1" ls /sys/class/net
}

inode() { # NAMESPACE
	in_ns "$1" stat -L -c %i /proc/self/ns/net
}

shortcuts() { # NAME rx|tx
	"$FASTVETH" stats -j "$1" | jq ".endpoints[0].$2.shortcut_packets"
}

# The lock file stays, and /run/netns is a mount point once it held a name (as with ip netns).
left() {
	census | grep -v -e ' /run/fastveth/lock$' -e '^/run/netns '
}

# ---- interfaces and addresses ----

interfaces() {
	check_equal web_has_its_own_interfaces "eth0 lo" "$(links web)"
	check_equal db_has_its_own_interfaces "eth0 lo" "$(links db)"
	check_equal host_has_the_other_ends "fv-db fv-web lo" "$(links host)"
	check_equal addresses_of_web "10.77.0.10 127.0.0.1 ::1 fd77::10" "$(addresses web)"
	check_equal addresses_of_db "10.77.0.11 127.0.0.1 ::1 fd77::11" "$(addresses db)"
	check_equal addresses_of_host "10.77.0.1 127.0.0.1 ::1 fd77::1" "$(addresses host)"
	check_equal sysfs_of_web "eth0 lo" "$("$FASTVETH" exec web -- ls /sys/class/net | xargs)"
	check_equal namespaces_differ 3 \
		"$(for ns in web db host; do inode $ns; done | sort -u | wc -l)"
	check_equal eth0_is_not_eth0 2 \
		"$(for ns in web db; do in_ns $ns cat /sys/class/net/eth0/address; done |
			sort -u | wc -l)"
}

# An interface made in one namespace is in no other, nor is what is done to one.
interfaces_change() {
	ip -n web link add br0 up type bridge
	ip -n web addr add 172.30.0.1/24 dev br0
	check_equal new_interface_is_in_web "br0 eth0 lo" "$(links web)"
	check_equal new_interface_is_not_in_db "eth0 lo" "$(links db)"
	check_equal new_interface_is_not_in_host "fv-db fv-web lo" "$(links host)"
	check own_address_answers in_ns web ping -q -c 1 -W 1 172.30.0.1
	check_fails it_answers_nowhere_else in_ns db ping -q -c 1 -W 1 172.30.0.1
	check_fails nor_on_the_host ping -q -c 1 -W 1 172.30.0.1
	ip -n web link del br0
	ip -n web link set lo down
	check_fails loopback_of_web_is_down in_ns web ping -q -c 1 -W 1 127.0.0.1
	check loopback_of_db_is_not in_ns db ping -q -c 1 -W 1 127.0.0.1
	check loopback_of_host_is_not ping -q -c 1 -W 1 127.0.0.1
	ip -n web link set lo up
}

# ---- routes ----

routes() {
	local db host before

	db=$(in_ns db ip route show table all)
	host=$(ip route show table all)
	ip -n web route add 198.51.100.0/24 via 10.77.0.1 dev eth0
	check_equal new_route_is_in_web \
		"198.51.100.0/24 via 10.77.0.1 dev eth0" \
		"$(in_ns web ip route show 198.51.100.0/24 | sed 's/ *$//')"
	check_equal new_route_is_not_in_db "$db" "$(in_ns db ip route show table all)"
	check_equal new_route_is_not_in_host "$host" "$(ip route show table all)"

	# And it works there and nowhere else, for packets that would take the shortcut too.
	ip -n web route add blackhole 10.77.0.11/32
	before=$(shortcuts db rx)
	check_fails route_of_web_leads_nowhere in_ns web ping -q -c 1 -W 1 10.77.0.11
	check_equal nothing_came_to_db "$before" "$(shortcuts db rx)"
	check host_still_reaches_db ping -q -c 1 -W 1 10.77.0.11
	check ipv6_still_reaches_db in_ns web ping -q -c 1 -W 1 fd77::11
	check_equal ipv6_took_the_shortcut $((before + 1)) "$(shortcuts db rx)"
	ip -n web route del blackhole 10.77.0.11/32
	check route_of_web_is_gone in_ns web ping -q -c 1 -W 1 10.77.0.11
	check_equal and_it_is_the_shortcut_again $((before + 2)) "$(shortcuts db rx)"
	check_equal answers_too $((before + 2)) "$(shortcuts web rx)"

	# A policy rule, and the default route taken away.
	ip -n db rule add from 10.77.0.11 table 99
	ip -n db route add unreachable default table 99
	check_fails rule_of_db_stops_its_answers in_ns web ping -q -c 1 -W 1 10.77.0.11
	check_equal rule_is_not_in_host 0 "$(ip rule show table 99 | wc -l)"
	check host_still_reaches_web ping -q -c 1 -W 1 10.77.0.10
	ip -n db rule del from 10.77.0.11 table 99
	check rule_of_db_is_gone in_ns web ping -q -c 1 -W 1 10.77.0.11
}

# ---- two names ----

loopback_of() { # NAMESPACE: the server there answers
	[ "$(in_ns "$1" socat -t 2 - TCP4:127.0.0.1:7000,connect-timeout=1 </dev/null)" = "$2" ]
}

shares() {
	local listener

	check_equal two_names_one_namespace "$(inode web)" "$(inode side)"
	check_equal two_names_same_interfaces "$(everything web)" "$(everything side)"
	check_equal host_by_name_is_the_host "$(inode host)" "$(inode floor)"
	check_equal host_by_name_same_interfaces "$(everything host)" "$(everything floor)"
	check_equal exec_by_second_name "$(inode web)" \
		"$("$FASTVETH" exec side -- stat -L -c %i /proc/self/ns/net)"
	check_equal exec_by_second_name_of_host "$(links host)" \
		"$("$FASTVETH" exec floor -- ls /sys/class/net | xargs)"
	check_equal names_are_seen_by_ip "db floor side web" \
		"$(ip netns list | cut -d' ' -f1 | sort | xargs)"

	# What one name does the other sees.
	ip -n side addr add 10.88.0.1/32 dev lo
	check_equal address_by_second_name \
		"10.77.0.10 10.88.0.1 127.0.0.1 ::1 fd77::10" "$(addresses web)"
	ip -n web addr del 10.88.0.1/32 dev lo
	in_ns side socat TCP4-LISTEN:7000,fork,reuseaddr,bind=127.0.0.1 "SYSTEM:echo side" &
	listener=$!
	check server_of_one_name_on_the_loopback_of_the_other wait_for 3 loopback_of web side
	check_fails not_on_the_loopback_of_db loopback_of db side
	kill $listener
	socat TCP4-LISTEN:7000,fork,reuseaddr,bind=127.0.0.1 "SYSTEM:echo host" &
	listener=$!
	check server_of_the_host_on_its_own_loopback wait_for 3 loopback_of floor host
	check_fails not_on_the_loopback_of_web loopback_of web host
	kill $listener

	check_equal list_says_whose "side web floor host" "$("$FASTVETH" list -j |
		jq -r '.endpoints[] | select(.share) | .name, .share' | xargs)"
}

# A second name goes without what it names; the namespace goes with its own.
shares_end() {
	expect_fail endpoint_with_a_second_name_stays 1 "side" "$FASTVETH" del web
	check second_name_goes "$FASTVETH" del side
	check web_stays in_ns db ping -q -c 1 -W 1 10.77.0.10
	check name_of_the_host_goes "$FASTVETH" del floor
	check_equal host_stays "fv-db fv-web lo" "$(links host)"
	check_equal names_left "db web" "$(ip netns list | cut -d' ' -f1 | sort | xargs)"
}

before=$(left)
check up "$FASTVETH" up "$FV_TMP/lab.yaml"
interfaces
interfaces_change
routes
shares
shares_end
check up_again "$FASTVETH" up "$FV_TMP/lab.yaml"
check_equal second_names_are_back "$(inode web) $(inode host)" "$(inode side) $(inode floor)"
check down "$FASTVETH" down
check_equal host_is_as_before "$before" "$(left)"
finish
