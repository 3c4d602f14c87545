# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A Docker engine of one's own, in the script's own network, mount and process namespaces: its
# data, its socket and its rules are gone with them. Only cgroups are the machine's.

ENGINE_CGROUP=

# engine_start NAME [DOCKERD_OPTION...]: skips everything under NAME where there is no engine.
engine_start() {
	local name=$1 dir=$FV_TMP/engine

	shift
	need "$name" docker dockerd busybox
	mkdir -p "$dir"
	export DOCKER_HOST=unix://$dir/socket DOCKER_CONFIG=$dir/config
	unset DOCKER_CONTEXT
	engine_sweep
	ENGINE_CGROUP=fastveth-e2e-$(stat -L -c %i /proc/self/ns/net)
	dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
		--host "$DOCKER_HOST" --cgroup-parent "/$ENGINE_CGROUP" "$@" >"$dir/log" 2>&1 &
	ENGINE_PID=$!
	trap 'engine_stop; fv_exit' EXIT
	wait_for 60 engine_decided
	if ! docker version >/dev/null 2>&1; then
		skip "$name" "dockerd does not start: $(tail -n 1 "$dir/log")"
		finish
	fi
}

# It answers, or it has given up.
engine_decided() {
	docker version || ! kill -0 "$ENGINE_PID"
}

# By its pid; what still runs in it goes first.
engine_stop() {
	[ -n "$ENGINE_CGROUP" ] || return
	docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1
	kill "$ENGINE_PID" 2>/dev/null
	wait "$ENGINE_PID" 2>/dev/null
	ENGINE_PID=
	engine_sweep "$ENGINE_CGROUP"
	ENGINE_CGROUP=
}

# Remove the cgroups that are left: of this engine, or of those whose scripts were killed long
# ago. (One that is in use cannot be removed; one of another script that runs now must not.)
engine_sweep() { # [NAME]
	local which=(-path "*/fastveth-e2e-[0-9]*" -mmin +10)

	[ $# = 0 ] || which=(-path "*/$1*")
	find /sys/fs/cgroup -depth -type d "${which[@]}" -exec rmdir {} + 2>/dev/null
}

# engine_image NAME: busybox, with a page that says so.
engine_image() {
	local dir=$FV_TMP/image lib

	mkdir -p "$dir/bin" "$dir/www" "$dir/tmp"
	cp "$(command -v busybox)" "$dir/bin/busybox"
	# One that is not static needs its libraries.
	for lib in $(ldd "$dir/bin/busybox" 2>/dev/null | grep -o '/[^ ]*'); do
		cp -L --parents "$lib" "$dir"
	done
	for applet in httpd ip ls nc ping sh timeout wget; do
		ln -s busybox "$dir/bin/$applet"
	done
	tar -C "$dir" -c . | docker import - "$1" >/dev/null
}

# engine_run NAME PAGE [OPTION...]: a web server that says PAGE.
engine_run() {
	local name=$1 page=$2

	shift 2
	docker run -d --name "$name" "$@" web \
		sh -c "echo '$page' >/www/index.html; exec httpd -f -h /www" >/dev/null
}

pid_of() { # CONTAINER
	docker inspect -f '{{.State.Pid}}' "$1"
}
