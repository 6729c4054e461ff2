#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures vitrine-core beside QEMU: see README.md. Prints figures, claims nothing; exit 1 only if a measurement failed.
set -u
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests
rounds=15 memory=512 machine=''
mark=@boot@

all=(start boot memory ova exits idle disk net login)
more=(formats) # when asked for

usage() {
	cat <<-END
	Usage: bench.sh [OPTION]... VITRINE-CORE [MEASURE]...
	  --rounds N      pairs measured for "start" (default $rounds); the others take a third of it or less
	  --memory MB     of the guest (default $memory)
	  --machine       all that inside the nested machine of tests/boot, on its /dev/kvm (a real kvm_amd)
	Measures: start   exec to the first byte of SeaBIOS on port 0x402, without drives
	          boot    from that byte to the first instruction of the boot sector on an IDE disk
	          memory  private memory but for the guest's, when the guest has halted in its boot sector
	          ova     bytes read of an OVA of 10 MB and of 4 GB before the guest's first instruction
	          exits   port and MMIO exits on one and two CPUs, also beside a bare loop of KVM_RUN
	          idle    CPU time of a guest that has nothing to do
	          disk    4 KB and 1 MB reads and writes by Linux on AHCI and IDE (with --machine only)
	          net     throughput both ways by Linux on an e1000 behind NAT (with --machine only)
	          login   a real Debian from power-on to its login (with --machine only)
	          formats disk formats, overlay and opening, by tests/bench/disk_bench beside VITRINE-CORE, which need not be
	                  there; without /dev/kvm, and only when asked for
	END
	exit "$1"
}

core='' what=()
while [ $# -gt 0 ]; do
	case $1 in
	--rounds | --memory) [ $# -gt 1 ] || usage 2; declare "${1#--}=$2"; shift ;;
	--machine) machine=yes ;;
	--help) usage 0 ;;
	-*) usage 2 ;;
	*)
		if [ -z "$core" ]; then core=$1; elif [[ " ${all[*]} ${more[*]} " = *" $1 "* ]]; then what+=("$1"); else usage 2; fi ;;
	esac
	shift
done
[ ${#what[@]} -gt 0 ] || what=("${all[@]}")
[ -x "$core" ] || [ "${what[*]}" = formats ] || usage 2
core=$(readlink -m "$core")

. "$here/parts.sh"
. "$here/exits.sh"
. "$here/linux.sh"
. "$here/formats.sh"
[ "${what[*]}" = formats ] || prepare_guests
for measure in "${what[@]}"; do # compiles and makes what it needs; in the machine that would take minutes
	! declare -F "prepare_$measure" >/dev/null || "prepare_$measure" || exit
done

if [ -n "$machine" ]; then
	"$here/../boot/machine/make-machine.sh" "$cache/boot-machine" || exit
	TIMEOUT=${TIMEOUT:-3600} "$here/../boot/machine/run-in-machine.sh" "$cache/boot-machine" "XDG_CACHE_HOME='${cache%/*}' \\
		VITRINE_BENCH_KEPT='$work' bash '$here/bench.sh' --rounds $rounds --memory $memory '$core' ${what[*]}"
	exit
fi

host
failed=0
for measure in "${what[@]}"; do
	"measure_$measure" || { echo "$measure: FAILED" >&2; failed=1; }
done
exit $failed
