#!/bin/bash
# SPDX-License-Identifier: MIT
# copy-modules.sh KERNEL TO MODULE...: copies the modules of an unpacked kernel package and all that they need to TO, and writes TO/order,
# the names in the order in which insmod takes them. A module that is built into the kernel has no file and is left out.
set -euo pipefail
modules=$(echo "$1"/lib/modules/*/kernel) to=$2
shift 2
declare -A done=()

add() {
	local name=${1//-/_} file needed

	[ -z "${done[$name]:-}" ] || return 0
	done[$name]=1
	file=$(find "$modules" \( -name "$name.ko" -o -name "${name//_/-}.ko" \) -print -quit)
	[ -n "$file" ] || return 0
	for needed in $(modinfo -F depends "$file" | tr , ' '); do
		add "$needed"
	done
	cp "$file" "$to/$name.ko"
	echo "$name" >> "$to/order"
}

: > "$to/order"
for module in "$@"; do
	add "$module"
done
