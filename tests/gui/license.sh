#!/bin/bash
# SPDX-License-Identifier: MIT
# A licence agreement stands before the first run: read, scrolled, accepted or declined; closing it is no agreement.
. "$(dirname "$0")/lib.sh"
start_display

license='license <b>Bold</b> words: all of your base belong to https://example.org/.'

again() { kill "$player"; wait "$player"; player=; }

# Declined, by its button and by closing: the window says so, and offers to ask again
for answer in alt+d Escape; do
	play "$license"
	shot asked
	xdotool mousemove 400 300 click --repeat 5 --delay 60 5 mousemove 1290 890
	sleep 0.7
	shot scrolled
	same asked scrolled && fail "the text does not scroll"
	not_in_log '^answer'
	key "$answer"
	wait_log '^answer 0$'
	shows_page
	shot declined
	: >"$log"
	focus
	key Return # Check Again
	wait_log '^start guest.vmx'
	sleep 0.5
	key alt+a
	wait_log '^answer 1$'
	shows_running
	again
done

# Enter, pressed by habit, declines; nothing that is typed reaches a machine that does not run
play "$license"
key x
key Return
wait_log '^answer 0$'
not_in_log '^key'
again
