#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `up` of an edited file killed at one of the calls that change something: the next `up` of it, or
# of the old file, makes what that file says; `down --all` leaves nothing. See kill_lab.bash.
# serial
# kernel: any
# timeout: 1800
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need kill_edit ip jq nft ping strace

# shellcheck source=tests/e2e/kill_lab.bash
. "$(dirname "$0")/kill_lab.bash"

life_host
forwarding 0
kill_files
BEFORE=$(host_now)

completed() {
	"$FASTVETH" -q up "$FV_TMP/lab.yaml" && works
}

check up completed
completed_edited() {
	"$FASTVETH" -q up "$FV_TMP/edited.yaml" && works_edited
}

check up completed
mapfile -t all < <(calls "$FASTVETH" -q up "$FV_TMP/edited.yaml")
check calls_seen test ${#all[@]} -gt 100
check unkilled_works works_edited
check unkilled_undone undone
turn=0 killed=0
for n in $(some 20 "${all[@]}"); do
	"$FASTVETH" -q up "$FV_TMP/lab.yaml"
	traced signal=KILL "$n" "$FASTVETH" -q up "$FV_TMP/edited.yaml" 2>/dev/null
	code=$?
	# How often some calls are made differs from run to run: the last of them may not come.
	case $code in
	137) killed=$((killed + 1)) ;;
	0) ;;
	*) not_ok "killed:$n" "ended with $code" ;;
	esac
	case $((turn++ % 3)) in
	0) check "completed:$n" completed_edited || last_calls ;;
	1) check "taken_back:$n" completed || last_calls ;;
	esac
	check "undone:$n" undone || last_calls
	sweep
done
check most_were_killed test $killed -ge 10
finish
