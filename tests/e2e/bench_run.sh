#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `fastveth bench`: every path once, shortly; what is missing and what is wrong is told; two runs compared; and
# a run that is interrupted tells what it has and leaves nothing.
# serial
# timeout: 400
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
if [ "${FV_VM:-}" = 1 ]; then
	skip bench_run "an emulated machine measures nothing"
	finish
fi
fv_isolate "$@"
need bench_run ip jq python3 iperf3 sockperf wrk nginx gnuplot

OUT=$FV_TMP/out FILE=$FV_TMP/out/bench.json

bench() {
	"$FASTVETH" bench "$@"
}

# bench_fails CASE CODE TEXT WORD...: one line that contains TEXT.
bench_fails() {
	local name=$1 code=$2 text=$3

	shift 3
	expect_fail "$name" "$code" "$text" "$FASTVETH" bench "$@"
}

# ---- words ----

bench_fails path_nosuch 2 "nosuch: not one of host, loopback" --paths nosuch
bench_fails case_nosuch 2 "nosuch: not one of tcp_stream" --cases nosuch
bench_fails no_rounds 2 "must be 1 or more" --rounds 0
bench_fails both_presets 2 "one of them" --quick --full
bench_fails no_directory 2 "is no directory" -o /etc/hostname
bench_fails no_value 2 "value is missing" -o
bench_fails a_word 2 "one word too many" lab
bench_fails compare_one 2 "two files" --compare "$FILE"
bench_fails compare_nosuch 1 "$FV_TMP/nosuch: No such file" --compare "$FV_TMP/nosuch" "$FV_TMP/nosuch"
echo '{}' >"$FV_TMP/empty"
bench_fails compare_other 1 "$FV_TMP/empty" --compare "$FV_TMP/empty" "$FV_TMP/empty"
expect_fail needs_root 1 "needs root" setpriv --reuid 65534 --regid 65534 --clear-groups "$FASTVETH" bench -o "$OUT"
check_equal nothing_is_written "" "$(ls "$OUT" 2>/dev/null)"

# ---- every path ----

left() { # what a run might leave; its namespaces and mounts are gone with its processes
	ip -o link | cut -d: -f2
	ip netns
	ls /sys/fs/bpf /run/netns 2>/dev/null
	find /sys/fs/cgroup -maxdepth 2 -type d -name 'fastveth-bench*' 2>/dev/null
	pgrep -f 'tools/bench/(run|sandbox)'
}

BEFORE=$(left)
check run bench -q --rounds 1 --cpus 1 --cases udp_64,udp_64_loss,cpu_per_packet -o "$OUT"
check_equal run_leaves_nothing "$BEFORE" "$(left)"
known=$(bench --paths nosuch 2>&1 | sed -E 's/.*not one of (.*) \(.*/\1/; s/, /\n/g' | sort)
check_equal every_path_was_run_or_why_not "$known" "$(jq -r '
	[.results[].path] + [.skipped[] | select(.reason | length > 0) | .path // empty] | .[]' "$FILE" | sort -u)"
for path in host loopback cable bridge route macvlan own own-clsact wire-host wire-own; do
	check "runs_$path" jq -e --arg p "$path" 'any(.results[]; .path == $p and .case == "udp_64")' "$FILE"
done
check_equal each_sample_is_there "[1]" "$(jq -c '[.results[].samples | length] | unique' "$FILE")"
check environment jq -e '.environment | .kernel and .cpu and .versions.iperf3 and (.conntrack | has("nft_rules"))' "$FILE"
check report_has_every_path python3 - "$OUT/bench.html" "$FILE" <<'X'
import json, sys
page, run = open(sys.argv[1]).read(), json.load(open(sys.argv[2]))
missing = {row["path"] for row in run["results"] if f'>{row["path"]}<' not in page}
sys.exit(f"not in the report: {missing}" if missing or "<svg" not in page else 0)
X
check_equal the_same_is_the_same '["same"]' "$(bench --compare -j "$FILE" "$FILE" | jq -c '[.. | .verdict? // empty] | unique')"

# ---- what is missing ----

# Not below /run, which each "host" of the benchmark has anew.
BIN=$(mktemp -d)
for dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin; do
	find -L $dir -maxdepth 1 -type f -executable -exec ln -sf -t "$BIN" {} + 2>/dev/null
done
rm -f "$BIN/sockperf" "$BIN/gnuplot"
PATH=$BIN "$FASTVETH" bench -q --rounds 1 --cpus 1 --paths loopback --cases tcp_rr_p50,udp_64 \
	-o"$FV_TMP/without" >"$FV_TMP/told"
check_equal without_sockperf 0 $?
check what_is_missing_is_told grep -q "not installed: sockperf: run .make deps" "$FV_TMP/told"
check_equal the_rest_runs '["udp_64"]' "$(jq -c '[.results[].case] | unique' "$FV_TMP/without/bench.json")"
check_equal no_report_without_gnuplot "bench.json" "$(ls "$FV_TMP/without")"
rm -r "$BIN"

# ---- interrupted ----

# interrupted SIGNAL CODE: in the second round.
interrupted() {
	local dir=$FV_TMP/$1 pid code

	env --default-signal=INT "$FASTVETH" bench --rounds 50 --cpus 1 --paths loopback,own --cases udp_64 -o "$dir" \
		>"$dir.out" 2>"$dir.err" </dev/null &
	pid=$!
	wait_for 30 grep -q "round 2/" "$dir.err"
	kill "-$1" "$pid"
	wait "$pid"
	code=$?
	check_equal "$1_exit_code" "$2" $code
	check "$1_tells_what_it_has" grep -q "^udp_64" "$dir.out"
	check "$1_is_said" jq -e '.interrupted and (.results | length > 0)' "$dir/bench.json"
	check_equal "$1_leaves_nothing" "$BEFORE" "$(left)"
}
interrupted INT 130
interrupted TERM 143
finish
