#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Hosts whose firewall drops forwarded packets: Docker's and ufw's chains get our rules, in a
# form that iptables goes on to understand, and lose them again; for others the hint's own
# command is run, and must help. The machine is drawn in nat_machine.bash; of it, web and db
# (one network) and the outside are used.
# kernel: any
# timeout: 240
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need nat_hostfw ip ip6tables iptables iptables-restore iptables-save nft ping socat
# shellcheck source=tests/e2e/nat_machine.bash
. "$(dirname "$0")/nat_machine.bash"

NETWORKS="
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web: { address: 10.77.0.10, address6: 'fd77::a', publish: ['8080:80'] }
"

# ---- what is asked, again and again ----

hostfw() { # apply|check|remove [UPLINK...]
	local verb=$1

	shift
	"$NAT" "hostfw-$verb" "$@"
}

# passes NAME: web and db reach each other and the outside, and are reached where published.
passes() {
	sees "$1_inside" web TCP4:10.77.0.11:80 db 10.77.0.10
	sees "$1_inside_ipv6" web "TCP6:[fd77::b]:80" db fd77::a
	sees "$1_out" web TCP4:192.0.2.2:80 outside 192.0.2.1
	sees "$1_out_ipv6" web "TCP6:[2001:db8::2]:80" outside 2001:db8::1
	sees "$1_in" outside TCP4:192.0.2.1:8080 web 192.0.2.2
	sees "$1_in_ipv6" outside "TCP6:[2001:db8::1]:8080" web 2001:db8::2
	refused "$1_unpublished" outside TCP4:10.77.0.10:80
}

# stuck NAME: the firewall does cut them off.
stuck() {
	refused "$1_out_before" web TCP4:192.0.2.2:80
	refused "$1_inside_before" web TCP4:10.77.0.11:80
}

# Without what changes by itself.
saved() {
	local tool

	for tool in iptables ip6tables; do
		$tool-save 2>&1 | sed -E '/^#.*(Generated|Completed)/d; s/\[[0-9]+:[0-9]+\]//'
	done
}

# Rules of ours as iptables prints them.
ours() { # iptables|ip6tables CHAIN
	"$1" -S "$2" | grep -- "--comment fastveth" | sed 's/ -m comment --comment fastveth//'
}

RULES=("-i fv-+ -o fv-+ -j ACCEPT" "-i fv-+ -o up0 -j ACCEPT" "-i up0 -o fv-+ -j ACCEPT")

wanted() { # CHAIN
	printf -- "-A $1 %s\\n" "${RULES[@]}"
}

both() { # iptables arguments, for both families
	iptables "$@" && ip6tables "$@"
}

clean() {
	nft flush ruleset
	apply "$NETWORKS"
}

# hinted NAME: what the hint says can be run as it is, and helps.
hinted() {
	local out

	out=$(hostfw apply up0)
	check "$1_is_hinted" [ "$(head -n 1 <<<"$out")" = "changed: no" ]
	sed -n 's/.*, run: //p' <<<"$out" >"$FV_TMP/hints"
	check "$1_hint_runs" bash -e "$FV_TMP/hints"
	passes "$1"
	check_equal "$1_hint_is_gone" "changed: no" "$(hostfw apply up0)"
}

# ---- the firewalls ----

without() {
	local before

	before=$(nft list ruleset)
	check_equal open_host_needs_nothing "changed: no" "$(hostfw apply up0)"
	check_equal open_host_is_left_alone "$before" "$(nft list ruleset)"
}

