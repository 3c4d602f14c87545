#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Published ports: from everywhere they shall be reached from, and from nowhere else. The
# machine is drawn in outside_machine.bash.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck disable=SC2034 # read by topology
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need outside_publish bpftool curl ip jq nft socat
# shellcheck source=tests/e2e/outside_machine.bash
. "$(dirname "$0")/outside_machine.bash"

PUBLISH_WEB='["8080:80", "5353:53/udp", "127.0.0.1:7000:80", "8443:443"]'
PUBLISH_DB="[\"$UP4:5432:80\", \"[$UP6]:5432:80\"]"
PUBLISH_VAULT='["9000-9002:8000-8002/tcp", "9053-9054:53-54/udp"]'
PUBLISH_XA='["8181:80", "5454:53/udp"]'

from_outside() {
	local before

	before=$(stat_of web .tx.shortcut_packets)
	sees tcp outside tcp $UP4 8080 web $OUT4
	sees tcp_ipv6 outside tcp $UP6 8080 web $OUT6
	sees udp outside udp $UP4 5353 web $OUT4
	sees udp_ipv6 outside udp $UP6 5353 web $OUT6
	sees tcp_xdp outside tcp $UP4 8181 xa $OUT4
	sees tcp_xdp_ipv6 outside tcp $UP6 8181 xa $OUT6
	sees udp_xdp outside udp $UP4 5454 xa $OUT4
	check_equal outside_is_no_shortcut "$before" "$(stat_of web .tx.shortcut_packets)"
	# Any address of the host is one to connect to: here those of the gateways.
	sees other_address_of_the_host outside tcp 10.77.0.1 8080 web $OUT4
	sees gateway_of_another_network outside tcp 10.78.0.1 8080 web $OUT4
	sees at_one_address outside tcp $UP4 5432 db $OUT4
	sees at_one_address_ipv6 outside tcp $UP6 5432 db $OUT6
	refused not_at_another_address outside tcp 10.77.0.1 5432 tcp fd77::1 5432
	refused other_protocol outside udp $UP4 8080 tcp $UP4 5353
	refused only_at_localhost outside tcp $UP4 7000 tcp $UP6 7000
	refused not_published outside tcp $UP4 80 tcp $UP4 8000 tcp $UP4 53 udp $UP4 53 tcp $UP6 80
	check nobody_listens_there refuses outside $UP4 8443
}

# Published, but no server behind it: that is told, as if it were the host's own.
refuses() { # NAMESPACE ADDRESS PORT
	at "$1" timeout 2 bash -c 'echo >"/dev/tcp/$0/$1"' "$2" "$3" 2>&1 |
		grep -q "Connection refused"
}

ranges() {
	local i

	for i in 0 1 2; do
		serve vault TCP4-LISTEN:800$i "vault-$i"
		serve vault TCP6-LISTEN:800$i,ipv6only=1 "vault-$i"
	done
	serve vault UDP4-RECVFROM:54 vault-54
	wait_for 3 asked vault tcp ::1 8002
	wait_for 3 asked vault udp 127.0.0.1 54
	for i in 0 1 2; do
		sees "range_$i" outside tcp $UP4 900$i "vault-$i" $OUT4
		sees "range_${i}_ipv6" outside tcp $UP6 900$i "vault-$i" $OUT6
	done
	sees range_udp_first outside udp $UP4 9053 vault $OUT4
	sees range_udp_last outside udp $UP4 9054 vault-54 $OUT4
	refused range_ends outside tcp $UP4 8999 tcp $UP4 9003 udp $UP4 9052 udp $UP4 9055 udp $UP4 9000
}

asked() {
	[ -n "$(ask "$@")" ]
}

from_host() {
	sees host_by_its_address host tcp $UP4 8080 web $UP4
	sees host_by_its_address_ipv6 host tcp $UP6 8080 web $UP6
	sees host_by_its_address_udp host udp $UP4 5353 web $UP4
	sees host_by_localhost host tcp 127.0.0.1 8080 web 10.77.0.1
	sees host_by_localhost_udp host udp 127.0.0.1 5353 web 10.77.0.1
	sees host_by_localhost_other host tcp 127.1.2.3 8080 web 10.77.0.1
	sees host_by_localhost_internal host tcp 127.0.0.1 9001 vault-1 10.78.0.1
	sees host_by_localhost_xdp host tcp 127.0.0.1 8181 xa 10.76.0.1
	sees host_only_at_localhost host tcp 127.0.0.1 7000 web 10.77.0.1
	refused host_at_another_address host tcp 127.0.0.1 5432 tcp $UP4 7000
	check_equal host_by_the_name_localhost "web 10.77.0.1" \
		"$(curl -s -m 2 --http0.9 http://localhost:8080 | short)"
}

