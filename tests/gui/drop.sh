#!/bin/bash
# SPDX-License-Identifier: MIT
# A file dropped on the window: an ISO goes into the drive, an appliance onto the empty window is played.
. "$(dirname "$0")/lib.sh"
start_display

drop() { # FILE: from a window at 1100,600 into ours
	"$DRAG_SOURCE" "$1" 2>/dev/null &
	local source=$!
	sleep 1
	xdotool mousemove 1150 650 mousedown 1
	for x in 1140 1100 900 600 400 300 290 280; do
		xdotool mousemove $x 320
		sleep 0.1
	done
	sleep 0.3
	xdotool mouseup 1
	sleep 1
	kill $source
	wait $source 2>/dev/null
}

head -c 65536 /dev/zero >"$work/dropped.ISO"
play
drop "$work/dropped.ISO"
wait_log '^insert 0 dropped.ISO'
shot inserted
kill "$player"
wait "$player"

file=$(write_script dropped.vmx)
launch
find_window '^Vitrine$'
drop "$file"
wait_log '^start dropped.vmx'
find_window 'dropped.vmx'
shows_running
