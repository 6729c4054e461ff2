#!/bin/bash
# SPDX-License-Identifier: MIT
# Forwarded ports stand in the menu, to be opened in a browser or copied; what opens this computer is asked for, once. The real
# vitrine-net listens.
. "$(dirname "$0")/lib.sh"
start_display

# The desktop's browser writes down what it is asked for
mkdir -p "$XDG_DATA_HOME/applications" "$XDG_CONFIG_HOME"
cat >"$work/browser" <<END
#!/bin/sh
echo "\$1" >>$work/opened
END
chmod +x "$work/browser"
cat >"$XDG_DATA_HOME/applications/browser.desktop" <<END
[Desktop Entry]
Type=Application
Name=Browser
Exec=$work/browser %u
MimeType=x-scheme-handler/http;x-scheme-handler/https;
END
printf '[Default Applications]\nx-scheme-handler/http=browser.desktop\nx-scheme-handler/https=browser.desktop\n' \
	>"$XDG_CONFIG_HOME/mimeapps.list"
: >"$work/opened"

# Ports that nobody listens on
port=$((20000 + RANDOM % 20000))
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
while listens $port || listens $((port + 1)) || listens $((port + 2)); do port=$((port + 3)); done
again() { kill "$player"; wait "$player"; player=; }
wait_listening() { # PORT
	local i
	for i in $(seq 50); do
		listens "$1" && return
		sleep 0.1
	done
	fail "nobody listens on port $1"
}
accept() { # the right button of the dialog
	local dialog WIDTH HEIGHT X Y
	dialog=$(xdotool search --onlyvisible --class . 2>/dev/null | grep -vx "$window" | tail -1)
	[ -n "$dialog" ] || fail "there is no dialog"
	eval "$(xdotool getwindowgeometry --shell "$dialog" | grep -E '^(X|Y|WIDTH|HEIGHT)=')"
	xdotool mousemove $((X + WIDTH * 3 / 4)) $((Y + HEIGHT - 18)) click 1
	sleep 0.5
	xdotool mousemove 1290 890
	focus
}
choose() { # the menu's Nth item
	local i
	key ctrl+alt+m
	sleep 0.4
	for i in $(seq 2 "$1"); do key Down; done
	key Return
	sleep 0.5
}

# Two ports of its own: the first is a web page, the second a shell
play still "forward 127.0.0.1 $port 443" "forward 127.0.0.1 $((port + 1)) 22" \
	'serial Here the address that was copied is pasted.\r\n'
wait_listening $port
wait_listening $((port + 1))
key ctrl+alt+m
sleep 0.4
shot menu
key Escape
choose 1
for _ in $(seq 30); do [ -s "$work/opened" ] && break; sleep 0.1; done
[ "$(cat "$work/opened")" = "https://127.0.0.1:$port/" ] || fail "the browser got: $(cat "$work/opened")"
choose 2
choose 4 # after Full Screen: the serial console
key ctrl+shift+Insert
wait_log "^typed s s h 20 - p 20$(printf %s $((port + 1)) | sed 's/./ &/g') 20 1 2 7 \. 0 \. 0 \. 1"
again
listens $port && fail "port $port is open after its window was closed"

# For others, and for this computer's services, a person is asked; Escape refuses
outside=("forward 0.0.0.0 $((port + 2)) 80" loopback)
play "${outside[@]}"
shot question
listens $((port + 2)) && fail "the port is open before the answer"
key Escape
sleep 0.7
shot refused
listens $((port + 2)) && fail "the port is open although it was refused"
not_in_log '^answer' # it was no question of the core's
again

# Allowed: open; and not asked again at the next start
play "${outside[@]}"
accept
wait_listening $((port + 2))
choose 1
for _ in $(seq 30); do grep -q "^http://127.0.0.1:$((port + 2))/" "$work/opened" && break; sleep 0.1; done
grep -q "^http://127.0.0.1:$((port + 2))/" "$work/opened" || fail "the browser got: $(cat "$work/opened")"
again
play "${outside[@]}"
wait_listening $((port + 2))
again

# Another port of the machine behind it is another question
play "forward 0.0.0.0 $((port + 2)) 22" loopback
sleep 1
listens $((port + 2)) && fail "a text that has changed was not asked for again"
key Escape
again

# As downloaded, nothing is known of what was allowed
launch --as-downloaded "$(write_script guest.vmx "${outside[@]}")"
wait_log '^start guest.vmx'
find_window guest.vmx
sleep 1
listens $((port + 2)) && fail "a run as downloaded was not asked for"
exit 0
