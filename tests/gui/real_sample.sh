#!/bin/bash
# SPDX-License-Identifier: MIT
# The sample plays in the window on the real core: it moves, pauses, types, points, changes CDs, remembers, and ends.
. "$(dirname "$0")/real_lib.sh"
start_display 1400x1000

# The judge of the pictures: the same machine without a window, told to do the same
mkdir "$work/discs"
echo "a file" >"$work/discs/file"
xorriso -as mkisofs -quiet -V GLASS_CASE -o "$work/discs/glass_case.iso" "$work/discs/file" 2>/dev/null
cat >"$work/judge" <<-EOF
	wait-text "testcard: ready" $UP_SECONDS
	key A
	key C
	pointer 9 4
	sleep 0.2
	pointer 9 4
	sleep 0.2
	pointer 9 4
	sleep 1
	screenshot $work/shots/$test_name-judge.png
	EOF
"$core" --headless --quiet --as-downloaded --cd "$work/discs/glass_case.iso" --script "$work/judge" --serial "$work/serial" \
	"$TESTCARD/testcard.ova" || fail "the machine does not play without a window"

play_card "$TESTCARD/testcard.ova"
guest up-1
sleep 0.3
guest up-2
same_part $machine_rows up-1 judge || fail "the card says something else in the window than without one"
same_part $code_row up-1 up-2 && fail "nothing moves"
same_part $keys_row up-1 up-2 || fail "keys that nobody typed"

key a c
wait_part $keys_row judge "the keys A and C do not arrive as they should"
shot typed

# Pause freezes it: its clock too, which the card reads from the machine's
click_run
sleep 0.7
shot paused-1
guest frozen-1
sleep 2.2
shot paused-2
same paused-1 paused-2 || fail "a paused machine moves"
find_guest
colour_of() { import -window root -crop "1x1+$((guest_x + $1))+$((guest_y + $2))" -depth 8 rgb:- | od -An -tx1 | tr -d ' \n'; }
[ "$(colour_of 80 60)" = 666666 ] || fail "a paused screen is not dimmed: its white is $(colour_of 80 60)"
key Return # the large button has the focus
sleep 0.7
guest going-1
sleep 1.2
guest going-2
same_part $code_row going-1 going-2 && fail "Run does not go on"
same_part $clock_row going-1 going-2 && fail "the clock stands still"
focus

# The pointer
guest mouse-1
same_part $mouse_row mouse-1 judge && fail "a mouse that nobody moved"
xdotool mousemove $((guest_x + 600)) $((guest_y + 500)) click 1
sleep 0.5
for _ in 1 2 3; do
	xdotool mousemove_relative 9 4
	sleep 0.2
done
wait_part $mouse_row judge "the mouse does not arrive as it should"
shot captured
xdotool keydown ctrl keydown alt keyup alt keyup ctrl
sleep 0.3
xdotool mousemove_relative 9 4
sleep 0.5
guest mouse-2
same_part $mouse_row mouse-2 judge || fail "Ctrl+Alt does not release the pointer"
xdotool mousemove 1390 990

# A CD by its button and the file chooser, and out again
guest no-cd
same_part $cd_row no-cd judge && fail "there is a CD that nobody put in"
click_cd
shot cd-menu
click 150 104 # Insert...
main=$window
find_window 'Insert a CD'
xdotool type / # opens the line for a path
sleep 0.7
xdotool type --delay 40 "${work#/}/discs/glass_case.iso"
sleep 1
shot chooser
key Return
sleep 0.5
window=$main
focus
wait_part $cd_row judge "the CD's label is not shown"
shot inserted
click_cd
shot cd-menu-full
click 150 134 # Eject
wait_part $cd_row no-cd "the CD is still there"
shot ejected

# What it wrote is in an overlay that qemu-img accepts, and is there again at the next start
close_running
overlays=$(find "$XDG_STATE_HOME/vitrine" -name '*.qcow2')
[ -n "$overlays" ] || fail "no overlay in $(find "$XDG_STATE_HOME")"
for overlay in $overlays; do
	qemu-img check -q "$overlay" || fail "qemu-img finds errors in $overlay"
done
play_card "$TESTCARD/testcard.ova"
guest second
shot second-start
same_part 1220x16+60+370 second judge && fail "the second start does not count two boots"
same_part 1220x16+60+330 second judge || fail "the second start has another disk"

# The guest switches itself off; its window stays to say so, and closes without a question
key Return
sleep 1.5
shot off
click_close
wait_end
no_complaints
