#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Real containers, started with no network, get endpoints by their PIDs.
#
#	default: nginx 193.168.0.101, second 193.168.0.102 --+-- host
#	lab:     third 10.77.0.10 fd77::10                 --+
# kernel: any
# timeout: 180
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need intro_docker curl ip jq busybox
# shellcheck source=tests/e2e/engine.bash
. "$(dirname "$0")/engine.bash"

endpoint() { # NAME JQ_EXPRESSION
	"$FASTVETH" list -j | jq -r --arg name "$1" ".endpoints[] | select(.name == \$name) | $2"
}

way() { # NAME JQ_EXPRESSION
	"$FASTVETH" stats -j "$1" | jq -r ".endpoints[0] | $2"
}

# (wget's own option for it crashes in some builds of busybox.)
get() { # CONTAINER URL
	docker exec "$1" timeout 2 wget -q -O - "$2"
}

links() { # CONTAINER
	docker exec "$1" ls /sys/class/net | xargs
}

# The lock file stays, and /run/netns is a mount point once it held a name (as with ip netns).
left() {
	census | grep -v -e ' /run/fastveth/lock$' -e '^/run/netns ' -e /run/test/engine
}

# ---- what the introduction does ----

introduction() {
	local pid inode

	pid=$(pid_of nginx)
	check_equal container_has_no_network lo "$(links nginx)"
	check add_by_pid "$FASTVETH" add \
		--target "pid:$(docker inspect -f '{{.State.Pid}}' nginx)" --address 193.168.0.101
	check_equal curl_gets_the_page "page of nginx" "$(curl -s -m 3 193.168.0.101)"
	check_equal container_has_an_interface "eth0 lo" "$(links nginx)"
	check container_has_the_address grep -q "inet 193.168.0.101/32 " \
		<(docker exec nginx ip addr show eth0)
	check_equal named_after_the_pid "pid-$pid" \
		"$("$FASTVETH" list -j | jq -r '.endpoints[].name')"
	check_equal network_around_the_address "default 193.168.0.0/24" \
		"$("$FASTVETH" list -j | jq -r '.networks[] | "\(.name) \(.subnet)"')"
	inode=$(stat -L -c %i "/proc/$pid/ns/net")
	check_equal namespace_of_the_container "$inode" "$(endpoint "pid-$pid" .netns)"
	check_equal nothing_is_named_in_run_netns "" "$(ip netns list)"
	check_equal container_reaches_the_host "page of host" \
		"$(get nginx http://193.168.0.1/)"
	check_equal exec_by_that_name "eth0 lo" \
		"$("$FASTVETH" exec "pid-$pid" -- ls /sys/class/net | xargs)"
	check status_is_healthy "$FASTVETH" status
	check_equal again_changes_nothing "nothing to do" \
		"$("$FASTVETH" add --target "pid:$pid" --address 193.168.0.101)"
	expect_fail other_address_for_the_same 1 "pid-$pid" \
		"$FASTVETH" add --target "pid:$pid" --address 193.168.0.77
	expect_fail other_name_for_the_same 1 "eth0" \
		"$FASTVETH" add other --target "pid:$pid" --address 193.168.0.77
	check_equal it_still_answers "page of nginx" "$(curl -s -m 3 193.168.0.101)"
}

# ---- two containers ----

between_containers() {
	local before other

	check second_joins_the_network "$FASTVETH" add second --target "pid:$(pid_of second)" \
		--address 193.168.0.102
	check_equal curl_gets_the_other_page "page of second" "$(curl -s -m 3 193.168.0.102)"
	before=$(way second .rx.shortcut_packets)
	other=$(way second .slow.outside)
	check_equal container_gets_the_page_of_the_other "page of second" \
		"$(get nginx http://193.168.0.102/)"
	check_equal and_the_other_way_round "page of nginx" \
		"$(get second http://193.168.0.101/)"
	check they_took_the_shortcut [ "$(way second .rx.shortcut_packets)" -ge $((before + 8)) ]
	check_equal and_nothing_else "$other" "$(way second .slow.outside)"
	check ping_by_the_shortcut docker exec nginx ping -q -c 1 -W 1 193.168.0.102
}

# ---- with a name, a network of its own, a published port ----

