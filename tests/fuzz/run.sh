#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BUILD-FOLDER [SECONDS]: runs every fuzz target for 5 seconds, or for SECONDS. long.sh counts executions.
# An input that crashes one is kept in BUILD-FOLDER/crashes.
set -u

usage() { echo "Usage: run.sh BUILD-FOLDER [SECONDS]" >&2; exit 2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] && [ -d "$1" ] || usage
build=$(cd "$1" && pwd)
seconds=${2-5}
case $seconds in *[!0-9]* | '') usage ;; esac
work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-fuzz-XXXXXX")
trap 'rm -rf "$work"' EXIT
crashes=$build/crashes
mkdir -p "$crashes"
. "$here/seeds.sh"
. "$here/target.sh"

fuzz() { # TARGET
	mkdir -p "$work/$1"
	seed "$1" "$work/$1"
	run_target "$1" "$work/$1" "$crashes" -max_total_time="$seconds" >"$work/$1.log" 2>&1
}

# Says in one line, or in many, how it went.
judge() { # TARGET
	local runs

	if [ ! -x "$build/$1" ]; then
		echo "$1: FAILED: not built in $build (clang, -DVITRINE_FUZZ=ON -DVITRINE_SANITIZE=ON)"
	elif fuzz "$1"; then
		runs=$(final_stat number_of_executed_units "$work/$1.log")
		echo "$1: passed, ${runs:-?} executions in $seconds s"
		touch "$work/$1.passed"
	else
		echo "$1: FAILED; the input is in $crashes; the end of what it said:"
		grep -v '^#[0-9]*	' "$work/$1.log" | tail -40 | sed 's/^/    /'
	fi
}

# One for each processor; what one says comes out whole.
targets=0
for source in "$here"/*_fuzz.c; do
	target=$(basename "$source" .c)
	targets=$((targets + 1))
	[ "$(jobs -rp | wc -l)" -lt "$(nproc)" ] || wait -n
	{ verdict=$(judge "$target"); echo "$verdict"; } &
done
wait
passed=$(find "$work" -maxdepth 1 -name '*.passed' | wc -l)
echo "$passed passed, $((targets - passed)) failed"
[ "$passed" = "$targets" ] && [ "$passed" -gt 0 ]
