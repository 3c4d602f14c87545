#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A real Docker engine with its bridge and its rules beside own networks, whoever comes first:
# neither cuts the other off. The machine is drawn in outside_machine.bash, and beside it:
#
#	docker0 172.17.0.1 --- box, publishes 8888:80
# kernel: any
# timeout: 240
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need outside_docker busybox curl ip iptables-save jq nft ping socat
# shellcheck source=tests/e2e/outside_machine.bash
. "$(dirname "$0")/outside_machine.bash"
# shellcheck source=tests/e2e/engine.bash
. "$(dirname "$0")/engine.bash"
# shellcheck disable=SC2034 # read by topology
PUBLISH_WEB='["8080:80"]'

# A page, or whatever text its server sends.
page() { # NAMESPACE|host ADDRESS PORT
	at "$1" curl -s -m 2 --http0.9 "http://$2:$3/"
}

box() { # COMMAND...
	docker exec box timeout 2 "$@"
}

saved() {
	iptables-save 2>/dev/null | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]//'
}

docker_works() { # NAME
	check_equal "$1_box_is_published" "page of box" "$(page outside $UP4 8888)"
	check "$1_box_reaches_the_outside" box ping -q -c 1 -W 1 $OUT4
}

both_work() { # NAME
	docker_works "$1"
	sees "$1_web_to_the_outside" web tcp $OUT4 80 outside $UP4
	sees "$1_web_to_the_outside_ipv6" web tcp $OUT6 80 outside $UP6
	sees "$1_web_is_published" outside tcp $UP4 8080 web $OUT4
	sees "$1_web_is_published_at_localhost" host tcp 127.0.0.1 8080 web 10.77.0.1
	check "$1_slow_path_inside" pings web 10.77.0.11 -s 4000
	# To each other by what they publish, and by nothing else.
	check_equal "$1_web_to_the_box" "page of box" "$(page web $UP4 8888)"
	check "$1_box_to_web" grep -q "^web " <(box sh -c "echo x | nc $UP4 8080")
	check_equal "$1_box_to_others_directly" "" "$(box sh -c \
		"echo x | nc 10.77.0.10 80 & echo x | nc 10.78.0.10 80 & wait")"
	check_fails "$1_box_pings_web" box ping -q -c 1 -W 1 10.77.0.10
	refused "$1_internal_to_the_box" vault tcp 172.17.0.2 80 tcp $UP4 8888
	refused "$1_unpublished" outside tcp 10.77.0.10 80 tcp 10.79.0.10 80
}

start_box() {
	engine_run box "page of box" -p 8888:80 && wait_for 5 grep -q "page of box" <(page host 172.17.0.2 80)
}

engine_first() {
	local before

	check start_box start_box
	# What an engine does where it is the one that switches forwarding on.
	check engine_drops_what_it_does_not_know grep -q -e "^:FORWARD DROP" <(saved)
	before=$(saved)
	docker_works alone
	check up "$FASTVETH" up "$FV_TMP/lab.yaml"
	# shellcheck disable=SC2086 # words
	servers $ALL
	both_work engine_first
	check status_is_healthy "$FASTVETH" status
	check_equal up_again_changes_nothing "nothing to do" "$("$FASTVETH" up "$FV_TMP/lab.yaml")"
	# The box has its default route from the engine, and keeps it.
	expect_fail box_gets_no_endpoint_beside_its_own 1 "default route" "$FASTVETH" add box \
		--network lab --target "pid:$(pid_of box)" --ifname eth1
	check_equal box_has_one_interface "eth0 lo" "$(docker exec box ls /sys/class/net | xargs)"
	check down "$FASTVETH" down --all
	check_equal rules_of_the_engine_are_as_before "$before" "$(saved)"
	docker_works afterwards
}

# An engine that is started anew writes its rules anew, around ours.
engine_again() {
	"$FASTVETH" up -q "$FV_TMP/lab.yaml"
	# shellcheck disable=SC2086 # words
	servers $ALL
	engine_stop
	engine_start outside_docker
	check start_box_again start_box
	check status_after_restart "$FASTVETH" status
	both_work engine_again
	"$FASTVETH" down -q --all
}

# An engine that finds forwarding switched on sets no policy, and counts on it to stay so: here
# it is the administrator who wants it.
networks_first() {
	engine_stop
	ip link del docker0
	nft flush ruleset
	sysctl -qw net.ipv4.ip_forward=1
	"$FASTVETH" up -q "$FV_TMP/lab.yaml"
	# shellcheck disable=SC2086 # words
	servers $ALL
	engine_start outside_docker
	check start_box_beside_networks start_box
	check status_beside_it "$FASTVETH" status
	both_work networks_first
	check down_at_last "$FASTVETH" down --all
	check_equal nothing_of_ours_is_left 0 "$(saved | grep -c fastveth)"
}

uplink
topology >"$FV_TMP/lab.yaml"
servers outside
engine_start outside_docker
engine_image web
engine_first
engine_again
networks_first
docker_works last
engine_stop
finish
