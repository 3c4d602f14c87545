#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `exec` is `ip netns exec`, and neither adds to the command nor takes from it. The networks are
# those of cli_lab.bash.
# kernel: any
# timeout: 60
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need cli_exec getent ip ping
# shellcheck source=tests/e2e/cli_lab.bash
. "$(dirname "$0")/cli_lab.bash"

in_web() {
	"$FASTVETH" exec web -- "$@"
}

code_of() { # COMMAND...: its exit code
	"$@" >"$FV_TMP/out" 2>&1
	echo $?
}

words() {
	check_equal words_as_given "a b|c|-j|--help||*" \
		"$(in_web printf '%s|%s|%s|%s|%s|%s' 'a b' c -j --help '' '*')"
	check_equal without_dashes "-n -q" "$("$FASTVETH" exec web echo -e '-n -q')"
	check_equal dashes_of_the_command "x -- y" "$(in_web echo x -- y)"
	check_equal options_before_the_name hello "$("$FASTVETH" -q exec -v web echo hello)"
	check_equal path_is_searched "$(type -P ip)" "$(in_web sh -c 'command -v ip')"
	check_equal path_with_slash /run/test "$(cd "$FV_TMP" && in_web /bin/pwd)"
	check_equal environment "x y" "$(A='x y' in_web sh -c 'echo "$A"')"
}

exit_codes() {
	local code

	for code in 0 1 2 7 126 255; do
		check_equal "exit_code_$code" $code "$(code_of in_web sh -c "exit $code")"
	done
	check_equal killed_by_a_signal 143 "$(code_of in_web sh -c 'kill -TERM $$')"
	check_equal killed_by_another 134 "$(code_of in_web sh -c 'ulimit -c 0; kill -ABRT $$')"
	expect_fail no_such_command 1 "nothing-of-this-name" in_web nothing-of-this-name
	expect_fail no_such_file 1 "/nothing" in_web /nothing
	expect_fail not_executable 1 "/etc/passwd" in_web /etc/passwd
	expect_fail no_such_endpoint 1 "nobody" "$FASTVETH" exec nobody -- true
	expect_fail endpoint_with_a_slash 1 "../web" "$FASTVETH" exec ../web -- true
}

descriptors() {
	check_equal stdin "some text" "$(echo "some text" | in_web cat)"
	check_equal stdin_whole 1000000 "$(head -c 1000000 /dev/zero | in_web wc -c)"
	check_equal stderr_apart "out" "$(in_web sh -c 'echo out; echo err >&2' 2>"$FV_TMP/err")"
	check_equal stderr_as_it_is err "$(cat "$FV_TMP/err")"
	check_equal other_descriptors three "$(in_web sh -c 'cat <&3' 3<<<three)"
	check_equal no_descriptor_is_added "$(ls /proc/self/fd)" \
		"$(in_web ls /proc/self/fd)"
	check_equal closed_pipe 141 "$(in_web yes 2>&1 | head -n 1 >"$FV_TMP/out"; echo "${PIPESTATUS[0]}")"
}

# It becomes the command: the same process, so that signals and waiting are the command's.
process() {
	local pid

	"$FASTVETH" exec web -- sleep 100 &
	pid=$!
	wait_for 3 is_sleeping $pid
	check_equal it_is_the_command sleep "$(cat /proc/$pid/comm)"
	check_equal in_the_namespace "$(readlink "/proc/$GUEST/ns/user") $(stat -L -c %i /run/netns/web)" \
		"$(readlink /proc/$pid/ns/user) $(stat -L -c %i /proc/$pid/ns/net)"
	kill -TERM $pid
	wait $pid
	check_equal signal_reaches_the_command 143 $?
	"$FASTVETH" exec web bash -c 'trap "echo caught >\"$0\"; exit 5" USR1; : >"$0.ready"
		while :; do sleep 0.05; done' "$FV_TMP/signal" &
	pid=$!
	wait_for 3 [ -e "$FV_TMP/signal.ready" ]
	kill -USR1 $pid
	wait $pid
	check_equal signal_is_caught "5 caught" "$? $(cat "$FV_TMP/signal")"
	for what in SigBlk SigIgn CapEff CapBnd NoNewPrivs Seccomp; do
		check_equal "untouched_$what" "$(status_of $what)" "$(in_web bash -c \
			"sed -n 's/^$what:[[:space:]]*//p' /proc/self/status")"
	done
	check_equal untouched_limits "$(bash -c 'ulimit -a; umask; nice')" \
		"$(in_web bash -c 'ulimit -a; umask; nice')"
}

is_sleeping() {
	[ "$(cat "/proc/$1/comm")" = sleep ]
}

status_of() {
	bash -c "sed -n 's/^$1:[[:space:]]*//p' /proc/self/status"
}

# ---- what it sees ----

mounts_of() { # COMMAND...: without the numbers that differ each time
	"$@" cat /proc/self/mountinfo | cut -d' ' -f4- | sed -E 's/(master|shared):[0-9]+/\1/g' | sort
}

