#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Devices, namespaces, addresses, routes taken away or changed: life_repair.bash.
# kernel: any
# timeout: 150
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need life_repair bpftool ethtool ip jq nft ping unshare

# shellcheck source=tests/e2e/life_repair.bash
. "$(dirname "$0")/life_repair.bash"

begin
# ---- devices and namespaces ----

damage port_deleted 'db: .*device is gone' ip link del fv-db
damage port_down 'db: .*down' ip link set fv-db down
damage port_mtu 'db: .*MTU' ip link set fv-db mtu 1400
damage port_alias 'db: .*alias' ip link set fv-db alias ""
damage port_group 'db: .*group' ip link set fv-db group 5
damage device_inside_deleted 'two: .*device is gone' ip -n two link del eth0
damage device_inside_down 'db: .*inside' ip -n db link set eth0 down
damage device_inside_mtu 'db: .*inside' ip -n db link set eth0 mtu 1400
damage namespace_deleted 'db: ' ip netns del db
damage namespace_of_a_share_deleted 'web: ' ip netns del web
damage second_name_deleted 'side' ip netns del side
damage second_name_of_the_host_deleted 'floor' ip netns del floor
has_hook xdp && damage offloads_inside 'one: .*inside' ip netns exec one ethtool -K eth0 tx on

# ---- addresses and routes ----

damage host_route_deleted 'db: .*route' ip route del 10.77.0.3
damage host_route6_deleted 'db: .*route' ip -6 route del fd77::3
damage host_neighbour_deleted 'db: .*neighbour' ip neigh del 10.77.0.3 dev fv-db
damage subnet_route_deleted 'lab.*10.77.0' ip route del unreachable 10.77.0.0/24
damage gateway_deleted 'lab.*10.77.0.1' ip addr del 10.77.0.1/32 dev lo
damage address_inside_deleted 'db: .*inside' ip -n db addr del 10.77.0.3/32 dev eth0
damage route_inside_deleted 'db: .*inside' ip -n db route del default
damage neighbour_inside_deleted 'db: .*inside' ip -n db neigh del 10.77.0.1 dev eth0
damage forwarding_off 'IPv4' sysctl -qw net.ipv4.ip_forward=0
damage forwarding6_off 'IPv6' sysctl -qw net.ipv6.conf.all.forwarding=0

repaired
check down "$FASTVETH" -q down --all
check_host host_is_as_before "$BEFORE"
# What was taken away and not repaired stays away, and the rest goes.
check up_once_more "$FASTVETH" -q up "$FV_TMP/lab.yaml"
ip route del unreachable 10.77.0.0/24
ip addr del 10.78.0.1/32 dev lo
ip -6 route flush proto 245
ip link del fv-one
ip netns del web
check down_of_what_is_left "$FASTVETH" -q down --all
check_host nothing_is_left "$BEFORE"
finish
