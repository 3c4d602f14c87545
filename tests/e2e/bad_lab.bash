# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What bad_*.sh share: a run that is refused leaves everything as it was. `host_now` is from
# life_lab.bash; call remember first, and again after every change that is meant.

# shellcheck source=tests/e2e/life_lab.bash
. "$(dirname "${BASH_SOURCE[0]}")/life_lab.bash"

HOST_BEFORE=

# Without rcu_expedited: that is the machine's, and other runs set it for a moment.
now() {
	host_now | grep -vx '[01]'
}

remember() {
	HOST_BEFORE=$(now)
}

# refused CASE EXITCODE TEXT COMMAND...: one line that contains TEXT, and nothing has changed.
refused() {
	local case=$1 after

	shift
	expect_fail "$case" "$@"
	after=$(now)
	if [ "$after" != "$HOST_BEFORE" ]; then
		check_equal "${case}_changes_nothing" "$HOST_BEFORE" "$after"
		HOST_BEFORE=$after
	fi
}

# refused_file CASE TEXT: a file, from stdin, that `up` and `plan` refuse.
refused_file() {
	cat >"$FV_TMP/new.yaml"
	mv "$FV_TMP/new.yaml" "$FV_TMP/bad.yaml"
	refused "$1" 1 "$2" timeout 20 "$FASTVETH" up "$FV_TMP/bad.yaml"
	expect_fail "$1_plan" 1 "$2" timeout 20 "$FASTVETH" plan "$FV_TMP/bad.yaml"
}

# net NAME SUBNET [NAMESPACES]: a topology of one network.
net() {
	local namespaces='{ a: {} }'

	[ $# -lt 3 ] || namespaces=$3
	printf 'networks:\n  %s:\n    subnet: %s\n    namespaces: %s\n' "$1" "$2" "$namespaces"
}
