#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest that draws nothing and speaks on its serial port is heard in a terminal, and typed to; one that draws is left alone.
. "$(dirname "$0")/lib.sh"
start_display

# What the terminal shows is told by its ground: the guest's own escape sequence paints it. Palette colour 4 of VTE.
blue='serial \e[44m\e[2J\e[HThe quick brown fox signs in:\r\n'
shows_console() { wait_colour 50 70 0000c0 "the console is shown"; }
shows_screen() { wait_colour 75 90 20408f "the guest's screen is shown"; }
again() { kill "$player"; wait "$player"; player=; }
choose_console() {
	key ctrl+alt+m
	sleep 0.4
	key Down
	key Return
	sleep 0.5
}

# Both at once: words alone do not turn the page, and there is a menu entry to turn it
play "$blue"
sleep 5
shows_screen
choose_console
shot menu
shows_console
choose_console
shows_screen
again

# No word on the serial port: no page, and no entry in the menu for it (the first is Full Screen, the next Ctrl+Alt+Del)
play still
sleep 5
shows_screen
choose_console
wait_log '^key 111 down'
shows_screen
again

# A still screen and a word: the page comes by itself
play still "$blue"
sleep 4
shows_console
shot came

# Keys are the serial port's and not the keyboard's, Alt and F10 included
: >"$log"
key l Return
wait_log '^typed l$'
wait_log '^typed 0d$'
key alt+s # ESC, then the letter
wait_log '^typed 1b$'
wait_log '^typed s$'
key F10
wait_log '^typed 1b \[ 2 1 ~$'
not_in_log '^key'

# Its text is read back as a user would: three clicks take the line, the middle button types it
eval "$(xdotool getwindowgeometry --shell "$window" | grep -E '^(X|Y|WIDTH|HEIGHT)=')"
for y in $(seq 60 8 140); do
	: >"$log"
	xdotool mousemove $((X + 60)) $((Y + y)) click --repeat 3 --delay 60 1
	sleep 0.4
	xdotool click 2
	sleep 0.4
	grep -q '^typed T h e 20 q u i c k 20 b r o w n 20 f o x 20 s i g n s 20 i n :' "$log" && break
done
wait_log '^typed T h e 20 q u i c k 20 b r o w n 20 f o x 20 s i g n s 20 i n :' 1
not_in_log '^(pointer|position)'
xdotool mousemove 1290 890
shot selected

# Paused: what is typed goes nowhere
focus
key ctrl+alt+p
wait_log '^command pause'
: >"$log"
shot paused
key x y
xdotool mousemove $((X + 60)) $((Y + 300)) click 2
sleep 0.3
not_in_log '^typed'
focus
click_run
wait_log '^command run'
: >"$log"
key z
wait_log '^typed z$'
again

# What the guest asks of the window is not done: title, size, minimised, moved; and a link is no link
play still "serial \\e[44m\\e[2J\\e[H\\e]0;not the title\\a\\e[8;50;150t\\e[3;300;300t\\e[2t\\e]52;c;ZXZpbA==\\a\\e]8;;http://evil.example/\\eA link to nowhere\\e]8;;\\e\\r\\n"
geometry() { xdotool getwindowgeometry --shell "$window" | grep -E '^(X|Y|WIDTH)='; } # the info bar adds to the height
before=$(geometry)
sleep 4
shows_console
[ "$(geometry)" = "$before" ] || fail "the guest has moved or resized the window: $before, then $(geometry)"
xdotool search --onlyvisible --name 'not the title' >/dev/null && fail "the guest has named the window"
alive
again

# It began to draw after all: back, by itself, once
play still 'redraw 7' "$blue"
sleep 4
shows_console
sleep 4
shows_screen
again

# Who turned the page keeps it
play still 'redraw 7' "$blue"
sleep 4
shows_console
key x
sleep 4
shows_console
again

# A flood: no memory grows (nor what a sanitizer keeps of the freed), and the window answers
export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1
play still flood "$blue"
sleep 5
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$player/status"; }
first=$(resident)
sleep 6
last=$(resident)
[ $((last - first)) -lt 8000 ] || fail "the window grew by $((last - first)) KB within six seconds of a flood"
shot flood
focus
key ctrl+alt+p
wait_log '^command pause'
