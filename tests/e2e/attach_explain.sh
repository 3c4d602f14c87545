#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which way a flow takes, and why, by `explain`: before, during and after traffic, with what
# keeps flows slow, and in own networks.
#
#	a 10.5.0.2 fd05::2 --- va \			web 10.77.0.10 fd77::10 --- lab
#	b 10.5.0.3 fd05::3 --- vb - br0		db  10.77.0.11 fd77::11 --- lab
#	c 10.6.0.3 --- vc - br1			alien 10.78.0.10 --- other
# kernel: any
# timeout: 120
# shellcheck disable=SC2317 # called through check and wait_for
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_explain ip jq nft socat ping tc

# For wait_for: what `explain -j WORDS` says.
is() { # EXPRESSION WORDS...
	local expression=$1

	shift
	"$FASTVETH" explain -j "$@" | jq -e "$expression"
}

# way NAME EXPRESSION WORDS...: it is so, at the latest in a second.
way() {
	local name=$1 expression=$2

	shift 2
	if wait_for 1 is "$expression" "$@"; then
		ok "$name"
	else
		not_ok "$name" "not so: $expression"
		"$FASTVETH" explain -j "$@" 2>&1 | head -n 20 | sed 's/^/# /'
	fi
}

says() { # NAME TEXT WORDS...
	local name=$1 text=$2

	shift 2
	check "$name" grep -qF -- "$text" <("$FASTVETH" explain "$@" 2>&1)
}

PROVEN='.way == "shortcut" and .reason == "proven" and .last_proof < 2.1 and .since >= .last_proof'
STALE='.way == "slow" and (.reason | test("^stale: .* [0-9.]+ s$")) and .last_proof > 2'
UNPROVEN='.way == "slow" and .reason == "unproven" and .since == null and .last_proof == null'

guest() { # NAME BRIDGE ADDRESS...
	local name=$1 bridge=$2 address

	shift 2
	ip netns add "$name"
	ip link add "v$name" type veth peer name eth0 netns "$name"
	ip link set "v$name" master "$bridge" up
	ip -n "$name" link set eth0 up
	for address; do
		case $address in
		*:*) ip -n "$name" addr add "$address" dev eth0 nodad ;;
		*) ip -n "$name" addr add "$address" dev eth0 ;;
		esac
	done
}

guests() {
	ip link add br0 type bridge
	ip link add br1 type bridge
	ip link set br0 up
	ip link set br1 up
	guest a br0 10.5.0.2/24 fd05::2/64
	guest b br0 10.5.0.3/24 fd05::3/64
	guest c br1 10.6.0.3/24
	check attach "$FASTVETH" attach -q br0 br1
}

# ---- words ----

words() {
	expect_fail no_words 2 "missing FROM TO" "$FASTVETH" explain
	expect_fail one_word 2 "missing FROM TO" "$FASTVETH" explain a
	expect_fail too_many_words 2 "one word too many" "$FASTVETH" explain a b c
	expect_fail unknown_protocol 2 "--proto sctp" "$FASTVETH" explain a b --proto sctp
	expect_fail port_0 2 "--port 0" "$FASTVETH" explain a b --port 0
	expect_fail port_too_large 2 "--port 65536" "$FASTVETH" explain a b --port 65536
	expect_fail port_no_number 2 "--port http" "$FASTVETH" explain a b --port http
	expect_fail sport_negative 2 "--sport -1" "$FASTVETH" explain a b --sport -1
	expect_fail port_of_an_echo 2 "without ports" "$FASTVETH" explain a b --proto icmp --port 5
	expect_fail unknown_from 1 '"nobody"' "$FASTVETH" explain nobody b
	expect_fail unknown_to 1 '"nobody"' "$FASTVETH" explain -j a nobody
	expect_fail from_an_address_of_nobody 1 '"192.0.2.1"' "$FASTVETH" explain 192.0.2.1 a
	check_equal quiet "" "$("$FASTVETH" explain -q a b 2>&1)"
}

# ---- attached ports ----

before() {
	way unproven "$UNPROVEN and .flows == []" a b
	way who '.from == "a" and .to == "b" and .address_from == "10.5.0.2" and
		.address_to == "10.5.0.3" and .port_from == "va" and .port_to == "vb" and
		.network_from == "br0" and .network_to == "br0" and .hook == "'$TC'" and
		.proto == null and .port == null and .sport == null' a b
	way options_are_told '.proto == "tcp" and .port == 80 and .sport == 4000' \
		a b --proto tcp --port 80 --sport 4000
	way by_address "$UNPROVEN and .from == \"a\" and .to == \"b\"" 10.5.0.2 10.5.0.3
	way by_address_of_ipv6 '.address_from == "fd05::2" and .address_to == "fd05::3" and
		.reason == "unproven"' a fd05::3
	way families_that_differ '.way == "none"' 10.5.0.2 fd05::3
	way to_oneself '.way == "slow" and (.reason | test("^target"))' a a
	way to_the_outside '.way == "slow" and (.reason | test("^outside: .* no route")) and .to == null and
		.address_to == "192.0.2.1" and .port_to == null' a 192.0.2.1
	way to_an_address_of_nobody '.reason | test("^outside")' b 10.5.0.1
	way to_many '.reason == "multicast"' a 224.0.0.1
	way to_many_of_ipv6 '.reason == "multicast"' a ff02::1
	way other_bridge "$UNPROVEN" a c
	says unproven_in_words "a (10.5.0.2) -> b (10.5.0.3), tcp port 5432: slow: not proven yet: no \
packet of such a flow has come out of vb" a b --proto tcp --port 5432
}

