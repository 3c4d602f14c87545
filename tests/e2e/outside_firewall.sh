#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Hosts that drop what they forward, as Docker sets them up: own networks are not cut off, and
# are no more open than without; `down` takes our rules back. The machine is drawn in
# outside_machine.bash. (The rules themselves are the matter of nat_hostfw.sh.)
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need outside_firewall ip ip6tables iptables iptables-save jq nft ping socat
# shellcheck source=tests/e2e/outside_machine.bash
. "$(dirname "$0")/outside_machine.bash"
# shellcheck disable=SC2034 # read by topology
PUBLISH_WEB='["8080:80", "5353:53/udp"]'

both() { # iptables arguments, for both families
	iptables -w "$@" && ip6tables -w "$@"
}

docker_user() {
	both -P FORWARD DROP
	both -N DOCKER-USER
	both -A FORWARD -j DOCKER-USER
	both -A DOCKER-USER -j RETURN
}

# Without what changes by itself, and without the tables that iptables makes by looking.
saved() {
	local tool

	for tool in iptables ip6tables; do
		$tool-save -t filter 2>&1 | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]//'
	done
}

ours() {
	saved | grep -c fastveth
}

# Everything works as on a host without a firewall.
open_ways() { # NAME
	sees "$1_out" web tcp $OUT4 80 outside $UP4
	sees "$1_out_ipv6" web tcp $OUT6 80 outside $UP6
	sees "$1_out_udp" web udp $OUT4 53 outside $UP4
	check "$1_out_ping" pings web $OUT4
	sees "$1_out_xdp" xa tcp $OUT4 80 outside $UP4
	sees "$1_in" outside tcp $UP4 8080 web $OUT4
	sees "$1_in_ipv6" outside tcp $UP6 8080 web $OUT6
	sees "$1_in_udp" outside udp $UP4 5353 web $OUT4
	sees "$1_hairpin" db tcp $UP4 8080 web 10.77.0.1
	sees "$1_from_another_network" peer tcp $UP4 8080 web 10.77.0.1
	sees "$1_localhost" host tcp 127.0.0.1 8080 web 10.77.0.1
	check "$1_fragments_inside" pings web 10.77.0.11 -s 4000
	check "$1_fragments_inside_ipv6" pings web fd77::b -s 4000
	sees "$1_inside" web tcp 10.77.0.11 80 db 10.77.0.10
	sees "$1_inside_internal" vault tcp 10.78.0.11 80 safe 10.78.0.10
}

# What is closed stays closed: a firewall that lets fv-* through is no reason to.
closed_ways() { # NAME
	refused "$1_unpublished" outside tcp 10.77.0.10 80 tcp fd77::a 80 udp 10.77.0.10 53 \
		tcp 10.79.0.10 80 tcp 10.78.0.10 80
	refused "$1_between_networks" web tcp 10.79.0.10 80 tcp fd79::a 80 tcp 10.78.0.10 80
	refused "$1_out_of_internal" vault tcp $OUT4 80 tcp $OUT6 80 tcp 10.77.0.10 80
	check_fails "$1_fragments_between_networks" pings web 10.79.0.10 -s 4000
}

reasons() {
	"$FASTVETH" status -j | jq -r '(.problems + .warnings)[] | select(test("be_liberal is 1") | not)'
}

# ---- the firewall was there before ----

before_us() {
	local before

	docker_user
	before=$(saved)
	check plan_says_it grep -q "^~ firewall forward" <("$FASTVETH" plan "$FV_TMP/lab.yaml")
	check up_says_it grep -q "^~ firewall forward" <("$FASTVETH" up "$FV_TMP/lab.yaml")
	check status_is_healthy "$FASTVETH" status
	# shellcheck disable=SC2086 # words
	servers $ALL
	check_equal rules_of_ours 6 "$(ours)"
	open_ways before
	closed_ways before
	check_equal up_again_changes_nothing "nothing to do" "$("$FASTVETH" up "$FV_TMP/lab.yaml")"
	check_equal rules_are_not_doubled 6 "$(ours)"

	# By the kernel's own path alone, where the firewall sees all.
	check programs_are_detached detach_programs
	watch fv-web fv-db
	open_ways before_slow
	closed_ways before_slow
	check firewall_saw_it [ "$(forwarded)" -ge 5 ]
	"$FASTVETH" up -q "$FV_TMP/lab.yaml"
	nft delete table inet watch

	# One network less, and another one: the rules stay as long as there is one.
	check one_down "$FASTVETH" down yard
	check_equal rules_stay 6 "$(ours)"
	sees others_still_go_out web tcp $OUT4 80 outside $UP4
	check all_down "$FASTVETH" down --all
	check_equal firewall_is_as_before "$before" "$(saved)"
}

# ---- it comes, or is loaded anew, while networks are up ----

after_us() {
	local before

	nft flush ruleset
	"$FASTVETH" up -q "$FV_TMP/lab.yaml"
	# shellcheck disable=SC2086 # words
	servers $ALL
	check_equal no_rules_where_none_are_needed 0 "$(ours)"
	docker_user
	before=$(saved)
	refused firewall_cuts_them_off web tcp $OUT4 80 tcp $OUT6 80
	check_fails status_sees_it "$FASTVETH" status
	check status_says_it grep -q firewall <(reasons)
	check up_repairs "$FASTVETH" up "$FV_TMP/lab.yaml"
	check status_is_healthy_again "$FASTVETH" status
	open_ways after
	closed_ways after
	both -F DOCKER-USER
	check_fails status_sees_that_rules_are_gone "$FASTVETH" status
	check up_repairs_again "$FASTVETH" up "$FV_TMP/lab.yaml"
	sees after_flush web tcp $OUT4 80 outside $UP4
	check_equal rules_again 6 "$(ours)"
	both -A DOCKER-USER -j RETURN
	check down_after "$FASTVETH" down --all
	check_equal firewall_is_left "$before" "$(saved)"
}

# ---- one that is nobody's but the administrator's ----

own_rules() {
	nft flush ruleset
	nft -f - <<-'END'
	table inet filter {
		chain forward {
			type filter hook forward priority 0; policy drop;
			ct state established,related accept
		}
	}
	END
	"$FASTVETH" up "$FV_TMP/lab.yaml" >"$FV_TMP/out" 2>"$FV_TMP/err"
	# shellcheck disable=SC2086 # words
	servers $ALL
	check note_says_what_to_do grep -q "^fastveth: note: table inet filter, chain forward" \
		"$FV_TMP/err"
	check_equal note_is_one_line 1 "$(wc -l <"$FV_TMP/err")"
	refused own_rules_cut_them_off web tcp $OUT4 80
	check status_warns grep -q "table inet filter, chain forward" <(reasons)
	sed -n 's/.*, run: //p' "$FV_TMP/err" >"$FV_TMP/hint"
	check hint_runs bash -e "$FV_TMP/hint"
	open_ways hinted
	closed_ways hinted
	# Of NAT old kernels know less.
	check_equal hint_is_gone "" "$(reasons | grep -v "flows with NAT stay slow")"
	check own_down "$FASTVETH" down --all
	check own_rules_stay nft list chain inet filter forward
}

uplink
topology >"$FV_TMP/lab.yaml"
servers outside
before_us
after_us
own_rules
finish
