#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `up` with a build whose programs differ: replaced in place under traffic, no packet lost,
# links and counters go on. The other build is made from a copy of the sources with a
# program that also wants TTL 2 left to the kernel. The network: path_lab.bash.
# kernel: any
# timeout: 240
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need life_replace ip jq ping

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"

# Machines that take long to build get it built.
OTHER=${FV_OTHER:-$FV_TMP/other/build/fastveth}
if [ -z "${FV_OTHER:-}" ]; then
	check other_build "$(dirname "$0")/other_build" "$FV_TMP/other" || finish
fi

links() {
	"$1" inspect -j | jq -c '[.links[] | [.id, .device]] | sort'
}

tag() {
	"$1" inspect -j | jq -r '.programs[] | select(.name == "fv_from_ns").tag'
}

lab $TC
wall a b
old=$(links "$FASTVETH") old_tag=$(tag "$FASTVETH") before=$(counted b rx.shortcut_packets)
at a ping -q -i 0.002 -c 1500 -W 1 $B4 >"$FV_TMP/ping" &
pings=$!
sleep 1
check replaced_under_traffic "$OTHER" up -q "$FV_TMP/lab.yaml"
wait $pings
check_equal no_packet_lost '1500 packets transmitted, 1500 received' \
	"$(grep -o '.*received' "$FV_TMP/ping")"
check_equal every_packet_counted $((before + 1500)) "$(counted b rx.shortcut_packets)"
check_equal same_links "$old" "$(links "$OTHER")"
check other_programs test "$old_tag" != "$(tag "$OTHER")"
check says_so bash -c '"$0" status | grep -q "not those of this build"' "$FASTVETH"
check_equal and_back true "$("$FASTVETH" up -j "$FV_TMP/lab.yaml" | jq .changed)"
check_equal and_back_tag "$old_tag" "$(tag "$FASTVETH")"
check healthy "$FASTVETH" status -q
lab_down $TC
finish
