#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# One edit of the file after another: `up` does just that, what the file says then holds, and pings and
# a TCP connection between two endpoints go on through all of it without losing a packet. The host:
# life_lab.bash.
#
#	lab: a b c    other: x y
# kernel: any
# timeout: 150
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
if [ "${FV_VM:-}" = 1 ]; then
	skip life_edit "ten minutes in an emulated machine, and the same on every kernel"
	finish
fi
fv_isolate "$@"
need life_edit ethtool ip jq nft nstat ping socat ss unshare

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "$0")/life_lab.bash"
FILE=$FV_TMP/lab.yaml

cat >"$FILE" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    mtu: 1500
    hook: tc
    namespaces:
      a: { address: 10.77.0.10 }
      b: { address: 10.77.0.11 }
      c: { address: 10.77.0.12 }
  other:
    subnet: 10.78.0.0/24
    mtu: 1500
    hook: tc
    internal: false
    namespaces:
      x: {}
      y: { address: 10.78.0.20 }
END

# All of an endpoint that nobody edits.
untouched() { # NAME...
	local name

	for name; do
		ip -d -o link show "fv-$name" | sed 's/ promiscuity.*//; s/link-netns.*//'
		ip route show dev "fv-$name"
		ip neigh show dev "fv-$name" nud permanent
		ip -n "$name" -o -d link | sed 's/ promiscuity.*//'
		ip -n "$name" -o addr
		ip -n "$name" route
		ip -n "$name" -6 route
		stat -L -c %i "/run/netns/$name"
		"$FASTVETH" inspect -j |
			jq -c --arg d "fv-$name" '[.links[] | select(.device == $d)]'
	done
}

# edit CASE WANTED SED...: these are all the networks, endpoints and shares that `up` names; a second
# `up` names none; nothing else of a and b is different.
edit() {
	local case=$1 wanted=$2 plan got

	shift 2
	sed -i -E "$@" "$FILE"
	plan=$("$FASTVETH" plan -j "$FILE" | jq -c .actions)
	got=$("$FASTVETH" up -j "$FILE" | jq -c .actions)
	check_equal "$case" "$wanted" "$(jq -r '.[] | select(.kind == "endpoint" or
		.kind == "network" or .kind == "share") | "\(.op) \(.name)"' <<<"$got" |
		sort | xargs)"
	check_equal "${case}_as_planned" "$plan" "$got"
	changes "${case}_then_nothing" false "$FASTVETH" up "$FILE"
	check "${case}_healthy" healthy
	[ -z "$UNTOUCHED" ] || check_equal "${case}_alone" "$UNTOUCHED" "$(untouched a b)"
}

traffic() {
	ip netns exec a ping -q -i 0.005 -c 100000 -W 1 10.77.0.11 >"$FV_TMP/ping" &
	PINGS=$!
	ip netns exec b socat TCP6-LISTEN:7000,reuseaddr EXEC:cat &
	wait_for 3 listening b 7000
	mkfifo "$FV_TMP/in"
	ip netns exec a socat "TCP6:[$B6]:7000" - <"$FV_TMP/in" >"$FV_TMP/echo" &
	exec 7>"$FV_TMP/in"
	says first
}

listening() { # NAMESPACE PORT
	at "$1" ss -Hlnt "sport = :$2" | grep -q .
}

says() { # WORD: it comes back
	echo "$1" >&7
	wait_for 3 grep -q "$1" "$FV_TMP/echo"
}

tcp_counts() {
	at a nstat -asz TcpRetransSegs TcpEstabResets TcpActiveOpens TcpOutRsts |
		awk '!/^#/ { print $1, $2 }'
}

traffic_ends() { # CASE
	check "$1_connection_goes_on" says "last-$1"
	kill -INT $PINGS
	wait $PINGS
	check_equal "$1_no_ping_is_lost" "" "$(sed -nE 's/^([0-9]+) packets.* ([0-9]+) received.*/\1 \2/p' \
		"$FV_TMP/ping" | awk '$1 < 100 || $1 != $2')"
}

life_host
forwarding 0
BEFORE=$(host_now)
check up "$FASTVETH" -q up "$FILE"
B6=$("$FASTVETH" list -j | jq -r '.endpoints[] | select(.name == "b").addresses[1]')
UNTOUCHED=$(untouched a b)
TCP=
traffic
TCP=$(tcp_counts)

# ---- endpoints ----

edit one_more "create lab/d" 's/^( +)c: .*/&\n\1d: {}/'
reaches_shortly one_more_works a d 10.77.0.2
inode=$(stat -L -c %i /run/netns/c)
edit other_address "change lab/c" 's/10.77.0.12/10.77.0.99/'
reaches_shortly other_address_works a c 10.77.0.99
check_fails old_address_is_gone reaches a 10.77.0.12
check_equal other_address_same_namespace "$inode" "$(stat -L -c %i /run/netns/c)"
edit addresses_swapped "change lab/c change lab/d" \
	's/c: .*/c: { address: 10.77.0.50 }/; s/d: .*/d: { address: 10.77.0.99 }/'
