# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The machine in which nat_rules.sh and nat_hostfw.sh work, and the servers and clients that
# tell what passes and as whom. Links are made with ip(8), rules by build/tests/unit/root_nat.
#
#	outside --------- up0 [host] fv-web ---- web    lab:  10.77.0.10 fd77::a
#	192.0.2.2  192.0.2.1         fv-db ----- db           10.77.0.11 fd77::b
#	2001:db8::2  2001:db8::1     fv-peer --- peer   yard: 10.79.0.10 fd79::a
#	                             fv-vault -- vault  dark: 10.78.0.10 fd78::a, internal
#	                             fv-safe --- safe         10.78.0.11 fd78::b

NAT=$FV_ROOT/build/tests/unit/root_nat
GROUP=$((0x0f570000))

endpoint() { # NAME NETWORK_ID ADDRESS4 ADDRESS6 GATEWAY4 GATEWAY6
	local name=$1 group=$((GROUP + $2)) port_mac mac

	ip netns add "$name"
	ip link add "fv-$name" type veth peer name eth0 netns "$name"
	ip link set "fv-$name" group "$group" addrgenmode none up
	ip -n "$name" link set lo up
	ip -n "$name" link set eth0 up
	port_mac=$(cat "/sys/class/net/fv-$name/address")
	mac=$(ip netns exec "$name" cat /sys/class/net/eth0/address)
	ip -n "$name" addr add "$3/32" dev eth0
	ip -n "$name" addr add "$4/128" dev eth0 nodad
	ip -n "$name" neigh add "$5" lladdr "$port_mac" dev eth0 nud permanent
	ip -n "$name" neigh add "$6" lladdr "$port_mac" dev eth0 nud permanent
	ip -n "$name" route add default via "$5" dev eth0 onlink
	ip -n "$name" -6 route add default via "$6" dev eth0 onlink
	ip neigh add "$3" lladdr "$mac" dev "fv-$name" nud permanent
	ip neigh add "$4" lladdr "$mac" dev "fv-$name" nud permanent
	ip route add "$3" dev "fv-$name" src "$5"
	ip -6 route add "$4" dev "fv-$name" src "$6"
	sysctl -qw "net.ipv4.conf.fv-$name.route_localnet=1"
}

machine() {
	local gw

	# Of a host where fastveth is up; /etc is a copy.
	rm -rf /etc/netns
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip link set up0 up
	ip addr add 192.0.2.1/24 dev up0
	ip addr add 2001:db8::1/64 dev up0 nodad
	ip -n outside link set lo up
	ip -n outside link set eth0 up
	ip -n outside addr add 192.0.2.2/24 dev eth0
	ip -n outside addr add 2001:db8::2/64 dev eth0 nodad
	# It knows the way to every network: only the rules keep it out.
	ip -n outside route add 10.0.0.0/8 via 192.0.2.1
	ip -n outside -6 route add fd00::/8 via 2001:db8::1
	for gw in 10.77.0.1/32 10.78.0.1/32 10.79.0.1/32 fd77::1/128 fd78::1/128 fd79::1/128; do
		ip addr add "$gw" dev lo
	done
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	endpoint web 1 10.77.0.10 fd77::a 10.77.0.1 fd77::1
	endpoint db 1 10.77.0.11 fd77::b 10.77.0.1 fd77::1
	endpoint vault 2 10.78.0.10 fd78::a 10.78.0.1 fd78::1
	endpoint safe 2 10.78.0.11 fd78::b 10.78.0.1 fd78::1
	endpoint peer 3 10.79.0.10 fd79::a 10.79.0.1 fd79::1
}

at() { # NAMESPACE|host COMMAND...
	local ns=$1

	shift
	if [ "$ns" = host ]; then
		"$@"
	else
		ip netns exec "$ns" "$@"
	fi
}

# A server answers with its name and the address that it sees as the client's.
serve() { # NAMESPACE SOCAT_ADDRESS [NAME]
	at "$1" socat -t 3 "$2,fork,reuseaddr" "SYSTEM:read -r line; echo ${3:-$1} \$SOCAT_PEERADDR" 2>/dev/null &
}

# So that an address in an answer is spelled in one way: socat writes all digits.
short() {
	sed -E 's/[][]//g; s/\b0{1,3}([0-9a-f])/\1/g; s/(:0)+:/::/'
}

# ask NAMESPACE SOCAT_ADDRESS: the answer; nothing where there is none.
ask() {
	local options=(-t 3 - "$2,connect-timeout=1")

	# A server has no way to end a UDP conversation.
	[ "${2#UDP}" = "$2" ] || options=(-t 1 - "$2")
	echo hello | at "$1" timeout 5 socat "${options[@]}" 2>/dev/null | short
}

# sees NAME CLIENT SOCAT_ADDRESS SERVER CLIENT_ADDRESS: it answers, and that is whom it sees.
sees() {
	check_equal "$1" "$4 $5" "$(ask "$2" "$3")"
}

# refused NAME CLIENT SOCAT_ADDRESS...: none of them answers.
refused() {
	local name=$1 client=$2 address answer

	shift 2
	for address in "$@"; do
		answer=$(ask "$client" "$address")
		if [ -n "$answer" ]; then
			not_ok "$name" "$client reached $address: $answer"
			return
		fi
	done
	ok "$name"
}

apply() { # YAML
	"$NAT" apply <<<"$1" >"$FV_TMP/listing" || not_ok apply "the table could not be written"
}

conntracked() {
	cat /proc/sys/net/netfilter/nf_conntrack_count
}

servers() {
	local ns

	for ns in web db vault safe peer outside; do
		serve $ns TCP4-LISTEN:80
		serve $ns TCP6-LISTEN:80,ipv6only=1
		serve $ns UDP4-RECVFROM:53
		serve $ns UDP6-RECVFROM:53,ipv6only=1
	done
}

# The last server of the last namespace is up.
listening() {
	[ "$(ask outside 'UDP6:[2001:db8::2]:53')" = "outside 2001:db8::2" ]
}
