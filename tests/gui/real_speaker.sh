#!/bin/bash
# SPDX-License-Identifier: MIT
# The PC speaker is heard: a boot sector programs counter 2 of the PIT for 1,000 Hz, and SDL's disk driver writes what it would play to
# a file. A pause silences it. The control programs the same and leaves the speaker's gate shut.
. "$(dirname "$0")/real_lib.sh"
start_display
export SDL_AUDIODRIVER=disk SDL_DISKAUDIOFILE=$work/heard
RATE=48000 # frames a second of two samples of 16 bits

# speaker_disk NAME BITS: mov al, 0b6h; out 43h, al; mov ax, 1193; out 42h, al; mov al, ah; out 42h, al; in al, 61h; or al, BITS;
# out 61h, al; halt: hlt; jmp halt
speaker_disk() {
	printf "\\xb0\\xb6\\xe6\\x43\\xb8\\xa9\\x04\\xe6\\x42\\x88\\xe0\\xe6\\x42\\xe4\\x61\\x0c\\x$2\\xe6\\x61\\xf4\\xeb\\xfd" >"$work/$1.img"
	truncate -s 510 "$work/$1.img"
	printf '\x55\xaa' >>"$work/$1.img"
	truncate -s 1M "$work/$1.img"
}

# crossings: how often the left channel changes its sign in the last half second that was played
crossings() {
	tail -c $((RATE * 2)) "$SDL_DISKAUDIOFILE" 2>/dev/null | od -An -v -w4 -td2 |
		awk '{ if ($1) { if (last && ($1 > 0) != (last > 0)) n++; last = $1 } } END { print n + 0 }'
}

end_player() {
	kill "$player"
	wait "$player"
	player=
	sed -i '/SDL disk i\/o audio driver\|Writing to file/d' "$work/player.err" # SDL calls that critical
	no_complaints
}

speaker_disk beep 03
launch --as-downloaded "$work/beep.img"
find_window beep
for _ in $(seq 60); do
	heard=$(crossings)
	[ "$heard" -gt 900 ] && break
	sleep 0.5
done
echo "1,000 Hz cross zero 1,000 times in half a second: $heard"
[ "$heard" -gt 900 ] && [ "$heard" -lt 1100 ] || fail "$heard crossings in half a second"
key ctrl+alt+p
sleep 2
before=$(stat -c %s "$SDL_DISKAUDIOFILE")
sleep 1
grown=$(($(stat -c %s "$SDL_DISKAUDIOFILE") - before)) heard=$(crossings)
shot paused
[ "$grown" = 0 ] || [ "$heard" = 0 ] || fail "a paused machine is heard: $heard crossings in the last of $grown bytes"
end_player

rm -f "$SDL_DISKAUDIOFILE"
speaker_disk shut 01
launch --as-downloaded "$work/shut.img"
find_window shut
sleep 8
heard=$(crossings)
[ "$heard" = 0 ] || fail "a speaker whose gate is shut is heard: $heard crossings"
end_player
