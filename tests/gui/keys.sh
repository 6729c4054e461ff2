#!/bin/bash
# SPDX-License-Identifier: MIT
# Every key reaches the guest by its position, once, and none stays down.
. "$(dirname "$0")/lib.sh"
start_display

play
shows_running
key a Pause Print KP_Enter F10 F11 Tab Delete alt+F4 Super_L Menu Num_Lock space Escape
for code in 30 119 99 96 68 87 15 111 56 62 125 127 69 57 1; do
	wait_log "^key $code down"
	wait_log "^key $code up"
done
alive

# A held key is pressed once: the guest's keyboard repeats by itself
: >"$log"
xdotool keydown b
sleep 1.2
[ "$(grep -c '^key 48 down' "$log")" = 1 ] || fail "repeats reach the guest"
# ... and is not left behind when the window loses the focus. Without a window manager another window must take it.
xdotool windowfocus "$(xdotool search --class vitrine | grep -v "^$window$" | head -1)" 2>/dev/null
click 494 27 # the menu takes the keyboard away
wait_log '^command release-keys'
xdotool keyup b
key Escape

# The player's own shortcuts are not typed into the guest
# (whether the screen is full, wayland.sh shows: that takes a window manager)
focus
: >"$log"
key ctrl+alt+Return
sleep 0.5
wait_log '^command release-keys'
not_in_log '^key 28'
key ctrl+alt+Return
sleep 0.5
: >"$log"
key ctrl+alt+m
shot menu
key Escape
not_in_log '^key 50'

# The menu's Shut Down presses the guest's power button and asks nothing: that is the guest's affair
focus
: >"$log"
key ctrl+alt+m
sleep 0.5
key alt+d
wait_log '^command power-button'
not_in_log '^command power-off'
