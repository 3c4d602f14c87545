#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Counters are exact, with clsact filters: path_count.bash.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need path_count_clsact ethtool ip iperf3 jq nft ping python3 ss taskset

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"
# shellcheck source=tests/e2e/path_count.bash
. "$(dirname "$0")/path_count.bash"

has_hook clsact && count clsact
finish
