#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The harness itself: each way in which a test can go wrong is told to it by a script that
# goes wrong so.
# timeout: 120
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ]; then
	skip harness "needs root"
	finish
fi
fv_isolate "$@"

unset FV_SLOW FV_TEST_LIMIT
# Not below /run: the scripts get a /run of their own.
DIR=/mnt
mount -t tmpfs tmpfs $DIR
mkdir $DIR/e2e

script() { # NAME, body on stdin
	{
		printf '#!/bin/bash\n. %s/lib.sh\n' "$FV_HARNESS"
		cat
	} >$DIR/e2e/"$1.sh"
	chmod +x $DIR/e2e/"$1.sh"
}

# run_one CASE LAST_LINE TEXT: the script of that name ends so, and the output says TEXT.
run_one() {
	local name=$1 out

	out=$("$FV_HARNESS/run" --kind e2e --tests $DIR "$name" 2>&1)
	if [ "$(tail -n 1 <<<"$out")" = "$2" ] && grep -qF -- "$3" <<<"$out"; then
		ok "$name"
	else
		not_ok "$name" "wanted '$2' and '$3'"
		printf '%s\n' "$out" | sed 's/^/# /'
	fi
}

# The second time it passes: that counts, and both are told.
script again <<'X'
fv_isolate "$@"
check second_time test -e /mnt/again
touch /mnt/again
skip not_twice "here"
finish
X
out=$("$FV_HARNESS/run" --again --kind e2e --tests $DIR again 2>&1)
check_equal again_counts "1 passed, 0 failed, 1 skipped" "$(tail -n 1 <<<"$out")"
check again_is_told grep -q "^again: e2e/again: second_time" <<<"$out"
rm $DIR/again
out=$("$FV_HARNESS/run" --kind e2e --tests $DIR again 2>&1)
check_equal without_again_it_fails "0 passed, 1 failed, 1 skipped" "$(tail -n 1 <<<"$out")"
rm $DIR/again

script counts_cases <<'X'
fv_isolate "$@"
check true_is_ok true
check_fails false_fails false
check_equal same_is_equal a a
expect_fail says_why 1 "no such" sh -c 'echo "x: no such thing" >&2; exit 1'
skip not_here "nothing to see"
finish
X
run_one counts_cases "4 passed, 0 failed, 1 skipped" "skipped: e2e/counts_cases: not_here: nothing"

script sees_failures <<'X'
fv_isolate "$@"
check false_is_not_ok false
check_fails true_is_not_ok true
check_equal different a b
expect_fail other_code 2 "" sh -c 'echo x >&2; exit 1'
expect_fail other_text 1 "nay" sh -c 'echo x >&2; exit 1'
expect_fail two_lines 1 "x" sh -c 'echo x >&2; echo y >&2; exit 1'
expect_fail prints 1 "x" sh -c 'echo x >&2; echo y; exit 1'
finish
X
run_one sees_failures "0 passed, 7 failed, 0 skipped" "failed: e2e/sees_failures: prints: prints on"

script sees_early_end <<'X'
fv_isolate "$@"
check true_is_ok true
exit 0
X
run_one sees_early_end "1 passed, 1 failed, 0 skipped" "ended before finish, with exit code 0"

script sees_no_result <<'X'
exit 0
X
run_one sees_no_result "0 passed, 1 failed, 0 skipped" "no result"

script sees_no_cases <<'X'
fv_isolate "$@"
finish
X
run_one sees_no_cases "0 passed, 1 failed, 0 skipped" "no cases"

script sees_bad_exit <<'X'
echo "ok a"
exit 3
X
run_one sees_bad_exit "1 passed, 1 failed, 0 skipped" "exit code 3"

script sees_missing_cases <<'X'
printf '1..3\nok 1 - a\nnot ok 2 # SKIP b\n'
X
run_one sees_missing_cases "1 passed, 1 failed, 1 skipped" "only 2 of 3 cases ran"

# 7346 is a number of seconds that nobody else sleeps.
script kills_a_hanging_group <<'X'
# timeout: 1
fv_isolate "$@"
setsid sleep 7346 &
sleep 7346
finish
X
run_one kills_a_hanging_group "0 passed, 1 failed, 0 skipped" "killed at its time limit of 1 s"
check_fails nothing_is_left_of_it pgrep -f 'sleep 7346'
export FV_SLOW=100 FV_TEST_LIMIT=2
run_one kills_a_hanging_group "0 passed, 1 failed, 0 skipped" "killed at its time limit of 2 s"
unset FV_SLOW FV_TEST_LIMIT

script leaves_nothing_running <<'X'
fv_isolate "$@"
setsid sleep 7347 &
sleep 7347 &
ok started
finish
X
run_one leaves_nothing_running "1 passed, 0 failed, 0 skipped" "ok "
check_fails nothing_runs_on pgrep -f 'sleep 7347'

script sees_a_leaked_link <<'X'
ip link add leaked type veth && echo "ok added"
X
run_one sees_a_leaked_link "1 passed, 1 failed, 0 skipped" "failed: census"
ip link del leaked

script sees_a_leaked_sysctl <<'X'
echo 1 >/proc/sys/net/ipv4/ip_forward && echo "ok set"
X
run_one sees_a_leaked_sysctl "1 passed, 1 failed, 0 skipped" "ip_forward:1"
echo 0 >/proc/sys/net/ipv4/ip_forward

script sees_a_leaked_netns <<'X'
ip netns add leaked && echo "ok added"
X
run_one sees_a_leaked_netns "1 passed, 1 failed, 0 skipped" "> leaked"
ip netns del leaked

if [ -e "$FV_ROOT/build/bpf/fastveth_tc.bpf.o" ]; then
	script sees_a_leaked_program <<X
bpftool prog load $FV_ROOT/build/bpf/fastveth_tc.bpf.o /sys/fs/bpf/leaked type tc && echo "ok loaded"
X
	FV_BPF_WAIT=1 run_one sees_a_leaked_program "1 passed, 1 failed, 0 skipped" "sched_cls fv_from_ns"
	rm /sys/fs/bpf/leaked
else
	skip sees_a_leaked_program "the programs are not built"
fi

script isolates <<'X'
fv_isolate "$@"
ip link add mine type veth
touch /etc/mine /run/mine /sys/fs/bpf/mine 2>/dev/null
check etc_is_mine test -e /etc/mine
finish
X
run_one isolates "1 passed, 0 failed, 0 skipped" "ok "
check_fails etc_is_not_touched test -e /etc/mine

for i in 1 2 3; do
	script serial$i <<X
# serial
[ ! -e $DIR/busy ] && touch $DIR/busy && sleep 0.3 && rm $DIR/busy && echo "ok alone"
X
done
run_one serial "3 passed, 0 failed, 0 skipped" "ok "

expect_fail refuses_unknown_tests 1 "no such tests" "$FV_HARNESS/run" nothing_is_named_so
finish
