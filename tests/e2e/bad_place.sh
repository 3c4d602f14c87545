#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Where fastveth keeps things, somebody else was first, or the bytes are not what they were: pins,
# state file, lock, another network namespace. It says what to look at and touches nothing.
# kernel: any
# timeout: 180
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need bad_place bpftool flock ip jq nft unshare

# shellcheck source=tests/e2e/bad_lab.bash
. "$(dirname "$0")/bad_lab.bash"

PINS=/sys/fs/bpf/fastveth
life_host
net lab 10.77.0.0/24 '{ a: {}, b: {} }' >"$FV_TMP/lab.yaml"

refused_up() { # CASE TEXT
	refused "$1" 1 "$2" timeout 20 "$FASTVETH" up "$FV_TMP/lab.yaml"
}

# ---- pins ----

mkdir -m 700 $PINS
chown 65534 $PINS
remember
refused_up pins_owned_by_another $PINS
chown 0 $PINS
chmod 777 $PINS
remember
refused_up pins_writable_by_all $PINS
rmdir $PINS
mkdir "/sys/fs/bpf/elsewhere"
ln -s elsewhere $PINS
remember
refused_up pins_a_symlink $PINS
rm $PINS
rmdir /sys/fs/bpf/elsewhere
bpftool map create $PINS type array key 4 value 4 entries 1 name plant
remember
refused_up pins_a_map $PINS
rm $PINS

# Everything of the wrong type under the right name.
check pins_up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
map=$(find $PINS -name 'fv_ports*' | head -n 1)
check pins_found test -n "$map"
dirs=$(find $PINS -type d)
check pins_down "$FASTVETH" -q down --all
# shellcheck disable=SC2086 # words
(umask 077 && mkdir -p $dirs)
bpftool map create "$map" type hash key 4 value 4 entries 1 name plant
remember
refused_up pin_of_another_type "$(basename "$map")"
rm "$map"
find $PINS -mindepth 1 -depth -type d -exec rmdir {} +
rmdir $PINS

mount -o remount,ro /sys/fs/bpf
remember
refused_up pins_read_only "Read-only"
mount -o remount,rw /sys/fs/bpf

# ---- run directory ----

rm -rf /run/fastveth
: >/run/fastveth
remember
refused_up run_directory_a_file /run/fastveth
rm /run/fastveth
mkdir -m 777 /run/fastveth
remember
refused_up run_directory_writable_by_all /run/fastveth
chmod 700 /run/fastveth
chown 65534 /run/fastveth
remember
refused_up run_directory_of_another /run/fastveth
rmdir /run/fastveth
mkdir /run/other
ln -s other /run/fastveth
remember
refused_up run_directory_a_symlink /run/fastveth
rm /run/fastveth

# ---- state ----

host=$(now)
check state_up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
cp -a $STATE "$FV_TMP/state"
damage() { # CASE TEXT
	remember
	refused_up "state_$1" "$2"
	refused "state_$1_down" 1 "$2" "$FASTVETH" down --all
	refused "state_$1_list" 1 "$2" "$FASTVETH" list
	rm -rf $STATE
	cp -a "$FV_TMP/state" $STATE
}

head -c 300 /dev/urandom >$STATE
damage noise $STATE
: >$STATE
damage empty $STATE
head -c $(($(stat -c %s "$FV_TMP/state") / 2)) "$FV_TMP/state" >$STATE
damage truncated $STATE
echo '{}' >$STATE
damage without_anything $STATE
jq '.format = 99' "$FV_TMP/state" >$STATE
damage of_another_format "format"
rm $STATE
mkfifo $STATE
damage a_fifo $STATE
rm $STATE
mkdir $STATE
damage a_directory $STATE
rm $STATE
ln -s "$FV_TMP/state" $STATE
damage a_symlink $STATE
# As the message says: remove it, and `down --all` finds everything by itself.
rm $STATE
check state_lost_up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
check state_lost_healthy healthy
reaches_shortly state_lost_works a b 10.77.0.3
rm $STATE
check state_lost_down "$FASTVETH" -q down --all
# What only the state knew cannot come back: two sysctls. /run/netns and bpffs stay.
forwarding 0
sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0
rmdir /run/netns 2>/dev/null
umount /run/netns 2>/dev/null && rmdir /run/netns
check_equal state_lost_host "$host" "$(now)"

# ---- another network namespace ----

check elsewhere_up "$FASTVETH" -q up "$FV_TMP/lab.yaml"
remember
refused elsewhere_refused 1 "network namespace" unshare -n "$FASTVETH" up "$FV_TMP/lab.yaml"
refused elsewhere_down 1 "network namespace" unshare -n "$FASTVETH" down --all
refused elsewhere_inside 1 "network namespace" ip netns exec a "$FASTVETH" down --all
refused elsewhere_list 1 "network namespace" unshare -n "$FASTVETH" list
check elsewhere_still_healthy healthy

# ---- two at once ----

exec {lock}>>/run/fastveth/lock
flock -x "$lock"
refused lock_waits_and_says_so 1 "waited 1 s" "$FASTVETH" --wait 1 down --all
flock -u "$lock"
echo "$$ (words of one that is gone)" >/run/fastveth/lock
check lock_words_do_not_lock "$FASTVETH" -q --wait 0 up "$FV_TMP/lab.yaml"
flock -x "$lock"
(
	exec {lock}>&-
	"$FASTVETH" -q down --all 2>"$FV_TMP/second"
) &
second=$!
sleep 1
check lock_second_waits kill -0 $second
flock -u "$lock"
wait $second
check_equal lock_second_works 0 $?
check_equal lock_second_is_quiet "" "$(cat "$FV_TMP/second")"
check_equal lock_second_did_it '[]' "$("$FASTVETH" list -j | jq -c .endpoints)"

# One that is stopped in the middle holds it, and is named.
for ((i = 0; i < 300; i++)); do
	echo "      n$i: {}"
done >"$FV_TMP/many"
{ printf 'networks:\n  many:\n    subnet: 10.80.0.0/16\n    namespaces:\n'; cat "$FV_TMP/many"; } \
	>"$FV_TMP/many.yaml"
"$FASTVETH" -q up "$FV_TMP/many.yaml" &
first=$!
wait_for 5 ip link show fv-n7
kill -STOP $first
wait_for 5 grep -q '^State:.T' /proc/$first/status
remember
refused lock_names_the_holder 1 "pid $first (fastveth" "$FASTVETH" --wait 1 down --all
refused lock_wait_0 1 "pid $first (fastveth" "$FASTVETH" --wait 0 up "$FV_TMP/lab.yaml"
kill -CONT $first
wait $first
check_equal lock_first_works 0 $?
check lock_down "$FASTVETH" -q down --all
finish
