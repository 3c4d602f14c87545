#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `down --all` killed at one of the calls that change something: the next `down --all` leaves the host as
# it was before the first `up`, or `up` makes the networks again. The networks: kill_lab.bash.
# serial
# kernel: any
# timeout: 1800
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need kill_down ip jq nft ping strace

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
mapfile -t all < <(calls "$FASTVETH" -q down --all)
check calls_seen test ${#all[@]} -gt 50
turn=0 killed=0
for n in $(some 25 "${all[@]}"); do
	"$FASTVETH" -q up "$FV_TMP/lab.yaml"
	traced signal=KILL "$n" "$FASTVETH" -q down --all 2>/dev/null
	code=$?
	# How often some calls are made differs from run to run: the last of them may not come.
	case $code in
	137) killed=$((killed + 1)) ;;
	0) ;;
	*) not_ok "killed:$n" "ended with $code" ;;
	esac
	if [ $((turn++ % 2)) = 0 ]; then
		check "made_again:$n" completed || last_calls
	fi
	check "undone:$n" undone || last_calls
	sweep
done
check most_were_killed test $killed -ge 10
finish