# A stream of ten packets a second, tcp or udp, from b's port 7000 to a's 40000, and the answers.
stream() { # tcp|udp LISTEN CONNECT
	ip netns exec a socat "$2,reuseaddr" EXEC:cat >/dev/null 2>&1 &
	wait_for 5 listening a "$1"
	ip netns exec b bash -c 'while :; do echo x; sleep 0.1; done' 2>/dev/null |
		ip netns exec b socat - "$3" >/dev/null 2>&1 &
}

listening() { # NAMESPACE tcp|udp
	ip netns exec "$1" ss -Hln"${2:0:1}" "sport = :40000" | grep -q .
}

traffic() {
	stream tcp TCP4-LISTEN:40000 TCP4:10.5.0.2:40000,sourceport=7000
	stream udp UDP6-LISTEN:40000 "UDP6:[fd05::2]:40000,sourceport=7000"
	ip netns exec a ping -q -i 0.2 10.5.0.3 >/dev/null &
	PING=$!
	check tcp_becomes_proven wait_for 10 is "$PROVEN" b a --proto tcp --port 40000
	check udp_becomes_proven wait_for 10 is "$PROVEN" b a --proto udp --port 40000
	check echoes_become_proven wait_for 10 is "$PROVEN" a b --proto icmp
	sleep 3
	way tcp "$PROVEN"' and .since > 2.5 and (.flows | length == 1) and (.flows[0] |
		.way == "shortcut" and .reason == "proven" and .proto == "tcp" and .sport == 7000 and
		.dport == 40000 and .from == "10.5.0.3" and .to == "10.5.0.2" and .port_to == "va" and
		.length > 40)' b a --proto tcp --port 40000
	way numbers '([.since, .last_proof, .flows[0].since, .flows[0].last_proof, .flows[0].length] |
		all(type == "number")) and .since == .flows[0].since and
		.last_proof == .flows[0].last_proof' b a --proto tcp
	way answers "$PROVEN"' and .flows[0].sport == 40000 and .flows[0].dport == 7000' \
		a b --proto tcp --port 40000
	way both_ports "$PROVEN" b a --port 40000 --sport 7000
	way both_ports_of_answers "$PROVEN" a b --port 40000 --sport 7000
	way by_source_port "$PROVEN" b a --proto udp --sport 7000
	way another_port "$UNPROVEN" b a --port 40001
	way another_source_port "$UNPROVEN" b a --port 40000 --sport 7001
	way udp_is_of_ipv6 '.address_from == "fd05::3" and .address_to == "fd05::2"' b a --proto udp
	way ipv4_has_no_udp "$UNPROVEN" b 10.5.0.2 --proto udp
	way ipv6_by_address "$PROVEN" fd05::3 fd05::2 --proto udp
	way echoes "$PROVEN"' and (.flows[0] | .proto == "icmp" and .dport == 8 and .sport > 0)' \
		a b --proto icmp
	way any "$PROVEN"' and (.flows | length == 2) and .flows[0].last_proof <= .flows[1].last_proof
		and .last_proof == .flows[0].last_proof' a b --port 40000
	says proven_in_words "shortcut, proven by the host's own path since" \
		a b --proto tcp --port 40000
	says others_in_words "That is the freshest of" b a
	says all_in_words "LAST-PROOF" b a -v
	check_equal one_sentence 1 "$("$FASTVETH" explain b a --proto tcp | wc -l)"
}

# The bridge does not deliver any more what is sent on and on.
stopped() {
	ip link set va type bridge_slave isolated on
	ip link set vb type bridge_slave isolated on
	check becomes_stale wait_for 10 is "$STALE" b a --proto udp
	check tcp_becomes_stale wait_for 10 is "$STALE" b a --proto tcp
	says stale_in_words "slow: stale: the host has not delivered it for" b a --proto udp
	way stale_flow '.flows[0].way == "slow" and .flows[0].reason == "stale"' b a --proto udp
	ip link set va type bridge_slave isolated off
	ip link set vb type bridge_slave isolated off
	check proven_again wait_for 20 is "$PROVEN" b a --proto udp
	kill $PING
	check echoes_become_stale wait_for 10 is "$STALE" a b --proto icmp
}

