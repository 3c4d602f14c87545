#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs, pins, rules, files lost or changed: life_repair.bash.
# kernel: any
# timeout: 150
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need life_lost bpftool ethtool ip jq nft ping unshare

# shellcheck source=tests/e2e/life_repair.bash
. "$(dirname "$0")/life_repair.bash"

begin
# ---- programs and pins ----

if has_hook tcx; then
	damage link_unpinned 'db: .*programs' rm $LINKS/fv-db:fv_from_ns
	damage link_out_unpinned 'db: .*programs' rm $LINKS/fv-db:fv_to_ns
	damage link_detached 'db: .*programs' detach_link fv-db:fv_from_ns
else
	damage filter_deleted 'db: .*programs' tc filter del dev fv-db ingress
fi
has_hook xdp && damage link_xdp_unpinned 'one: .*programs' rm $LINKS/fv-one:fv_xdp_from_ns
damage program_unpinned 'not pinned' rm /sys/fs/bpf/fastveth/v4/progs/fv_from_ns
damage map_unpinned 'not pinned' rm /sys/fs/bpf/fastveth/v4/maps/fv_ports
damage counters_unpinned 'not pinned' rm /sys/fs/bpf/fastveth/v4/maps/fv_counters
damage pins_deleted 'not pinned' rm -r /sys/fs/bpf/fastveth
damage bpffs_unmounted 'not pinned' no_bpffs

# ---- rules and files ----

damage nft_deleted 'nftables.*gone' nft delete table inet fastveth
damage nft_flushed 'nftables.*(changed|gone)' nft flush ruleset
damage nft_edited 'nftables.*changed' other_nft
damage hosts_unlinked 'db: .*hosts' rm /etc/netns/db
repaired

# What differs from the file in a file of its own is nobody's damage.
mkdir /etc/netns/other
echo mine >/etc/netns/other/hosts
check other_files_are_no_damage healthy
rm -r /etc/netns/other

# ---- everything at once ----

ip link del fv-db
ip netns del web
rm -r /sys/fs/bpf/fastveth
nft flush ruleset
sysctl -qw net.ipv4.ip_forward=0
damage everything 'not pinned' ip route flush proto 245
repaired

# ---- a second bpffs hides the first ----

second_bpffs
broken second_bpffs 'not pinned'
check second_bpffs_up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
check second_bpffs_works by_the_shortcut
check second_bpffs_healthy healthy
check down "$FASTVETH" -q down --all
# The one under it, with pins that are nobody's by now, and then the host's own, unmounted above.
umount /sys/fs/bpf
mount -t bpf bpf /sys/fs/bpf
check_host host_is_as_before "$BEFORE"
finish
