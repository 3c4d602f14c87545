#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/vm itself: what cannot be is told in one line and changes nothing; a job's exit code comes out; a
# machine that hangs or dies is ended and told; whatever ends a run ends its machines, and nothing of
# them is left. Kernels are fetched: where the archive does not answer, that part is skipped.
# timeout: 480
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

VM=$FV_ROOT/tests/vm
FV_TMP=$(mktemp -d)
trap 'rm -rf "$FV_TMP"' EXIT
if [ "$(id -u)" != 0 ]; then
	skip vm "needs root"
	finish
fi

# ---- what cannot be ----

expect_fail unknown_kernel 2 "kernel 4.4 is unknown: tests/vm/kernels has" "$VM/run" 4.4
expect_fail unknown_option 2 "usage: run" "$VM/run" --fast
expect_fail shell_of_no_kernel 2 "name one kernel" "$VM/shell"
expect_fail fetch_of_an_unknown_kernel 1 "kernel 4.4: unknown" "$VM/fetch" 4.4

# A tree of its own: nothing is cached there.
mkdir -p "$FV_TMP/tree/tests"
cp -r "$VM" "$FV_TMP/tree/tests/vm"
expect_fail no_archive 4 "does not answer" env DEBIAN=http://127.0.0.1:9 \
	"$FV_TMP/tree/tests/vm/fetch" 6.1
sed -i 's/^6\.1\t/9.9\t/' "$FV_TMP/tree/tests/vm/kernels"

# What a kernel that is not there is to a run: skipped, or failed where it must be there.
run_without() { # OPTION...
	(cd "$FV_TMP/tree" && git init -q . 2>/dev/null && cp -r "$FV_ROOT/tests/harness" tests/ &&
		DEBIAN=http://127.0.0.1:9 tests/vm/run "$@" 9.9 | tail -n 2)
}
out=$(run_without)
check_equal unfetched_is_skipped "0 passed, 0 failed, 1 skipped" "$(tail -n 1 <<<"$out")"
check unfetched_says_why grep -q "^skipped: kernel 9.9: .*does not answer" <<<"$out"
check_equal unfetched_and_nothing_else_is_no_failure "0 passed, 0 failed, 1 skipped" \
	"$(run_without --required | tail -n 1)"

# Programs that are missing.
mkdir "$FV_TMP/bin"
for tool in bash sed awk dirname id env cat grep mktemp rm cp sort head tail cut; do
	ln -s "$(command -v $tool)" "$FV_TMP/bin/$tool"
done
# boot adds the sbin directories to PATH by itself: qemu is in none of them.
expect_fail no_qemu 126 "qemu-system-x86_64 is missing: run 'make deps DEPS=vm'" \
	env PATH="$FV_TMP/bin" "$VM/boot" 6.1 60 "$FV_TMP/log" /dev/null

# ---- machines ----

why=$("$VM/fetch" 6.1 2>&1) || {
	skip machines "$why"
	finish
}

boot() { # SECONDS, job on stdin
	cat >"$FV_TMP/job"
	"$VM/boot" 6.1 "$1" "$FV_TMP/log" "$FV_TMP/job" >"$FV_TMP/boot.log" 2>&1 </dev/null
}

# Those of this tree that are running.
machines() {
	pgrep -f "$FV_ROOT/build/vm/tmp/" | wc -l
}

boot 120 <<'X'
uname -r
touch /etc/made-inside "$PWD/made-inside" && echo wrote
exit 7
X
check_equal exit_code_comes_out 7 $?
check kernel_is_the_one grep -q '^6\.1\.' "$FV_TMP/log/job.log"
check job_may_write grep -q wrote "$FV_TMP/log/job.log"
check nothing_is_changed_outside test ! -e /etc/made-inside -a ! -e "$FV_ROOT/made-inside"
check nothing_is_left test "$(machines)" = 0 -a -z "$(ls -A "$FV_ROOT/build/vm/tmp")"

boot 12 <<'X'
sleep 1000
X
check_equal hanging_job_is_ended 124 $?
check_equal nothing_runs_on 0 "$(machines)"

boot 60 <<'X'
echo c >/proc/sysrq-trigger
X
check_equal dying_machine_is_told 125 $?
check its_last_words_are_kept grep -q "Kernel panic" "$FV_TMP/log/kernel.log"
check log_scan_sees_that grep -q . <("$FV_HARNESS/klog" scan "$FV_TMP/log/kernel.log")

# killed SIGNAL: in the middle of a job.
killed() {
	echo 'sleep 1000' >"$FV_TMP/job"
	rm -f "$FV_TMP/log/kernel.log"
	"$VM/boot" 6.1 100 "$FV_TMP/log" "$FV_TMP/job" >/dev/null 2>&1 </dev/null &
	wait_for 20 test -e "$FV_TMP/log/kernel.log"
	check "$1_runs" test "$(machines)" -gt 0
	kill "-$1" $!
	wait $! 2>/dev/null
	check "$1_ends_it" wait_for 5 none
}

none() {
	[ "$(machines)" = 0 ]
}
killed KILL
killed TERM
finish
