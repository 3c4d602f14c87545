#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A firewall rule in one namespace stops traffic there, at once, and nowhere else: also for
# packets that take the shortcut, which the host's own netfilter never sees.
#
#	web 10.77.0.10 fd77::10 --+
#	db  10.77.0.11 fd77::11 --+-- host     each echoes on TCP 80, TCP 81
# kernel: any
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need intro_firewall ip jq nft socat

cat >"$FV_TMP/lab.yaml" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web: { address: 10.77.0.10, address6: "fd77::10" }
      db: { address: 10.77.0.11, address6: "fd77::11" }
END
WEB4=10.77.0.10 WEB6='[fd77::10]' DB4=10.77.0.11 DB6='[fd77::11]' HOST4=10.77.0.1 HOST6='[fd77::1]'

in_ns() { # NAMESPACE|host COMMAND...
	local ns=$1

	shift
	if [ "$ns" = host ]; then
		"$@"
	else
		ip netns exec "$ns" "$@"
	fi
}

servers() {
	local ns port

	for ns in web db host; do
		for port in 80 81; do
			in_ns $ns socat TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0 EXEC:cat &
		done
	done
}

# asks CLIENT ADDRESS PORT: an echo comes back.
asks() {
	local socket=TCP4

	[ "${2#\[}" = "$2" ] || socket=TCP6
	[ "$(echo hi | in_ns "$1" socat -t 1 - "$socket:$2:$3,connect-timeout=0.5" 2>&1)" = hi ]
}

# An open connection to web, kept over what happens to its rules.
open_talk() { # ADDRESS
	coproc TALK { in_ns db socat - "$1" 2>/dev/null; }
	exec {to}>&"${TALK[1]}" {from}<&"${TALK[0]}"
	# shellcheck disable=SC2153 # set by coproc
	talk_pid=$TALK_PID
}

close_talk() {
	exec {to}>&- {from}<&-
	kill "$talk_pid" 2>/dev/null
	wait "$talk_pid" 2>/dev/null
}

# say LINE SECONDS: and hear it again.
say() {
	local line

	echo "$1" >&"$to"
	hear "$1" "$2"
}

hear() { # LINE SECONDS
	local line

	read -r -t "$2" line <&"$from" && [ "$line" = "$1" ]
}

way() { # NAME rx|tx
	"$FASTVETH" stats -j "$1" | jq ".endpoints[0].$2.shortcut_packets"
}

# ---- the tools: deny TCP 80 and UDP 53 that come in, allow it again; packets stopped ----

nft_deny() {
	in_ns "$1" nft -f - <<-'END'
	table inet test {
		chain input {
			type filter hook input priority 0;
			tcp dport 80 counter drop
			udp dport 53 counter drop
		}
	}
	END
}

nft_allow() {
	in_ns "$1" nft delete table inet test
}

nft_stopped() { # NAMESPACE tcp|udp
	in_ns "$1" nft list chain inet test input | sed -n "s/.*$2 dport.*packets \([0-9]*\) .*/\1/p"
}

both() { # VARIANT NAMESPACE ARGUMENTS...
	local tool

	for tool in "iptables$1" "ip6tables$1"; do
		in_ns "$2" "$tool" -w "${@:3}" || return
	done
}

xt_deny() { # VARIANT NAMESPACE
	both "$1" "$2" -A INPUT -p tcp --dport 80 -j DROP &&
		both "$1" "$2" -A INPUT -p udp --dport 53 -j DROP
}

xt_allow() {
	both "$1" "$2" -F INPUT
}

xt_stopped() { # VARIANT NAMESPACE tcp|udp
	both "$1" "$2" -nvxL INPUT | awk -v proto="$3" '$0 ~ proto " dpt" { n += $1 } END { print n }'
}

iptables_deny() { xt_deny -nft "$@"; }
iptables_allow() { xt_allow -nft "$@"; }
iptables_stopped() { xt_stopped -nft "$@"; }
legacy_deny() { xt_deny -legacy "$@"; }
legacy_allow() { xt_allow -legacy "$@"; }
legacy_stopped() { xt_stopped -legacy "$@"; }

# ---- the cases ----

# Everything but TCP 80 of web works, whatever web's rules are.
elsewhere() { # NAME
	check "$1_other_port_of_web" asks db "$WEB4" 81
	check "$1_other_port_of_web_ipv6" asks db "$WEB6" 81
	check "$1_web_itself_reaches_db" asks web "$DB4" 80
	check "$1_web_itself_reaches_db_ipv6" asks web "$DB6" 80
	check "$1_host_reaches_db" asks host "$DB4" 80
	check "$1_db_reaches_host" asks db "$HOST4" 80
	check "$1_db_reaches_host_ipv6" asks db "$HOST6" 80
	check "$1_host_reaches_itself" asks host 127.0.0.1 80
}

