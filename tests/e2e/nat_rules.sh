#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The table `inet fastveth` under real traffic, without any BPF program: what it lets pass,
# what it translates, what it stops. The machine is drawn in nat_machine.bash.
#
#	lab, yard: open	dark: internal
# kernel: any
# timeout: 240
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need nat_rules curl ip nft socat ping

# shellcheck source=tests/e2e/nat_machine.bash
. "$(dirname "$0")/nat_machine.bash"

NETWORKS="
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web:
        address: 10.77.0.10
        address6: fd77::a
        publish: ['8080:80', '5353:53/udp', '127.0.0.1:7000:80', '8088:88']
      db:
        address: 10.77.0.11
        address6: fd77::b
        publish: ['192.0.2.1:5432:80', '[2001:db8::1]:5432:80']
  dark:
    subnet: 10.78.0.0/24
    subnet6: fd78::/64
    internal: true
    namespaces:
      vault: { address: 10.78.0.10, address6: 'fd78::a', publish: ['9000-9002:8000-8002'] }
  yard:
    subnet: 10.79.0.0/24
    subnet6: fd79::/64
"
INTERNAL="
networks:
  lab: { subnet: 10.77.0.0/24, subnet6: fd77::/64, internal: true }
  dark: { subnet: 10.78.0.0/24, subnet6: fd78::/64, internal: true }
"

# ---- before anything else: a host without conntrack stays without ----

only_internal_networks() {
	local before after

	before=$(conntracked)
	apply "$INTERNAL"
	sees internal_network_works_inside vault TCP4:10.78.0.11:80 safe 10.78.0.10
	refused internal_network_alone_has_no_way_out vault TCP4:192.0.2.2:80 \
		"TCP6:[2001:db8::2]:80"
	refused internal_network_alone_is_not_reached outside TCP4:10.78.0.10:80 \
		"TCP6:[fd78::a]:80"
	after=$(conntracked)
	check_equal internal_networks_cost_no_conntrack "0 0" "$before $after"
	apply "$NETWORKS"
	ask web TCP4:10.77.0.11:80 >"$FV_TMP/answer"
	check conntrack_is_seen_where_it_is_used [ "$(conntracked)" -gt 0 ]
}

# ---- who reaches whom ----

reaching() {
	sees same_network_ipv4 web TCP4:10.77.0.11:80 db 10.77.0.10
	sees same_network_ipv6 web "TCP6:[fd77::b]:80" db fd77::a
	sees same_network_internal vault TCP4:10.78.0.11:80 safe 10.78.0.10
	refused other_network web TCP4:10.79.0.10:80 "TCP6:[fd79::a]:80" UDP4:10.79.0.10:53 \
		TCP4:10.78.0.10:80 "TCP6:[fd78::a]:80"
	check_fails other_network_ping at web ping -c 1 -W 1 10.79.0.10
	sees outside_sees_the_host_ipv4 web TCP4:192.0.2.2:80 outside 192.0.2.1
	sees outside_sees_the_host_ipv6 web "TCP6:[2001:db8::2]:80" outside 2001:db8::1
	sees outside_sees_the_host_udp web UDP4:192.0.2.2:53 outside 192.0.2.1
	check outside_ping at web ping -c 1 -W 1 192.0.2.2
	check outside_ping_ipv6 at web ping -c 1 -W 1 2001:db8::2
	check icmp_errors_come_back udp_is_refused web UDP4:192.0.2.2:9
	refused internal_has_no_way_out vault TCP4:192.0.2.2:80 "TCP6:[2001:db8::2]:80" \
		UDP4:192.0.2.2:53 TCP4:10.79.0.10:80
	check_fails internal_has_no_way_out_ping at vault ping -c 1 -W 1 192.0.2.2
	refused outside_is_kept_out outside TCP4:10.77.0.10:80 "TCP6:[fd77::a]:80" \
		UDP4:10.77.0.10:53 TCP4:10.77.0.11:80 TCP4:10.78.0.10:80 TCP4:10.78.0.10:8000
	sees host_reaches_endpoints host TCP4:10.77.0.10:80 web 10.77.0.1
	sees host_reaches_endpoints_ipv6 host "TCP6:[fd78::a]:80" vault fd78::1
	check gateway_answers at web ping -c 1 -W 1 10.77.0.1
	check gateway_answers_ipv6 at vault ping -c 1 -W 1 fd78::1
	check gateway_of_another_network_is_the_host at web ping -c 1 -W 1 10.79.0.1
	sees gateway_address_is_left_alone host TCP4:192.0.2.2:80,bind=10.77.0.1 outside 10.77.0.1
	sees gateway_to_itself host TCP4:10.77.0.1:6001,bind=10.77.0.1 host 10.77.0.1
}

