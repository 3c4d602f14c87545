#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# JSON: on every command that prints, one line, the promised keys with the promised types, and
# values that are true. The networks are those of cli_lab.bash.
# kernel: any
# timeout: 60
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need cli_json ip jq ping
# shellcheck source=tests/e2e/cli_lab.bash
. "$(dirname "$0")/cli_lab.bash"

# holds NAME JSON JQ_EXPRESSION: it is true of it.
holds() {
	if jq -e "$3" <<<"$2" >"$FV_TMP/jq" 2>&1; then
		ok "$1"
	else
		not_ok "$1" "not so: $3"
		{ cat "$FV_TMP/jq"; jq . <<<"$2"; } 2>&1 | head -n 60 | sed 's/^/# /'
	fi
}

# one_line NAME WORDS...: prints one line of JSON and nothing else; it is in $JSON.
one_line() {
	local name=$1

	shift
	"$FASTVETH" "$@" >"$FV_TMP/json" 2>"$FV_TMP/json.err"
	JSON=$(cat "$FV_TMP/json")
	check_equal "$name" "1 0 object" \
		"$(wc -l <"$FV_TMP/json") $(wc -c <"$FV_TMP/json.err") $(jq -r type <"$FV_TMP/json")"
}

# The types of an object's values, by key: "name:string subnet:null|string".
types() { # ARRAY: all that occur, over all of its objects
	jq -r "[$1[] | to_entries[] | {key, type: (.value | type)}] | group_by(.key) |
		map(\"\(.[0].key):\(map(.type) | unique | join(\"|\"))\") | .[]" <<<"$JSON" | sort | xargs
}

# has NAME ARRAY KEY:TYPE...: there may be more keys, but not these with another type.
has() {
	local name=$1 array=$2 missing="" have key

	shift 2
	have=" $(types "$array") "
	for key; do
		[ "${have#* "$key" }" != "$have" ] || missing="$missing $key"
	done
	check_equal "$name" "" "$missing${missing:+ not in:$have}"
}

actions() {
	jq -c '.actions | sort[]' <<<"$1"
}

# Seven lines of the topology, and what else `up` touches on a host where nothing is set up.
first() {
	local before

	lab_file
	one_line first_plan_is_json plan -j "$FV_TMP/lab.yaml"
	before=$JSON
	check_equal plan_changes_nothing "" "$(ip netns list; nft list tables)"
	one_line first_up_is_json up -j "$FV_TMP/lab.yaml"
	check_equal first_up_did_what_plan_said "$(actions "$before")" "$(actions "$JSON")"
	holds first_up_said_it_all "$JSON" '[.actions[].kind] | unique ==
		["endpoint", "network", "nftables", "share", "sysctl"]'
	check first_down "$FASTVETH" down --all
}

changes() {
	local before

	one_line plan_is_json plan -j "$FV_TMP/lab.yaml"
	holds plan_of_the_same "$JSON" '.changed == false and .actions == []'
	one_line up_is_json up --json "$FV_TMP/lab.yaml"
	holds up_of_the_same "$JSON" '.changed == false and .actions == []'
	sed 's/      db:.*/&\n      cache: {}/' "$FV_TMP/lab.yaml" >"$FV_TMP/more.yaml"
	one_line plan_of_more_is_json -j plan "$FV_TMP/more.yaml"
	holds plan_of_more "$JSON" '.changed == true and
		any(.actions[]; .op == "create" and .kind == "endpoint" and .name == "lab/cache")'
	before=$JSON
	one_line up_of_more_is_json up -j "$FV_TMP/more.yaml"
	has actions .actions op:string kind:string name:string
	holds actions_use_known_words "$JSON" 'all(.actions[]; (.op | IN("create", "change", "remove"))
		and (.kind | IN("network", "endpoint", "share", "sysctl", "nftables", "program", "firewall"))
		and (.detail | type | IN("string", "null")))'
	check_equal up_did_what_plan_said "$(actions "$before")" "$(actions "$JSON")"
	one_line del_is_json del -j cache
	holds del_did "$JSON" '.changed and any(.actions[]; .op == "remove" and .name == "lab/cache")'
	one_line add_is_json add -j cache --network lab
	holds add_did "$JSON" '.changed and any(.actions[]; .op == "create" and .name == "lab/cache")'
	one_line down_is_json down -j guest
	holds down_did "$JSON" '.changed and any(.actions[]; .op == "remove" and .name == "guest")'
	check guest_again "$FASTVETH" add -q --network guest --target "pid:$GUEST" --address 10.75.0.10
	check cache_goes "$FASTVETH" del -q cache
}

