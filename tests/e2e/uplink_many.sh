#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Many downloads at once through NAT, in and out, every byte summed up, while routes and rules change; and short
# connections, closed in all ways, after which conntrack has as many in each state as without the
# shortcut. The machine: uplink_lab.bash.
#
# FV_FULL=1: 100 downloads of 100 MiB and 10,000 connections, instead of 40 of 32 MiB and 4,000.
# kernel: any
# timeout: 200
# shellcheck disable=SC2317,SC2086 # called through check; words without spaces
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need uplink_many bpftool conntrack curl ip jq nft nginx python3 sha256sum ss xargs

# shellcheck source=tests/e2e/uplink_lab.bash
. "$(dirname "$0")/uplink_lab.bash"
DOWNLOADS=40 MEGABYTES=32 CONNECTIONS=4000
[ -z "${FV_FULL:-}" ] || DOWNLOADS=100 MEGABYTES=100 CONNECTIONS=10000
[ -z "${FV_VM:-}" ] || DOWNLOADS=6 MEGABYTES=4 CONNECTIONS=200

web() { # NAMESPACE PORT
	mkdir -p "$FV_TMP/$1"
	cat >"$FV_TMP/$1/nginx.conf" <<-END
		user root;
		daemon off;
		worker_processes 1;
		pid $FV_TMP/$1/pid;
		error_log $FV_TMP/$1/log;
		events { worker_connections 1024; }
		http {
			access_log off;
			sendfile on;
			client_body_temp_path $FV_TMP/$1;
			proxy_temp_path $FV_TMP/$1;
			fastcgi_temp_path $FV_TMP/$1;
			uwsgi_temp_path $FV_TMP/$1;
			scgi_temp_path $FV_TMP/$1;
			server { listen $2; listen [::]:$2; root $FV_TMP/www; }
		}
	END
	ip netns exec "$1" nginx -e "$FV_TMP/$1/log" -c "$FV_TMP/$1/nginx.conf" &
}

up_is() { # NAMESPACE URL
	at "$1" curl -s -o /dev/null -r 0-9 "$2"
}

# downloads NAMESPACE URL: half of them at once; prints each digest once, with how many had it.
downloads() {
	seq $((DOWNLOADS / 2)) | ip netns exec "$1" xargs -P $DOWNLOADS -I{} \
		sh -c "curl -s --retry 0 -m $((150 * ${FV_SLOW:-1})) $2 | sha256sum" | sort | uniq -c | awk '{ print $1, $2 }'
}

# The way out by the other uplink and back, and all rules anew, again and again. Source NAT is to an address
# that stays: a masqueraded connection would end with its uplink.
changes() {
	local other=up1

	while :; do
		sleep 1
		default_by $other
		[ $other = up0 ] && other=up1 || other=up0
		SNAT=snat FORWARD="ip saddr 192.168.77.0/24 drop" rules
		sleep 1
		SNAT=snat rules
		"$FASTVETH" -q attach
	done
}

many_downloads() {
	local changer reader before in out sum

	head -c $((MEGABYTES << 20)) /dev/urandom >"$FV_TMP/www/data"
	sum=$(sha256sum <"$FV_TMP/www/data" | cut -d' ' -f1)
	SNAT=snat rules
	"$FASTVETH" -q attach br9 --uplink up0 --uplink up1
	before=$(stats)
	changes &
	changer=$!
	downloads wire http://$HOST4:8082/data >"$FV_TMP/in" &
	reader=$!
	downloads c1 http://$FAR4:82/data >"$FV_TMP/out"
	wait $reader
	kill $changer
	wait $changer 2>/dev/null
	check_equal downloads_in "$((DOWNLOADS / 2)) $sum" "$(cat "$FV_TMP/in")"
	check_equal downloads_out "$((DOWNLOADS / 2)) $sum" "$(cat "$FV_TMP/out")"
	# Each change of a route proves anew: less than without.
	if [ -n "$NAT" ]; then
		read -r in out < <(shares "$before" "$(stats)")
		check downloads_took_the_shortcut [ $in -gt 50 -a $out -gt 50 ]
	fi
	default_by up0
}

states() { # lines "STATE NUMBER"
	conntrack -L -p tcp 2>/dev/null | awk '{ n[$4]++ } END { for (s in n) print s, n[s] }' | sort
}

# Each state has as many as without. Openings, closings and resets all go the host's way, and the answers
# between them, so it should be exact; but a client draws its ports, and one that was reset may be drawn again
# and takes the old one's place: of 10,000 some hundred, by chance. Two in a hundred, and five.
alike() { # FILE FILE
	jq -en --arg n "$CONNECTIONS" --rawfile a "$1" --rawfile b "$2" 'def of($s): [$s | split("\n")[] |
		select(. != "") | split(" ") | { key: .[0], value: (.[1] | tonumber) }] | from_entries;
		of($a) as $x | of($b) as $y | [($x + $y | keys[]) | (($x[.] // 0) - ($y[.] // 0)) | fabs] |
		max <= ($n | tonumber) / 50 + 5'
}

short_connections() {
	local mode pids

	# Nothing is forgotten before it is counted.
	for state in close close_wait fin_wait last_ack time_wait; do
		sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_$state=600
	done
	rules
	for mode in slow fast; do
		if [ $mode = slow ]; then
			"$FASTVETH" -q attach br9 --uplink none
		else
			"$FASTVETH" -q attach br9 --uplink up0
		fi
		conntrack -F >/dev/null 2>&1
		talk wire many $HOST4 8080 $((CONNECTIONS / 2)) >"$FV_TMP/many.in" &
		pids=$!
		talk c1 many $WIRE4 80 $((CONNECTIONS / 2)) >"$FV_TMP/many.out"
		wait $pids
		check_equal ${mode}_all_answered "$((CONNECTIONS / 2)) $((CONNECTIONS / 2))" \
			"$(cat "$FV_TMP/many.in") $(cat "$FV_TMP/many.out")"
		sleep 1
		states >"$FV_TMP/states.$mode"
	done
	check states_are_alike alike "$FV_TMP/states.slow" "$FV_TMP/states.fast" ||
		diff "$FV_TMP/states.slow" "$FV_TMP/states.fast" | sed 's/^/# /'
	check none_is_left_open [ "$(awk '$1 == "ESTABLISHED" { print $2 }' "$FV_TMP/states.fast")0" -lt $((CONNECTIONS / 10 + 50)) ]
	check all_are_known [ "$(awk '{ n += $2 } END { print n }' "$FV_TMP/states.fast")" -gt $((CONNECTIONS * 9 / 10)) ]
}

machine
rules
mkdir -p "$FV_TMP/www"
chmod 755 "$FV_TMP" "$FV_TMP/www"
echo here >"$FV_TMP/www/index.html"
web c1 82
web wire 82
servers wire c1
check servers_are_up wait_for 10 up_is wire http://$HOST4:8082/
check servers_are_up_outside wait_for 10 up_is c1 http://$FAR4:82/
many_downloads
short_connections
check detach "$FASTVETH" -q detach --all
finish