refuses() { # SOCAT_ADDRESS
	socat - "$1,connect-timeout=2" </dev/null 2>&1 | grep -q "Connection refused"
}

# The first datagram brings the error about, the second one is told.
udp_is_refused() { # NAMESPACE SOCAT_ADDRESS
	{ echo a; sleep 0.3; echo b; } | at "$1" timeout 3 socat -t 0.3 - "$2" 2>&1 |
		grep -q "Connection refused"
}

# Somebody else's DNAT must not lead out of an internal network, but may lead out of others.
foreign_dnat() {
	nft -f - <<-'END'
	table ip elsewhere {
		chain prerouting {
			type nat hook prerouting priority -101;
			tcp dport 6666 dnat to 192.0.2.2:80
			tcp dport 6667 dnat to 10.77.0.10:80
		}
	}
	END
	sees foreign_dnat_from_open_network web TCP4:10.77.0.1:6666 outside 192.0.2.1
	refused foreign_dnat_from_internal_network vault TCP4:10.78.0.1:6666 TCP4:10.78.0.1:6667
	nft delete table ip elsewhere
}

# ---- published ports ----

publishing() {
	sees publish_tcp outside TCP4:192.0.2.1:8080 web 192.0.2.2
	sees publish_tcp_ipv6 outside "TCP6:[2001:db8::1]:8080" web 2001:db8::2
	sees publish_udp outside UDP4:192.0.2.1:5353 web 192.0.2.2
	sees publish_udp_ipv6 outside "UDP6:[2001:db8::1]:5353" web 2001:db8::2
	refused publish_other_protocol outside UDP4:192.0.2.1:8080 TCP4:192.0.2.1:5353
	sees publish_any_local_address outside TCP4:10.77.0.1:8080 web 192.0.2.2
	sees publish_range_of_internal_network outside TCP4:192.0.2.1:9002 vault-8002 192.0.2.2
	sees publish_range_first outside "TCP6:[2001:db8::1]:9000" vault-8000 2001:db8::2
	refused publish_range_ends outside TCP4:192.0.2.1:9003 TCP4:192.0.2.1:8999
	sees publish_at_one_address outside TCP4:192.0.2.1:5432 db 192.0.2.2
	sees publish_at_one_address_ipv6 outside "TCP6:[2001:db8::1]:5432" db 2001:db8::2
	refused publish_not_at_another_address outside TCP4:10.77.0.1:5432 "TCP6:[fd77::1]:5432"

	sees same_port_elsewhere_is_not_ours web TCP4:192.0.2.2:8080 outside 192.0.2.1
	sees same_port_elsewhere_is_not_ours_ipv6 web "TCP6:[2001:db8::2]:8080" outside 2001:db8::1
	sees same_port_elsewhere_from_host host TCP4:192.0.2.2:8080 outside 192.0.2.1

	sees publish_localhost host TCP4:127.0.0.1:8080 web 10.77.0.1
	sees publish_localhost_other_address host TCP4:127.3.2.1:8080 web 10.77.0.1
	check publish_localhost_ipv6_is_refused_at_once refuses "TCP6:[::1]:8080"
	check_equal publish_localhost_by_name "web 10.77.0.1" \
		"$(curl -s -m 2 --http0.9 http://localhost:8080)"
	sees publish_localhost_udp host UDP4:127.0.0.1:5353 web 10.77.0.1
	sees publish_localhost_internal host TCP4:127.0.0.1:9001 vault-8001 10.78.0.1
	sees publish_from_host_by_address host TCP4:192.0.2.1:8080 web 192.0.2.1
	sees publish_from_host_by_address_ipv6 host "TCP6:[2001:db8::1]:8080" web 2001:db8::1
	sees publish_only_localhost host TCP4:127.0.0.1:7000 web 10.77.0.1
	refused publish_only_localhost_not_elsewhere outside TCP4:192.0.2.1:7000

	sees hairpin db TCP4:192.0.2.1:8080 web 10.77.0.1
	sees hairpin_ipv6 db "TCP6:[2001:db8::1]:8080" web fd77::1
	sees hairpin_udp db UDP4:192.0.2.1:5353 web 10.77.0.1
	sees hairpin_by_gateway db TCP4:10.77.0.1:8080 web 10.77.0.1
	sees hairpin_to_oneself web TCP4:192.0.2.1:8080 web 10.77.0.1
	sees publish_to_other_network peer TCP4:192.0.2.1:8080 web 10.77.0.1
	sees publish_to_other_network_ipv6 peer "TCP6:[2001:db8::1]:8080" web fd77::1
	sees publish_of_internal_to_other_network web TCP4:192.0.2.1:9000 vault-8000 10.78.0.1
	refused publish_from_internal_network vault TCP4:192.0.2.1:8080 TCP4:10.78.0.1:8080 \
		"TCP6:[2001:db8::1]:8080" TCP4:192.0.2.1:9000
}

