#!/bin/bash
# SPDX-License-Identifier: MIT
# The same window on Wayland: weston in a window of the test's display. Here is also a window manager, so full screen is tried.
. "$(dirname "$0")/lib.sh"
start_display
start_weston 1200 800

launch "$(write_script guest.vmx)"
wait_log '^start guest.vmx'
sleep 2
enter_weston 610 505
shot running-1
sleep 0.2
shot running-2
same running-1 running-2 && fail "nothing moves"

# The window is where weston put it: find the guest's ground
find_ground() {
	import -window root -depth 8 "$work/root.ppm"
	convert "$work/root.ppm" -fill black +opaque '#20408f' -trim -format '%w %h %O' info: | tr '+' ' '
}
for _ in $(seq 20); do # until it stands still
	before=${ground:-}
	ground=$(find_ground)
	[ "$ground" = "$before" ] && break
	sleep 0.3
done
read -r width height x y <<<"$ground"
[ "${width:-0}" -gt 500 ] || fail "the guest is not shown"
# Weston may lose a click that comes with the pointer's entry, as it does a motion: the capture is tried until the guest feels it.
moved() {
	for _ in 1 2 3 4 5; do
		xdotool mousemove_relative 7 3
		sleep 0.1
	done
	grep -q '^pointer [1-9]' "$log"
}
for _ in 1 2 3 4 5; do
	xdotool mousemove $((x + width - 100)) $((y + height - 100))
	sleep 0.5
	xdotool click 1
	sleep 0.7
	moved && break
done
shot captured
key a Pause F11
for code in 30 119 87; do
	wait_log "^key $code down"
	wait_log "^key $code up"
done
moved
wait_log '^pointer [1-9]'
xdotool click 3 click 5
wait_log '^pointer 0 0 0 2'
wait_log '^pointer 0 0 1 0'
xdotool keydown ctrl keydown alt keyup alt keyup ctrl
wait_log '^command release-keys'
: >"$log"
xdotool mousemove_relative 5 5
sleep 0.3
not_in_log '^pointer'

key ctrl+alt+Return
sleep 1
shot full-screen
read -r width height _ < <(find_ground)
[ "${width:-0}" -gt 900 ] || fail "the screen is not full: $width x $height"
key ctrl+alt+Return
sleep 1
key ctrl+alt+p
wait_log '^command pause'
sleep 0.5
shot paused
kill "$player"
wait "$player"
player=
! grep CRITICAL "$work/player.err"
