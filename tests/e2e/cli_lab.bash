# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The networks of cli_*.sh, one endpoint of each kind:
#
#	lab:   web 10.77.0.10 fd77::10 (publishes), db 10.77.0.11 fd77::11, side (web again)
#	fast:  xa fd76::10 (hook xdp, no IPv4, internal)
#	guest: pid-N 10.75.0.10 in the namespace of a process ($GUEST)

lab_file() {
	cat >"$FV_TMP/lab.yaml" <<-'END'
	networks:
	  lab:
	    subnet: 10.77.0.0/24
	    subnet6: fd77::/64
	    mtu: 1400
	    namespaces:
	      web: { address: 10.77.0.10, address6: "fd77::10", publish: ["8080:80", "53:53/udp"] }
	      db: { address: 10.77.0.11, address6: "fd77::11" }
	      side: { share: web }
	  fast:
	    subnet6: fd76::/64
	    hook: xdp
	    internal: true
	    namespaces:
	      xa: { address6: "fd76::10" }
	END
	possible "$FV_TMP/lab.yaml"
}

lab() {
	lab_file
	check up "$FASTVETH" up "$FV_TMP/lab.yaml"
	unshare -n sleep 1000 &
	GUEST=$!
	wait_for 3 own_namespace $GUEST
	check add_guest "$FASTVETH" add --network guest --target pid:$GUEST --address 10.75.0.10
}

own_namespace() { # PID
	[ "$(stat -L -c %i "/proc/$1/ns/net")" != "$(stat -L -c %i /proc/self/ns/net)" ]
}
