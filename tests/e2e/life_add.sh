#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# add and del, one endpoint at a time: into a network of its own or one of a file, into namespaces of
# others, twice, the last one; what was there before stays. The host: life_lab.bash.
#
#	theirs (netns, address 192.168.9.9 on d0)   (process in a namespace without a name)
# kernel: any
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need life_add ethtool ip jq nft ping unshare

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "$0")/life_lab.bash"

add() {
	"$FASTVETH" add -q "$@"
}

listed() { # NAME: network, addresses, interface inside
	"$FASTVETH" list -j | jq -r --arg name "$1" '.endpoints[] | select(.name == $name) |
		[.network, .addresses[]] | join(" ")'
}

inside_of() { # COMMAND THAT ENTERS...: what a namespace of others has, for before and after
	"$@" ip -o -d link
	"$@" ip -o addr | sed -E 's/ (valid|preferred)_lft [^ ]+//g'
	"$@" ip route show table all
	"$@" ip -6 route show table all
	"$@" ip neigh show nud permanent
}

life_host
forwarding 0

# ---- namespaces of its own ----

host=$(host_now)
expect_fail without_a_network 1 "there is none" "$FASTVETH" add web --network lab
check_host refusal_changes_nothing "$host"
check first add web --network lab --subnet 10.77.0.0/24 --subnet fd77::/64
check_equal first_has_addresses "lab 10.77.0.2 fd77::2" "$(listed web)"
changes first_again false "$FASTVETH" add web --network lab
check second add db --network lab --address 10.77.0.50
check_equal second_has_its_address "lab 10.77.0.50 fd77::3" "$(listed db)"
changes second_again false "$FASTVETH" add db --network lab --address 10.77.0.50
expect_fail second_elsewhere 1 "exists with another" \
	"$FASTVETH" add db --network lab --address 10.77.0.51
expect_fail second_in_another_network 1 'exists in network "lab"' \
	"$FASTVETH" add db --network other --subnet 10.79.0.0/24
reaches_shortly first_and_second web db 10.77.0.50
reaches_shortly first_and_second_ipv6 web db fd77::3
check another_network add far --address 10.78.0.9 --network far --hook $XDP --mtu 3000 --internal
check_equal another_network_is_around_it "far 10.78.0.9" "$(listed far)"
check another_in_it add near --network far
check_equal another_has_the_first_free "far 10.78.0.2" "$(listed near)"
reaches_shortly another_works near far 10.78.0.9
check_fails networks_are_apart reaches web 10.78.0.9
check_equal another_is_as_wished "3000 $XDP" "$("$FASTVETH" list -j |
	jq -r '.networks[] | select(.name == "far") | "\(.mtu) \(.hook)"')"
check healthy healthy
works=$(works_now)
expect_fail del_of_nobody 1 "there is none" "$FASTVETH" del nobody
check_equal del_of_nobody_changes_nothing "$works" "$(works_now)"
check del "$FASTVETH" del -q near
expect_fail del_again 1 "there is none" "$FASTVETH" del near
check_equal del_of_one "db far web" "$(names | xargs)"
check del_of_the_last_in_a_network "$FASTVETH" del -q far
check_equal network_goes_with_it lab "$("$FASTVETH" list -j | jq -r '.networks[].name')"
check another_del "$FASTVETH" del -q db
check last_del "$FASTVETH" del -q web
check_host last_del_leaves_the_host "$host"

# ---- namespaces of others ----

ip netns add theirs
ip -n theirs link add d0 type veth peer name d1
ip -n theirs addr add 192.168.9.9/24 dev d0
ip -n theirs link set d0 addrgenmode none up
ip -n theirs link set d1 addrgenmode none up
unshare -n sleep 86400 &
process=$!
wait_for 3 other_netns $process
nsenter -t $process -n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
	net.ipv6.conf.default.disable_ipv6=1
touch "$FV_TMP/bound"
unshare -n mount --bind /proc/self/ns/net "$FV_TMP/bound"
host=$(host_now)
theirs=$(inside_of ip netns exec theirs) inside=$(inside_of nsenter -t $process -n)
bound=$(inside_of nsenter --net="$FV_TMP/bound")

