#!/bin/bash
# SPDX-License-Identifier: MIT
# A beep is played at the pace of its clock, no device is needed before, and one that cannot be opened only costs a sentence.
. "$(dirname "$0")/lib.sh"
start_display

play beep # SDL's dummy driver consumes at the right pace
sleep 4
click_close
key alt+p
wait_log '^ended cleanly'
heard=$(sed -n 's/.* \([0-9]*\) heard/\1/p' "$log")
echo "48000 frames a second for some 5 to 8 s: $heard"
[ "$heard" -gt 150000 ] && [ "$heard" -lt 500000 ] || fail "$heard frames were heard"
wait_end

export SDL_AUDIODRIVER=there-is-no-such-driver
play beep
sleep 1
shot no-device
shows_running
click_close
key alt+p
wait_log '^ended cleanly'
wait_end
