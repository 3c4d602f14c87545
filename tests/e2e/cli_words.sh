#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Words in and words out: help of each command, tables, colour, quiet and verbose, exit codes,
# and an output that goes nowhere. (Words that make no sense are in bad_words.sh.) The networks
# are those of cli_lab.bash.
# kernel: any
# timeout: 60
# shellcheck disable=SC2317 # called through check
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need cli_words ip nft
# shellcheck source=tests/e2e/cli_lab.bash
. "$(dirname "$0")/cli_lab.bash"

VERBS="up plan down add del attach detach watch exec list status stats explain inspect bench version help"

code_of() { # COMMAND...: its exit code; what it said is in $FV_TMP/out and err
	"$@" >"$FV_TMP/out" 2>"$FV_TMP/err"
	echo $?
}

# silent NAME CODE COMMAND...: it says nothing at all.
silent() {
	local name=$1 code=$2

	shift 2
	check_equal "$name" "$code 0 0" \
		"$(code_of "$@") $(wc -c <"$FV_TMP/out") $(wc -c <"$FV_TMP/err")"
}

# ---- help ----

help() {
	local verb

	check_equal help_exit_code 0 "$(code_of "$FASTVETH" help)"
	check_equal help_lists_all "$VERBS" "$(sed -nE 's/^  ([a-z]+) .*/\1/p' "$FV_TMP/out" | xargs)"
	check_equal help_by_option "$(cat "$FV_TMP/out")" "$("$FASTVETH" --help)"
	check_equal help_by_letter "$(cat "$FV_TMP/out")" "$("$FASTVETH" -h)"
	check_equal no_words_are_wrong_usage 2 "$(code_of "$FASTVETH")"
	for verb in $VERBS; do
		check_equal "help_${verb}_exit_code" "0 0" \
			"$(code_of "$FASTVETH" help "$verb") $(wc -c <"$FV_TMP/err")"
		check "help_${verb}_says_how" grep -q "^usage: fastveth $verb" "$FV_TMP/out"
		check "help_${verb}_says_what" [ "$(wc -l <"$FV_TMP/out")" -ge 3 ]
		check_equal "help_${verb}_by_option" "$(cat "$FV_TMP/out")" \
			"$("$FASTVETH" "$verb" --help)"
		check_equal "help_${verb}_by_letter" "$(cat "$FV_TMP/out")" "$("$FASTVETH" "$verb" -h)"
	done
	# Every option that `add` takes is told.
	"$FASTVETH" help add >"$FV_TMP/out"
	for word in network target ifname address publish subnet mtu hook internal; do
		check "help_add_knows_$word" grep -q -e "--$word" "$FV_TMP/out"
	done
	check_equal help_fits_a_terminal "" \
		"$({ "$FASTVETH" help; for verb in $VERBS; do "$FASTVETH" help "$verb"; done; } |
			awk 'length > 100')"
	check_equal help_needs_no_root 0 "$(code_of setpriv --reuid 65534 --clear-groups \
		"$FASTVETH" help)"
	check_equal version_needs_no_root 0 "$(code_of setpriv --reuid 65534 --clear-groups \
		"$FASTVETH" version)"
	check version_is_told grep -qE "^fastveth [0-9a-zA-Z.+-]+$" "$FV_TMP/out"
	check_equal version_by_letter "$("$FASTVETH" version)" "$("$FASTVETH" -V)"
}

# ---- tables ----

# A table's columns begin where their titles do.
column() { # TITLE ROW FILE
	awk -v title="$1" -v row="$2" '
		!at { at = match($0, "(^| )" title "( |$)"); n = at > 1 ? at + 1 : at; next }
		$1 == row { print substr($0, n) }' "$3" | sed 's/  .*//'
}

