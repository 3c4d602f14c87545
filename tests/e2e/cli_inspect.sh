#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What `inspect` names is what bpftool takes: ids, pins, tags, devices; and its dumps show
# fields by name, with what the networks of cli_lab.bash put into them.
# kernel: any
# timeout: 60
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need cli_inspect bpftool ip jq ping
# shellcheck source=tests/e2e/cli_lab.bash
. "$(dirname "$0")/cli_lab.bash"

field() { # JQ_EXPRESSION: of inspect
	"$FASTVETH" inspect -j | jq -r "$1"
}

programs() {
	local name id tag pin

	local in_tc="fv-db fv-pid-$GUEST fv-web" all="fv_from_ns fv_to_ns fv_xdp_from_ns"

	[ $XDP = xdp ] || in_tc+=" fv-xa" all="fv_from_ns fv_to_ns"
	check_equal programs_by_name "$all" \
		"$(field '.programs[].name' | sort | xargs)"
	while read -r name id tag pin; do
		check_equal "${name}_by_id" "$name $tag" \
			"$(bpftool -j prog show id "$id" | jq -r '"\(.name) \(.tag)"')"
		check_equal "${name}_by_pin" "$id" \
			"$(bpftool -j prog show pinned "$pin" | jq .id)"
		check "${name}_has_types" [ "$(bpftool -j prog show id "$id" | jq .btf_id)" -gt 0 ]
		check "${name}_can_be_read" grep -q "call\|goto\|r0" \
			<(bpftool prog dump xlated id "$id")
		check "${name}_can_be_read_with_lines" grep -q "fv_.*(struct" \
			<(bpftool prog dump xlated id "$id" linum)
	done < <(field '.programs[] | "\(.name) \(.id) \(.tag) \(.pin)"')
	check_equal tc_programs_are_where_they_belong "$in_tc" \
		"$(field '.programs[] | select(.name == "fv_from_ns").attached[]' | sort | xargs)"
	check_equal egress_programs_are_everywhere "fv-db fv-pid-$GUEST fv-web fv-xa" \
		"$(field '.programs[] | select(.name == "fv_to_ns").attached[]' | sort | xargs)"
	[ $XDP = xdp ] || return
	check_equal xdp_program_is_where_it_belongs fv-xa \
		"$(field '.programs[] | select(.name == "fv_xdp_from_ns").attached[]')"
	check_equal kernel_says_so_too "$(field '.programs[] | select(.name == "fv_xdp_from_ns").id')" \
		"$(ip -j -d link show fv-xa | jq '.[0].xdp.prog.id')"
}

maps() {
	local name id pin

	check_equal all_maps_are_named "$(field '.maps | length')" \
		"$(find /sys/fs/bpf/fastveth/*/maps -type f | wc -l)"
	check_equal main_maps_by_name "fv_counters fv_endpoints fv_live fv_ports" \
		"$(field '.maps[].name' | grep -xE 'fv_(counters|endpoints|live|ports)' | sort | xargs)"
	while read -r name id pin; do
		check_equal "${name}_by_id" "$name" "$(bpftool -j map show id "$id" | jq -r .name)"
		check_equal "${name}_by_pin" "$id" "$(bpftool -j map show pinned "$pin" | jq .id)"
		check "${name}_can_be_dumped" bpftool map dump id "$id"
		# The kernel takes no types for a map of devices.
		[ "$name" = fv_live ] || check "${name}_has_types" \
			[ "$(bpftool -j map show id "$id" | jq '.btf_id // 0')" -gt 0 ]
	done < <(field '.maps[] | "\(.name) \(.id) \(.pin)"')
}

dump() { # MAP JQ_EXPRESSION
	bpftool -j map dump id "$(field ".maps[] | select(.name == \"$1\").id")" | jq -c "$2"
}

contents() {
	local db slot

	db=$(cat /sys/class/net/fv-db/ifindex)
	check_equal ports_by_field_name $((0x0b004d0a)) \
		"$(dump fv_ports ".[].formatted.value | select(.ifindex == $db).addr4")"
	check endpoints_by_field_name grep -qF '"mtu":1400' \
		<(dump fv_endpoints ".[].formatted.value | select(.ifindex == $db)")
	check_equal both_addresses_lead_to_db 2 \
		"$(dump fv_endpoints ".[].formatted.value | select(.ifindex == $db)" | wc -l)"
	check text_names_the_fields grep -q '"ifindex": ' \
		<(bpftool map dump pinned "$(field '.maps[] | select(.name == "fv_ports").pin')")
	slot=$(dump fv_ports ".[].formatted.value | select(.ifindex == $db).slot")
	check_equal counters_by_field_name 3 "$(dump fv_counters ".[] | select(.formatted.key == $slot) |
		[.formatted.values[].value.rx_shortcut_packets] | add")"
	check_equal reasons_by_field_name "array array" "$(dump fv_reasons \
		".[].formatted | select(.key == $slot).value | .slow, .drop | type" | xargs)"
	check subnets_by_field_name grep -q '"prefixlen":120' <(dump fv_subnets .)
}

links() {
	local id pin device prog

	check_equal links_by_device "fv-db fv-db fv-pid-$GUEST fv-pid-$GUEST fv-web fv-web fv-xa fv-xa" \
		"$(field '.links[].device' | sort | xargs)"
	while read -r id pin device prog; do
		check_equal "link_of_${device}_by_id:$(basename "$pin")" "$prog" \
			"$(bpftool -j link show id "$id" | jq .prog_id)"
		check "link_is_pinned_at:$(basename "$pin")" [ -e "$pin" ]
	done < <(field '.links[] | "\(.id) \(.pin) \(.device) \(.program)"')
}

text() {
	"$FASTVETH" inspect >"$FV_TMP/text"
	check text_has_programs grep -q "^fv_from_ns  *$(field '.programs[] |
		select(.name == "fv_from_ns").id') " "$FV_TMP/text"
	check text_has_maps grep -q "^fv_ports  *$(field '.maps[] |
		select(.name == "fv_ports").id') " "$FV_TMP/text"
	[ $TC$XDP = clsacttc ] || check text_has_links grep -q "^fv-xa  *[0-9]" "$FV_TMP/text"
	# What it gives as an example does work.
	sed -n 's/^for example: //p' "$FV_TMP/text" >"$FV_TMP/example"
	check example_works bash -e "$FV_TMP/example"
}

only_root() {
	check_equal pins_are_for_root_alone "700 root" "$(stat -c '%a %U' /sys/fs/bpf/fastveth)"
	check_equal nothing_beside_them "$before" "$(find /sys/fs/bpf -mindepth 1 ! -path '*/fastveth*')"
}

before=$(find /sys/fs/bpf -mindepth 1)
lab
ip netns exec web ping -q -c 3 -i 0.1 -W 1 10.77.0.11 >"$FV_TMP/ping"
programs
maps
contents
if bpftool link show >/dev/null 2>&1 && [ "$("$FASTVETH" status -j | jq -r '.ports[0].hook')" = tcx ]; then
	links
else
	skip links "this kernel has no tcx"
fi
text
only_root
check down "$FASTVETH" down --all
check_equal pins_are_gone "$before" "$(find /sys/fs/bpf -mindepth 1)"
finish
