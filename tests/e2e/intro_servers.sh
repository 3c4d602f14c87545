#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Three web servers on port 80, all at once: nginx in one namespace, busybox httpd in another,
# and one more on the host itself.
#
#	web 10.77.0.10 fd77::10: nginx --+
#	db  10.77.0.11 fd77::11: httpd --+-- host: httpd
#	cli 10.77.0.12 fd77::12 ---------+
# kernel: any
# timeout: 60
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need intro_servers busybox curl ip jq nft nginx ss

cat >"$FV_TMP/lab.yaml" <<'END'
networks:
  lab:
    subnet: 10.77.0.0/24
    subnet6: fd77::/64
    namespaces:
      web: { address: 10.77.0.10, address6: "fd77::10" }
      db: { address: 10.77.0.11, address6: "fd77::11" }
      cli: { address: 10.77.0.12, address6: "fd77::12" }
END

# 32 MiB, and at this rate 2 s to fetch.
RATE=16M
SIZE=$((32 << 20))

pages() {
	local who

	for who in web db host; do
		mkdir "$FV_TMP/$who"
		echo "page of $who" >"$FV_TMP/$who/index.html"
		yes "$who" | head -c $SIZE >"$FV_TMP/$who/big"
	done
	chmod -R a+rX "$FV_TMP"
	cat >"$FV_TMP/nginx.conf" <<-END
		user root;
		daemon off;
		worker_processes 1;
		pid $FV_TMP/nginx.pid;
		error_log $FV_TMP/nginx.log;
		events { }
		http {
			access_log off;
			server {
				listen 80;
				listen [::]:80;
				root $FV_TMP/web;
			}
		}
	END
}

servers() {
	ip netns exec web nginx -p "$FV_TMP" -c "$FV_TMP/nginx.conf" -e "$FV_TMP/nginx.log" &
	ip netns exec db busybox httpd -f -p "[::]:80" -h "$FV_TMP/db" &
	busybox httpd -f -p "[::]:80" -h "$FV_TMP/host" &
}

page() { # CLIENT HOST
	local as=()

	[ "$1" = host ] || as=(ip netns exec "$1")
	"${as[@]}" curl -sf -m 3 "http://$2/"
}

listeners() { # NAMESPACE|host: programs on port 80
	local as=()

	[ "$1" = host ] || as=(ip netns exec "$1")
	"${as[@]}" ss -Hltnp "sport = 80" | grep -o '"[a-z]*"' | sort -u | xargs
}

way() { # NAME rx|tx shortcut_packets|packets
	"$FASTVETH" stats -j "$1" | jq ".endpoints[0].$2.$3"
}

# The big pages, three at a time; and in the middle of it, how many connections there are.
fetch() {
	local i=0 host pids=()

	for host in 10.77.0.10 10.77.0.11 10.77.0.1; do
		ip netns exec cli curl -sf -m 20 --limit-rate $RATE -o "$FV_TMP/got.$i" \
			"http://$host/big" &
		pids+=($!)
		i=$((i + 1))
	done
	sleep 1
	ip netns exec cli ss -Htn state connected exclude time-wait "dport = 80" | wc -l >"$FV_TMP/open"
	wait "${pids[@]}"
}

check up "$FASTVETH" up "$FV_TMP/lab.yaml"
pages
servers
for host in 10.77.0.10 10.77.0.11 10.77.0.1; do
	check "server_answers_at_$host" wait_for 5 page cli $host
done
check_equal nginx_in_web nginx "$(listeners web)"
check_equal httpd_in_db busybox "$(listeners db)"
check_equal httpd_on_the_host busybox "$(listeners host)"

for client in cli host; do
	check_equal "${client}_gets_the_page_of_web" "page of web" "$(page $client 10.77.0.10)"
	check_equal "${client}_gets_the_page_of_db" "page of db" "$(page $client 10.77.0.11)"
	check_equal "${client}_gets_the_page_of_web_ipv6" "page of web" "$(page $client "[fd77::10]")"
	check_equal "${client}_gets_the_page_of_db_ipv6" "page of db" "$(page $client "[fd77::11]")"
	check_equal "${client}_gets_the_page_of_host" "page of host" "$(page $client 10.77.0.1)"
	check_equal "${client}_gets_the_page_of_host_ipv6" "page of host" \
		"$(page $client "[fd77::1]")"
done
for who in web db host; do
	check_equal "localhost_of_$who" "page of $who" "$(page $who 127.0.0.1)"
done
check_equal by_name "page of db" "$("$FASTVETH" exec cli -- curl -s -m 3 http://db/)"

# The way: between the namespaces the shortcut alone, to and from the host the kernel's own.
before=$(way web rx shortcut_packets)
page host 10.77.0.10 >"$FV_TMP/page"
check_equal way_from_host_is_no_shortcut "$before" "$(way web rx shortcut_packets)"
nft -f - <<-'END'
	table inet watch {
		counter forwarded { }
		chain forward {
			type filter hook forward priority 0;
			tcp dport 80 counter name forwarded
			tcp sport 80 counter name forwarded
		}
	}
END
page db 10.77.0.10 >"$FV_TMP/page"
check way_between_namespaces_is_the_shortcut \
	[ "$(way web rx shortcut_packets)" -ge $((before + 4)) ]
before=$(way cli rx shortcut_bytes)
fetch
check_equal three_connections_at_once 3 "$(cat "$FV_TMP/open")"
i=0
for who in web db host; do
	check "big_page_of_$who" cmp "$FV_TMP/$who/big" "$FV_TMP/got.$i"
	i=$((i + 1))
done
# Bytes of two of the three.
got=$(($(way cli rx shortcut_bytes) - before))
check big_pages_came_by_the_shortcut [ $got -gt $((2 * SIZE)) ]
check page_of_the_host_did_not [ $got -lt $((3 * SIZE)) ]
check_equal host_forwarded_nothing 0 \
	"$(nft -j list counter inet watch forwarded | jq '.nftables[1].counter.packets')"
check_equal nothing_was_dropped '{}' "$("$FASTVETH" stats -j | jq -c '[.endpoints[].drop] | add')"
check down "$FASTVETH" down
finish
