#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Own networks and the uplink: what is published or masqueraded takes the shortcut there, and whatever was kept
# apart is. The outside and the uplink: uplink_lab.bash.
#
#	web 10.77.0.10 fd77::a --- lab,  hook tc  \
#	xa  10.76.0.10 fd76::a --- fast, hook xdp  [host] up0 --- wire
#	vault 10.78.0.10       --- dark, internal /
# kernel: any
# timeout: 180
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_own bpftool ip jq nft python3 ss

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
RATE=200 NUMBER=300
[ -z "${FV_VM:-}" ] || RATE=50 NUMBER=200

topology() {
	cat <<-END
	networks:
	  lab:
	    subnet: 10.77.0.0/24
	    subnet6: fd77::/64
	    namespaces:
	      web: { address: 10.77.0.10, address6: "fd77::a", publish: ["8080:80", "8080:80/udp"] }
	      db: { address: 10.77.0.11, address6: "fd77::b" }
	  dark:
	    subnet: 10.78.0.0/24
	    subnet6: fd78::/64
	    internal: true
	    namespaces:
	      vault: { address: 10.78.0.10, address6: "fd78::a" }
	  fast:
	    subnet: 10.76.0.0/24
	    subnet6: fd76::/64
	    hook: $XDP
	    namespaces:
	      xa: { address: 10.76.0.10, address6: "fd76::a", publish: ["8181:80", "8181:80/udp"] }
	END
}

both_kinds() { # FROM ADDRESS PORT
	local pid code

	talk $1 get $2 $3 $((NUMBER * 4096)) $RATE &
	pid=$!
	lossless talk $1 echo $2 $3 $NUMBER $RATE
	code=$?
	wait $pid && [ $code = 0 ]
}

client() { # FROM ADDRESS PORT tcp|udp
	talk "$@" 2>/dev/null | cut -d' ' -f1
}

outside() { # CASE FAST
	check_equal $1_in_client $WIRE4 "$(client wire who $HOST4 8080 tcp)"
	check_equal $1_out_client $HOST4 "$(client web who $WIRE4 80 tcp)"
	passes $1_in "$2" both_kinds wire $HOST4 8080
	passes $1_in6 "$2" both_kinds wire $HOST6 8080
	passes $1_out "$2" both_kinds web $WIRE4 80
	passes $1_out6 "$2" both_kinds web $WIRE6 80
}

# By XDP frames have no skb yet when they leave: what comes in takes the shortcut, what leaves does not.
by_xdp() {
	local before in out

	check_equal xdp_hook $XDP "$("$FASTVETH" status -j | jq -r '.ports[] | select(.endpoint == "xa").hook' |
		sed "s/^$TC\$/tc/")"
	before=$(stats)
	check xdp_in both_kinds wire $HOST4 8181
	read -r in out < <(shares "$before" "$(stats)")
	if [ $XDP = xdp ]; then
		if [ -n "$NAT" ]; then
			check xdp_in_takes_the_shortcut [ $in -gt $SHARE ]
		fi
		check_equal xdp_out_is_slow 0 $out
	else
		skip xdp_ways "there is no xdp to a veth here, and tc was looked at"
	fi
	check_equal xdp_client $WIRE6 "$(client wire who $HOST6 8181 udp)"
}

unreachable() { # CASE FROM ADDRESS PORT
	local kind

	for kind in tcp udp; do
		check_equal $1_$kind "" "$(ip netns exec $2 timeout ${FV_SLOW:-1} "$TALK" who $3 $4 $kind 2>/dev/null)"
	done
}

apart() { # CASE
	unreachable $1_internal_out vault $WIRE4 80
	unreachable $1_internal_in wire 10.78.0.10 80
	unreachable $1_unpublished_in wire 10.77.0.11 80
	unreachable $1_other_network web 10.76.0.10 80
}

state_of_uplink() {
	"$FASTVETH" status -j | jq -r '.uplinks[] | "\(.device) \(.state)"'
}

machine
ip -n wire route add 10.0.0.0/8 via $HOST4
BEFORE=$(host_now)
topology >"$FV_TMP/lab.yaml"
check plan_says_it grep -q "uplink up0" <("$FASTVETH" plan "$FV_TMP/lab.yaml")
check_equal plan_does_nothing "$BEFORE" "$(host_now)"
check up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
check_equal uplink_is_there "up0 accelerated" "$(state_of_uplink)"
check plan_is_done [ -z "$("$FASTVETH" plan "$FV_TMP/lab.yaml" | grep uplink)" ]
check_equal up_again false "$("$FASTVETH" up -j "$FV_TMP/lab.yaml" | jq .changed)"
servers wire web db xa vault
# Of both ends: what the uplink had by the shortcut, the endpoint had.
BEGIN=$(stats)
outside own "$NAT"
check_equal both_ends_count_alike 0 "$(jq -n --argjson a "$BEGIN" --argjson b "$(stats)" '
	def n(x; $w): [x.uplinks[][$w].shortcut_packets] | add;
	def e(x; $w): [x.endpoints[] | select(.name == "web")][0][$w].shortcut_packets;
	(n($b; "rx") - n($a; "rx")) - (e($b; "rx") - e($a; "rx"))')"
by_xdp
apart own
# The published port of another own network: by the host, as before, and slow.
SLOW=$(stats | jq '[.uplinks[] | .rx.shortcut_packets + .tx.shortcut_packets] | add')
check between_networks both_kinds xa $HOST4 8080
check_equal between_networks_is_no_uplink "$SLOW" \
	"$(stats | jq '[.uplinks[] | .rx.shortcut_packets + .tx.shortcut_packets] | add')"

# Rules that the shortcut would pass over: `up` again takes them into account, and that they went.
nft 'table inet t { chain f { type filter hook forward priority 0; limit rate 10/second drop; }; }'
check_fails new_rule_is_a_problem "$FASTVETH" -q status
check new_rule_up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
check_equal new_rule_declines "up0 declined" "$(state_of_uplink)"
check_equal new_rule_up_again false "$("$FASTVETH" up -j "$FV_TMP/lab.yaml" | jq .changed)"
nft delete table inet t
check rule_gone_up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
check_equal rule_gone_accelerates "up0 accelerated" "$(state_of_uplink)"
check up_without "$FASTVETH" -q up "$FV_TMP/lab.yaml" --uplink none
check_equal without_there_is_none 0 "$("$FASTVETH" status -j | jq '.uplinks | length')"
check_equal without_programs_are_gone "" "$(bpftool net show dev up0 2>/dev/null | grep fv_)"
check without_in both_kinds wire $HOST4 8080
apart without
check up_by_name "$FASTVETH" -q up "$FV_TMP/lab.yaml" --uplink up0
passes by_name_in "$NAT" both_kinds wire $HOST4 8080
expect_fail up_with_nosuch 1 "no device of that name" "$FASTVETH" up "$FV_TMP/lab.yaml" --uplink nosuch
check down "$FASTVETH" -q down --all
check_equal down_leaves_no_programs "" "$(bpftool net | grep fv_)"
# Namespaces that were made are gone, and so are sysctls' values.
check_equal host_is_as_before "$BEFORE" "$(host_now)"
finish