docker() { # [RETURN]
	both -P FORWARD DROP
	both -N DOCKER
	both -N DOCKER-USER
	both -A FORWARD -j DOCKER-USER
	both -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	both -A FORWARD -o docker0 -j DOCKER
	both -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
	[ $# = 0 ] || both -A DOCKER-USER -j RETURN
}

docker_with_return() {
	local before

	clean
	docker RETURN
	before=$(saved)
	stuck docker
	check_equal docker_check_says_so "changed: yes" "$(hostfw check up0)"
	check_equal docker_check_changes_nothing "$before" "$(saved)"
	check_equal docker_is_changed "changed: yes" "$(hostfw apply up0)"
	passes docker
	check_equal docker_check_is_satisfied "changed: no" "$(hostfw check up0)"
	check_equal docker_again "changed: no" "$(hostfw apply up0)"
	check_equal docker_rules "$(wanted DOCKER-USER)" "$(ours iptables DOCKER-USER)"
	check_equal docker_rules_ipv6 "$(wanted DOCKER-USER)" "$(ours ip6tables DOCKER-USER)"
	check_equal docker_return_is_last "-A DOCKER-USER -j RETURN" \
		"$(iptables -S DOCKER-USER | tail -n 1)"
	check_equal iptables_understands_the_table "" "$(saved | grep -i incompat)"

	hostfw apply wan1 >"$FV_TMP/out"
	check_equal docker_other_uplink "$(wanted DOCKER-USER | sed s/up0/wan1/)" \
		"$(ours iptables DOCKER-USER)"
	hostfw apply >"$FV_TMP/out"
	check_equal docker_no_uplink "$(wanted DOCKER-USER | head -n 1)" \
		"$(ours iptables DOCKER-USER)"
	hostfw apply up0 wan1 >"$FV_TMP/out"
	check_equal docker_two_uplinks 5 "$(ours iptables DOCKER-USER | wc -l)"
	check docker_remove hostfw remove
	check_equal docker_is_as_before "$before" "$(saved)"
	check docker_remove_again hostfw remove
	check_equal docker_is_as_before_again "$before" "$(saved)"
}

# What the administrator denied comes first, before and after iptables-restore wrote all anew.
docker_without_return() {
	clean
	docker
	iptables -A DOCKER-USER -i fv-+ -p tcp --dport 80 -d 192.0.2.2 -j DROP
	hostfw apply up0 >"$FV_TMP/out"
	check_equal docker28_rules "$(wanted DOCKER-USER)" "$(ours iptables DOCKER-USER)"
	refused docker_deny_rule_stays web TCP4:192.0.2.2:80
	sees docker_deny_rule_is_that_one web "TCP6:[2001:db8::2]:80" outside 2001:db8::1
	iptables -D DOCKER-USER -i fv-+ -p tcp --dport 80 -d 192.0.2.2 -j DROP
	passes docker28
	iptables -A DOCKER-USER -i fv-+ -p tcp --dport 80 -d 192.0.2.2 -j DROP
	check_equal docker_later_deny_rule_is_seen "changed: yes" "$(hostfw apply up0)"
	refused docker_later_deny_rule_comes_first web TCP4:192.0.2.2:80
	check_equal docker_later_deny_rule_once "changed: no" "$(hostfw apply up0)"
	iptables -D DOCKER-USER -i fv-+ -p tcp --dport 80 -d 192.0.2.2 -j DROP
	iptables-save >"$FV_TMP/rules"
	check iptables_restores_them iptables-restore "$FV_TMP/rules"
	check_equal restored_rules_count "changed: no" "$(hostfw apply up0)"
	check_equal restored_rules_are_not_doubled "$(wanted DOCKER-USER)" \
		"$(ours iptables DOCKER-USER)"
	both -P FORWARD ACCEPT
	check_equal open_policy_takes_ours_back "changed: yes" "$(hostfw apply up0)"
	check_equal open_policy_needs_none "" "$(ours ip6tables DOCKER-USER)"
}

# An accept in DOCKER-USER would pass over ufw's own rules, which come after it.
ufw() {
	local tool v

	clean
	docker RETURN
	hostfw apply up0 >"$FV_TMP/out"
	for v in "" 6; do
		tool=ip${v}tables
		for chain in before-forward user-forward after-forward; do
			$tool -N "ufw$v-$chain"
		done
		$tool -A FORWARD -j "ufw$v-before-forward"
		$tool -A FORWARD -j "ufw$v-after-forward"
		$tool -A "ufw$v-before-forward" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		$tool -A "ufw$v-before-forward" -j "ufw$v-user-forward"
	done
	iptables -A ufw-user-forward -i fv-web -d 192.0.2.2 -j DROP
	check_equal ufw_is_changed "changed: yes" "$(hostfw apply up0)"
	check_equal ufw_rules "$(wanted ufw-user-forward)" "$(ours iptables ufw-user-forward)"
	check_equal ufw_rules_ipv6 "$(wanted ufw6-user-forward)" "$(ours ip6tables ufw6-user-forward)"
	check_equal ufw_takes_them_from_docker "" "$(ours iptables DOCKER-USER)"
	refused ufw_deny_rule_stays web TCP4:192.0.2.2:80
	iptables -D ufw-user-forward -i fv-web -d 192.0.2.2 -j DROP
	passes ufw
	# ufw disabled: its chains are there, but nothing leads to them.
	iptables -D FORWARD -j ufw-before-forward
	hostfw apply up0 >"$FV_TMP/out"
	check_equal ufw_disabled "$(wanted DOCKER-USER)" "$(ours iptables DOCKER-USER)"
	check_equal ufw_disabled_has_none "" "$(ours iptables ufw-user-forward)"
	hostfw remove
	check_equal ufw_remove "" "$(saved | grep fastveth)"
}

own_iptables() {
	clean
	both -P FORWARD DROP
	stuck iptables
	hinted iptables
	clean
	both -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	both -A FORWARD -j REJECT
	stuck reject
	hinted reject
}

own_nftables() {
	clean
	nft -f - <<-'END'
	table inet filter {
		chain forward {
			type filter hook forward priority 0; policy drop;
			ct state established,related accept
		}
	}
	END
	stuck nftables
	check nftables_hint_names_it grep -q "^table inet filter, chain forward drops" \
		<(hostfw check up0)
	hinted nftables
	# A name that nft itself cannot read.
	nft -j -f - <<-'END'
	{"nftables": [{"add": {"table": {"family": "ip", "name": "a b"}}},
		{"add": {"chain": {"family": "ip", "table": "a b", "name": "f", "type": "filter",
			"hook": "forward", "prio": 0, "policy": "drop"}}}]}
	END
	check unreadable_table_is_hinted grep -q "^table ip a b, .* through, accept iifname" \
		<(hostfw apply up0)
}

# As firewalld makes it, as far as the way of our packets goes.
firewalld() {
	clean
	nft -f - <<-'END'
	table inet firewalld {
		chain filter_FORWARD {
			type filter hook forward priority filter + 10; policy accept;
			ct state { established, related } accept
			ct status dnat accept
			iifname "lo" accept
			jump filter_FORWARD_ZONES
			ct state { invalid } drop
			reject with icmpx admin-prohibited
		}
		chain filter_FORWARD_ZONES {
			iifname "docker0" goto filter_FWD_docker
		}
		chain filter_FWD_docker {
			accept
		}
	}
	END
	stuck firewalld
	check firewalld_is_hinted grep -q "run: firewall-cmd --zone=trusted --add-interface=fv-+ " \
		<(hostfw apply up0)
	nft insert rule inet firewalld filter_FORWARD_ZONES iifname '"fv-*"' goto filter_FWD_docker
	passes firewalld
	check_equal firewalld_hint_is_gone "changed: no" "$(hostfw apply up0)"
}

legacy() {
	clean
	if ! iptables-legacy -P FORWARD DROP 2>"$FV_TMP/err"; then
		skip legacy "iptables-legacy does not work here: $(head -n 1 "$FV_TMP/err")"
		return
	fi
	ip6tables-legacy -P FORWARD DROP
	stuck legacy
	hinted legacy
	iptables-legacy -F
	iptables-legacy -N DOCKER-USER
	check legacy_docker_is_hinted grep -q "run: iptables-legacy -I DOCKER-USER -i fv-+" \
		<(hostfw check up0)
	iptables-legacy -P FORWARD ACCEPT
	ip6tables-legacy -P FORWARD ACCEPT
}

check machine_is_built machine
apply "$NETWORKS"
servers
check servers_are_up wait_for 5 listening
without
docker_with_return
docker_without_return
ufw
own_iptables
own_nftables
firewalld
legacy
expect_fail uplink_with_a_quote 1 "cannot be written into a firewall rule" hostfw apply 'a"b'
finish
