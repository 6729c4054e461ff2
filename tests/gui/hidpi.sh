#!/bin/bash
# SPDX-License-Identifier: MIT
# On a HiDPI monitor each guest pixel is a sharp square of 2 x 2.
. "$(dirname "$0")/lib.sh"
start_display 1700x1300
export GDK_SCALE=2

play
shows_running
shot doubled
# The chequered quarter holds its two colours only, and each row comes twice
import -window root -depth 8 "$work/root.png"
convert "$work/root.png" -crop 200x200+200+800 +repage "$work/part.png"
colours=$(identify -format '%k' "$work/part.png")
[ "$colours" = 2 ] || fail "$colours colours where the guest drew two: it is blurred"
convert "$work/part.png" -filter point -resize 50% -filter point -resize 200% "$work/again.png"
[ "$(compare -metric AE "$work/part.png" "$work/again.png" null: 2>&1)" = 0 ] ||
	{ convert "$work/part.png" -crop 198x198+1+1 +repage -filter point -resize 50% -filter point -resize 200% "$work/again.png"
	convert "$work/part.png" -crop 198x198+1+1 +repage "$work/part1.png"
	[ "$(compare -metric AE "$work/part1.png" "$work/again.png" null: 2>&1)" = 0 ] || fail "guest pixels are no squares"; }
