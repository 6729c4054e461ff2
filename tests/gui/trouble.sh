#!/bin/bash
# SPDX-License-Identifier: MIT
# A core that fails, dies, lies, asks or sulks leaves a window that says so and goes on.
. "$(dirname "$0")/lib.sh"
start_display

# Each of these ends the core a second after its start; Run Again has the focus and starts another.
for way in die leave garbage nonsense; do
	play "$way"
	shows_page
	alive
	shot "$way"
	: >"$log"
	focus
	key Return
	wait_log '^start guest.vmx'
	shows_running
	kill "$player"
	wait "$player"
done

# Off is no accident: nothing to ask, Run starts it again
play off
shows_page
shot off
: >"$log"
focus
key Return
wait_log '^start guest.vmx'
kill "$player"
wait "$player"

# Check Again reads the file as it is now
file=$(write_script guest.vmx 'fail debian.ova ends after 1.0 of 3.2 GB; the download was probably interrupted.')
launch "$file"
find_window guest.vmx
shows_page
shot failed-to-start
write_script guest.vmx >/dev/null
: >"$log"
key Return
wait_log '^start guest.vmx'
shows_running
kill "$player"
wait "$player"

# What is no file at all is said by the broker, without a core
launch "$work/missing.ova"
find_window missing.ova
shows_page
shot missing
kill "$player"
wait "$player"

play 'question The file debian-disk1.vmdk is not what the manifest debian.mf says: it was changed or damaged.'
shot question
key alt+F4 # whatever: the guest must not get it while the question is open
not_in_log '^key'
xdotool key Escape
sleep 0.5
wait_log '^answer 0'
kill "$player"
wait "$player"

play 'trouble The disk that holds this machine is full: make room, then go on.'
shows_paused
shot trouble
key Return
wait_log '^command retry'
shows_running
kill "$player"
wait "$player"

play 'notice The floppy drive of this appliance is not played.' 'warning Its sound card is not played.'
shot notices
shows_running
kill "$player"
wait "$player"

# A core that reads nothing more: its socket fills up, the window must not wait for it
play deaf
sleep 1
for _ in $(seq 12); do
	xdotool key --delay 1 $(printf 'a b c d e f g h i j %.0s' $(seq 10))
done
click_run
sleep 0.5
shot deaf
click_close
key alt+p
wait_end
