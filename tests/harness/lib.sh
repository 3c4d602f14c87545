# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For tests/e2e/*.sh. A script begins with
#
#	. "$(dirname "$0")/../harness/lib.sh"
#	fv_isolate "$@"
#
# and ends with `finish`. It reports cases, one line each: `ok NAME`, `not ok NAME: why`,
# `skip NAME: why`. Between them it is root in a machine of its own (see isolate) with
# nothing but `lo`. $FASTVETH is the program, $FV_TMP a directory that goes by itself.
#
# Lines in a script that tests/harness/run reads: `# serial` (run alone),
# `# timeout: SECONDS` (default 300).
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

FV_HARNESS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FV_ROOT=$(cd "$FV_HARNESS/../.." && pwd)
FASTVETH=${FASTVETH:-$FV_ROOT/build/fastveth}
FV_TMP=/run/test
FV_PASSED=0 FV_FAILED=0 FV_SKIPPED=0 FV_FINISHED=

# fv_isolate "$@": go on in a machine of one's own.
fv_isolate() {
	if [ "${FV_ISOLATED:-}" != 1 ]; then
		exec "$FV_HARNESS/isolate" "$(readlink -f "$0")" "$@"
	fi
	export FASTVETH
	mkdir -p "$FV_TMP"
	trap fv_exit EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
}

fv_exit() {
	local code=$? pid

	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null
	done
	# Whoever stops the script by a signal says why.
	if [ -z "$FV_FINISHED" ] && [ $code != 143 ] && [ $code != 130 ]; then
		echo "not ok $(basename "$0" .sh): ended before finish, with exit code $code"
		exit 1
	fi
}

# finish: the last command of a script; its exit code is the script's.
finish() {
	FV_FINISHED=1
	if [ $((FV_PASSED + FV_FAILED + FV_SKIPPED)) = 0 ]; then
		not_ok "$(basename "$0" .sh)" "no cases"
	fi
	[ "$FV_FAILED" = 0 ]
	exit
}

# ok NAME
ok() {
	FV_PASSED=$((FV_PASSED + 1))
	echo "ok $1"
}

# not_ok NAME WHY
not_ok() {
	FV_FAILED=$((FV_FAILED + 1))
	echo "not ok $1: $2"
}

# skip NAME WHY
skip() {
	FV_SKIPPED=$((FV_SKIPPED + 1))
	echo "skip $1: $2"
}

# need NAME COMMAND...: skip everything, under NAME, if one of the programs is missing.
need() {
	local name=$1 tool

	shift
	for tool in "$@"; do
		if ! command -v "$tool" >/dev/null; then
			skip "$name" "$tool is not installed"
			finish
		fi
	done
}

# check NAME COMMAND...: ok if it succeeds; its output is shown if it does not.
check() {
	local name=$1 out code

	shift
	out=$("$@" 2>&1)
	code=$?
	if [ $code = 0 ]; then
		ok "$name"
	else
		not_ok "$name" "exit code $code of: $*"
		printf '%s\n' "$out" | tail -n 40 | sed 's/^/# /'
	fi
	return $code
}

# check_fails NAME COMMAND...: ok if it does not succeed.
check_fails() {
	local name=$1 out

	shift
	if out=$("$@" 2>&1); then
		not_ok "$name" "succeeded: $*"
		printf '%s\n' "$out" | tail -n 40 | sed 's/^/# /'
		return 1
	fi
	ok "$name"
}

# check_equal NAME WANTED GOT
check_equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
		return 0
	fi
	not_ok "$1" "differs"
	diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | head -n 40 | sed 's/^/# /'
	return 1
}

# expect_fail NAME EXITCODE TEXT COMMAND...: fails with this code and one line on stderr
# that contains TEXT, and prints nothing on stdout.
expect_fail() {
	local name=$1 want=$2 text=$3 out code lines err=$FV_TMP/expect_fail.$BASHPID why=

	shift 3
	out=$("$@" 2>"$err")
	code=$?
	mapfile lines <"$err"
	if [ $code != "$want" ]; then
		why="exit code $code, not $want, of: $*"
	elif [ ${#lines[@]} != 1 ] || [[ ${lines[0]} != *$'\n' ]]; then
		why="not one line on stderr: $*"
	elif [[ ${lines[0]} != *"$text"* ]]; then
		why="stderr does not say '$text': $*"
	elif [ -n "$out" ]; then
		why="prints on stdout: $*"
	fi
	if [ -z "$why" ]; then
		ok "$name"
	else
		not_ok "$name" "$why"
		{ cat "$err"; printf '%s\n' "$out"; } | tail -n 40 | sed 's/^/# /'
	fi
	[ -z "$why" ]
}

# wait_for SECONDS COMMAND...: try it 20 times a second until it succeeds.
wait_for() {
	local end=$((SECONDS + $1 * ${FV_SLOW:-1}))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -le $end ] || return 1
		sleep 0.05
	done
}

# less NUMBER: of packets or bytes, on a machine that is slow.
less() {
	echo $(($1 / ${FV_SLOW:-1}))
}

# kernel_from MAJOR.MINOR: is this one that new? For what tests expect; fastveth itself tries.
kernel_from() {
	local have want

	IFS=.- read -ra have < <(uname -r)
	IFS=. read -ra want <<<"$1"
	((have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1])))
}

# How programs are attached here, and the hook to ask for where a test would have xdp.
TC=tcx XDP=xdp
kernel_from 6.6 || TC=clsact
kernel_from 5.13 || XDP=tc

# has_hook tcx|clsact|xdp: or say that it is skipped. In virtual machines clsact is left to the
# kernels that do not have better.
has_hook() {
	local why=

	case $1 in
	tcx) [ $TC = tcx ] || why="this kernel has no tcx" ;;
	xdp) [ $XDP = xdp ] || why="this kernel cannot redirect XDP frames to a veth" ;;
	clsact) [ $TC = clsact ] || [ -z "${FV_VM:-}" ] || why="this kernel has tcx" ;;
	esac
	[ -z "$why" ] || skip "$1" "$why"
	[ -z "$why" ]
}

# possible FILE...: topologies as this kernel can have them.
possible() {
	sed -i "s/hook: xdp/hook: $XDP/" "$@"
}

# census: what `up` could leave behind here; compare before and after.
census() {
	"$FV_HARNESS/census"
}
