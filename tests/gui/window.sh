#!/bin/bash
# SPDX-License-Identifier: MIT
# A machine plays, pauses, goes on, restarts, and is closed.
. "$(dirname "$0")/lib.sh"
start_display

play
shows_running
shot running-1
sleep 0.2
shot running-2
same running-1 running-2 && fail "nothing moves"

click_run
wait_log '^command pause'
shows_paused
shot paused-1
sleep 0.5
shot paused-2
same paused-1 paused-2 || fail "a paused machine moves"

key Return # the large button has the focus
wait_log '^command run'
shows_running
focus
key ctrl+alt+p
sleep 0.5
[ "$(grep -c '^command pause' "$log")" = 2 ] || fail "Ctrl+Alt+P does not pause"
key ctrl+alt+p
[ "$(grep -c '^command run' "$log")" = 2 ] || fail "Ctrl+Alt+P does not go on"

click_close
shot close-asks
not_in_log '^command power-off'
key Return # Keep Running is the default
alive
not_in_log '^command power-off'
focus
click_close
key alt+p # _Power Off
wait_log '^ended cleanly'
wait_end

# A paused machine would lose its memory just so
play
click_run
shows_paused
click_close
shot close-asks-paused
key Return # Keep Paused
alive
not_in_log '^command power-off'
focus
click_close
key alt+p
wait_log '^ended cleanly'
wait_end

# 60 frames a second reach the window, and are drawn: the core sends the next when the last was drawn
play 'size 1280 800'
sleep 5
click_run
click_close
key alt+p
wait_log '^ended cleanly'
frames=$(sed -n 's/^ended cleanly, \([0-9]*\) frames.*/\1/p' "$log")
echo "about 6 to 7 s at 1280x800: $frames frames"
[ "$frames" -ge "${VITRINE_MIN_FRAMES:-180}" ] || fail "$frames frames only"
wait_end
