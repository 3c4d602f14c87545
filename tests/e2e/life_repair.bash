# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What life_repair.sh and life_lost.sh share: two networks, `damage` to them, and what must become
# of it: `status` ends with 1 and names it, `up` repairs it and then has nothing to do. The host:
# life_lab.bash.

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "${BASH_SOURCE[0]}")/life_lab.bash"

cat >"$FV_TMP/lab.yaml" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web: { address: 10.77.0.2, publish: ["8080:80/tcp"] }
      db: { address: 10.77.0.3 }
      side: { share: web }
      floor: { share: host }
  fast:
    subnet: 10.78.0.0/24
    hook: xdp
    namespaces: { one: { address: 10.78.0.2 }, two: { address: 10.78.0.3 } }
END
possible "$FV_TMP/lab.yaml"

works() {
	reaches web 10.77.0.3 fd77::3 && reaches one 10.78.0.3 && reaches side 10.77.0.3 &&
		ping -q -c 1 -W 1 10.77.0.2 && ping -q -c 1 -W 1 fd77::3
}

by_the_shortcut() {
	local web one

	web=$(counted db rx.shortcut_packets) one=$(counted two rx.shortcut_packets)
	works || return
	[ $((web + 3)) = "$(counted db rx.shortcut_packets)" ] &&
		[ $((one + 1)) = "$(counted two rx.shortcut_packets)" ]
}

# What must be as before the damage, whatever numbers it has by now.
picture() {
	host_now | sed -E 's/^[0-9]+: //; s/@if[0-9]+//; s/ link-netnsid [0-9]+//; s/link-netns [^ ]*//;
		s/prog\/xdp id [0-9]+//; s/promiscuity.*//; s/net:\[[0-9]+\]//' | sort
}

# broken CASE PATTERN: what `status` says matches, and its exit code is 1.
broken() {
	local out code

	out=$("$FASTVETH" status -j)
	code=$?
	out=$(jq -r '(.ports[] | "\(.endpoint): \(.reasons[])"), .problems[]' <<<"$out")
	if [ $code = 1 ] && grep -qE -- "$2" <<<"$out"; then
		ok "$1_is_told"
	else
		not_ok "$1_is_told" "exit code $code, no '$2'"
		printf '%s\n' "$out" | sed 's/^/# /'
	fi
}

# damage CASE PATTERN COMMAND...
damage() {
	local case=$1 pattern=$2

	shift 2
	"$@" >/dev/null || not_ok "${case}_happens" "failed: $*"
	broken "$case" "$pattern"
	changes "${case}_is_repaired" true "$FASTVETH" up "$FV_TMP/lab.yaml"
	check "${case}_works" by_the_shortcut
	changes "${case}_then_nothing" false "$FASTVETH" up "$FV_TMP/lab.yaml"
}

is_as_before() {
	[ "$(picture)" = "$PICTURE" ]
}

# After many damages the host is as it was after the first `up`.
repaired() {
	check repaired_is_healthy healthy
	wait_for 3 is_as_before
	check_equal repaired_is_as_before "$PICTURE" "$(picture)"
}

detach_link() { # PIN
	local id

	id=$(bpftool -j link show pinned "$LINKS/$1" | jq .id)
	bpftool link detach id "$id" 2>/dev/null || rm "$LINKS/$1"
}

no_bpffs() {
	umount /sys/fs/bpf
}

second_bpffs() {
	mount -t bpf bpf /sys/fs/bpf
}

other_nft() {
	nft add rule inet fastveth forward counter
}

foreign_default() {
	ip -n db route del default
	ip -n db route add unreachable default
}

begin() {
	life_host
	forwarding 0
	BEFORE=$(host_now)
	check up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
	check works by_the_shortcut
	PICTURE=$(picture)
}
