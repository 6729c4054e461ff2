#!/bin/bash
# SPDX-License-Identifier: MIT
# The serial console with the real core: a boot sector that speaks on COM1 only, behind SeaBIOS's text and its blinking cursor.
. "$(dirname "$0")/real_lib.sh"
start_display

# again: mov si, text; mov dx, 3f8h; next: lodsb; or al, al; jz wait; out dx, al; jmp next; wait: mov dx, 3fdh; xor cx, cx;
# look: in al, dx; test al, 1; jnz echo; loop look; jmp again; echo: mov dx, 3f8h; in al, dx; out dx, al; mov dx, 3fdh;
# typed: in al, dx; test al, 1; jz typed; jmp echo
sector=$work/serial.img
printf '\xbe\x2b\x7c\xba\xf8\x03\xac\x08\xc0\x74\x03\xee\xeb\xf8\xba\xfd\x03\x31\xc9\xec\xa8\x01\x75\x04\xe2\xf9\xeb\xe4' >"$sector"
printf '\xba\xf8\x03\xec\xee\xba\xfd\x03\xec\xa8\x01\x74\xfb\xeb\xf1' >>"$sector"
printf '\e[44m\e[2J\e[HWhat you type comes back: \0' >>"$sector" # blue, for the test's eye
truncate -s 510 "$sector"
printf '\x55\xaa' >>"$sector"
truncate -s 1M "$sector"

launch --as-downloaded "$sector"
find_window serial
for _ in $(seq $((UP_SECONDS * 5))); do
	[ "$(colour 50 70)" = 0000c0 ] && break
	sleep 0.2
done
wait_colour 50 70 0000c0 "the console comes by itself"
shot came
focus
key a b c Return
sleep 1
key x
sleep 1
shot typed
same came typed && fail "what was typed does not come back"
wait_colour 50 70 0000c0 "the console stays"

# Back to the screen by the menu, with SeaBIOS's words on black; the guest goes on
key ctrl+alt+m
sleep 0.4
key Down
key Return
wait_colour 50 70 000000 "the screen is shown"
shot screen
close_running
