# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What life_*.sh share: a host with an uplink, and two pictures. `host_now` is all that `down`
# must leave as it was; `works_now` is all that a run which has nothing to do must leave alone.
#
#	(namespace without a name) 192.0.2.2 --- up0 192.0.2.1 2001:db8::1 [host]

LINKS=/sys/fs/bpf/fastveth/links
STATE=/run/fastveth/state.json

# A host as it comes: no /run/netns, an uplink that lives on router advertisements.
life_host() {
	local pid

	rmdir /run/netns 2>/dev/null
	unshare -n sleep 86400 &
	pid=$!
	wait_for 3 other_netns $pid
	ip link add up0 type veth peer name eth0 netns $pid
	ip addr add 192.0.2.1/24 dev up0
	ip addr add 2001:db8::1/64 dev up0 nodad
	ip link set up0 addrgenmode none up
	nsenter -t $pid -n ip link set eth0 addrgenmode none up
	nsenter -t $pid -n ip addr add 192.0.2.2/24 dev eth0
	ip route add default via 192.0.2.2
	ip -6 route add default via 2001:db8::2 dev up0 proto ra metric 1024
	UPLINK_PID=$pid
}

other_netns() { # PID
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

forwarding() { # 0|1
	sysctl -qw net.ipv4.ip_forward="$1" net.ipv6.conf.all.forwarding="$1"
}

# The lock file stays: whoever removed it could remove it from under the next run. So does the
# number that the kernel gives to a namespace of others when it is spoken of.
host_now() {
	census | grep -v ' /run/fastveth/lock$' | sed -E 's/ \(id: [0-9]+\)$//'
	find /run -maxdepth 1 ! -name fastveth ! -name test | sort
}

# check_host CASE WANTED: kernel objects go a moment after the last reference to them.
check_host() {
	wait_for 5 host_is "$2"
	check_equal "$1" "$2" "$(host_now)"
}

host_is() {
	[ "$(host_now)" = "$1" ]
}

# Names of namespaces that have some.
names() {
	ip netns list | cut -d' ' -f1 | sort
}

works_now() {
	local ns

	host_now
	nft -a list ruleset
	"$FASTVETH" inspect -j | jq -S 'del(.programs[].run_ns)'
	find /sys/fs/bpf /run/netns /etc/netns -printf '%i %p %l\n' 2>/dev/null | sort -k 2
	"$FASTVETH" list -j | jq -S .
	for ns in $(names); do
		echo "== $ns"
		ip -n "$ns" -o -d link
		ip -n "$ns" -o addr | sed -E 's/ (valid|preferred)_lft [^ ]+//g'
		ip -n "$ns" route show table all
		ip -n "$ns" -6 route show table all | sed -E 's/ expires [^ ]+//'
		ip -n "$ns" neigh show nud permanent
		ip netns exec "$ns" ethtool -k eth0 2>/dev/null
		cat "/etc/netns/$ns/hosts" 2>/dev/null
	done
}

at() { # NAMESPACE COMMAND...
	local ns=$1

	shift
	ip netns exec "$ns" "$@"
}

reaches() { # NAMESPACE ADDRESS...
	local ns=$1 address

	shift
	for address; do
		ip netns exec "$ns" ping -q -c 1 -W 1 "$address" || return
	done
}

counted() { # NAME JQ_PATH
	"$FASTVETH" stats -j "$1" | jq ".endpoints[0].$2 // 0"
}

# reaches_shortly CASE FROM TO ADDRESS: and it is the shortcut that it takes.
reaches_shortly() {
	local before

	before=$(counted "$3" rx.shortcut_packets)
	check "$1" reaches "$2" "$4" &&
		check_equal "$1_by_the_shortcut" $((before + 1)) \
			"$(counted "$3" rx.shortcut_packets)"
}

# changes CASE true|false COMMAND...: a run that succeeds, and says that it did something or not.
changes() {
	local case=$1 want=$2 out

	shift 2
	if ! out=$("$@" -j 2>"$FV_TMP/changes.err"); then
		not_ok "$case" "failed: $*"
		sed 's/^/# /' "$FV_TMP/changes.err"
		return 1
	fi
	check_equal "$case" "$want" "$(jq .changed <<<"$out")" ||
		printf '# %s\n' "$out"
}

healthy() {
	"$FASTVETH" status
}
