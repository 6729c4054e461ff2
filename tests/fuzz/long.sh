#!/bin/bash
# SPDX-License-Identifier: MIT
# long.sh BUILD-FOLDER CORPUS-FOLDER [RUNS [SECONDS [TARGET...]]]: lets every fuzz target (or those named) run RUNS times
# (1,000,000), at most for SECONDS (600), one after the other, and prints a table. What they learn stays in CORPUS-FOLDER/TARGET,
# from where the next run goes on, with their logs and the inputs that crash one. Exit status 1: one has failed.
set -u

usage() { echo "Usage: long.sh BUILD-FOLDER CORPUS-FOLDER [RUNS [SECONDS [TARGET...]]]" >&2; exit 2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 2 ] && [ -d "$1" ] && mkdir -p "$2" || usage
build=$(cd "$1" && pwd) work=$(cd "$2" && pwd)
runs=${3-1000000} seconds=${4-600}
case $runs$seconds in *[!0-9]*) usage ;; esac
shift $(($# < 4 ? $# : 4))
targets=("$@")
if [ $# = 0 ]; then
	for source in "$here"/*_fuzz.c; do targets+=("$(basename "$source" .c)"); done
fi
mkdir -p "$work/crashes"
. "$here/seeds.sh"
. "$here/target.sh"

row() { printf '%-24s %11s %8s %9s %9s  %s\n' "$@"; }

total=0 failed=0
row target executions seconds 'per s' 'peak MB' findings
for target in "${targets[@]}"; do
	mkdir -p "$work/$target"
	seed "$target" "$work/$target"
	log=$work/$target.log findings=none begin=$SECONDS
	run_target "$target" "$work/$target" "$work/crashes" -runs="$runs" -max_total_time="$seconds" >"$log" 2>&1 || {
		findings="FAILED: $(sed -n 's/^SUMMARY: //p' "$log" | head -1) ($log)"
		failed=$((failed + 1))
	}
	took=$((SECONDS - begin)) done=$(final_stat number_of_executed_units "$log")
	total=$((total + ${done:-0}))
	row "$target" "${done:-?}" "$took" "$((${done:-0} / (took > 0 ? took : 1)))" "$(final_stat peak_rss_mb "$log")" "$findings"
done
row 'all of them' "$total" '' '' '' "$failed failed"
[ $failed = 0 ]
