#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What Docker publishes and masquerades, by the uplink: a client outside of a container's web server, and a
# container as a client; restarted, replaced, unpublished. The engine: engine.bash; the outside:
# uplink_lab.bash.
# kernel: any
# timeout: 280
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_docker bpftool curl ip iptables jq nft python3 ss tc

# shellcheck source=tests/e2e/engine.bash
. "$(dirname "$0")/engine.bash"
# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
SIZE=200000000
[ -z "${FV_VM:-}" ] || SIZE=20000000
# At a pace, so that it takes some seconds: what takes the shortcut is many packets of many.
PACED=$((SIZE / 3 / ${FV_SLOW:-1}))

web() { # NAME PAGE [OPTION...]: with the file on it
	engine_run "$@" -v "$FV_TMP/data:/www/data:ro"
}

page() { # PORT
	at wire curl -s -m $((3 * ${FV_SLOW:-1})) http://$HOST4:$1/
}

says() { # PORT PAGE
	[ "$(page $1)" = "$2" ]
}

downloads() { # PORT
	at wire curl -s -m $((60 * ${FV_SLOW:-1})) --limit-rate $PACED http://$HOST4:$1/data >"$FV_TMP/got"
	cmp "$FV_TMP/got" "$FV_TMP/data"
}

# From outside, by the container's wget.
fetches() { # CONTAINER
	docker exec $1 wget -q -O - http://$WIRE4:8000/data | cmp - "$FV_TMP/data"
}

states() {
	"$FASTVETH" status -j | jq -c '[(.ports[] | [.container, .state]), (.uplinks[] | [.device, .state])] | sort'
}

host_and_wire
uplink up0 192.0.2 2001:db8 eth0
default_by up0 2>/dev/null
head -c $SIZE /dev/urandom >"$FV_TMP/data"
engine_start uplink_docker
engine_image web
web web1 page1 -p 8080:80
web web2 page2 -p 8081:80
BEFORE=$(iptables -S; iptables -t nat -S; bpftool net)
check page_before wait_for 5 says 8080 page1
check attach "$FASTVETH" -q attach docker0
check_equal attached '[["up0","accelerated"],["web1","accelerated"],["web2","accelerated"]]' "$(states)"
check page says 8080 page1
check other_page says 8081 page2
passes download "$NAT" downloads 8080
(cd "$FV_TMP" && exec ip netns exec wire busybox httpd -f -p 8000) &
wait_for 5 fetches web1
passes upload "$NAT" fetches web2

# Two at once, while another one is restarted.
downloads 8080 &
FIRST=$!
docker restart -t 0 web2 >/dev/null
check attach_restarted "$FASTVETH" -q attach
check restarted_page wait_for 10 says 8081 page2
wait $FIRST
check_equal download_beside_it 0 $?
passes restarted_download "$NAT" downloads 8081

# The port goes to another container: at once.
docker rm -f web1 >/dev/null
check_equal unpublished "" "$(page 8080)"
web web3 page3 -p 8080:80
check replaced_page wait_for 5 says 8080 page3
check attach_replaced "$FASTVETH" -q attach
passes replaced_download "$NAT" downloads 8080
docker rm -f web3 >/dev/null
check_equal unpublished_again "" "$(page 8080)"
check others_go_on says 8081 page2

# The proxy of Docker that is no NAT: a connection from the host to itself.
check from_the_host [ "$(curl -s -m 5 http://127.0.0.1:8081/)" = page2 ]
check detach "$FASTVETH" -q detach --all
check_equal programs_are_as_before "$(sed -n '/^xdp/,$p' <<<"$BEFORE")" "$(bpftool net)"
check page_after says 8081 page2
finish
