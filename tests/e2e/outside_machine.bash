# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The machine of outside_*.sh: a host with an uplink and four own networks, and servers and
# clients that tell what passes and as whom.
#
#	outside ---------- up0 [host]   lab:  web   10.77.0.10 fd77::a    open
#	192.0.2.2   192.0.2.1                 db    10.77.0.11 fd77::b
#	2001:db8::2 2001:db8::1         yard: peer  10.79.0.10 fd79::a    open
#	                                dark: vault 10.78.0.10 fd78::a    internal
#	                                      safe  10.78.0.11 fd78::b
#	                                fast: xa    10.76.0.10 fd76::a    open, hook xdp
#	                                      xb    10.76.0.11 fd76::b
#
# Everybody serves TCP 80 and UDP 53.

UP4=192.0.2.1 UP6=2001:db8::1 OUT4=192.0.2.2 OUT6=2001:db8::2
ALL="web db peer vault safe xa xb"

# What it publishes is in $PUBLISH_WEB, $PUBLISH_DB, ...: a YAML list.
topology() {
	cat <<-END
	networks:
	  lab:
	    subnet: 10.77.0.0/24
	    subnet6: fd77::/64
	    namespaces:
	      web: { address: 10.77.0.10, address6: "fd77::a", publish: ${PUBLISH_WEB:-[]} }
	      db: { address: 10.77.0.11, address6: "fd77::b", publish: ${PUBLISH_DB:-[]} }
	  yard:
	    subnet: 10.79.0.0/24
	    subnet6: fd79::/64
	    namespaces:
	      peer: { address: 10.79.0.10, address6: "fd79::a" }
	  dark:
	    subnet: 10.78.0.0/24
	    subnet6: fd78::/64
	    internal: true
	    namespaces:
	      vault: { address: 10.78.0.10, address6: "fd78::a", publish: ${PUBLISH_VAULT:-[]} }
	      safe: { address: 10.78.0.11, address6: "fd78::b" }
	  fast:
	    subnet: 10.76.0.0/24
	    subnet6: fd76::/64
	    hook: $XDP
	    namespaces:
	      xa: { address: 10.76.0.10, address6: "fd76::a", publish: ${PUBLISH_XA:-[]} }
	      xb: { address: 10.76.0.11, address6: "fd76::b" }
	END
}

# The host's uplink. The outside knows the way to every own network: only the rules keep it out.
uplink() {
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip link set up0 up
	ip addr add $UP4/24 dev up0
	ip addr add $UP6/64 dev up0 nodad
	ip -n outside link set lo up
	ip -n outside link set eth0 up
	ip -n outside addr add $OUT4/24 dev eth0
	ip -n outside addr add $OUT6/64 dev eth0 nodad
	ip route add default via $OUT4
	ip -6 route add default via $OUT6
	ip -n outside route add 10.0.0.0/8 via $UP4
	ip -n outside -6 route add fd00::/8 via $UP6
}

machine() {
	uplink
	topology >"$FV_TMP/lab.yaml"
	check up "$FASTVETH" up "$FV_TMP/lab.yaml"
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
	at "$1" socat -t 3 "$2,fork,reuseaddr" \
		"SYSTEM:read -r line; echo ${3:-$1} \$SOCAT_PEERADDR" >/dev/null 2>&1 &
}

servers() { # NAMESPACE...
	local ns

	for ns; do
		serve "$ns" TCP4-LISTEN:80
		serve "$ns" TCP6-LISTEN:80,ipv6only=1
		serve "$ns" UDP4-RECVFROM:53
		serve "$ns" UDP6-RECVFROM:53,ipv6only=1
	done
	for ns; do
		wait_for 5 answers "$ns" || not_ok "servers_of_$ns" "they do not answer"
	done
}

answers() { # NAMESPACE
	[ "$(ask "$1" tcp 127.0.0.1 80)" ] && [ "$(ask "$1" tcp ::1 80)" ] &&
		[ "$(ask "$1" udp 127.0.0.1 53 0.3)" ] && [ "$(ask "$1" udp ::1 53 0.3)" ]
}

# So that an address in an answer is spelled in one way: socat writes all digits.
short() {
	sed -E 's/[][]//g; s/\b0{1,3}([0-9a-f])/\1/g; s/(:0)+:/::/'
}

# ask CLIENT tcp|udp ADDRESS PORT [SECONDS]: the answer; nothing where there is none.
ask() {
	# head reads a datagram whole, which the shell's own read does not.
	at "$1" timeout "${5:-2}" bash -c 'exec 3<>"/dev/$0/$1/$2" && echo hello >&3 &&
		head -n 1 <&3' "$2" "$3" "$4" 2>/dev/null | short
}

# sees NAME CLIENT tcp|udp ADDRESS PORT SERVER CLIENT_ADDRESS: it answers, and sees that client.
sees() {
	check_equal "$1" "$6 $7" "$(ask "$2" "$3" "$4" "$5")"
}

# refused NAME CLIENT {tcp|udp ADDRESS PORT}...: none of them answers, all asked at once.
refused() {
	local name=$1 client=$2 pids=() out=$FV_TMP/refused.$BASHPID

	shift 2
	: >"$out"
	while [ $# -ge 3 ]; do
		(answer=$(ask "$client" "$1" "$2" "$3" 1) && [ -n "$answer" ] &&
			echo "$client reached $1 $2 $3: $answer" >>"$out") &
		pids+=($!)
		shift 3
	done
	wait "${pids[@]}"
	check_equal "$name" "" "$(cat "$out")"
	rm -f "$out"
}

# ping CLIENT ADDRESS [OPTION...]
pings() {
	local client=$1 address=$2

	shift 2
	at "$client" ping -q -c 1 -W 1 "$@" "$address"
}

# What `stats` says: one number, 0 where there is no such key.
stat_of() { # NAME JQ_PATH
	"$FASTVETH" stats -j "$1" | jq ".endpoints[0]$2 // 0"
}

# Watch what the host forwards between two devices: forwarded counts it, since watch was called.
watch() {
	nft delete table inet watch 2>/dev/null
	nft -f - <<-END
	table inet watch {
		counter seen { }
		chain forward {
			type filter hook forward priority -10;
			iifname "$1" oifname "$2" counter name seen
		}
	}
	END
}

forwarded() {
	nft -j list counter inet watch seen | jq '.nftables[] | .counter? // empty | .packets'
}

# The kernel's own path alone: what holds the programs on their devices is gone.
detach_programs() {
	local ns

	rm -f /sys/fs/bpf/fastveth/links/*
	for ns in $ALL; do
		tc qdisc del dev "fv-$ns" clsact 2>/dev/null
	done
	wait_for 3 no_programs
}

no_programs() {
	[ "$("$FASTVETH" status -j | jq -c '[.ports[].hook] | unique')" = "[null]" ]
}
