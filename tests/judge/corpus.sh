#!/bin/bash
# SPDX-License-Identifier: MIT
# corpus.sh VITRINE-CORE VERDICTS CORPUS: each text that should play, with blank disks beside it, gets as far as its firmware on /dev/kvm, or
# is refused by the name of the controller that Vitrine lacks; each that should be refused is refused with the words of the table.
set -uo pipefail
core=$1 verdicts=$2 corpus=$3
[ -d "$corpus/ovf" ] || { echo "SKIPPED: no corpus (set VITRINE_CORPUS)"; exit 77; }
[ -w /dev/kvm ] || { echo "SKIPPED: /dev/kvm is missing or not to be opened"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-corpus-XXXXXX")
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1

plays=0 lacks=0 refused=0 failed=0
fail() {
	echo "FAILED: $1"
	failed=$((failed + 1))
}

# A blank megabyte for each file that the text names beneath its folder.
blank_disks() { # TEXT
	grep -oE '(ovf:)?href="[^"]+"' "$1" | sed 's/.*="//; s/"$//' | while read -r name; do
		case $name in /* | *..* | *://*) continue ;; esac
		mkdir -p "$(dirname "$name")" && truncate -s 1M "$name"
	done
}

while IFS=$'\t' read -r text verdict fields words _; do
	[ -f "$corpus/ovf/$text" ] || continue
	rm -rf "${work:?}"/*
	sed -E 's#(href=")(\.\./)+#\1#' "$corpus/ovf/$text" >"$text" # a disk above the folder would be refused, rightly
	blank_disks "$text"
	"$core" --headless --quiet --as-downloaded --accept-eula --until SeaBIOS --seconds 30 "$text" >said 2>&1 </dev/null
	status=$?
	if [ "$verdict" = refused ]; then
		grep -qF -- "$fields" said && [ $status = 1 ] && refused=$((refused + 1)) || fail "$text should be refused: $(tail -1 said)"
	elif [ $status = 0 ]; then
		plays=$((plays + 1))
	elif [ $status = 1 ] && grep -qE 'whose controller \(.+\) is not in this version|wants [0-9]+ MB of memory' said; then
		lacks=$((lacks + 1))
	else
		fail "$text: exit status $status: $(tail -1 said)"
	fi
done < <(grep -v '^#' "$verdicts")
echo "$plays play, $lacks name what is lacking, $refused are refused, $failed failed"
[ $failed = 0 ] && [ $((plays + lacks)) -gt 200 ]
