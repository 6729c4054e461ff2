#!/bin/bash
# SPDX-License-Identifier: MIT
# The sample plays on Wayland, too: in weston, in a window of the test's display.
. "$(dirname "$0")/real_lib.sh"
start_display 1400x1000
start_weston 1280 800

since=$EPOCHREALTIME
launch --as-downloaded "$TESTCARD/testcard.ova"
# weston puts a window anywhere; full screen on this display, the guest's pixels are those of the display
find_guest() {
	guest_x=0 guest_y=0
}
sleep 3
enter_weston 610 505
key ctrl+alt+Return
until bars_shown; do
	[ $((EPOCHSECONDS - ${since%.*})) -lt $UP_SECONDS ] || { shot failed; fail "the card is not up after $UP_SECONDS s"; }
	sleep 0.5
done
awk "BEGIN { printf \"the card is up after %.1f s\\n\", $EPOCHREALTIME - $since }"
sleep 1
guest up-1
sleep 0.3
guest up-2
same_part $code_row up-1 up-2 && fail "nothing moves"
key a c
sleep 0.5
guest typed
shot typed
same_part $keys_row up-2 typed && fail "keys do not arrive"
key ctrl+alt+p
sleep 1
shot paused-1
guest paused-1
sleep 1.5
guest paused-2
same_part 1280x800+0+0 paused-1 paused-2 || fail "a paused machine moves"
key ctrl+alt+p
sleep 0.5
guest going-1
sleep 0.3
guest going-2
same_part $code_row going-1 going-2 && fail "Run does not go on"
kill "$player"
wait "$player"
player=
no_complaints