# What somebody else undid: plan sees it, up says the same and does it.
rules_of_others() {
	local before

	nft delete table inet fastveth
	echo 0 >/proc/sys/net/ipv4/conf/all/forwarding
	ip route del 10.77.0.11/32
	one_line plan_of_repair_is_json plan -j "$FV_TMP/lab.yaml"
	before=$JSON
	holds plan_of_repair "$JSON" '[.actions[] | "\(.kind) \(.name)"] | sort ==
		["endpoint lab/db", "nftables inet fastveth", "sysctl forwarding"]'
	one_line up_of_repair_is_json up -j "$FV_TMP/lab.yaml"
	check_equal repair_did_what_plan_said "$(actions "$before")" "$(actions "$JSON")"
	one_line nothing_is_left_to_repair plan -j "$FV_TMP/lab.yaml"
	holds repaired "$JSON" '.changed == false'
}

list() {
	local ns

	one_line list_is_json list -j
	has list_networks .networks name:string "subnet:null|string" "subnet6:null|string" \
		mtu:number hook:string internal:boolean
	has list_endpoints .endpoints name:string network:string container:null netns:number \
		addresses:array "mac:null|string" "port:null|string" "ifindex:null|number" \
		"peer_ifindex:null|number" "share:null|string" publish:array "ifname:null|string"
	holds networks "$JSON" '[.networks[] | [.name, .subnet, .subnet6, .hook, .internal]] | sort == [
		["fast", null, "fd76::/64", "'$XDP'", true], ["guest", "10.75.0.0/24", null, "tc", false],
		["lab", "10.77.0.0/24", "fd77::/64", "tc", false]]'
	holds mtu "$JSON" '.networks[] | select(.name == "lab") | .mtu == 1400'
	holds endpoints "$JSON" "[.endpoints[].name] | sort ==
		[\"db\", \"pid-$GUEST\", \"side\", \"web\", \"xa\"]"
	holds addresses "$JSON" '.endpoints[] | select(.name == "web") |
		.addresses == ["10.77.0.10", "fd77::10"]'
	holds published "$JSON" '.endpoints[] | select(.name == "web") |
		.publish == ["8080:80/tcp", "53:53/udp"]'
	holds second_name "$JSON" '.endpoints[] | select(.name == "side") |
		.share == "web" and .port == null and .mac == null and .addresses == []'
	# What the kernel says of them.
	for ns in web db xa; do
		holds "netns_of_$ns" "$JSON" ".endpoints[] | select(.name == \"$ns\") |
			.netns == $(stat -L -c %i /run/netns/$ns)"
		holds "devices_of_$ns" "$JSON" ".endpoints[] | select(.name == \"$ns\") |
			.port == \"fv-$ns\" and .ifindex == $(cat /sys/class/net/fv-$ns/ifindex) and
			.peer_ifindex == $(cat /sys/class/net/fv-$ns/iflink) and
			.mac == \"$(ip netns exec $ns cat /sys/class/net/eth0/address)\""
	done
	holds netns_of_the_second_name "$JSON" \
		".endpoints[] | select(.name == \"side\") | .netns == $(stat -L -c %i /run/netns/web)"
	holds netns_of_the_guest "$JSON" ".endpoints[] | select(.name == \"pid-$GUEST\") |
		.netns == $(stat -L -c %i "/proc/$GUEST/ns/net")"
}

