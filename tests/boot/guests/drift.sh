# SPDX-License-Identifier: MIT
# Ten minutes of the selftest's clocks under load, with a pause in the middle: at most 10 ms may be lost or won against this
# computer's clock (and a tick's length by those that tick). DRIFT_SECONDS shortens it.

prepare() { :; }

check() {
	local seconds=${DRIFT_SECONDS:-600} burners=() i

	for i in $(seq "$(nproc)"); do
		while :; do :; done &
		burners+=($!)
	done
	"$core" --selftest --seconds "$seconds" < /dev/null > "$work/messages" 2>&1
	status=$?
	kill "${burners[@]}"
	sed 's/^/  /' "$work/messages"
	for clock in "ACPI timer" "kvmclock" "PIT's ticks" "RTC's ticks"; do
		grep -q "^PASS  $clock against this computer's clock.* in $seconds s" "$work/messages" || fail "$clock drifts"
	done
	expect messages "PASS  PIT and RTC tick at their rates, none lost"
}
