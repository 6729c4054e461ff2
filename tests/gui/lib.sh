# SPDX-License-Identifier: MIT
# What the tests of the window share: a display of their own, a fake core that follows a script, pictures, and claims.
# Needs $VITRINE (the window's program) and $FAKE_CORE. With $VITRINE_SHOTS set, every picture is kept in that folder.
set -u

for tool in Xvfb xdotool import compare; do
	command -v $tool >/dev/null || { echo "SKIPPED: $tool is not installed"; exit 77; }
done
[ -w /dev/kvm ] || { echo "SKIPPED: the broker opens /dev/kvm, which is not there"; exit 77; }

test_name=$(basename "$0" .sh)
work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-gui-XXXXXX")
mkdir -p "$work/home" "$work/run" "$work/shots"
chmod 700 "$work/run"
export HOME=$work/home XDG_STATE_HOME=$work/state XDG_DATA_HOME=$work/data XDG_CONFIG_HOME=$work/config
export XDG_CACHE_HOME=$work/cache XDG_RUNTIME_DIR=$work/run
export VITRINE_CORE=$FAKE_CORE SDL_AUDIODRIVER=dummy GTK_THEME=Adwaita NO_AT_BRIDGE=1 GDK_BACKEND=x11 LC_ALL=C.UTF-8
export GSETTINGS_BACKEND=memory ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} # GTK keeps much for ever
unset DBUS_SESSION_BUS_ADDRESS WAYLAND_DISPLAY
log=$work/core.log
player= server= weston=

