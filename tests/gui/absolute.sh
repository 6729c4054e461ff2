#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest with a tablet gets positions as soon as the pointer is over its screen, and loses it when it leaves: no click, no grab.
. "$(dirname "$0")/lib.sh"
start_display

last() { tail -1 "$log"; }
place() { xdotool getmouselocation | awk -F'[: ]' '{ print $2, $4 }'; }
# The screen is shown pixel by pixel, 640 wide: 200 pixels of the desktop are 20480 of the guest's range.
between() { awk -v value="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(value >= low && value <= high) }'; }

play 'size 640 480' absolute
shows_running
eval "$(xdotool getwindowgeometry --shell "$window" | grep -E '^(X|Y|WIDTH|HEIGHT)=')"
xdotool mousemove $((X + 200)) $((Y + 200))
wait_log '^position '
read -r _ x1 y1 _ < <(last)
xdotool mousemove $((X + 400)) $((Y + 320))
sleep 0.3
read -r _ x2 y2 _ buttons < <(last)
between $((x2 - x1)) 20400 20560 || fail "200 pixels to the right moved the guest's pointer by $((x2 - x1))"
between $((y2 - y1)) 16300 16470 || fail "120 pixels down moved it by $((y2 - y1)), from $y1 to $y2"
[ "$buttons" = 0 ] || fail "buttons $buttons are held"
[ "$(place)" = "$((X + 400)) $((Y + 320))" ] || fail "the host's pointer was moved to $(place)"
shot over

xdotool click 1 click 3 click 2 click 4 click 5
sleep 0.4
for event in '0 1' '0 2' '0 4' '-1 0' '1 0' '0 0'; do
	wait_log "^position $x2 $y2 $event$"
done
not_in_log '^pointer'

# A drag goes on beside the screen, up to its edge
xdotool mousedown 1 mousemove 1290 890
sleep 0.3
[ "$(last)" = "position 65535 65535 0 1" ] || fail "the drag ended at: $(last)"
xdotool mouseup 1
wait_log '^position 65535 65535 0 0$'

# Outside nothing is heard, and nobody holds the pointer
: >"$log"
xdotool mousemove 1280 880 mousemove 1290 885
sleep 0.3
not_in_log '^position'
[ "$(place)" = "1290 885" ] || fail "the pointer did not leave: it is at $(place)"

# The keyboard is the guest's as before, and Ctrl+Alt releases keys but nothing else
focus
key a
wait_log '^key 30 down'

# A button that is held when the window loses the pointer's guest is let go
xdotool mousemove $((X + 300)) $((Y + 300)) mousedown 1
sleep 0.2
key ctrl+alt+p
wait_log '^command pause'
read -r _ _ _ _ buttons < <(grep '^position' "$log" | tail -1)
[ "$buttons" = 0 ] || fail "a button stays pressed in a paused guest"
xdotool mouseup 1
: >"$log"
xdotool mousemove_relative 20 20
sleep 0.3
not_in_log '^position'
kill "$player"
wait "$player"

# A guest that goes back to its mouse gets motion, after a click as ever
play absolute mouse
sleep 1.2
: >"$log"
xdotool mousemove 300 300 mousemove 320 320
sleep 0.3
not_in_log '^(position|pointer)'
xdotool click 1
sleep 0.5
xdotool mousemove_relative 30 0
wait_log '^pointer 30 0 0 0$'
not_in_log '^position'
