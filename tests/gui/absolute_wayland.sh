#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest with a tablet on Wayland: positions without a click, nothing once the pointer has left the guest's screen and the window.
. "$(dirname "$0")/lib.sh"
start_display
start_weston 1200 800

launch "$(write_script guest.vmx 'size 640 480' absolute)"
wait_log '^start guest.vmx'
sleep 2
enter_weston 610 505
for _ in $(seq 20); do
	xdotool mousemove_relative 6 4
	sleep 0.1
	grep -q '^position' "$log" && break
done
wait_log '^position [0-9]+ [0-9]+ 0 0$'
read -r _ x1 y1 _ < <(tail -1 "$log")
xdotool mousemove_relative 50 25
sleep 0.5
read -r _ x2 y2 _ < <(tail -1 "$log")
# 640 and 480 pixels, shown one by one: 50 are 5120 of 65536, 25 are 3413
[ $((x2 - x1)) -ge 5000 ] && [ $((x2 - x1)) -le 5250 ] || fail "50 pixels to the right were $((x2 - x1))"
[ $((y2 - y1)) -ge 3250 ] && [ $((y2 - y1)) -le 3550 ] || fail "25 pixels down were $((y2 - y1))"
xdotool click 1 click 3
wait_log '^position [0-9]+ [0-9]+ 0 1$'
wait_log '^position [0-9]+ [0-9]+ 0 2$'
wait_log '^position [0-9]+ [0-9]+ 0 0$'
not_in_log '^pointer'

xdotool mousemove 20 780 # weston's desktop
sleep 0.5
: >"$log"
xdotool mousemove 40 770 mousemove 30 760 click 1
sleep 0.5
not_in_log '^(position|pointer)'
