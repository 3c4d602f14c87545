#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 1 GiB over TCP (less on a slow machine), its checksum compared, where only the shortcut passes: each hook; what
# arrived is counted as shortcut. The network: path_lab.bash.
# timeout: 240
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need path_bulk ip jq socat sha256sum openssl

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"

SIZE=$(less $((1 << 30)))

# The same bytes every time, and none of them alike.
bytes() {
	head -c "$SIZE" /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff \
		-iv 00 2>/dev/null
}

WANTED=$(bytes | sha256sum)

for hook in tcx clsact xdp; do
	has_hook $hook || continue
	lab $hook
	wall a b
	before=$(counted b rx.shortcut_bytes)
	at b socat -u -b 262144 TCP4-LISTEN:5001,reuseaddr STDOUT 2>"$FV_TMP/err" |
		sha256sum >"$FV_TMP/sum" &
	sums=$!
	wait_for 3 listening b 5001
	bytes | at a socat -u -b 262144 STDIN TCP4:$B4:5001
	wait $sums
	check_equal "${hook}_all_arrives_unchanged" "$WANTED" "$(cat "$FV_TMP/sum")"
	check "${hook}_all_is_counted" test $(($(counted b rx.shortcut_bytes) - before)) -gt "$SIZE"
	check "${hook}_checksums" checksums_good a b
	lab_down $hook
done
finish