named() {
	check third_with_name_and_network "$FASTVETH" add third --network lab \
		--target "pid:$(pid_of third)" --address 10.77.0.10 --address fd77::10 \
		--ifname net0 --publish 8080:80
	check_equal interface_as_named "lo net0" "$(links third)"
	check_equal third_answers "page of third" "$(curl -s -m 3 10.77.0.10)"
	check_equal third_answers_ipv6 "page of third" "$(curl -s -m 3 "http://[fd77::10]/")"
	check_equal third_is_published "page of third" "$(curl -s -m 3 http://127.0.0.1:8080/)"
	check_equal network_of_third "10.77.0.0/24 fd77::/64" \
		"$("$FASTVETH" list -j | jq -r '.networks[] | select(.name == "lab") | "\(.subnet) \(.subnet6)"')"
	check_fails other_network_is_out_of_reach \
		get third http://193.168.0.101/
	check_equal and_that_is_isolation isolation "$(way third '.drop | keys[]')"
	check third_goes "$FASTVETH" del third
	check_equal third_runs_on_without lo "$(links third)"
	check_fails third_is_not_reached curl -s -m 1 10.77.0.10
	check third_comes_back_by_path "$FASTVETH" add third --network lab --address 10.77.0.10 \
		--target "path:$(docker inspect -f '{{.NetworkSettings.SandboxKey}}' third)"
	check_equal third_answers_again "page of third" "$(curl -s -m 3 10.77.0.10)"
}

# ---- a container that ends ----

ended() {
	local pid new

	pid=$(pid_of nginx)
	docker kill nginx >/dev/null
	check_equal status_needs_repair 1 "$("$FASTVETH" status >"$FV_TMP/status"; echo $?)"
	check status_names_the_endpoint grep -q "pid-$pid .*gone" "$FV_TMP/status"
	check_equal status_says_so_in_json "false pid-$pid" "$("$FASTVETH" status -j | jq -r \
		'[.healthy, (.ports[] | select(.reasons != []) | .endpoint)] | map(tostring) | join(" ")')"
	check_fails it_is_out_of_reach curl -s -m 1 193.168.0.101
	check_equal the_other_is_not "page of second" "$(curl -s -m 3 193.168.0.102)"
	check list_works "$FASTVETH" list
	check stats_work "$FASTVETH" stats

	# Started again it is another process with another namespace.
	docker start nginx >/dev/null
	new=$(pid_of nginx)
	check_equal started_again_it_has_no_network lo "$(links nginx)"
	expect_fail address_is_still_taken 1 "193.168.0.101" "$FASTVETH" add \
		--target "pid:$new" --address 193.168.0.101
	check dead_endpoint_goes "$FASTVETH" del "pid-$pid"
	check status_is_healthy_again "$FASTVETH" status
	check new_one_comes "$FASTVETH" add --target "pid:$new" --address 193.168.0.101
	check_equal new_one_answers "page of nginx" "$(curl -s -m 3 193.168.0.101)"
	check_equal new_one_reaches_the_other "page of second" \
		"$(get nginx http://193.168.0.102/)"
	check del_by_name "$FASTVETH" del "pid-$new"
	check_fails deleted_is_out_of_reach curl -s -m 1 193.168.0.101
	check_equal deleted_runs_on lo "$(links nginx)"
	check_equal dead_process_is_refused 1 "$("$FASTVETH" add --target "pid:$pid" \
		--address 193.168.0.101 2>/dev/null >&2; echo $?)"
}

engine_start intro_docker --bridge=none --iptables=false --ip6tables=false
engine_image web
for name in nginx second third; do
	check "run_$name" engine_run $name "page of $name" --network none
done
before=$(left)
mkdir "$FV_TMP/host"
echo "page of host" >"$FV_TMP/host/index.html"
busybox httpd -f -p 80 -h "$FV_TMP/host" &
check host_serves wait_for 5 curl -s http://127.0.0.1/

introduction
between_containers
named
ended
docker kill second >/dev/null
check_fails status_of_a_killed_one "$FASTVETH" status
check down_cleans_up "$FASTVETH" down --all
check_equal host_is_as_before "$before" "$(left)"
check_equal containers_run_on "nginx third" \
	"$(docker ps --format '{{.Names}}' | sort | xargs)"
check_equal they_have_no_network "lo lo" "$(links nginx) $(links third)"
engine_stop
finish
