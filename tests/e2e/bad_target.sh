#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `add --target` of what is no namespace, or not one that can have an endpoint: refused at once,
# nothing changes, and nothing blocks or is opened that should not be.
#
#	theirs (netns, has a device eth0)   (a process in its own namespace)   [host]
# kernel: any
# timeout: 120
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need bad_target ip jq nft python3 unshare

# shellcheck source=tests/e2e/bad_lab.bash
. "$(dirname "$0")/bad_lab.bash"

life_host
ip netns add theirs
ip link add eth0 netns theirs type veth peer name eth1 netns theirs
ip netns exec theirs sleep 86400 &
remember

# refused_target CASE TARGET TEXT: into a new network.
refused_target() {
	refused "$1" 1 "$3" timeout 20 "$FASTVETH" add x --network lab --subnet 10.77.0.0/24 \
		--target "$2"
}

sleep 0 &
gone=$!
wait $gone
refused_target pid_gone "pid:$gone" "$gone"
refused_target pid_of_the_host "pid:$$" "host's own"
refused_target pid_1 pid:1 "host's own"
sleep 86400 &
refused_target pid_of_a_child "pid:$!" "host's own"
python3 -c '
import threading, time
t = threading.Thread(target=time.sleep, args=(86400,))
t.start()
print(t.native_id, flush=True)' >"$FV_TMP/thread" &
wait_for 5 test -s "$FV_TMP/thread"
refused_target pid_of_a_thread "pid:$(cat "$FV_TMP/thread")" "thread"
# A zombie has a pid and no namespace.
python3 -c '
import os, time
p = os.fork()
if not p: os._exit(0)
print(p, flush=True)
time.sleep(86400)' >"$FV_TMP/zombie" &
wait_for 5 test -s "$FV_TMP/zombie"
refused_target pid_of_a_zombie "pid:$(cat "$FV_TMP/zombie")" "no such process"

refused_target netns_missing netns:none "none"
refused_target netns_has_the_device netns:theirs "eth0"
: >/run/netns/plain
mkdir /run/netns/dir
ln -s theirs /run/netns/link
remember
refused_target netns_plain_file netns:plain "plain file"
refused_target netns_directory netns:dir "directory"
refused_target netns_symlink netns:link "symbolic link"
# Not with refused: `ip netns list`, which the census asks, waits for a writer.
mkfifo /run/netns/pipe
expect_fail netns_fifo 1 "fifo" timeout 20 "$FASTVETH" add x --network lab --subnet 10.77.0.0/24 \
	--target netns:pipe
expect_fail netns_fifo_by_its_name 1 '"pipe" exists' timeout 20 "$FASTVETH" up - \
	< <(net lab 10.77.0.0/24 '{ pipe: {} }')
rm /run/netns/pipe
remember

: >"$FV_TMP/plain"
mkfifo "$FV_TMP/pipe"
ln -s /proc/self/ns/mnt "$FV_TMP/mnt"
ln -s "$FV_TMP/loop" "$FV_TMP/loop"
python3 -c '
import socket
socket.socket(socket.AF_UNIX).bind("/run/test/socket")'
refused_target path_missing "path:$FV_TMP/none" "$FV_TMP/none"
refused_target path_plain_file "path:$FV_TMP/plain" "plain file"
refused_target path_directory "path:$FV_TMP" "directory"
refused_target path_fifo "path:$FV_TMP/pipe" "fifo"
refused_target path_socket "path:$FV_TMP/socket" "socket"
refused_target path_device path:/dev/null "device"
refused_target path_loop "path:$FV_TMP/loop" "symbolic links"
refused_target path_mount_namespace "path:$FV_TMP/mnt" "mount namespace"
for kind in mnt:mount pid:pid user:user uts:uts ipc:ipc cgroup:cgroup; do
	refused_target "path_${kind%:*}_namespace" "path:/proc/self/ns/${kind%:*}" \
		"${kind#*:} namespace"
done
refused_target path_of_the_host path:/proc/self/ns/net "host's own"
refused_target path_proc_file path:/proc/self/status "plain file"
refused_target path_has_the_device path:/run/netns/theirs "eth0"

# What may be had with another name has it, and what the target had stays.
# But for lo, which is up from then on.
theirs() {
	ip -n theirs -o link | grep -v ' lo:' | sed 's/state.*//'
	ip -n theirs route show table all | grep -v ' lo '
}
before=$(theirs)
check ifname_makes_it_possible "$FASTVETH" -q add x --network lab --subnet 10.77.0.0/24 \
	--target netns:theirs --ifname eth7
check ifname_is_there ip -n theirs link show eth7
remember
refused name_is_used 1 '"x"' "$FASTVETH" add x --network lab --target netns:theirs --ifname eth8
refused ifname_is_used 1 eth7 "$FASTVETH" add y --network lab --target netns:theirs --ifname eth7
refused address_is_used 1 10.77.0.2 "$FASTVETH" add y --network lab --address 10.77.0.2
refused address_outside 1 10.78.0.2 "$FASTVETH" add y --network lab --address 10.78.0.2
refused network_has_no_subnet 1 --subnet "$FASTVETH" add y --network dmz
refused subnet_overlaps 1 10.77.0.0/24 "$FASTVETH" add y --network dmz --subnet 10.77.0.0/16
refused name_bad 1 "a/b" "$FASTVETH" add a/b --network lab
refused name_long 1 "at most" "$FASTVETH" add "$(printf 'a%.0s' {1..200})" --network lab
refused network_bad 1 "../lab" "$FASTVETH" add y --network ../lab --subnet 10.78.0.0/24
refused port_is_published 1 8080 "$FASTVETH" add y --network lab --publish 8080:80 \
	--publish 8080:81
check del "$FASTVETH" -q del x
check_equal theirs_as_before "$before" "$(theirs)"
finish