finish() {
	local status=$?
	[ -n "$player" ] && kill "$player" 2>/dev/null && wait "$player" 2>/dev/null
	[ -n "$weston" ] && kill "$weston" 2>/dev/null && wait "$weston" 2>/dev/null
	[ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
	if [ $status = 0 ] && grep -hE 'CRITICAL|ERROR' "$work/player.err" >&2; then
		echo "FAILED: $test_name: GTK complained" >&2
		status=1
	fi
	[ -n "${VITRINE_SHOTS:-}" ] && mkdir -p "$VITRINE_SHOTS" && cp "$work"/shots/*.png "$VITRINE_SHOTS" 2>/dev/null
	rm -rf "$work"
	exit $status
}
trap finish EXIT

fail() {
	import -window root "$work/shots/$test_name-failed.png" 2>/dev/null
	echo "FAILED: $test_name: $*" >&2
	[ -s "$log" ] && { echo "--- what the core was told:"; tail -20 "$log"; } >&2
	[ -s "$work/player.err" ] && { echo "--- what the window printed:"; tail -40 "$work/player.err"; } >&2
	exit 1
}

start_display() { # [SIZE]: Xvfb chooses the number, so tests may run side by side
	Xvfb -displayfd 3 -screen 0 "${1:-1300x900}x24" -nolisten tcp 3>"$work/display" >"$work/xvfb.log" 2>&1 &
	server=$!
	for _ in $(seq 100); do
		[ -s "$work/display" ] && DISPLAY=:$(cat "$work/display") && export DISPLAY &&
			xdotool getmouselocation >/dev/null 2>&1 && return
		kill -0 $server 2>/dev/null || break
		sleep 0.1
	done
	echo "SKIPPED: Xvfb does not start: $(tail -1 "$work/xvfb.log")"
	exit 77
}

# start_weston WIDTH HEIGHT: a Wayland display in a window of the X one; programs use it from now on
start_weston() {
	command -v weston >/dev/null || { echo "SKIPPED: weston is not installed"; exit 77; }
	xdotool mousemove 1290 890 # outside, so that weston sees it come in
	weston --backend=x11-backend.so --use-pixman --width="$1" --height="$2" --socket=vitrine-test --idle-time=0 \
		>"$work/weston.log" 2>&1 &
	weston=$!
	for _ in $(seq 100); do
		[ -S "$XDG_RUNTIME_DIR/vitrine-test" ] && break
		sleep 0.1
	done
	[ -S "$XDG_RUNTIME_DIR/vitrine-test" ] || { echo "SKIPPED: weston does not start: $(tail -1 "$work/weston.log")"; exit 77; }
	export WAYLAND_DISPLAY=vitrine-test GDK_BACKEND=wayland
}

# enter_weston X Y: weston counts motions, at times from the place of the pointer's entry as if that were its corner, and loses one
# that comes at once with the entry; driven into the corner, its pointer and the display's agree.
enter_weston() {
	local place
	for place in "600 500" "0 0" "$1 $2"; do
		xdotool mousemove $place # in an X server without a window manager the pointer is the focus
		sleep 0.5
	done
}

# write_script NAME LINE...: an appliance for the fake core
write_script() {
	local file=$work/$1
	shift
	printf '%s\n' "log $log" "$@" >"$file"
	echo "$file"
}

launch() { # ARGUMENT...
	: >"$log"
	"$VITRINE" "$@" >"$work/player.out" 2>>"$work/player.err" & # each of a test adds its complaints
	player=$!
}

# play LINE...: a window with a fake core that follows these lines, its keyboard focus in the window
play() {
	launch "$(write_script guest.vmx "$@")"
	wait_log '^start guest.vmx'
	find_window 'guest.vmx'
}

find_window() { # NAME: sets $window, focuses it
	local i
	for i in $(seq 100); do
		window=$(xdotool search --onlyvisible --name "$1" 2>/dev/null | head -1)
		[ -n "$window" ] && break
		sleep 0.1
	done
	[ -n "$window" ] || fail "no window named $1"
	sleep 0.7 # its first frames, and the size it takes
	xdotool mousemove 1290 890
	focus
}

focus() {
	xdotool windowfocus "$window" 2>/dev/null
	sleep 0.3
}

key() {
	xdotool key --delay 60 "$@"
	sleep 0.2
}

# click X Y: in the window; negative ones count from its right and lower edges
click() {
	local X Y WIDTH HEIGHT x=$1 y=$2
	eval "$(xdotool getwindowgeometry --shell "$window" | grep -E '^(X|Y|WIDTH|HEIGHT)=')"
	[ "$x" -lt 0 ] && x=$((WIDTH + x))
	[ "$y" -lt 0 ] && y=$((HEIGHT + y))
	xdotool mousemove $((X + x)) $((Y + y)) click 1
	sleep 0.4
	xdotool mousemove 1290 890
	sleep 0.3
}
click_run() { click 45 27; }
click_cd() { click 155 27; }
click_close() { click -27 27; }

wait_log() { # PATTERN [SECONDS]
	local i
	for i in $(seq $((${2:-10} * 10))); do
		grep -qE "$1" "$log" && return
		sleep 0.1
	done
	fail "the core was not told: $1"
}

not_in_log() {
	grep -qE "$1" "$log" && fail "the core was told: $1"
	return 0
}

wait_end() { # the player's process ends, with 0
	local i
	for i in $(seq 300); do
		kill -0 "$player" 2>/dev/null || break
		sleep 0.1
	done
	kill -0 "$player" 2>/dev/null && fail "the window's process goes on"
	wait "$player" || fail "the window's process ended with $?"
	player=
}

alive() {
	kill -0 "$player" 2>/dev/null || fail "the window's process has died"
}

shot() { # NAME
	import -window root "$work/shots/$test_name-$1.png" || fail "no picture"
}

same() { # NAME NAME: 0 if the two pictures do not differ
	[ "$(compare -metric AE "$work/shots/$test_name-$1.png" "$work/shots/$test_name-$2.png" null: 2>&1)" = 0 ]
}

# colour FRACTION_X FRACTION_Y: of the window, in percent, as rrggbb
colour() {
	local X Y WIDTH HEIGHT
	eval "$(xdotool getwindowgeometry --shell "$window" | grep -E '^(X|Y|WIDTH|HEIGHT)=')"
	import -window root -crop "1x1+$((X + WIDTH * $1 / 100))+$((Y + HEIGHT * $2 / 100))" -depth 8 rgb:- | od -An -tx1 | tr -d ' \n'
}

wait_colour() { # FRACTION_X FRACTION_Y COLOUR WHAT
	local i
	for i in $(seq 50); do
		[ "$(colour "$1" "$2")" = "$3" ] && return
		sleep 0.1
	done
	shot failed
	fail "$4: the colour at $1 % $2 % is $(colour "$1" "$2"), not $3"
}

# The guest's ground lies in the lower right of the window: plain, dimmed, or not there at all.
shows_running() { wait_colour 75 90 20408f "the guest is shown"; }
shows_paused() { wait_colour 75 90 0d1a39 "the guest is dimmed"; }
shows_page() { wait_colour 75 90 f6f5f4 "a page of words is shown"; }
