#!/bin/bash
# SPDX-License-Identifier: MIT
# The CD goes in by the file chooser and from the recent ones, and comes out, also when the guest holds it.
. "$(dirname "$0")/lib.sh"
start_display

mkdir -p "$work/discs"
head -c 65536 /dev/zero >"$work/discs/one_disc.iso"
first_item() { click 150 104; }  # Insert...
second_item() { click 150 134; } # Eject, when a CD is in

choose() { # TITLE PATH: in the file chooser
	local main=$window
	find_window "$1"
	shot "chooser"
	xdotool type / # opens the line for a path
	sleep 0.7
	xdotool type --delay 40 "${2#/}"
	sleep 0.7
	key Return
	sleep 0.5
	window=$main
	focus
}

play
click_cd
shot menu-empty
first_item
choose 'Insert a CD' "$work/discs/one_disc.iso"
wait_log '^insert 0 one_disc.iso'
sleep 0.3
shot inserted

click_cd
shot menu-full
second_item
wait_log '^eject 0$'
sleep 0.3
shot ejected

# The recent ones follow Insert... under a title of their own
: >"$log"
click_cd
shot menu-recent
click 150 146
wait_log '^insert 0 one_disc.iso'
kill "$player"
wait "$player"

# A guest that holds its tray is asked first; the info bar then offers force
play locked 'cds 2'
click_cd
shot menu-two-drives
click 150 76 # Drive 1
shot menu-drive
: >"$log"
click 150 174 # its recent image
wait_log '^insert 0 one_disc.iso'
sleep 0.3
click_cd
click 150 76
shot menu-drive-full
click 150 156 # Eject
wait_log '^eject 0$'
sleep 0.3
shot held
click -100 75 # Eject Anyway
wait_log '^eject 0 forced'
sleep 0.3
shot let-go