sees() {
	check_equal sys_of_the_namespace "eth0 lo" "$(in_web ls /sys/class/net | xargs)"
	check_equal mounts_as_ip_netns_exec "$(mounts_of ip netns exec web)" "$(mounts_of in_web)"
	check_equal inode_as_ip_netns_exec "$(ip netns exec web stat -L -c %i /proc/self/ns/net)" \
		"$(in_web stat -L -c %i /proc/self/ns/net)"
	# Mounts made inside stay inside.
	check mount_inside in_web mount -t tmpfs tmpfs /mnt
	check_fails it_stays_inside mountpoint -q /mnt
	check_equal sys_of_the_host_is_as_it_was "fv-db fv-pid-$GUEST fv-web fv-xa lo" \
		"$(find /sys/class/net -type l -printf '%f\n' | sort | xargs)"
	check_equal of_another_process_by_its_name "eth0 lo" \
		"$("$FASTVETH" exec "pid-$GUEST" ls /sys/class/net | xargs)"
	check_equal of_a_second_name "$(in_web stat -L -c %i /proc/self/ns/net)" \
		"$("$FASTVETH" exec side stat -L -c %i /proc/self/ns/net)"
	check ping_from_within in_web ping -q -c 1 -W 1 10.77.0.11
}

# ---- names ----

hosts() {
	check_equal names_by_exec "10.77.0.11 db" "$(in_web getent ahostsv4 db | head -n 1 |
		awk '{ print $1, $3 }')"
	check_equal names_by_exec_ipv6 "fd77::11 db" "$(in_web getent hosts db | xargs)"
	check_equal names_by_ip_netns_exec "fd77::11 db" "$(ip netns exec web getent hosts db | xargs)"
	check_equal own_name "fd77::10 web" "$(in_web getent hosts web | xargs)"
	check_equal the_gateway_by_name "10.77.0.1" \
		"$(in_web getent ahostsv4 gateway | awk '{ print $1; exit }')"
	check_equal localhost_by_name "127.0.0.1" \
		"$(in_web getent ahostsv4 localhost | awk '{ print $1; exit }')"
	check_equal names_by_second_name "fd77::11 db" \
		"$("$FASTVETH" exec side getent hosts db | xargs)"
	check_equal of_the_other_network_none "" "$(in_web getent hosts xa)"
	check_equal name_without_ipv4 "fd76::10 xa" "$("$FASTVETH" exec xa getent hosts xa | xargs)"
	check_equal the_host_has_none_of_them "" "$(getent hosts db)"
	check ping_by_name in_web ping -q -c 1 -W 1 db
	check ping_by_name_as_ip_netns_exec ip netns exec db ping -q -c 1 -W 1 web

	check another_joins "$FASTVETH" add -q cache --network lab --address 10.77.0.20
	check_equal its_name_is_known "10.77.0.20 cache" \
		"$(in_web getent ahostsv4 cache | awk '{ print $1, $3; exit }')"
	check_equal it_knows_the_others "fd77::11 db" \
		"$("$FASTVETH" exec cache getent hosts db | xargs)"
	check it_leaves "$FASTVETH" del -q cache
	check_equal its_name_is_forgotten "" "$(in_web getent hosts cache)"
}

# Files of the administrator's own, beside ours and instead of it.
own_files() {
	check down_first "$FASTVETH" down -q lab
	mkdir -p /etc/netns/web /etc/netns/db
	echo "192.0.2.9 db mine" >/etc/netns/web/hosts
	echo "nameserver 192.0.2.53" >/etc/netns/web/resolv.conf
	echo "nameserver 192.0.2.54" >/etc/netns/db/resolv.conf
	rm -f /etc/resolv.conf
	: >/etc/resolv.conf
	check up_beside_them "$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check_equal own_hosts_file "192.0.2.9 db mine" "$(in_web getent hosts db | xargs)"
	check_equal own_resolver "nameserver 192.0.2.53" "$(in_web cat /etc/resolv.conf)"
	check_equal own_resolver_beside_ours "nameserver 192.0.2.54 fd77::10 web" \
		"$("$FASTVETH" exec db sh -c 'cat /etc/resolv.conf; getent hosts web' | xargs)"
	check_equal the_same_by_ip_netns_exec "nameserver 192.0.2.54 fd77::10 web" \
		"$(ip netns exec db sh -c 'cat /etc/resolv.conf; getent hosts web' | xargs)"
	check healthy_with_them "$FASTVETH" status
	check down_again "$FASTVETH" down -q --all
	check_equal they_are_left_alone "192.0.2.9 db mine" "$(cat /etc/netns/web/hosts)"
	check_equal nothing_else_is_left "db/resolv.conf web/hosts web/resolv.conf" \
		"$(find /etc/netns ! -type d -printf '%P\n' | sort | xargs)"
}

# No server answers here: asking one is waiting in vain.
sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
lab
words
exit_codes
descriptors
process
sees
hosts
own_files
check_equal namespaces_are_gone "" "$(ip netns list)"
finish
