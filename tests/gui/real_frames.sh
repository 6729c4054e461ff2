#!/bin/bash
# SPDX-License-Identifier: MIT
# How many different frames of the card's moving part reach the display in a second. Speed is not asserted here, where the
# host may have much else to do; the figure to compare with 60 is the one that is printed.
. "$(dirname "$0")/real_lib.sh"
start_display 1400x1000

play_card "$TESTCARD/testcard.ova" --as-downloaded
sleep 1
find_guest
echo "load: $(cut -d' ' -f1-3 /proc/loadavg)"
for _ in $(seq "${VITRINE_FRAME_RUNS:-1}"); do
	result=$("$FRAME_COUNTER" $((guest_x + 70)) $((guest_y + 730)) 5) || fail "no frame was seen"
	echo "$result"
	[ "${result%%.*}" -ge 10 ] || fail "fewer than 10 frames a second"
done
close_running