check by_name add --network lab --target netns:theirs --subnet 10.77.0.0/24 --subnet fd77::/64
check by_pid add proc --network lab --target pid:$process --ifname net0
check by_path add --network lab --target path:"$FV_TMP/bound" --address 10.77.0.30
check own_beside_them add own --network lab
check_equal names_of_targets "bound own proc theirs" \
	"$("$FASTVETH" list -j | jq -r '.endpoints[].name' | sort | xargs)"
changes by_name_again false "$FASTVETH" add --network lab --target netns:theirs
changes by_pid_again false "$FASTVETH" add proc --network lab --target pid:$process --ifname net0
changes by_path_again false "$FASTVETH" add --network lab --target path:"$FV_TMP/bound"
expect_fail by_pid_as_another_name 1 "net0" "$FASTVETH" add twin --network lab --target pid:$process \
	--ifname net0
reaches_shortly by_name_works own theirs 10.77.0.2
reaches_shortly by_pid_works own proc 10.77.0.3
reaches_shortly by_pid_works_ipv6 own proc fd77::3
reaches_shortly by_path_works own bound 10.77.0.30
check own_address_stays reaches theirs 192.168.9.9
check_equal interface_has_its_name "net0" "$(nsenter -t $process -n ip -j link |
	jq -r '.[].ifname | select(. != "lo")')"
check targets_are_healthy healthy
check_equal names_of_others_stay theirs "$(names | grep -vx own)"

check del_by_name "$FASTVETH" del -q theirs
check del_by_pid "$FASTVETH" del -q proc
check del_by_path "$FASTVETH" del -q bound
check del_own "$FASTVETH" del -q own
check_host targets_leave_the_host "$host"
# lo is up from then on.
lo() {
	sed -E 's/^1: lo: .*//; /127\.0\.0|::1|(local|multicast) .* dev lo/d' <<<"$1"
}
check_equal theirs_is_as_before "$(lo "$theirs")" "$(lo "$(inside_of ip netns exec theirs)")"
check_equal process_is_as_before "$(lo "$inside")" "$(lo "$(inside_of nsenter -t $process -n)")"
check_equal bound_is_as_before "$(lo "$bound")" \
	"$(lo "$(inside_of nsenter --net="$FV_TMP/bound")")"

# Its process ends: the namespace goes and the port with it; `status` says so and `del` cleans up.
check again_by_pid add proc --network lab --target pid:$process --subnet 10.77.0.0/24
check beside_it add own --network lab
kill $process
wait $process 2>/dev/null
wait_for 10 test ! -e /sys/class/net/fv-proc
expect_fail ended_is_told 1 "" sh -c '"$0" status -j | jq -e "any(.ports[].reasons[];
	contains(\"fastveth del proc\"))" >/dev/null && echo it does >&2; exit 1' "$FASTVETH"
expect_fail ended_cannot_be_added 1 "fastveth del proc" \
	"$FASTVETH" add proc --network lab --target pid:$process
check ended_does_not_matter_to_others add another --network lab
check ended_goes "$FASTVETH" del -q proc
check others_are_healthy healthy
check down "$FASTVETH" down -q
check_host ended_leaves_the_host "$host"

# ---- a network of a file ----

cat >"$FV_TMP/lab.yaml" <<'END'
networks:
  lab: { subnet: 10.77.0.0/24, namespaces: { web: {}, db: {} } }
END
check file_up "$FASTVETH" up -q "$FV_TMP/lab.yaml"
works=$(works_now)
check into_a_file add more --network lab
reaches_shortly into_a_file_works web more 10.77.0.4
check out_of_a_file "$FASTVETH" del -q db
changes file_is_what_counts true "$FASTVETH" up "$FV_TMP/lab.yaml"
check_equal file_is_what_there_is "db web" "$(names | grep -vx theirs | xargs)"
check_equal file_gives_the_same_address "lab 10.77.0.3" "$(listed db)"
check down_of_the_file "$FASTVETH" down -q "$FV_TMP/lab.yaml"
check_host file_leaves_the_host "$host"
finish
