#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which way flows from and to the outside take, and why, by `explain`: of endpoints of own networks,
# which are masqueraded and published, and of an attached port with its own NAT. The machine is
# drawn in outside_machine.bash, and beside it:
#
#	br0 10.5.0.1 --- va --- a 10.5.0.2, published as 9000 by rules of the host
# kernel: any
# timeout: 120
# shellcheck disable=SC2317 # called through check and wait_for
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need outside_explain ip jq nft socat tc
# shellcheck source=tests/e2e/outside_machine.bash
. "$(dirname "$0")/outside_machine.bash"
# shellcheck disable=SC2034 # read by topology
PUBLISH_WEB='["8080:80"]'

is() { # EXPRESSION WORDS...
	local expression=$1

	shift
	"$FASTVETH" explain -j "$@" | jq -e "$expression"
}

# way NAME EXPRESSION WORDS...: it is so, at the latest in three seconds.
way() {
	local name=$1 expression=$2

	shift 2
	if wait_for 3 is "$expression" "$@"; then
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

PROVEN='.way == "shortcut" and .reason == "proven" and .last_proof < 2.1 and .uplink == "up0"'
# Programs read NAT from 5.18 on; before that it is said that they cannot.
UNPROVEN='.reason == "unproven"' OUTSIDE='(.reason | test("^outside: .*up0"))'
if ! kernel_from 5.18; then
	UNPROVEN='(.reason | test("^unproven: .*cannot be asked"))'
	OUTSIDE='(.reason | test("^outside: .*cannot be asked"))'
fi
SLOW='.way == "slow" and .since == null and .last_proof == null and .nat == null'

guest() {
	ip link add br0 type bridge
	ip addr add 10.5.0.1/24 dev br0
	ip link set br0 up
	ip netns add a
	ip link add va type veth peer name eth0 netns a
	ip link set va master br0 up
	ip -n a addr add 10.5.0.2/24 dev eth0
	ip -n a link set eth0 up
	ip -n a route add default via 10.5.0.1
	nft -f - <<-END
		table ip t {
			chain in {
				type nat hook prerouting priority -100
				tcp dport 9000 dnat to 10.5.0.2:80
			}
			chain out {
				type nat hook postrouting priority 100
				ip saddr 10.5.0.0/24 oifname up0 masquerade
			}
		}
	END
}

words() {
	local address

	expect_fail no_address 2 "world:" "$FASTVETH" explain world: web
	for address in here 192.0.2 192.0.2.300 fd77:::1 "192.0.2.2 "; do
		expect_fail "no_address_${address// /_}" 2 "must be world: and an IPv4 or IPv6 address" \
			"$FASTVETH" explain "world:$address" web
	done
	expect_fail network 2 "not a network" "$FASTVETH" explain world:192.0.2.0/24 web
	expect_fail network_to 2 "not a network" "$FASTVETH" explain web world:2001:db8::/64
	expect_fail both_outside 2 "not both" "$FASTVETH" explain world:$OUT4 world:192.0.2.3
	expect_fail an_endpoint_is_not_outside 1 'endpoint "db"' "$FASTVETH" explain world:10.77.0.11 web
	expect_fail nor_as_target 1 'endpoint "web"' "$FASTVETH" explain db world:fd77::a
	expect_fail nobody 1 '"nobody"' "$FASTVETH" explain world:$OUT4 nobody
	expect_fail from_outside_without_the_word 1 "\"$OUT4\"" "$FASTVETH" explain $OUT4 web
}

# No flow yet.
unproven() {
	way to_web "$SLOW"' and '"$UNPROVEN"' and .uplink == "up0" and .from == null and
		.address_from == "'$OUT4'" and .to == "web" and .address_to == "10.77.0.10" and
		.port_from == "up0" and .port_to == "fv-web" and .flows == []' world:$OUT4 web
	way from_web "$SLOW"' and '"$OUTSIDE"' and .uplink == "up0" and
		.to == null and .address_to == "'$OUT4'"' web world:$OUT4
	way without_the_word "$SLOW"' and '"$OUTSIDE"'' web $OUT4
	way ipv6 "$SLOW"' and '"$UNPROVEN"' and .address_to == "fd77::a"' world:$OUT6 web
	way internal '.reason | test("^outside: network dark is internal")' vault world:$OUT4
	way internal_from_outside '.reason | test("^outside: network dark")' world:$OUT4 vault
	way echoes '.reason | test("^outside: echoes")' web world:$OUT4 --proto icmp
	way the_host '.way == "slow" and (.reason | test("^outside: .*address of the host"))' web $UP4
	way families_that_differ '.way == "none" and (.reason | test("^no address"))' \
		world:$OUT4 fd77::a
	! kernel_from 5.18 || says text_unproven "slow: not proven yet: no packet of such a flow has come out of fv-web" \
		world:$OUT4 web --port 8080
	way attached_port "$SLOW"' and '"$UNPROVEN"' and .uplink == "up0"' a world:$OUT4
	way to_the_attached_port "$SLOW"' and '"$UNPROVEN"'' world:$OUT4 a
}

# A connection that says ten lines a second, and their echoes.
stream() { # CLIENT ADDRESS PORT SOURCE_PORT
	ip netns exec "$1" bash -c 'while :; do echo x; sleep 0.1; done' 2>/dev/null |
		ip netns exec "$1" socat - "TCP4:$2:$3,sourceport=$4" >/dev/null 2>&1 &
}

server() { # NAMESPACE PORT
	ip netns exec "$1" socat "TCP4-LISTEN:$2,fork,reuseaddr" EXEC:cat >/dev/null 2>&1 &
	wait_for 5 listening "$1" "$2"
}

listening() { # NAMESPACE PORT
	ip netns exec "$1" ss -Hlnt "sport = :$2" | grep -q .
}

traffic() {
	server web 80
	server a 80
	server outside 7000
	stream outside $UP4 8080 5000
	stream outside $UP4 9000 5001
	stream web $OUT4 7000 5002
	stream a $OUT4 7000 5003
	check published_is_proven wait_for 10 is "$PROVEN" world:$OUT4 web --port 8080
	way published "$PROVEN"' and .nat == {from: "'$OUT4'", to: "10.77.0.10", sport: 5000, dport: 80} and
		.address_from == "'$OUT4'" and .address_to == "10.77.0.10" and .port_from == "up0" and
		(.flows | length == 1) and (.flows[0] | .to == "'$UP4'" and .dport == 8080 and
		.port_to == "fv-web" and .uplink == "up0" and .nat.dport == 80)' \
		world:$OUT4 web --proto tcp --port 8080
	way by_the_inner_port "$PROVEN and .flows[0].dport == 8080" world:$OUT4 web --port 80
	way by_both_ports "$PROVEN" world:$OUT4 web --port 80 --sport 5000
	way by_the_hosts_address "$PROVEN"' and .to == null and .nat.to == "10.77.0.10"' \
		world:$OUT4 $UP4 --port 8080
	way another_port "$SLOW"' and .reason == "unproven"' world:$OUT4 web --port 8081
	way another_client "$SLOW"' and .reason == "unproven"' world:192.0.2.9 web --port 8080
	way answers "$PROVEN"' and .nat == {from: "'$UP4'", to: "'$OUT4'", sport: 8080, dport: 5000} and
		.port_to == "up0"' web world:$OUT4 --port 8080
	way answers_by_the_inner_port "$PROVEN and .nat.sport == 8080" web world:$OUT4 --port 80
	way masqueraded "$PROVEN"' and .nat.from == "'$UP4'" and .nat.dport == 7000 and
		.flows[0].sport == 5002' web world:$OUT4 --port 7000
	way without_the_word_proven "$PROVEN" web $OUT4 --port 7000
	way masqueraded_back "$PROVEN"' and .nat.to == "10.77.0.10" and .nat.dport == 5002' \
		world:$OUT4 web --port 7000
	way all_of_them "$PROVEN"' and (.flows | length == 2)' web world:$OUT4
	way attached_published "$PROVEN"' and .nat.to == "10.5.0.2" and .nat.dport == 80 and
		.flows[0].dport == 9000' world:$OUT4 a --port 9000
	way attached_masqueraded "$PROVEN"' and .nat.from == "'$UP4'"' a world:$OUT4 --port 7000
	says text_published "by uplink up0, NAT to $OUT4:5000 -> 10.77.0.10:80" world:$OUT4 web --port 8080
	says text_of_all "LAST-PROOF" web world:$OUT4 -v
	check_equal one_sentence 1 "$("$FASTVETH" explain world:$OUT4 web --port 8080 | wc -l)"
}

# What may keep flows from the shortcut, and is told.
prevented() {
	check no_uplinks "$FASTVETH" attach -q --uplink none
	way without_uplink '.way == "slow" and
		(.reason | test("^outside: no uplink is attached.*--uplink up0"))' world:$OUT6 web
	way own_without_uplink '.reason | test("^outside: no uplink is attached")' web world:$OUT6
	check uplinks_again "$FASTVETH" attach -q --uplink auto
	tc qdisc add dev up0 clsact 2>/dev/null
	tc filter add dev up0 ingress prio 50000 protocol all \
		bpf bytecode '1,6 0 0 4294967295' direct-action
	check attach_again "$FASTVETH" attach -q
	way uplink_declined '.way == "slow" and (.reason | test("^declined: uplink up0 is declined: "))' \
		world:$OUT6 web
	way own_uplink_declined '.reason | test("^outside: uplink up0 is declined: ingress-program")' \
		web world:$OUT6
	tc filter del dev up0 ingress prio 50000
	[ $TC = clsact ] || tc qdisc del dev up0 clsact
	check attach_at_last "$FASTVETH" attach -q
	ip -6 route del default
	way no_route '.reason | test("^outside: the host has no route to 2001:db8:1::1")' \
		web world:2001:db8:1::1
}

ip link set lo up
uplink
topology >"$FV_TMP/lab.yaml"
guest
check up "$FASTVETH" up -q "$FV_TMP/lab.yaml"
check attach "$FASTVETH" attach -q br0
words
unproven
if kernel_from 5.18; then
	traffic
else
	says nat_impossible "this kernel's conntrack cannot be asked" web world:$OUT4 --proto tcp
fi
prevented
check detach "$FASTVETH" detach -q --all
check down "$FASTVETH" down -q --all
finish
