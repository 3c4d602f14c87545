#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An edited file: `up` changes what differs and nothing else; a connection of endpoints
# that are not concerned goes on, its packets all on the shortcut. The network: path_lab.bash.
# kernel: any
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need life_change ip jq ping socat ss

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"

up() { # CASE WANTED_ACTIONS: "op kind name" lines that must be among what is done, and no others on endpoints
	local got

	got=$("$FASTVETH" up -j "$FV_TMP/lab.yaml" | jq -r '.actions[] |
		select(.kind == "endpoint" or .kind == "network") | "\(.op) \(.kind) \(.name)"' | sort)
	check_equal "$1" "$2" "$got"
	check "$1_healthy" "$FASTVETH" status -q
	check_equal "$1_again_changes_nothing" false "$("$FASTVETH" up -j "$FV_TMP/lab.yaml" | jq .changed)"
}

# What an endpoint that nobody touches has: its devices, addresses, routes, programs.
fingerprint() { # NAME
	ip -d -o link show "fv-$1" | sed 's/ promiscuity.*//'
	ip -n "$1" -o addr
	ip -n "$1" route
	ip -n "$1" -6 route
	stat -L -c %i "/run/netns/$1"
	"$FASTVETH" inspect -j | jq -c --arg d "fv-$1" '[.links[] | select(.device == $d)]'
}

retransmits() {
	at a nstat -asz TcpRetransSegs TcpEstabResets TcpActiveOpens | awk '!/^#/ { print $1, $2 }'
}

lab tcx
at b socat TCP4-LISTEN:5002,reuseaddr EXEC:cat &
wait_for 3 listening b 5002
mkfifo "$FV_TMP/in"
at a socat TCP4:$B4:5002 - <"$FV_TMP/in" >"$FV_TMP/echo" &
exec 7>"$FV_TMP/in"
echo first >&7
wait_for 3 grep -q first "$FV_TMP/echo"
a=$(fingerprint a) b=$(fingerprint b) tcp=$(retransmits) inode_c=$(stat -L -c %i /run/netns/c)

sed -i 's/fd77::12" }/fd77::12" }\n      d: {}/' "$FV_TMP/lab.yaml"
up one_more 'create endpoint lab/d'
check one_more_is_reached at a ping -q -c 1 -W 1 10.77.0.2

sed -i 's/10.77.0.12/10.77.0.99/' "$FV_TMP/lab.yaml"
up new_address 'change endpoint lab/c'
check new_address_is_reached at a ping -q -c 1 -W 1 10.77.0.99
check_fails old_address_is_not at a ping -q -c 1 -W 1 10.77.0.12
check_equal new_address_same_namespace "$inode_c" "$(stat -L -c %i /run/netns/c)"

sed -i '/ d: {}/d' "$FV_TMP/lab.yaml"
up one_less 'remove endpoint lab/d'
check one_less_is_gone test ! -e /run/netns/d

cat >>"$FV_TMP/lab.yaml" <<-END
	  other:
	    subnet: 10.78.0.0/24
	    hook: $XDP
	    namespaces: { x: {}, y: {} }
END
up another_network "$(printf '%s\n' 'create endpoint other/x' 'create endpoint other/y' 'create network other')"
check another_network_is_reached at x ping -q -c 1 -W 1 10.78.0.3
sed -i 's/hook: xdp/hook: tc/' "$FV_TMP/lab.yaml"
has_hook xdp && up other_hook "$(printf '%s\n' 'change endpoint other/x' 'change endpoint other/y')"
check other_hook_is_reached at x ping -q -c 1 -W 1 10.78.0.3
check_equal other_hook_is_used $TC "$("$FASTVETH" status -j | jq -r '.ports[] | select(.endpoint == "x").hook')"
check other_hook_offloads_again at x bash -c 'ethtool -k eth0 | grep -q "tcp-segmentation-offload: on"'

check down_of_one "$FASTVETH" down -q other
check_fails down_of_one_is_gone ip netns exec x true

echo last >&7
wait_for 3 grep -q last "$FV_TMP/echo"
check_equal connection_goes_on "$(printf 'first\nlast')" "$(cat "$FV_TMP/echo")"
check_equal connection_lost_nothing "$tcp" "$(retransmits)"
check_equal untouched_a "$a" "$(fingerprint a)"
check_equal untouched_b "$b" "$(fingerprint b)"
exec 7>&-
finish