tables() {
	local ns

	"$FASTVETH" list >"$FV_TMP/out"
	check_equal list_has_networks "fast guest lab" \
		"$(sed -n 's/^network \([^ ]*\) .*/\1/p' "$FV_TMP/out" | sort | xargs)"
	check list_has_subnets grep -q "^network lab  10.77.0.0/24  fd77::/64  mtu 1400  hook tc$" \
		"$FV_TMP/out"
	check list_has_internal grep -q "^network fast .* hook $XDP  internal$" "$FV_TMP/out"
	sed -i '/^network /d' "$FV_TMP/out"
	check_equal list_has_addresses "10.77.0.10,fd77::10" "$(column ADDRESSES web "$FV_TMP/out")"
	check_equal list_has_ports fv-db "$(column PORT db "$FV_TMP/out")"
	check_equal list_has_second_names "(shares web)" "$(column ADDRESSES side "$FV_TMP/out")"
	check_equal list_has_published "8080:80/tcp,53:53/udp" "$(column PUBLISH web "$FV_TMP/out")"
	"$FASTVETH" stats >"$FV_TMP/out"
	check_equal stats_has_all "db pid-$GUEST web xa" \
		"$(sed 1d "$FV_TMP/out" | awk '{ print $1 }' | sort | xargs)"
	check_equal stats_of_one "NAME web" \
		"$("$FASTVETH" stats web | awk '{ print $1 }' | xargs)"
	ip netns exec web ping -q -c 1 -W 1 10.77.0.1 >"$FV_TMP/ping"
	check stats_tell_why grep -q "^web .* outside 1" <("$FASTVETH" stats | sed 's/link_local [0-9]* //')
	"$FASTVETH" status >"$FV_TMP/out"
	for ns in web db xa; do
		check_equal "status_has_$ns" $ns "$(column ENDPOINT fv-$ns "$FV_TMP/out")"
	done
	check_equal status_has_hooks "$([ $XDP = xdp ] && echo xdp || echo $TC)" "$(column HOOK fv-xa "$FV_TMP/out")"
	check_equal status_is_healthy healthy "$(tail -n 1 "$FV_TMP/out")"
	check_equal lines_end_where_they_end "" "$(for verb in list stats status inspect; do
		"$FASTVETH" $verb | grep ' $'
	done)"
}

# ---- how much ----

loudness() {
	local i

	sed 's/      db:.*/&\n      cache: {}/' "$FV_TMP/lab.yaml" >"$FV_TMP/more.yaml"
	silent quiet_plan 0 "$FASTVETH" plan -q "$FV_TMP/more.yaml"
	silent quiet_up 0 "$FASTVETH" -q up "$FV_TMP/more.yaml"
	silent quiet_up_again 0 "$FASTVETH" up --quiet "$FV_TMP/more.yaml"
	silent quiet_del 0 "$FASTVETH" del -q cache
	silent quiet_add 0 "$FASTVETH" add -q cache --network lab
	silent quiet_list 0 "$FASTVETH" list -q
	silent quiet_stats 0 "$FASTVETH" stats -q
	silent quiet_status 0 "$FASTVETH" status -q
	silent quiet_inspect 0 "$FASTVETH" inspect -q
	ip link set fv-cache down
	silent quiet_status_tells_by_its_exit_code 1 "$FASTVETH" status -q
	silent quiet_down 0 "$FASTVETH" down -q lab fast guest
	silent quiet_down_again 0 "$FASTVETH" down -q --all
	expect_fail quiet_errors_are_told 1 "nobody" "$FASTVETH" del -q nobody

	check_equal up_tells "+ network lab
+ endpoint lab/web" "$("$FASTVETH" up "$FV_TMP/lab.yaml" | sed -n 's/  .*//; /lab/p' | head -n 2)"
	check_equal up_again_tells "nothing to do" "$("$FASTVETH" up "$FV_TMP/lab.yaml")"
	check_equal down_tells "- endpoint lab/web
- network lab" "$("$FASTVETH" down lab | sed -n '/lab.web$/p; /network lab$/p')"
	check_equal plan_tells_and_does_nothing 1 "$("$FASTVETH" plan "$FV_TMP/lab.yaml" |
		grep -c '^+ network lab ')"
	check_equal it_does_nothing xa "$(ip netns list | cut -d' ' -f1 | xargs)"
	check all_down "$FASTVETH" down --all

	# Many: told as numbers, or by name with -v.
	{
		printf 'networks:\n  many:\n    subnet: 10.80.0.0/24\n    namespaces:\n'
		for i in $(seq 40); do
			echo "      n$i: {}"
		done
	} >"$FV_TMP/many.yaml"
	check_equal many_as_numbers "40 endpoints created, 0 changed, 0 removed (-v lists them)" \
		"$("$FASTVETH" up "$FV_TMP/many.yaml")"
	check_equal many_by_name 40 "$("$FASTVETH" down -v many | grep -c '^- endpoint many/n')"
	# Progress is for terminals.
	check_equal no_progress_elsewhere "0 0" \
		"$(code_of "$FASTVETH" up "$FV_TMP/many.yaml") $(wc -c <"$FV_TMP/err")"
	script -qec "$FASTVETH down many" /dev/null >"$FV_TMP/out" </dev/null
	check progress_on_a_terminal grep -q "40/40" "$FV_TMP/out"
	check_equal many_are_gone "" "$(ip netns list)"
}

