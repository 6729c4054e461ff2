#!/bin/bash
# SPDX-License-Identifier: MIT
# boot-test.sh --core VITRINE-CORE [--samples DIR] PLACE TEST: plays one guest of guests/ and judges it by what it says.
#   PLACE  host: on this machine's /dev/kvm; machine: in the nested machine (machine/), whose /dev/kvm is a real kvm_amd
#   TEST   guests/TEST.sh; it defines `prepare` (makes the media, always on the host) and `check` (plays, in PLACE)
# Exit status: 0 passed, 77 skipped with a reason, anything else failed. VITRINE_KEEP=1 keeps the work folder and says where it is.
set -uo pipefail
folder=$(dirname "$(realpath "$0")")
core= samples= work= inside=
while [ $# -gt 2 ]; do
	case $1 in
	--core) core=$(realpath "$2") ;;
	--samples) [ -z "$2" ] || samples=$(realpath -m "$2") ;;
	--inside) inside=1 work=$2 ;; # the second half, in the machine
	*) break ;;
	esac
	shift 2
done
if [ $# != 2 ] || [ ! -x "$core" ] || [ ! -e "$folder/guests/${2:-}.sh" ]; then
	sed -n '3,6s/^# //p' "$0"
	exit 2
fi
place=$1 test=$2

. "$folder/lib.sh"
. "$folder/guests/$test.sh"

play() {
	export XDG_STATE_HOME=$work/state
	cd "$work" || exit 1
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || skip "/dev/kvm is missing or not to be opened by $(id -un)"
	check || fail "check of $test"
	echo "PASSED: $test"
}

if [ -n "$inside" ]; then
	play
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-boot-$test.XXXXXX")
[ -n "${VITRINE_KEEP:-}" ] && echo "work folder: $work" || trap 'rm -rf "$work"' EXIT
need /usr/share/seabios/bios-256k.bin seabios
machine=${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests/boot-machine
if [ "$place" = machine ] || [ -n "${needs_machine_kernel:-}" ]; then
	"$folder/machine/make-machine.sh" "$machine" || exit
fi
set -e
prepare
set +e
if [ "$place" = host ]; then
	play
else
	# /dev/kvm exists there, or else the machine is broken: a skip inside is a failure.
	"$folder/machine/run-in-machine.sh" "$machine" \
		"bash '$folder/boot-test.sh' --inside '$work' --core '$core' --samples '$samples' host $test" || exit 1
fi
