#!/bin/bash
# SPDX-License-Identifier: MIT
# run-in-machine.sh DIR COMMAND: runs COMMAND (at most 1,000 characters) as root in the machine that make-machine.sh prepared in DIR: a PC
# under QEMU's TCG whose /dev/kvm is Debian's own kvm_amd with nested paging. It sees this machine's files under their names;
# what it writes is gone at its end. Its console goes to standard output, its exit status is COMMAND's; 124: $TIMEOUT (1800) seconds were over.
#
# The outer QEMU itself aborts at times (tcg_handle_interrupt: assertion failed; seen with QEMU 7.2 and 10), and a kernel thread of the
# machine may hang for ever (seen: khugepaged while it joined pages of a guest's memory; so it has nothing to do here, and a task that
# hangs, or a processor that spins for a minute, is a panic), or all of it (seen in the midst of a guest's sync; so it says every 10
# seconds that it lives, and is ended after 150 silent ones). That says nothing about the command, so the run is repeated then, twice at
# most, and each time that is said.
set -uo pipefail
dir=${1:?usage: run-in-machine.sh DIR COMMAND} command=$2
log=$(mktemp -d) trouble=
trap 'rm -rf "$log"' EXIT

# -vgif: makes the abort above rare. The features after it are of an EPYC, but TCG lacks them and would say so each time.
cpu=EPYC,+svm,+npt,-vgif,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save,-xsavec

# no_timer_check: on a busy computer the timer seems dead to the kernel, which then tries others and may find none.
kernel="console=ttyS0 quiet no_timer_check mitigations=off transparent_hugepage=never"
kernel+=" panic=-1 oops=panic hung_task_panic=1 softlockup_panic=1 watchdog_thresh=30"

alive='[the machine is alive]'
command="{ while sleep 10; do echo '$alive'; done & } 2> /dev/null; $command"

# All threads of the outer QEMU share one processor. Its SVM helpers change what interrupts a CPU has pending (interrupt_request, in
# VMRUN and at each exit) without the lock that other threads take to add one. On two processors one of the changes is lost at times: a
# lost interrupt hangs the machine; a virtual one that stays is delivered to the wrong system, where a BIOS's timer, vector 8, is a
# double fault. Each machine takes a processor that no other one has, if there is any.
# The machine itself has one CPU (CPUS) for the same reason: two of them, on that one processor, were no faster, and were seen to wait
# for ever for each other's answer to an interrupt. A guest may have more all the same.
processor=
take_processor() {
	local range number

	for range in $(sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status | tr , ' '); do
		for number in $(seq "${range%-*}" "${range#*-}"); do
			processor=$number
			exec 8> "$dir/processor-$number"
			flock -n 8 && return
		done
	done
}
take_processor

# Ends the machine when its console has been silent for too long.
watch() {
	while sleep 5; do
		[ $(($(date +%s) - $(stat -c %Y "$log/console"))) -lt "${SILENCE:-150}" ] || pkill -KILL -f -- "-name $log"
	done
}

run() {
	local watcher status

	: > "$log/console"
	watch &
	watcher=$!
	timeout "${TIMEOUT:-1800}" taskset -c "$processor" qemu-system-x86_64 -name "$log" -accel tcg,thread=multi -cpu "$cpu" -smp "${CPUS:-1}" -m "${MEMORY:-3072}" \
		-display none -vga none -nic none -monitor none -serial stdio -no-reboot -kernel "$dir/vmlinuz" -initrd "$dir/initrd.gz" \
		-fsdev local,id=h,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=h,mount_tag=host \
		-append "$kernel command=$(printf %s "$command" | base64 -w0)" \
		< /dev/null 2> "$log/errors" | sed -u 's|\r$||' | tee "$log/console" | grep -vxF --line-buffered "$alive"
	status=${PIPESTATUS[0]}
	kill "$watcher"
	wait "$watcher" 2> /dev/null
	return "$status"
}

for repeat in 1 2 3; do
	run 2> /dev/null # bash's word of a killed machine
	status=$?
	# A machine that ends by itself says so with the command's exit status; 124: it was given no more time.
	grep -q '^\[exit status [0-9]*\]$' "$log/console" || [ "$status" = 124 ] || trouble="no word of the command's end, status $status"
	# What the machine's own kernel said before the command failed: a guest's words come after FAILED.
	trouble+=$(sed '/^FAILED/,$d' "$log/console" | cat "$log/errors" - |
		grep -om1 'tcg_handle_interrupt: assertion failed\|hung_task: blocked tasks\|softlockup: hung tasks\|traps: PANIC: double fault\|Kernel panic - not syncing')
	[ -n "$trouble" ] || break
	[ "$repeat" = 3 ] || echo "REPEATED ($repeat of at most 2): the outer machine ended by itself ($trouble), which is its own bug"
	trouble=
done
cat "$log/errors" >&2
[ "$status" = 0 ] || exit "$status"
status=$(sed -n 's/^\[exit status \([0-9]*\)\]$/\1/p' "$log/console" | tail -1)
exit "${status:-1}"