# The connection is the one that was there before: its address is translated by what
# conntrack remembers, and the new rules let it go on.
nat_outlives_rewriting() {
	local got

	# shellcheck disable=SC2016 # for the inner shell
	got=$(at outside bash -c '
		exec 3<>/dev/tcp/192.0.2.1/8088
		echo one >&3; read -t 2 -r a <&3
		: >"$0/first"
		while [ ! -e "$0/second" ]; do sleep 0.05; done
		echo two >&3; read -t 2 -r b <&3
		echo "$a $b"' "$FV_TMP" &
	wait_for 3 [ -e "$FV_TMP/first" ]
	apply "${NETWORKS/8080:80/8081:80}"
	: >"$FV_TMP/second"
	wait)
	check_equal established_connection_outlives_a_change "one two" "$got"
	sees changed_port_is_open outside TCP4:192.0.2.1:8081 web 192.0.2.2
	refused old_port_is_closed outside TCP4:192.0.2.1:8080
	apply "$NETWORKS"
}

# ---- forgery ----

# forge NAMESPACE SOURCE DESTINATION 4|6: one datagram to port 7777, logged there.
forge() {
	echo "from $2" | at "$1" socat -t 0 - "UDP$4-SENDTO:$3:7777,bind=$2" 2>/dev/null
}

heard() { # WHERE TEXT
	wait_for 2 grep -qF "$2" "$FV_TMP/heard.$1"
}

