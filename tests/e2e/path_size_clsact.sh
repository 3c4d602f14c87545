#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sizes and hops, with clsact filters: path_size.bash.
# timeout: 120
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need path_size_clsact ethtool ip jq nstat ping sha256sum socat ss unshare

# shellcheck source=tests/e2e/path_lab.bash
. "$(dirname "$0")/path_lab.bash"
# shellcheck source=tests/e2e/path_size.bash
. "$(dirname "$0")/path_size.bash"

has_hook clsact && sizes clsact
finish