# To the host's address and back into a network of its own.
hairpin() {
	local before

	before=$(stat_of web .slow.outside)
	sees same_network db tcp $UP4 8080 web 10.77.0.1
	sees same_network_ipv6 db tcp $UP6 8080 web fd77::1
	sees same_network_udp db udp $UP4 5353 web 10.77.0.1
	sees same_network_udp_ipv6 db udp $UP6 5353 web fd77::1
	sees same_network_by_the_gateway db tcp 10.77.0.1 8080 web 10.77.0.1
	sees same_network_xdp xb tcp $UP4 8181 xa 10.76.0.1
	sees same_network_xdp_ipv6 xb tcp $UP6 8181 xa fd76::1
	sees same_network_xdp_udp xb udp $UP4 5454 xa 10.76.0.1
	check answers_go_by_the_host [ "$(stat_of web .slow.outside)" -gt $((before + 8)) ]
	sees oneself web tcp $UP4 8080 web 10.77.0.1
	sees oneself_ipv6 web tcp $UP6 8080 web fd77::1
	sees oneself_udp web udp $UP4 5353 web 10.77.0.1
	# The direct way, with the same ports, at the same time, is the shortcut still.
	before=$(stat_of web .rx.shortcut_packets)
	sees direct db tcp 10.77.0.10 80 web 10.77.0.11
	check direct_is_the_shortcut [ "$(stat_of web .rx.shortcut_packets)" -gt $((before + 3)) ]
	# Much of it, and both ways.
	at web socat TCP4-LISTEN:443,reuseaddr EXEC:cat &
	wait_for 2 listens web 443
	at db timeout 20 socat -t 10 - TCP4:$UP4:8443 <"$FV_TMP/bulk" >"$FV_TMP/bulk.back"
	check bulk cmp "$FV_TMP/bulk" "$FV_TMP/bulk.back"
}

listens() { # NAMESPACE PORT
	[ -n "$(at "$1" ss -Hltn "sport = $2")" ]
}

# What is published is open to all but those who have no way out.
between_networks() {
	sees other_network peer tcp $UP4 8080 web 10.77.0.1
	sees other_network_ipv6 peer tcp $UP6 8080 web fd77::1
	sees other_network_udp peer udp $UP4 5353 web 10.77.0.1
	sees other_network_of_an_internal_one peer tcp $UP4 9000 vault-0 10.78.0.1
	sees other_network_to_xdp peer tcp $UP4 8181 xa 10.76.0.1
	sees other_network_from_xdp xa tcp $UP4 8080 web 10.77.0.1
	refused other_network_is_not_open_because_of_that peer tcp 10.77.0.10 80 tcp fd77::a 80 \
		udp 10.77.0.10 53
	refused internal_reaches_none vault tcp $UP4 8080 tcp $UP6 8080 tcp 10.78.0.1 8080 \
		udp $UP4 5353 tcp $UP4 9000
}

# An open connection survives a change of what is published beside it.
changed() {
	local got to from pid

	at web socat TCP4-LISTEN:443,reuseaddr,fork EXEC:cat &
	wait_for 2 listens web 443
	coproc TALK { at outside socat - TCP4:$UP4:8443 2>/dev/null; }
	exec {to}>&"${TALK[1]}" {from}<&"${TALK[0]}"
	# shellcheck disable=SC2153 # set by coproc
	pid=$TALK_PID
	got=
	echo one >&"$to"
	read -r -t 2 got <&"$from"
	check_equal open_connection one "$got"
	PUBLISH_WEB='["8081:80", "8443:443", "5353:53/udp"]'
	topology >"$FV_TMP/lab.yaml"
	check up_with_another_port "$FASTVETH" up "$FV_TMP/lab.yaml"
	got=
	echo two >&"$to"
	read -r -t 2 got <&"$from"
	check_equal open_connection_goes_on two "$got"
	exec {to}>&- {from}<&-
	kill "$pid" 2>/dev/null
	sees new_port outside tcp $UP4 8081 web $OUT4
	sees new_port_at_localhost host tcp 127.0.0.1 8081 web 10.77.0.1
	refused old_port outside tcp $UP4 8080
	refused old_port_at_localhost host tcp 127.0.0.1 7000 tcp 127.0.0.1 8080
	# The first port that an endpoint ever publishes, after it was made without any.
	PUBLISH_DB='["5433:80"]' PUBLISH_XA='[]'
	topology >"$FV_TMP/lab.yaml"
	check up_with_first_port "$FASTVETH" up "$FV_TMP/lab.yaml"
	sees first_port outside tcp $UP4 5433 db $OUT4
	sees first_port_at_localhost host tcp 127.0.0.1 5433 db 10.77.0.1
	refused last_port_is_gone outside tcp $UP4 8181
	check add_with_a_port "$FASTVETH" add late --network yard --publish 5555:80
	servers late
	sees port_of_an_added_one outside tcp $UP4 5555 late $OUT4
	check del_with_a_port "$FASTVETH" del late
	refused port_of_a_deleted_one outside tcp $UP4 5555
}

machine
# shellcheck disable=SC2086 # words
servers $ALL outside
head -c 3000000 /dev/urandom >"$FV_TMP/bulk"
from_outside
ranges
from_host
hairpin
between_networks
changed
check_equal list_shows_them "8081:80/tcp 8443:443/tcp 5353:53/udp" "$("$FASTVETH" list -j |
	jq -r '.endpoints[] | select(.name == "web").publish[]' | xargs)"
check down "$FASTVETH" down --all
check_equal rules_are_gone "" "$(nft list tables)"
finish