forgery() {
	local ns src

	for ns in host outside db; do
		: >"$FV_TMP/heard.$ns"
		at "$ns" socat -u UDP6-RECV:7777,ipv6only=0 "OPEN:$FV_TMP/heard.$ns,append" &
	done
	sleep 0.3
	# Addresses that web may not use: free, a neighbour's, the gateway's, loopback, others'.
	for src in 10.77.0.99 10.77.0.11 10.77.0.1 10.79.0.10 192.0.2.2 198.51.100.1; do
		ip -n web addr add $src/32 dev lo
		forge web $src 192.0.2.1 4
		forge web $src 192.0.2.2 4
		forge web $src 10.77.0.11 4
		ip -n web addr del $src/32 dev lo
	done
	ip netns exec web sysctl -qw net.ipv4.conf.eth0.route_localnet=1
	forge web 127.0.0.2 192.0.2.1 4
	for src in fd77::99 fd77::b fd77::1 2001:db8::2; do
		ip -n web addr add $src/128 dev lo nodad
		forge web "[$src]" "[2001:db8::1]" 6
		forge web "[$src]" "[2001:db8::2]" 6
		forge web "[$src]" "[fd77::b]" 6
		ip -n web addr del $src/128 dev lo
	done
	for dst in 192.0.2.1 192.0.2.2 10.77.0.11; do
		forge web 10.77.0.10 $dst 4
	done
	for dst in "[2001:db8::1]" "[2001:db8::2]" "[fd77::b]"; do
		forge web "[fd77::a]" "$dst" 6
	done
	for ns in host outside db; do
		check true_source_reaches_$ns heard $ns "from 10.77.0.10"
		check true_source_reaches_${ns}_ipv6 heard $ns "from [fd77::a]"
		check_equal forged_source_does_not_reach_$ns "" \
			"$(grep -vxF -e "from 10.77.0.10" -e "from [fd77::a]" "$FV_TMP/heard.$ns")"
	done
}

# Router solicitations and the like come from link-local addresses, and from none at all.
neighbour_discovery() {
	nft -f - <<-'END'
	table inet watch {
		chain input {
			type filter hook input priority 10;
			iifname fv-web ip6 saddr fe80::/10 icmpv6 type echo-request counter
		}
	}
	END
	at web ping -q -c 1 -W 1 ff02::2%eth0 >"$FV_TMP/ping"
	check link_local_sources_reach_the_host grep -q "counter packets 1 " \
		<(nft list table inet watch)
	nft delete table inet watch
}

# ---- the host's loopback ----

# Without its address on lo 127.0.0.1 is one like any other, and goes out of eth0.
send_loopback_out() { # NAMESPACE GATEWAY
	ip -n "$1" addr del 127.0.0.1/8 dev lo
	ip netns exec "$1" sysctl -qw net.ipv4.conf.all.route_localnet=1
	ip -n "$1" route add 127.0.0.1/32 via "$2" dev eth0 onlink
}

loopback() {
	sees host_serves_its_loopback host TCP4:127.0.0.1:6000 host 127.0.0.1
	send_loopback_out db 10.77.0.1
	send_loopback_out outside 192.0.2.1
	refused loopback_of_the_host_from_a_network db TCP4:127.0.0.1:6000 TCP4:127.0.0.1:8080 \
		TCP4:127.0.0.1:7000
	refused loopback_of_the_host_from_outside outside TCP4:127.0.0.1:7000 TCP4:127.0.0.1:8080
	# That they would arrive: it is the rules that stop them.
	nft flush chain inet fastveth guard
	sees loopback_without_guard db TCP4:127.0.0.1:6000 host 10.77.0.11
	nft insert rule inet fastveth prerouting ip daddr 127.0.0.0/8 jump publish
	sees loopback_with_dnat outside TCP4:127.0.0.1:7000 web 192.0.2.2
	apply "$NETWORKS"
}

check machine_is_built machine
for port in 8000 8001 8002; do
	serve vault TCP4-LISTEN:$port vault-$port
	serve vault TCP6-LISTEN:$port,ipv6only=1 vault-$port
done
at web socat TCP4-LISTEN:88,fork,reuseaddr EXEC:cat &
serve outside TCP4-LISTEN:8080
serve outside TCP6-LISTEN:8080,ipv6only=1
serve host TCP4-LISTEN:6000,bind=127.0.0.1
serve host TCP4-LISTEN:6001,bind=10.77.0.1
servers
check servers_are_up wait_for 5 listening

only_internal_networks
reaching
foreign_dnat
publishing
nat_outlives_rewriting
forgery
neighbour_discovery
loopback
check_equal listing_is_the_same_after_traffic "$(cat "$FV_TMP/listing")" "$("$NAT" listing)"
check table_is_removed "$NAT" remove
check_equal nothing_is_left "" "$(nft list ruleset)"
finish
