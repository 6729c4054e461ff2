#!/bin/bash
# SPDX-License-Identifier: MIT
# The empty window, its recent ones, and several windows in one process.
. "$(dirname "$0")/lib.sh"
start_display

launch
find_window '^Vitrine$'
shot empty
click_close
wait_end

one=$(write_script one.vmx)
two=$(write_script two.vmx)
launch --as-downloaded "$one" "$two" "$one"
wait_log '^start one.vmx flags 1'
wait_log '^start two.vmx flags 1'
find_window two.vmx
xdotool windowmove "$window" 640 0 # without a window manager both lie in one corner
find_window one.vmx
shot two-windows
sleep 1
[ "$(grep -c '^start' "$log")" = 2 ] || fail "a file that is open was opened again"
click_close
key alt+p
wait_log '^ended cleanly'
alive
find_window two.vmx
click_close
key alt+p
wait_end
[ "$(grep -c '^ended cleanly' "$log")" = 2 ] || fail "a machine was not powered off"

launch
find_window '^Vitrine$'
shot recent
: >"$log"
key Tab Return # the newest of the recent ones follows Open
wait_log '^start (one|two).vmx flags 0'
