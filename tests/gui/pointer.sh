#!/bin/bash
# SPDX-License-Identifier: MIT
# The pointer is the guest's after a click, as far as the hand moves, until Ctrl+Alt.
. "$(dirname "$0")/lib.sh"
start_display

motions() { awk '/^pointer/ { x += $2; y += $3 } END { print x + 0, y + 0 }' "$log"; }

play
shows_running
xdotool mousemove 200 200 mousemove 260 240
sleep 0.3
not_in_log '^pointer'

xdotool mousemove 320 260 click 1
sleep 0.5
shot captured
for _ in $(seq 12); do # far beyond the display's edge
	xdotool mousemove_relative 130 0
	sleep 0.1
done
xdotool mousemove_relative -- -60 -25
sleep 0.3
[ "$(motions)" = "1500 -25" ] || fail "the guest saw $(motions) of 1500 -25"
xdotool click 1 click 3 click 2 click 4 click 5
sleep 0.4
for event in '0 0 0 1' '0 0 0 2' '0 0 0 4' '0 0 -1 0' '0 0 1 0' '0 0 0 0'; do
	wait_log "^pointer $event$"
done

xdotool keydown ctrl keydown alt keyup alt keyup ctrl
wait_log '^command release-keys'
sleep 0.3
shot released
: >"$log"
xdotool mousemove_relative 20 20 mousemove_relative 20 20
sleep 0.3
not_in_log '^pointer'
