#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Containers that Docker made: attached by bridge and by name, named in what is printed, and
# kept apart and let through as Docker's rules say. The engine: engine.bash.
# kernel: any
# timeout: 280
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need attach_docker bpftool ip iptables jq nft python3 ss tc

# shellcheck source=tests/e2e/engine.bash
. "$(dirname "$0")/engine.bash"
# shellcheck source=tests/e2e/attach_lab.bash
. "$(dirname "$0")/attach_lab.bash"

ip link add up0 type veth peer name up1
ip addr add 192.0.2.1/24 dev up0
ip link set up0 up
ip link set up1 up
ip route add default via 192.0.2.2
engine_start attach_docker
engine_image web
sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null

# A container's namespace gets the container's name, for `at` and `flow`.
named() { # NAME...
	local name

	for name; do
		rm -f "/run/netns/$name"
		ln -s "/proc/$(pid_of "$name")/ns/net" "/run/netns/$name"
	done
}

address() { # NAME [NETWORK]
	docker inspect -f "{{(index .NetworkSettings.Networks \"${2:-bridge}\").IPAddress}}" "$1"
}

states() {
	"$FASTVETH" status -j | jq -c '[.ports[] | [.container, .network, .state]] | sort'
}

fetches() { # FROM ADDRESS PAGE
	[ "$(docker exec "$1" timeout 3 wget -q -O - "http://$2/")" = "$3" ]
}

# moves FROM TO ADDRESS [PORT]: a flow takes the shortcut into TO.
port_of() { # CONTAINER: its (first) port
	"$FASTVETH" stats -j | jq -r --arg c "$1" '[.endpoints[] | select(.container == $c)][0].port'
}

takes_shortcut() { # CONTAINER
	local port

	port=$(port_of "$1")
	wait_for 10 more_than 20 "$(counted "$port" rx.shortcut_packets)" "$port" rx.shortcut_packets
}

mkdir -p /run/netns
engine_run web1 page1
engine_run web2 page2
named web1 web2
BEFORE=$(iptables -S; ip -o link | sed 's/ state.*//'; sysctl -a 2>/dev/null | grep be_liberal; bpftool net)
check attach "$FASTVETH" -q attach docker0
check_equal both_are_named '[["web1","docker0","accelerated"],["web2","docker0","accelerated"]]' "$(states)"
check pages fetches web1 "$(address web2)" page2
flow web1 web2 "$(address web2)" 7000
check shortcut takes_shortcut web2

# One that starts later is attached when told, and has its connections before that, too.
engine_run web3 page3
named web3
check before_it_is_attached fetches web1 "$(address web3)" page3
check told_of_it grep -q "is not attached yet" <("$FASTVETH" status)
check attach_again "$FASTVETH" -q attach
check_equal three '[["web1","docker0","accelerated"],["web2","docker0","accelerated"],["web3","docker0","accelerated"]]' \
	"$(states)"
check the_others_go_on takes_shortcut web2

# DOCKER-USER under a running flow.
iptables -I DOCKER-USER -s "$(address web1)" -d "$(address web2)" -j DROP
denied=$EPOCHREALTIME
sleep 3.2
ended=$EPOCHREALTIME
iptables -D DOCKER-USER -s "$(address web1)" -d "$(address web2)" -j DROP
check docker_user_stops_it "$PACE" gap "$ARRIVED" "$(jq -n "$denied + 2.15")" "$ended"
check docker_user_gone takes_shortcut web2
flow_over

# Another network is another network, and an internal one has no way out.
docker network create other >/dev/null
docker network create --internal closed >/dev/null
engine_run far page4 --network other
engine_run shut page5 --network closed
check attach_networks "$FASTVETH" -q attach bridge:docker0 \
	"br-$(docker network inspect -f '{{slice .Id 0 12}}' other)" \
	"br-$(docker network inspect -f '{{slice .Id 0 12}}' closed)"
check_equal five 5 "$(states | jq length)"
check_fails other_network fetches web1 "$(address far other)" page4
check_fails other_network_back fetches far "$(address web1)" page1
check_fails internal_out fetches shut "$(address web1)" page1
check_fails internal_in fetches web1 "$(address shut closed)" page5
check own_page fetches web1 "$(address web2)" page2

# Without communication between containers (icc=false) there is none.
docker network create -o com.docker.network.bridge.enable_icc=false quiet >/dev/null
engine_run mute1 page6 --network quiet
engine_run mute2 page7 --network quiet
if fetches mute1 "$(address mute2 quiet)" page7; then
	skip no_icc "without br_netfilter Docker does not prevent it"
else
	"$FASTVETH" -q attach "br-$(docker network inspect -f '{{slice .Id 0 12}}' quiet)"
	check_fails no_icc fetches mute1 "$(address mute2 quiet)" page7
fi

# The same address, another container: nothing of the old flow gets there but by the host's path.
flow web1 web3 "$(address web3)" 7001
check shortcut_to_web3 takes_shortcut web3
old=$(address web3)
docker rm -f web3 >/dev/null
engine_run web4 page8
check_equal same_address "$old" "$(address web4)"
check attach_web4 "$FASTVETH" -q attach
check new_container_at_once fetches web1 "$(address web4)" page8
check old_one_is_forgotten jq -e 'all(.endpoints[]; .container != "web3")' <("$FASTVETH" list -j)
flow_over

# By name; and when it is killed the others go on.
check detach_all "$FASTVETH" -q detach --all
check_equal detached '[]' "$(states)"
check attach_by_name "$FASTVETH" -q attach web1 container:web2
check_equal two '[["web1","docker0","accelerated"],["web2","docker0","accelerated"]]' "$(states)"
DOCKER_HOST=unix:///nowhere check engine_does_not_answer "$FASTVETH" -q attach
check_equal two_stay '[["vethX","accelerated"],["vethX","accelerated"]]' "$("$FASTVETH" status -j |
	jq -c '[.ports[] | [(.port | sub("veth.*"; "vethX")), .state]]')"
expect_fail unknown_name 1 'nosuch' "$FASTVETH" attach nosuch
docker rm -f far shut mute1 mute2 web4 >/dev/null
docker network rm other closed quiet >/dev/null
docker kill web2 >/dev/null
check one_is_killed "$FASTVETH" -q attach
check_equal one '[["web1","docker0","accelerated"]]' "$(states)"
check detach "$FASTVETH" -q detach --all
docker start web2 >/dev/null
check_equal rules_are_as_before "$(grep ^- <<<"$BEFORE")" "$(iptables -S)"
check_equal liberal_is_as_before "$(grep be_liberal <<<"$BEFORE")" "$(sysctl -a 2>/dev/null | grep be_liberal)"
check_equal programs_are_as_before "$(sed -n '/^xdp/,$p' <<<"$BEFORE")" "$(bpftool net)"
check pages_still fetches web1 "$(address web2)" page2
finish