denied_in_web() { # TOOL: nft, iptables, legacy
	local tool=$1 host db before stopped i

	check "${tool}_before" asks db "$WEB4" 80
	check "${tool}_before_ipv6" asks db "$WEB6" 80
	check "${tool}_before_from_host" asks host "$WEB4" 80
	open_talk "TCP4:$WEB4:80"
	check "${tool}_talk_before" say one 2
	host=$(nft list ruleset) db=$(in_ns db nft list ruleset)

	check "${tool}_rule_is_added" "${tool}_deny" web
	before=$(way web rx)
	check_fails "${tool}_open_connection_is_stopped_at_once" say two 0.3
	check_fails "${tool}_new_connection_is_stopped" asks db "$WEB4" 80
	check_fails "${tool}_new_connection_is_stopped_ipv6" asks db "$WEB6" 80
	check_fails "${tool}_new_connection_from_host_is_stopped" asks host "$WEB4" 80
	check "${tool}_rule_stopped_it" [ "$("${tool}_stopped" web tcp)" -ge 4 ]
	check "${tool}_it_had_taken_the_shortcut" [ "$(way web rx)" -ge $((before + 3)) ]
	elsewhere "$tool"
	check_equal "${tool}_rules_of_host_are_the_same" "$host" "$(nft list ruleset)"
	check_equal "${tool}_rules_of_db_are_the_same" "$db" "$(in_ns db nft list ruleset)"

	# To the packet: none came by the host, and each was stopped by the rule.
	before=$(way web rx) stopped=$("${tool}_stopped" web udp)
	for i in 1 2 3 4 5; do
		echo $i | in_ns db socat -u - "UDP4-SENDTO:$WEB4:53"
		echo $i | in_ns db socat -u - "UDP6-SENDTO:$WEB6:53"
	done
	check "${tool}_datagrams_came_by_the_shortcut" [ "$(way web rx)" -ge $((before + 10)) ]
	check_equal "${tool}_datagrams_did_not_come_by_the_host" 0 \
		"$(nft -j list counter inet watch forwarded | jq '.nftables[1].counter.packets')"
	check_equal "${tool}_datagrams_were_stopped" $((stopped + 10)) \
		"$("${tool}_stopped" web udp)"

	check "${tool}_rule_is_taken_away" "${tool}_allow" web
	check "${tool}_open_connection_goes_on" hear two 10
	check "${tool}_open_connection_works" say three 2
	close_talk
	check "${tool}_after" asks db "$WEB4" 80
	check "${tool}_after_ipv6" asks db "$WEB6" 80
	check "${tool}_after_from_host" asks host "$WEB4" 80
}

# The sender's own rule stops a packet before it comes to the shortcut.
denied_on_the_way_out() {
	local sent

	in_ns db nft -f - <<-'END'
	table inet test {
		chain output {
			type filter hook output priority 0;
			udp dport 53 counter drop
		}
	}
	END
	sent=$(way db tx)
	echo hi | in_ns db socat -u - "UDP4-SENDTO:$WEB4:53" 2>/dev/null
	check_equal rule_of_the_sender "$sent" "$(way db tx)"
	echo hi | in_ns db socat -u - "UDP4-SENDTO:$WEB4:54"
	check_equal other_ports_of_the_sender $((sent + 1)) "$(way db tx)"
	in_ns db nft delete table inet test
}

# A rule of the host is the host's: namespaces reach each other, not it.
denied_on_the_host() {
	nft_deny host
	check_fails rule_of_the_host_stops_db asks db "$HOST4" 80
	check_fails rule_of_the_host_stops_web_ipv6 asks web "$HOST6" 80
	check rule_of_the_host_leaves_namespaces asks db "$WEB4" 80
	check rule_of_the_host_leaves_namespaces_ipv6 asks web "$DB6" 80
	check rule_of_the_host_leaves_other_ports asks db "$HOST4" 81
	check_equal rule_of_the_host_is_nowhere_else "" "$(in_ns web nft list ruleset)"
	nft_allow host
}

# What needs to see every packet of a connection, and changes some: state and NAT inside.
stateful() {
	in_ns web nft -f - <<-'END'
	table inet test {
		chain input {
			type filter hook input priority 0;
			ct state established,related accept
			ct status dnat accept
			icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
			counter drop
		}
		chain prerouting {
			type nat hook prerouting priority dstnat;
			tcp dport 8080 redirect to :81
		}
	}
	END
	check stateful_lets_out asks web "$DB4" 80
	check stateful_lets_out_ipv6 asks web "$DB6" 80
	check_fails stateful_lets_nothing_in asks db "$WEB4" 80
	check_fails stateful_lets_nothing_in_ipv6 asks db "$WEB6" 80
	check redirected_inside asks db "$WEB4" 8080
	check redirected_inside_ipv6 asks db "$WEB6" 8080
	check_fails redirected_in_web_alone asks web "$DB4" 8080
	in_ns web nft delete table inet test
}

check up "$FASTVETH" up "$FV_TMP/lab.yaml"
servers
for ns in web db host; do
	check "servers_of_$ns" wait_for 5 asks $ns 127.0.0.1 81
done
nft -f - <<-'END'
	table inet watch {
		counter forwarded { }
		chain forward {
			type filter hook forward priority -10;
			udp dport 53 counter name forwarded
		}
	}
END
denied_in_web nft
if command -v iptables-nft >/dev/null; then
	denied_in_web iptables
	# Its tables stay, empty; what follows looks at whole rulesets.
	for ns in web db host; do
		in_ns $ns nft delete table ip filter 2>/dev/null
		in_ns $ns nft delete table ip6 filter 2>/dev/null
	done
else
	skip iptables "iptables-nft is not installed"
fi
if iptables-legacy -L >/dev/null 2>&1; then
	denied_in_web legacy
else
	skip legacy "iptables-legacy does not work here"
fi
denied_on_the_way_out
denied_on_the_host
stateful
check_equal nothing_was_dropped_by_us '{}' \
	"$("$FASTVETH" stats -j | jq -c '[.endpoints[].drop] | add')"
check down "$FASTVETH" down
finish