colours() {
	local esc=$'\033'

	"$FASTVETH" up -q "$FV_TMP/lab.yaml"
	check_equal no_colour_in_a_pipe 0 "$("$FASTVETH" status | grep -c "$esc")"
	check colour_when_asked grep -q "$esc\[32mhealthy$esc\[0m" <("$FASTVETH" status --color)
	check colour_always grep -q "$esc\[1mnetwork" <("$FASTVETH" --color=always list)
	check_equal colour_never 0 "$(script -qec "$FASTVETH --color=never status" /dev/null </dev/null |
		grep -c "$esc")"
	check colour_on_a_terminal grep -q "$esc\[32mhealthy" \
		<(NO_COLOR='' script -qec "env -u NO_COLOR $FASTVETH status" /dev/null </dev/null)
	check_equal no_colour_as_wished 0 "$(NO_COLOR=1 script -qec "$FASTVETH status" /dev/null </dev/null |
		grep -c "$esc")"
	check colour_in_plan grep -q "^$esc\[32m+$esc\[0m network new" <(sed 's/^  lab:/  new:/; s/77/78/g
		s/ \(web\|db\):/ new-\1:/; /side:/d; /fast:/,$d; s/, publish.*\]//' "$FV_TMP/lab.yaml" |
		"$FASTVETH" plan --color -)
	check_equal json_has_no_colour 0 "$("$FASTVETH" status -j --color | grep -c "$esc")"
}

# ---- an output that goes nowhere ----

# A reader that does not read.
nobody() {
	"$@" 2>"$FV_TMP/err" | true
	echo "${PIPESTATUS[0]}"
}

nowhere() {
	local verb code

	for verb in list status stats inspect help "inspect -j" "list -j" version; do
		# shellcheck disable=SC2086 # words
		code=$(nobody "$FASTVETH" $verb)
		# What it wrote before the reader went is lost, what came after ended it.
		check "closed_pipe:$verb" [ "$code" = 0 -o "$code" = 141 ]
		check_equal "closed_pipe_without_a_word:$verb" "" "$(cat "$FV_TMP/err")"
		# shellcheck disable=SC2086 # words
		check_equal "full_disk:$verb" "1 1" "$("$FASTVETH" $verb >/dev/full 2>"$FV_TMP/err"
			echo "$? $(grep -c "^fastveth: writing the output: No space" "$FV_TMP/err")")"
		# shellcheck disable=SC2086 # words
		check_equal "closed_output:$verb" "1 1" "$("$FASTVETH" $verb >&- 2>"$FV_TMP/err"
			echo "$? $(grep -c "^fastveth: writing the output: Bad file" "$FV_TMP/err")")"
	done
	# A run that changes something is not stopped by that.
	"$FASTVETH" down -q --all
	code=$(nobody "$FASTVETH" up "$FV_TMP/lab.yaml")
	check up_into_a_closed_pipe [ "$code" = 0 -o "$code" = 141 ]
	check up_was_done "$FASTVETH" status
	check_equal up_was_done_whole "nothing to do" "$("$FASTVETH" up "$FV_TMP/lab.yaml")"
	check_equal down_onto_a_full_disk 1 "$("$FASTVETH" down --all >/dev/full 2>&1; echo $?)"
	check_equal down_was_done "" "$(ip netns list)"
	# Nor are its words written into what it opened instead.
	nft add table ip filter
	nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
	check_equal up_with_all_closed 1 "$("$FASTVETH" up "$FV_TMP/lab.yaml" <&- >&- 2>&-; echo $?)"
	check_equal up_was_done_with_all_closed 0 "$("$FASTVETH" up "$FV_TMP/lab.yaml" <&- 2>&- |
		grep -vc "nothing to do")"
	code=$(nobody sh -c '"$0" up "$1" 2>&1' "$FASTVETH" "$FV_TMP/lab.yaml")
	check note_into_a_closed_pipe [ "$code" = 0 -o "$code" = 141 ]
	check_equal lock_holds_no_words_of_others 0 "$(grep -c note /run/fastveth/lock)"
	nft delete table ip filter
	check down_at_last "$FASTVETH" down --all
}

help
lab
tables
loudness
colours
nowhere
finish
