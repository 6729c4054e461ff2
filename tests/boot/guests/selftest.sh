# SPDX-License-Identifier: MIT
# `vitrine-core --selftest`: the checks that users run on their own KVM. What they prove is judged by selftest-judge.sh.

prepare() { :; }

check() {
	"$core" --selftest < /dev/null > "$work/messages" 2>&1
	status=$?
	sed 's/^/  /' "$work/messages"
	expect_status 0
	expect messages "backend: kvm_" "PASS  IRQ 0 (PIT) by the 8259s" "PASS  reset by a triple fault" "PASS  ACPI soft off" " 0 failed"
	expect_no messages "FAIL" "not reached"
	# Skipping is no way to pass: of some 40 checks, those of devices that the board may lack.
	[ "$(grep -c ^PASS "$work/messages")" -ge 34 ] || fail "fewer than 34 checks passed"
	[ "$(grep -c ^SKIP "$work/messages")" -le 5 ] || fail "more than 5 checks were skipped"
}
