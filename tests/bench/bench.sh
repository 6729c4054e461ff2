#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures vitrine-core beside QEMU: see README.md. Prints figures, claims nothing; exit 1 only if a measurement failed.
set -u
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests
rounds=15 memory=512 machine=''
mark=@boot@

usage() {
	cat <<-END
	Usage: bench.sh [OPTION]... VITRINE-CORE [start|boot|memory|ova]...
	  --rounds N      pairs measured for "start" (default $rounds); "boot" and "memory" take a third of it
	  --memory MB     of the guest (default $memory)
	  --machine       all that inside the nested machine of tests/boot, on its /dev/kvm (a real kvm_amd)
	Measures: start   exec to the first byte of SeaBIOS on port 0x402, without drives
	          boot    from that byte to the first instruction of the boot sector on an IDE disk
	          memory  private memory but for the guest's, when the guest has halted in its boot sector
	          ova     bytes read of an OVA of 10 MB and of 4 GB before the guest's first instruction
	END
	exit "$1"
}

core='' what=()
while [ $# -gt 0 ]; do
	case $1 in
	--rounds | --memory) [ $# -gt 1 ] || usage 2; declare "${1#--}=$2"; shift ;;
	--machine) machine=yes ;;
	--help) usage 0 ;;
	start | boot | memory_use | ova) what+=("$1") ;;
	memory) what+=(memory_use) ;;
	-*) usage 2 ;;
	*) [ -z "$core" ] || usage 2; core=$1 ;;
	esac
	shift
done
[ -x "$core" ] || usage 2
core=$(readlink -f "$core")
[ ${#what[@]} -gt 0 ] || what=(start boot memory_use ova)

if [ -n "$machine" ]; then
	. "$here/parts.sh" # compiles the helpers here; in there it would take minutes
	"$here/../boot/machine/make-machine.sh" "$cache/boot-machine" || exit
	TIMEOUT=1800 "$here/../boot/machine/run-in-machine.sh" "$cache/boot-machine" "XDG_CACHE_HOME='${cache%/*}' \\
		VITRINE_BENCH_HELPERS='$work' bash '$here/bench.sh' --rounds $rounds --memory $memory '$core' ${what[*]/memory_use/memory}"
	exit
fi

. "$here/parts.sh"

host
failed=0
for measure in "${what[@]}"; do
	"measure_$measure" || { echo "$measure: FAILED" >&2; failed=1; }
done
exit $failed
