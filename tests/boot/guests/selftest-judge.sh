# SPDX-License-Identifier: MIT
# The selftest's guest on a machine that is not ours: QEMU, without KVM. There every check must pass; and on one without a
# keyboard controller, which in QEMU takes port 92 with it, just those that are about them must fail.

rom=$(dirname "$core")/core/selftest/selftest.rom

prepare() {
	need qemu-system-x86_64 qemu-system-x86
	[ -e "$rom" ] || skip "$rom is missing: --core is not in its build folder"
}

# judge MACHINE OPTION...: leaves what the guest says in $work/debug. Time is counted in instructions: QEMU does not make up for ticks that
# a busy host loses.
judge() {
	timeout 200 qemu-system-x86_64 -accel tcg -icount shift=3 -rtc clock=vm -display none -monitor none -m 64 -smp 2 -bios "$rom" -serial null -serial null \
		-nic user,model=e1000 -drive if=ide,index=0,media=cdrom -debugcon "file:$work/debug" \
		-global isa-debugcon.iobase=0x402 -M "$@" < /dev/null || fail "QEMU ended with status $?"
	grep -v '^#' "$work/debug" | sed 's/^/  /'
}

check() {
	local planned failed

	judge pc
	planned=$(sed -n 's/^1\.\.//p' "$work/debug")
	expect_no debug "not ok" "Bail out"
	# All but the last, which is that QEMU has ended.
	[ "$(grep -c '^ok ' "$work/debug")" = $((planned - 1)) ] || fail "not all of $planned checks were told"
	[ "$(grep -c '# SKIP' "$work/debug")" = 2 ] || fail "others were skipped than kvmclock and the TSC's rate"

	# The controls.
	judge pc,i8042=off
	failed=$(sed -n 's/^not ok [0-9]* - \([^#]*\).*/\1/p' "$work/debug")
	grep -q "reset by the keyboard controller" <<< "$failed" || fail "a reset that nobody obeyed was not noticed"
	! grep -vq "keyboard\|port 92" <<< "$failed" || fail "more failed than the keyboard controller's: $failed"
	grep -q "IRQ 12 (mouse).*SKIP" "$work/debug" || fail "a mouse that is not there was not noticed"
}
