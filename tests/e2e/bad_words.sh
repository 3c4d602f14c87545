#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Command lines that make no sense: exit code 2 and one line that names the word; nothing happens.
# kernel: any
# timeout: 120
# shellcheck source=tests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
fv_isolate "$@"
need bad_words ip nft

# shellcheck source=tests/e2e/bad_lab.bash
. "$(dirname "$0")/bad_lab.bash"

remember
usage() { # CASE TEXT WORDS...
	local case=$1 text=$2

	shift 2
	refused "$case" 2 "$text" timeout 20 "$FASTVETH" "$@"
}

usage unknown_command '"upp"' upp x.yaml
usage unknown_option --frob up --frob x.yaml
usage unknown_option_before_the_command --frob --frob up x.yaml
usage unknown_letter Z up -Z x.yaml
usage option_of_another_command --target up --target pid:1 x.yaml
usage option_without_its_value --wait list --wait
usage add_option_without_its_value --network add web --network
usage value_for_an_option_without --quiet list --quiet=yes
usage up_without_file FILE up
usage plan_without_file FILE plan
usage up_of_two_files '"two.yaml"' up one.yaml two.yaml
usage del_without_name NAME del
usage del_of_two 'y' del x y
usage exec_without_name NAME exec
usage exec_without_command CMD exec web
usage exec_without_command_after_dashes CMD exec web --
usage add_without_name NAME add
usage add_of_two '"y"' add x y --target pid:1
usage list_of_something '"x"' list x
usage status_of_something '"x"' status x
usage stats_of_two '"y"' stats x y
usage help_of_nothing '"nothing"' help nothing
usage down_all_and_a_name --all down --all lab
usage down_file_and_a_name file down lab x.yaml

for word in x -1 1.5 '' 5s 99999999999; do
	usage "wait_is_no_number:$word" wait --wait "$word" list
done
usage color_unknown color --color=perhaps list

for word in x 10.0.0 10.0.0.256 10.0.0.1/33 10.0.0.1/ fd::1::2 '' 010.1.1.1 '10.0.0.1 '; do
	usage "address:$word" --address add web --subnet 10.77.0.0/24 --address "$word"
done
for word in x 10.77.0.0 10.77.0.0/33 10.77.0.0/-1 10.77.0.0/x fd77::/129 /24 '' 10.77.0.0/24/24; do
	usage "subnet:$word" --subnet add web --subnet "$word"
done
for word in x 80 80: :80 0:80 80:0 65536:80 80:65536 80:80/sctp 1.2.3:80:80 80:80:80:80 -1:80 \
	' 80:80' 80:80/; do
	usage "publish:$word" "$word" add web --subnet 10.77.0.0/24 --publish "$word"
done
for word in x 67 65536 -1 '' 1500x 99999999999999999999; do
	usage "mtu:$word" --mtu add web --subnet 10.77.0.0/24 --mtu "$word"
done
for word in x XDP tcx ''; do
	usage "hook:$word" --hook add web --subnet 10.77.0.0/24 --hook "$word"
done
for word in a/b 'a b' 1234567890123456 . .. '' a:b; do
	usage "ifname:$word" "$word" add web --subnet 10.77.0.0/24 --ifname "$word"
done
for word in x pid pid: pid:x pid:0 pid:-1 pid:1x pid:99999999999 netns: netns:../x netns:a/b path: \
	'' frob:1; do
	usage "target:$word" "$word" add web --subnet 10.77.0.0/24 --target "$word"
done
finish