declined() {
	tc qdisc add dev vb root tbf rate 10mbit burst 10k latency 50ms
	check attach_again "$FASTVETH" attach -q
	way declined '.way == "slow" and (.reason | test("^declined: qdisc: .*tbf"))' b a --proto udp
	way declined_target '.way == "slow" and (.reason | test("^declined: qdisc: .*tbf"))' a b
	tc qdisc del dev vb root
	way declined_for_nothing '.reason | test("^declined: nothing")' a b
	check attach_allows "$FASTVETH" attach -q
	check proven_at_last wait_for 10 is "$PROVEN" b a --proto udp
}

devices() {
	ip link set vb down
	way port_down '.way == "none" and (.reason | test("^down: vb"))' a b
	way own_port_down '.way == "none" and (.reason | test("^down: vb"))' b a
	ip link set vb up
	ip -n b link set eth0 down
	way device_down '.way == "none" and (.reason | test("^down: eth0"))' a b
	ip -n b link set eth0 up
	ip -n b addr add fd05::3/64 dev eth0 nodad
}

# Only where conntrack is there its windows can be strict.
windows() {
	local liberal=/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal

	if [ ! -e $liberal ]; then
		skip window "no conntrack"
		return
	fi
	check detach_for_windows "$FASTVETH" detach -q --all
	echo 0 >$liberal
	nft 'table inet t { chain f { type filter hook forward priority 0; ct state established counter; }; }'
	check attach_without_sysctl "$FASTVETH" attach -q br0 br1 --no-sysctl
	way window '.way == "slow" and .reason == "window"' a b --proto tcp
	way window_but_udp '.reason != "window"' a b --proto udp
	nft delete table inet t
}

# ---- own networks ----

own() {
	check add_web "$FASTVETH" add -q web --network lab --address 10.77.0.10 --address fd77::10
	check add_db "$FASTVETH" add -q db --network lab --address 10.77.0.11 --address fd77::11
	check add_alien "$FASTVETH" add -q alien --network other --address 10.78.0.10
	way own_network '.way == "shortcut" and .reason == "own network" and .since == null and
		.last_proof == null and .flows == [] and .hook == "'$TC'" and .port_to == "fv-db" and
		.network_from == "lab"' web db --proto tcp --port 80
	way own_by_address '.way == "shortcut" and .to == "db"' fd77::10 fd77::11
	says own_in_words "shortcut ($TC on fv-web): both are in network lab" web db
	way isolation '.way == "dropped" and .reason == "isolation"' web alien
	way isolation_by_address '.way == "dropped" and .to == null' alien 10.77.0.99
	way own_self '.way == "slow" and (.reason | test("^target"))' web web
	way own_gateway '.way == "slow" and (.reason | test("^outside: .* address of the host"))' web 10.77.0.1
	way own_outside '.way == "slow" and (.reason | test("^outside: .* no route"))' web 2001:db8::1
	way own_link_local '.reason == "link_local"' web fe80::1
	way own_without_family '.way == "none" and (.reason | test("^no address"))' alien fd77::10
	way own_to_attached '.way == "slow" and (.reason | test("^outside: a "))' web a
	way attached_to_own '.way == "slow" and (.reason | test("^unproven: web "))' a web
	ip link set fv-db down
	way own_port_of_target_down '.way == "none"' web db
	way isolation_comes_first '.way == "dropped"' alien 10.77.0.11
	ip link set fv-db up
	if [ $TC = tcx ]; then
		rm /sys/fs/bpf/fastveth/links/fv-web:fv_from_ns
		way no_programs '.way == "slow" and (.reason | test("^no programs"))' web db
		way the_other_has '.way == "shortcut"' db web
	fi
	ip link del fv-db
	way no_device '.way == "none" and (.reason | test("^no device"))' db web
}

# A name that several ports have: the two that share a bridge.
names() {
	ip link add vtwin type veth peer name eth1 netns c
	ip link set vtwin master br0 up
	ip -n c link set eth1 up
	ip -n c addr add 10.5.0.4/24 dev eth1
	check attach_twin "$FASTVETH" attach -q
	way first_of_both ".port_from == $("$FASTVETH" list -j |
		jq 'first(.endpoints[] | select(.name == "c") | .port)')" c 192.0.2.1
	way pair_on_br0 '.port_from == "va" and .port_to == "vtwin" and .network_to == "br0"' a c
	way pair_on_br0_back '.port_from == "vtwin" and .port_to == "vb"' c b
	way of_two_by_address '.port_to == "vc"' a 10.6.0.3
	way no_port_of_its_own '.reason | test("^target")' c c
}

expect_fail nothing_is_there 1 '"a"' "$FASTVETH" explain a b
guests
words
before
traffic
stopped
declined
devices
names
windows
own
check detach "$FASTVETH" detach -q --all
expect_fail detached 1 '"a"' "$FASTVETH" explain a b
check down "$FASTVETH" down -q --all
finish
