# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What kill_*.sh share: two networks with everything in them, and runs that end at one of
# the system calls that change something: at a few, others on every run, or at each with FV_ALL=1.
#
#	lab: web (8080:80) db side=web  10.77.0.0/24 fd77::/64
#	fast: one two  10.78.0.0/24, xdp

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "${BASH_SOURCE[0]}")/life_lab.bash"

CHANGING=sendto,sendmsg,bpf,mount,umount2,rename,renameat,unlink,unlinkat,symlink,mkdir,mkdirat
CHANGING+=,rmdir,setns,unshare,write,setsockopt,ioctl,fsync

kill_files() {
	cat >"$FV_TMP/lab.yaml" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web: { address: 10.77.0.2, address6: "fd77::2", publish: ["8080:80/tcp"] }
      db: { address: 10.77.0.3, address6: "fd77::3" }
      side: { share: web }
  fast:
    subnet: 10.78.0.0/24
    hook: xdp
    namespaces: { one: { address: 10.78.0.2 }, two: { address: 10.78.0.3 } }
END
	cat >"$FV_TMP/edited.yaml" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    mtu: 1400
    namespaces:
      web: { address: 10.77.0.10, publish: ["8081:80/tcp"] }
      mail: { address: 10.77.0.2 }
      side: { share: mail }
  fast:
    subnet: 10.79.0.0/24
    hook: tc
    namespaces: { one: { address: 10.79.0.2 }, three: { address: 10.79.0.3 } }
END
	possible "$FV_TMP/lab.yaml" "$FV_TMP/edited.yaml"
}

# traced RESULT CALL:N COMMAND...: with RESULT (signal=..., error=...) at the Nth CALL.
traced() {
	local what=$1 call=${2%:*} n=${2#*:}

	shift 2
	strace -qq -o "$FV_TMP/trace" -e trace="$CHANGING" -e inject="$call:$what:when=$n" "$@"
}

# calls COMMAND...: what it changes, as CALL:N in their order.
calls() {
	strace -qq -o "$FV_TMP/trace" -e trace="$CHANGING" "$@" || return
	awk -F'(' '/^[a-z0-9_]+\(/ { print $1 ":" ++n[$1] }' "$FV_TMP/trace"
}

# some HOW_MANY CALL:N...: every k-th, from another one on in every run.
some() {
	local step=$((($# - 2) / $1 + 1))

	shift
	[ -z "${FV_ALL:-}" ] || step=1
	printf '%s\n' "$@" | awk -v step=$step -v at=$((RANDOM % step)) 'NR % step == at'
}

# The last lines of the trace, for messages.
last_calls() {
	tail -n 3 "$FV_TMP/trace" | cut -c 1-150 | sed 's/^/# /'
}

# The networks of lab.yaml do what they should.
works() {
	healthy >/dev/null && reaches web 10.77.0.3 fd77::3 && reaches one 10.78.0.3 &&
		reaches side 10.77.0.3 && wait_for 5 unexpedited
}

works_edited() {
	healthy >/dev/null && reaches web 10.77.0.2 && reaches one 10.79.0.3 && wait_for 5 unexpedited &&
		[ "$(names | xargs)" = "mail one side three web" ]
}

# The switch is the whole machine's: others that run set it for a moment.
unexpedited() {
	[ "$(cat /sys/kernel/rcu_expedited 2>/dev/null)" != 1 ]
}

# undone: `down --all` succeeds and the host is as it was in $BEFORE.
undone() {
	"$FASTVETH" -q down --all || return
	wait_for 3 host_is "$BEFORE" && return
	diff <(printf '%s\n' "$BEFORE") <(host_now)
	return 1
}

# Nothing was killed so badly that the next case starts with its remains.
sweep() {
	local ns dev

	host_is "$BEFORE" && return
	"$FASTVETH" -q down --all 2>/dev/null
	host_is "$BEFORE" && return
	for dev in $(ip -o link | sed -nE 's/^[0-9]+: (fv-[^@:]*).*/\1/p'); do
		ip link del "$dev"
	done
	for ns in $(names); do
		ip netns del "$ns"
	done
	nft delete table inet fastveth 2>/dev/null
	ip route flush proto 245
	ip -6 route flush proto 245
	ip addr flush dev lo scope global
	rm -rf /sys/fs/bpf/fastveth /run/fastveth /etc/netns
	umount /run/netns 2>/dev/null
	rmdir /run/netns 2>/dev/null
	forwarding 0
	sysctl -qw net.ipv6.conf.up0.accept_ra=1
	echo 0 >/sys/kernel/rcu_expedited
	BEFORE=$(host_now)
}
