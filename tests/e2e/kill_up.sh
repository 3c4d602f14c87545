#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `up` killed at the Nth call that changes something: the next `up` completes it, or `down --all`
# leaves the host as it was before. The networks: kill_lab.bash.
# serial
# kernel: any
# timeout: 1800
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need kill_up ip jq nft ping strace

# shellcheck source=tests/e2e/kill_lab.bash
. "$(dirname "$0")/kill_lab.bash"

life_host
forwarding 0
kill_files
BEFORE=$(host_now)

completed() {
	"$FASTVETH" -q up "$FV_TMP/lab.yaml" && works
}

mapfile -t all < <(calls "$FASTVETH" -q up "$FV_TMP/lab.yaml")
check calls_seen test ${#all[@]} -gt 100
check unkilled_works works
check unkilled_undone undone
turn=0 killed=0
for n in $(some 30 "${all[@]}"); do
	traced signal=KILL "$n" "$FASTVETH" -q up "$FV_TMP/lab.yaml" 2>/dev/null
	code=$?
	# How often some calls are made differs from run to run: the last of them may not come.
	case $code in
	137) killed=$((killed + 1)) ;;
	0) ;;
	*) not_ok "killed:$n" "ended with $code" ;;
	esac
	if [ $((turn++ % 2)) = 0 ]; then
		check "completed:$n" completed || last_calls
	fi
	check "undone:$n" undone || last_calls
	sweep
done
check most_were_killed test $killed -ge 10
finish
