#!/bin/bash
# SPDX-License-Identifier: MIT
# A double-click: `gio open appliance.ova` starts the installed player, and a window with the machine's name appears.
# With $VITRINE_SHOTS set, the picture is kept in that folder.
. "$(dirname "$0")/lib.sh"
for tool in Xvfb xdotool gio dbus-run-session import; do
	command -v $tool >/dev/null || { echo "SKIPPED: $tool is not installed"; exit 77; }
done
[ -w /dev/kvm ] || { echo 'SKIPPED: /dev/kvm is not there, or not for this user'; exit 77; }

if [ -z "${VITRINE_INSIDE-}" ]; then # a session of its own: no other Vitrine in it, none stays behind
	mkdir -p "$work/run" "$work/home" && chmod 700 "$work/run"
	env -u WAYLAND_DISPLAY VITRINE_INSIDE=1 HOME="$work/home" XDG_RUNTIME_DIR="$work/run" XDG_STATE_HOME="$work/state" \
		XDG_DATA_HOME="$work/data" XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache" \
		XDG_DATA_DIRS="$share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}" PATH="$PREFIX/bin:$PATH" GDK_BACKEND=x11 \
		SDL_AUDIODRIVER=dummy GSETTINGS_BACKEND=memory NO_AT_BRIDGE=1 LC_ALL=C.UTF-8 dbus-run-session -- bash "$0"
	exit
fi
unset VITRINE_CORE
server='' started=''
finish() {
	[ -z "$started" ] || kill $started 2>/dev/null
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

start_display() {
	local number
	for number in $(seq 80 89); do
		[ -e /tmp/.X$number-lock ] && continue
		Xvfb :$number -screen 0 1300x900x24 -nolisten tcp >"$work/xvfb.log" 2>&1 &
		server=$!
		export DISPLAY=:$number
		for _ in $(seq 50); do
			xdotool getmouselocation >/dev/null 2>&1 && return
			kill -0 $server 2>/dev/null || break
			sleep 0.1
		done
	done
	echo 'SKIPPED: no display from :80 to :89 is free'
	exit 77
}

start_display
cp "$share/vitrine/testcard.ova" "$work/appliance.ova"
name='Vitrine test card' # as its OVF says; the file is called otherwise
gio open "$work/appliance.ova" >"$work/said" 2>&1 || fail "gio open: $(cat "$work/said")"
window=''
for _ in $(seq 300); do
	window=$(xdotool search --onlyvisible --name "$name" 2>/dev/null | head -1)
	[ -n "$window" ] && break
	sleep 0.1
done
[ -n "$window" ] && started=$(xdotool getwindowpid "$window")
if [ -z "$window" ]; then
	fail "no window is called $name; there are: $(xdotool search --name . 2>/dev/null | while read -r w; do xdotool getwindowname "$w"; done | sort -u | tr '\n' ';')"
elif [ "$(readlink "/proc/$started/exe")" != "$(readlink -f "$PREFIX/bin/vitrine")" ]; then
	fail "the window is not of $PREFIX/bin/vitrine but of $(readlink "/proc/$started/exe")"
else
	echo "passed: gio open shows a window called $(xdotool getwindowname "$window")"
fi
if [ -n "${VITRINE_SHOTS-}" ]; then
	sleep "${VITRINE_SHOT_AFTER:-2}"
	mkdir -p "$VITRINE_SHOTS" && import -window root "$VITRINE_SHOTS/install-open.png"
fi
exit $((failures > 0))
