# SPDX-License-Identifier: MIT
# What the tests with the real core share, beyond lib.sh: the test card in the window, and where its parts are.
# Needs $VITRINE with vitrine-core beside it, and $TESTCARD, the folder of the built sample.
. "$(dirname "$0")/lib.sh"
for tool in qemu-img xorriso; do
	command -v $tool >/dev/null || { echo "SKIPPED: $tool is not installed"; exit 77; }
done
unset VITRINE_CORE
core=$(dirname "$VITRINE")/vitrine-core
UP_SECONDS=60 # for the sample to come up; 10 on a host that has nothing else to do

# Rows of the card, as WIDTHxHEIGHT+X+Y on its screen (samples/testcard/card.c)
machine_rows=1280x200+0+200
cd_row=1220x16+60+410
clock_row=1220x16+60+450
keys_row=1220x16+60+490
mouse_row=1220x16+60+530
code_row=480x20+60+720

# The guest's 1280x800 pixels in the lower middle of the window: sets $guest_x, $guest_y
find_guest() {
	local X Y WIDTH HEIGHT
	eval "$(xdotool getwindowgeometry --shell "$window" | grep -E '^(X|Y|WIDTH|HEIGHT)=')"
	guest_x=$((X + (WIDTH - 1280) / 2))
	guest_y=$((Y + HEIGHT - (WIDTH - 1280) / 2 - 800))
}

# guest NAME: a picture of the guest's screen alone
guest() {
	find_guest
	import -window root -crop "1280x800+$guest_x+$guest_y" +repage "$work/shots/$test_name-$1.png" || fail "no picture"
}

# part NAME ROW: the row's pixels, as one word to compare
part() {
	convert "$work/shots/$test_name-$1.png" -crop "$2" +repage -depth 8 rgb:- | sha256sum
}

same_part() { # ROW NAME NAME
	[ "$(part "$2" "$1")" = "$(part "$3" "$1")" ]
}

# wait_part ROW NAME WHAT: until this row looks as it does in the picture NAME
wait_part() {
	local i
	for i in $(seq 30); do
		guest now
		same_part "$1" now "$2" && return
		sleep 0.2
	done
	fail "$3"
}

# The eight bars of the card, one pixel of each
bars_shown() {
	find_guest
	[ "$guest_x" -ge 0 ] && [ "$guest_y" -ge 0 ] || return
	import -window root -crop "1280x1+$guest_x+$((guest_y + 60))" +repage ppm:- |
		convert - -sample '8x1!' -depth 8 rgb:- | od -An -v -tx1 | tr -d ' \n' |
		grep -qx ffffffffff0000ffff00ff00ff00ffff00000000ff000000
}

# wait_card SINCE: until the card is up
wait_card() {
	find_window 'Vitrine test card'
	until bars_shown; do
		[ $((EPOCHSECONDS - ${1%.*})) -lt $UP_SECONDS ] || { shot failed; fail "the card is not up after $UP_SECONDS s"; }
		sleep 0.2
	done
	awk "BEGIN { printf \"the card is up after %.1f s\\n\", $EPOCHREALTIME - $1 }"
	sleep 0.7 # its rows
	focus
}

play_card() { # FILE [OPTION...]
	local since=$EPOCHREALTIME
	launch "${@:2}" "$1"
	wait_card "$since"
}

# The core processes of this window; the player is the parent of one
cores() {
	pgrep -P "$player" -f vitrine-core
}

# close_running: by its button, answering what is asked; nothing is left of it
close_running() {
	local left=$(cores)
	click_close
	shot close-asks
	key alt+p # _Power Off
	wait_end
	for process in $left; do
		[ -e "/proc/$process" ] && fail "process $process goes on after its window was closed"
	done
	no_complaints
}

no_complaints() {
	grep -E 'CRITICAL|WARNING|ERROR|vitrine-core:' "$work/player.err" && fail "the window complained"
	return 0
}
