#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Topology files that cannot be: refused with the place in the file, by `up` and by `plan`,
# on an empty host, and beside a network that runs.
#
#	[host] up0 192.0.2.1/24 2001:db8::1/64, a route to 198.51.100.0/24
# kernel: any
# timeout: 180
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need bad_file ip jq nft ping

# shellcheck source=tests/e2e/bad_lab.bash
. "$(dirname "$0")/bad_lab.bash"

life_host
ip route add 198.51.100.0/24 via 192.0.2.2
remember

refused file_missing 1 "/run/test/none.yaml" "$FASTVETH" up "$FV_TMP/none.yaml"
refused file_is_a_directory 1 "directory" "$FASTVETH" up "$FV_TMP"
refused file_missing_for_down 1 "none.yaml" "$FASTVETH" down "$FV_TMP/none.yaml"
head -c 4096 /dev/urandom >"$FV_TMP/noise"
refused file_is_noise 1 "noise" timeout 20 "$FASTVETH" up "$FV_TMP/noise"
: >"$FV_TMP/empty"
refused file_is_empty 1 "empty" timeout 20 "$FASTVETH" up "$FV_TMP/empty"

refused_file no_yaml 'bad.yaml:3:' <<'END'
networks:
  lab: { subnet: 10.77.0.0/24
    namespaces: [
END
refused_file no_topology 'bad.yaml:1:1' <<<'hello'
refused_file a_list 'bad.yaml:1:1' <<<'- networks'
nearest() { # CASE KEY
	refused_file "$1" "did you mean \"$2\"?" < <(cat "$FV_TMP/bad.yaml")
}

refused_file unknown_key_at_the_top 'bad.yaml:1:1: unknown key "network"' <<<'network: {}'
nearest unknown_key_at_the_top_nearest networks
refused_file unknown_key_of_a_network 'bad.yaml:3:5: unknown key "subnt"' <<'END'
networks:
  lab:
    subnt: 10.77.0.0/24
    namespaces: { web: {} }
END
nearest unknown_key_of_a_network_nearest subnet
refused_file unknown_key_of_an_endpoint 'bad.yaml:5:14: unknown key "adress"' <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    namespaces:
      web: { adress: 10.77.0.9 }
END
nearest unknown_key_of_an_endpoint_nearest address
refused_file same_key_twice 'bad.yaml:4:5' <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet: 10.78.0.0/24
    namespaces: { web: {} }
END
refused_file same_network_twice 'bad.yaml:3:3' <<'END'
networks:
  lab: { subnet: 10.77.0.0/24, namespaces: { web: {} } }
  lab: { subnet: 10.78.0.0/24, namespaces: { db: {} } }
END
refused_file same_endpoint_twice 'bad.yaml:3:' <<'END'
networks:
  lab: { subnet: 10.77.0.0/24, namespaces: { web: {} } }
  dmz: { subnet: 10.78.0.0/24, namespaces: { web: {} } }
END
refused_file mtu_no_number 'mtu' <<<'networks: { lab: { subnet: 10.77.0.0/24, mtu: big } }'
refused_file mtu_too_small '67' <<<'networks: { lab: { subnet: 10.77.0.0/24, mtu: 67 } }'
refused_file hook_unknown 'hook' <<<'networks: { lab: { subnet: 10.77.0.0/24, hook: xpd } }'
refused_file internal_no_bool 'internal' \
	<<<'networks: { lab: { subnet: 10.77.0.0/24, internal: perhaps } }'
refused_file no_subnet '"lab" has no subnet' <<<'networks: { lab: { namespaces: { a: {} } } }'

# ---- addresses ----

refused_file overlap_in_the_file '10.77.0.128/25' <<'END'
networks:
  lab: { subnet: 10.77.0.0/24, namespaces: { web: {} } }
  dmz: { subnet: 10.77.0.128/25, namespaces: { db: {} } }
END
refused_file overlap_in_the_file_ipv6 'fd77::/48' <<'END'
networks:
  lab: { subnet6: "fd77::/64", namespaces: { web: {} } }
  dmz: { subnet6: "fd77::/48", namespaces: { db: {} } }
END
refused_file route_of_the_host '198.51.100.0/24' < <(net lab 198.51.100.128/25)
refused_file wider_than_a_route_of_the_host '198.51.100.0/24' < <(net lab 198.51.0.0/16)
refused_file network_of_the_host '192.0.2.0/24' < <(net lab 192.0.2.128/25)
ip addr add 203.0.113.7/32 dev lo
ip -6 addr add 2001:db8:7::7/128 dev lo
remember
refused_file address_of_the_host '203.0.113.7' < <(net lab 203.0.113.0/24)
refused_file address_of_the_host_ipv6 '2001:db8:7::7' <<'END'
networks: { lab: { subnet6: "2001:db8:7::/64", namespaces: { a: {} } } }
END
refused_file loopback '127.0.0.0/8' < <(net lab 127.0.0.0/8)
refused_file multicast '224.1.0.0/16' < <(net lab 224.1.0.0/16)
refused_file everything '0.0.0.0/0' < <(net lab 0.0.0.0/0)
refused_file too_small '10.77.0.0/31' < <(net lab 10.77.0.0/31)
refused_file exhausted '10.77.0.0/30' < <(net lab 10.77.0.0/30 '{ a: {}, b: {} }')
refused_file address_twice '10.77.0.9' \
	< <(net lab 10.77.0.0/24 '{ a: { address: 10.77.0.9 }, b: { address: 10.77.0.9 } }')
refused_file address_outside '10.78.0.9' < <(net lab 10.77.0.0/24 '{ a: { address: 10.78.0.9 } }')
refused_file address_of_the_gateway '10.77.0.1' \
	< <(net lab 10.77.0.0/24 '{ a: { address: 10.77.0.1 } }')
refused_file address_of_the_subnet '10.77.0.0' \
	< <(net lab 10.77.0.0/24 '{ a: { address: 10.77.0.0 } }')
refused_file address_of_all '10.77.0.255' \
	< <(net lab 10.77.0.0/24 '{ a: { address: 10.77.0.255 } }')
refused_file address_of_the_other_family 'subnet6' \
	< <(net lab 10.77.0.0/24 '{ a: { address6: "fd77::9" } }')
refused_file port_twice '8080' \
	< <(net lab 10.77.0.0/24 '{ a: { publish: ["8080:80"] }, b: { publish: ["8080:81"] } }')

# ---- names ----

long=$(printf 'a%.0s' {1..200})
for name in a/b ../a .. . -a .a 'a b' "$long" '' "a'b" ä; do
	refused_file "name:${name:0:20}" 'name' < <(net lab 10.77.0.0/24 "{ \"$name\": {} }")
	refused_file "network:${name:0:20}" 'name' < <(net "\"$name\"" 10.77.0.0/24)
done
refused_file name_host '"host"' < <(net lab 10.77.0.0/24 '{ host: {} }')
refused_file share_of_nothing 'no-such' < <(net lab 10.77.0.0/24 '{ a: { share: no-such } }')
refused_file share_of_itself '"a"' < <(net lab 10.77.0.0/24 '{ a: { share: a } }')
refused_file share_of_a_share '"b"' \
	< <(net lab 10.77.0.0/24 '{ a: {}, b: { share: a }, c: { share: b } }')

# ---- others were here first ----

ip netns add theirs
: >/run/netns/plain
remember
refused_file namespace_exists '"theirs" exists' < <(net lab 10.77.0.0/24 '{ theirs: {} }')
refused_file namespace_exists_for_a_share '"theirs" exists' \
	< <(net lab 10.77.0.0/24 '{ a: {}, theirs: { share: a } }')
refused_file name_is_a_plain_file '"plain" exists' < <(net lab 10.77.0.0/24 '{ plain: {} }')
check namespace_still_there ip netns exec theirs true
rm /run/netns/plain

# A device with the name of a port keeps it; ours gets another, and `down` knows which is whose.
ip link add fv-web type veth peer name other-end
ip link add fv-db type veth peer name other-db
remember
check device_exists_up "$FASTVETH" -q up - < <(net lab 10.77.0.0/24 '{ web: {}, db: {} }')
check device_exists_works reaches web 10.77.0.3
check device_exists_other_name jq -e '[.endpoints[].port] |
	length == 2 and all(startswith("fv-") and . != "fv-web" and . != "fv-db")' <<<"$("$FASTVETH" list -j)"
check device_exists_down "$FASTVETH" -q down --all
check_equal device_exists_left_alone "$HOST_BEFORE" "$(now)"

# ---- beside a network that runs ----

check other_network_up "$FASTVETH" -q up - < <(net lab 10.77.0.0/24 '{ web: {}, db: {} }')
remember
refused_file overlap_with_a_network '10.77.0.0/24' < <(net dmz 10.77.0.128/25)
refused_file wider_than_a_network '10.77.0.0/24' < <(net dmz 10.77.0.0/16)
refused_file same_as_a_network '10.77.0.0/24' < <(net dmz 10.77.0.0/24)
refused_file name_of_an_endpoint_of_a_network '"web"' < <(net dmz 10.78.0.0/24 '{ web: {} }')
refused_file edited_address_outside '10.78.0.9' \
	< <(net lab 10.77.0.0/24 '{ web: { address: 10.78.0.9 }, db: {} }')
refused_file edited_subnet_collides '198.51.100.0/24' < <(net lab 198.51.100.0/24)
refused no_such_network 1 '"dmz"' "$FASTVETH" down dmz
refused no_such_network_beside_one 1 '"dmz"' "$FASTVETH" down lab dmz
refused no_such_endpoint 1 '"mail"' "$FASTVETH" del mail
refused no_such_endpoint_exec 1 '"mail"' "$FASTVETH" exec mail -- true
refused no_such_endpoint_stats 1 '"mail"' "$FASTVETH" stats mail
reaches_shortly network_still_works web db 10.77.0.3
finish