reaches_shortly addresses_swapped_d a d 10.77.0.99
reaches_shortly addresses_swapped_c a c 10.77.0.50
edit address_given_to_a_new_one "create lab/e remove lab/d" 's/d: /e: /'
reaches_shortly address_given_to_a_new_one_works a e 10.77.0.99
edit published "change lab/e" 's/(e: .*) \}/\1, publish: ["8080:80\/tcp"] }/'
start_web() {
	ip netns exec e socat TCP4-LISTEN:80,reuseaddr,fork SYSTEM:'echo e' >/dev/null 2>&1 &
	wait_for 3 listening e 80
}
start_web
answers() { # ADDRESS
	[ "$(socat -t 1 - "TCP4:$1,connect-timeout=1" </dev/null)" = e ]
}
check published_answers answers 192.0.2.1:8080
edit published_elsewhere "" 's/8080:80/8081:80/'
check published_elsewhere_answers answers 192.0.2.1:8081
check_fails published_no_longer_here answers 192.0.2.1:8080
edit unpublished "" 's/, publish: .*\]//'
check_fails unpublished_does_not_answer answers 192.0.2.1:8081
edit interface_inside "change lab/c" 's/(c: .*) \}/\1, ifname: net7 }/'
check_equal interface_inside_is_named net7 "$(ip -n c -j link | jq -r '.[].ifname' | grep -vx lo)"
reaches_shortly interface_inside_works a c 10.77.0.50
edit shared "create s" 's/^( +)e: .*/&\n\1s: { share: a }/'
check_equal shared_is_the_same "$(stat -L -c %i /run/netns/a)" "$(stat -L -c %i /run/netns/s)"
edit shared_otherwise "create s" 's/share: a/share: b/'
check_equal shared_otherwise_is_the_other "$(stat -L -c %i /run/netns/b)" \
	"$(stat -L -c %i /run/netns/s)"
# What an up cannot do in one go is said, with what to do first, and changes nothing.
refused() { # CASE TEXT SED...
	local case=$1 text=$2

	shift 2
	cp "$FILE" "$FV_TMP/kept.yaml"
	sed -i -E "$@" "$FILE"
	expect_fail "$case" 1 "$text" "$FASTVETH" up "$FILE"
	cp "$FV_TMP/kept.yaml" "$FILE"
	changes "${case}_changed_nothing" false "$FASTVETH" up "$FILE"
}
refused share_becomes_an_endpoint 'a second name for "b" now: remove it first (fastveth del s)' \
	's/^( +)s: .*/\1s: { address: 10.77.0.70 }/'
edit endpoints_go "remove lab/e remove lab/s" '/^ +[es]: /d'

# ---- the other network ----

edit mtu "change other/x change other/y" '/other:/,$ s/mtu: 1500/mtu: 3400/'
check mtu_is_used ip netns exec x ping -q -c 1 -W 1 -M "do" -s 3372 10.78.0.20
if has_hook xdp; then
	edit hook_xdp "change other/x change other/y" '/other:/,$ s/hook: tc/hook: xdp/'
	reaches_shortly hook_xdp_works x y 10.78.0.20
	check_equal hook_xdp_is_used xdp "$("$FASTVETH" status -j |
		jq -r '.ports[] | select(.endpoint == "x").hook')"
	edit hook_tc "change other/x change other/y" '/other:/,$ s/hook: xdp/hook: tc/'
	reaches_shortly hook_tc_works x y 10.78.0.20
fi
check hook_tc_has_its_offloads sh -c 'ip netns exec x ethtool -k eth0 |
	grep -q "^tcp-segmentation-offload: on"'
edit other_subnet "change other change other/x change other/y" 's/10\.78\.0\./10.88.0./'
reaches_shortly other_subnet_works x y 10.88.0.20
check_fails old_subnet_is_gone reaches host 10.78.0.20
edit one_more_family "change other change other/x change other/y" 's/^( +)subnet: 10.88.*/&\n\1subnet6: fd88::\/64/'
reaches_shortly one_more_family_works x y "$("$FASTVETH" list -j |
	jq -r '.endpoints[] | select(.name == "y").addresses[1]')"
edit one_family_less "change other/x change other/y" '/subnet6: fd88/d'
check_equal one_family_less_is_gone "" "$(ip -n x -6 -o addr show dev eth0)"
edit internal "" 's/internal: false/internal: true/'
check_fails internal_has_no_way_out reaches x 192.0.2.2
edit open_again "" 's/internal: true/internal: false/'
check open_again_has_one reaches x 192.0.2.2
refused moved 'endpoint "y" is in network "other" now: remove it first (fastveth del y)' \
	'/ y: /d; s/^( +)c: .*/&\n\1y: { address: 10.77.0.20 }/'
refused renamed 'is also one of network "other"' 's/^  other:/  elsewhere:/'
check_equal untouched_connection "$TCP" "$(tcp_counts)"
traffic_ends untouched

# ---- their own network: not untouched, and yet they go on ----

UNTOUCHED=
edit own_mtu "change lab/a change lab/b change lab/c" '/lab:/,/other:/ s/mtu: 1500/mtu: 3000/'
check own_mtu_is_used ip netns exec a ping -q -c 1 -W 1 -M "do" -s 2972 10.77.0.11
check own_mtu_connection_goes_on says mtu
if [ $XDP = xdp ]; then
	edit own_hook "change lab/a change lab/b change lab/c" '/lab:/,/other:/ s/hook: tc/hook: xdp/'
	check own_hook_connection_goes_on says xdp
	reaches_shortly own_hook_works a b 10.77.0.11
	edit own_hook_back "change lab/a change lab/b change lab/c" \
		'/lab:/,/other:/ s/hook: xdp/hook: tc/'
fi
check own_hook_back_connection_goes_on says back
reaches_shortly own_hook_back_works a b 10.77.0.11
check_equal never_reset "TcpEstabResets 0" "$(tcp_counts | grep TcpEstabResets)"
exec 7>&-

check down "$FASTVETH" -q down --all
check_host host_is_as_before "$BEFORE"
finish
