#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# up, up again, down: the second `up` changes nothing, `down` leaves the host as it was before
# the first, whatever it was. The host: life_lab.bash.
# kernel: any
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need life_twice ethtool ip jq nft ping unshare

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "$0")/life_lab.bash"

cat >"$FV_TMP/lab.yaml" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web: { address: 10.77.0.10, address6: "fd77::10", publish: ["8080:80/tcp"] }
      db: {}
      side: { share: web }
      floor: { share: host }
  fast:
    subnet: 10.78.0.0/24
    hook: xdp
    mtu: 3000
    internal: true
    namespaces: { one: {}, two: {}, three: {}, a-name-that-is-too-long-for-a-device: {} }
  six:
    subnet6: fd79::/64
    namespaces: { only: {} }
END
possible "$FV_TMP/lab.yaml"

round() { # CASE
	local before works planned

	before=$(host_now)
	planned=$("$FASTVETH" plan -j "$FV_TMP/lab.yaml")
	check_equal "$1_plan_changes_nothing" "$before" "$(host_now)"
	check "$1_plan_names_all" jq -e '[.actions[] | select(.op == "create") | .name] | sort ==
		(["lab", "fast", "six", "lab/web", "lab/db", "side", "floor", "fast/one", "fast/two",
		"fast/three", "fast/a-name-that-is-too-long-for-a-device", "six/only", "up0"] | sort)' \
		<<<"$planned"
	changes "$1_up" true "$FASTVETH" up "$FV_TMP/lab.yaml"
	check "$1_healthy" healthy
	reaches_shortly "$1_works" web db 10.77.0.2
	reaches_shortly "$1_works_ipv6" web db fd77::2
	reaches_shortly "$1_works_xdp" one two 10.78.0.3
	check_equal "$1_forwards" "1 1 2" "$(cd /proc/sys/net &&
		cat ipv4/ip_forward ipv6/conf/all/forwarding ipv6/conf/up0/accept_ra | xargs)"
	# Multicast of new devices and what learns from it is over.
	sleep 0.2
	works=$(works_now)
	changes "$1_up_again" false "$FASTVETH" up "$FV_TMP/lab.yaml"
	check_equal "$1_up_again_changes_nothing" "$works" "$(works_now)"
	changes "$1_plan_has_nothing" false "$FASTVETH" plan "$FV_TMP/lab.yaml"
	check "$1_down" "$FASTVETH" down --all
	check_host "$1_host_is_as_before" "$before"
	changes "$1_down_again" false "$FASTVETH" down --all
	check_host "$1_down_again_changes_nothing" "$before"
}

life_host
forwarding 0
round bare_host

# Somebody forwards already, uses bpffs, named namespaces and files for them.
forwarding 1
ip netns add theirs
mkdir -p /etc/netns/web /etc/netns/theirs
echo "nameserver 192.0.2.53" >/etc/netns/web/resolv.conf
echo "192.0.2.1 host" >/etc/netns/theirs/hosts
mkdir /sys/fs/bpf/theirs
nft -f - <<'END'
table inet theirs {
	chain forward { type filter hook forward priority 0; policy accept; ct state invalid drop; }
}
END
round used_host

# No bpffs, IPv4 alone forwards, one device forwards IPv6 by itself.
ip netns del theirs
umount /run/netns
rmdir /run/netns /sys/fs/bpf/theirs
umount /sys/fs/bpf
rm -r /etc/netns
sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.up0.forwarding=1
round no_bpffs
finish