stats() {
	ip netns exec web ping -q -c 3 -i 0.1 -W 1 10.77.0.11 >"$FV_TMP/ping"
	ip netns exec web ping -q -c 2 -i 0.1 -W 1 10.77.0.1 >"$FV_TMP/ping"
	ip netns exec web ping -q -c 1 -W 1 10.75.0.10 >"$FV_TMP/ping"
	one_line stats_is_json stats -j
	has stats_endpoints .endpoints name:string network:string container:null netns:number \
		port:string ifindex:number rx:object tx:object slow:object drop:object
	has stats_ways '[.endpoints[] | .rx, .tx]' packets:number bytes:number \
		shortcut_packets:number shortcut_bytes:number
	holds stats_reasons "$JSON" 'all(.endpoints[]; all(.slow[], .drop[]; type == "number"))'
	holds stats_without_second_names "$JSON" "[.endpoints[].name] | sort ==
		[\"db\", \"pid-$GUEST\", \"web\", \"xa\"]"
	holds stats_of_web "$JSON" '.endpoints[] | select(.name == "web") | .tx.shortcut_packets == 3
		and .rx.shortcut_packets == 3 and .slow.outside == 2 and .drop == {"isolation": 1}'
	holds stats_sum_up "$JSON" 'all(.endpoints[]; .tx.packets ==
		.tx.shortcut_packets + ([.slow[], .drop[]] | add // 0) and
		.rx.packets >= .rx.shortcut_packets and .tx.bytes >= .tx.shortcut_bytes)'
	one_line stats_of_one_is_json stats -j db
	holds stats_of_one "$JSON" '[.endpoints[].name] == ["db"]'
}

status() {
	one_line status_is_json status -j
	has status_ports .ports port:string endpoint:string hook:string state:string reasons:array
	holds status_keys "$JSON" '.healthy == true and .uplinks == [] and .warnings == [] and
		.problems == [] and all(.ports[]; .state == "own" and .reasons == [])'
	holds status_hooks "$JSON" 'all(.ports[]; .hook == if .endpoint == "xa" and "'$XDP'" == "xdp" then "xdp" else
		(.hook | select(IN("tcx", "clsact"))) end)'
	ip link set fv-db down
	"$FASTVETH" status -j >"$FV_TMP/json"
	check_equal status_tells_by_its_exit_code 1 $?
	JSON=$(cat "$FV_TMP/json")
	holds status_names_the_port "$JSON" '.healthy == false and
		([.ports[] | select(.reasons != []) | .port] == ["fv-db"])'
	ip link set fv-db up
	"$FASTVETH" up -q "$FV_TMP/lab.yaml"
	nft flush chain inet fastveth forward
	"$FASTVETH" status -j >"$FV_TMP/json"
	check_equal status_of_the_host_by_its_exit_code 1 $?
	JSON=$(cat "$FV_TMP/json")
	holds status_names_the_table "$JSON" '.healthy == false and (.problems | length == 1) and
		(.problems[0] | test("nftables")) and all(.ports[]; .reasons == [])'
	"$FASTVETH" up -q "$FV_TMP/lab.yaml"
	one_line status_is_repaired status -j
	holds status_is_healthy "$JSON" .healthy
}

others() {
	one_line version_is_json version -j
	holds version "$JSON" '(.version | type == "string") and (.abi | type == "number")'
	one_line help_is_json help -j
	holds help "$JSON" '[.commands[].name] | contains(["up", "plan", "down", "add", "del", "exec",
		"list", "status", "stats", "inspect", "version", "help"])'
	one_line inspect_is_json inspect -j
	has inspect_programs .programs name:string id:number tag:string attached:array pin:string
	has inspect_maps .maps name:string id:number pin:string
	[ $TC$XDP = clsacttc ] || has inspect_links .links id:number pin:string device:string
	holds inspect_run_ns "$JSON" 'all(.programs[]; .run_ns | type | IN("number", "null"))'
	# An error is no JSON: one line on stderr, as without.
	expect_fail error_with_json 1 "nobody" "$FASTVETH" stats -j nobody
	expect_fail error_of_a_file_with_json 1 "nothing.yaml" "$FASTVETH" up -j "$FV_TMP/nothing.yaml"
	expect_fail usage_with_json 2 "one word too many" "$FASTVETH" list -j x
}

# A host without any network: the same keys, empty.
nothing() {
	one_line nothing_to_list list -j
	check_equal empty_list '{"networks":[],"endpoints":[]}' "$JSON"
	one_line nothing_to_count stats -j
	check_equal empty_stats '{"endpoints":[],"uplinks":[]}' "$JSON"
	one_line nothing_to_inspect inspect -j
	check_equal empty_inspect '{"programs":[],"maps":[],"links":[]}' "$(jq -c "del(.kernel)" <<<"$JSON")"
	one_line nothing_is_healthy status -j
	holds empty_status "$JSON" '.healthy and .ports == [] and .problems == []'
	one_line nothing_goes_down down --all -j
	check_equal empty_down '{"changed":false,"actions":[]}' "$JSON"
}

nothing
first
lab
changes
rules_of_others
list
stats
status
others
check down "$FASTVETH" down --all
nothing
finish
