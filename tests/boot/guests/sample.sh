# SPDX-License-Identifier: MIT
# samples/debian's appliance as a user has it: a real Debian 12 that its own GRUB starts on two CPUs. A login on the screen by the
# keyboard and one by ssh through a forwarded port, DHCP, a file by HTTP, names and addresses as declared, a CD put in while it runs, the
# power button, and a second start that finds what the first one wrote. sample-ahci.sh plays the same disk on another controller.
outside=198.51.100.1 # an address of the nested machine that is not its loopback (RFC 5737)
export TIMEOUT=5400 # of the nested machine: on a loaded computer a start takes ten minutes
[ -n "${appliance:-}" ] || { appliance=vitrine-debian.ova driver=mptspi; }

prepare() {
	local debian=${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests/sample-debian file

	need ssh openssh-client
	need busybox busybox-static
	need ip iproute2
	need xorriso xorriso
	"$folder/../../samples/debian/make.sh" "$debian" || exit
	for file in "$debian/${appliance%.*}".*; do
		ln "$file" "$work/" 2> /dev/null || cp "$file" "$work/"
	done
	mkdir "$work/disc"
	echo "this is the disc" > "$work/disc/label"
	xorriso -as mkisofs -quiet -V DISC -o "$work/disc.iso" "$work/disc" 2> /dev/null
	head -c 1000000 /dev/urandom > "$work/file"
	cat > "$work/script" <<-END
		wait-text "Debian GNU/Linux 12 vitrine ttyS0" 1800
		wait-text "Debian GNU/Linux 12 vitrine tty1" 300
		wait-text "vitrine login:" 10
		screen-text login
		type "vitrine\\n"
		wait-text "Password:" 300
		type "vitrine\\n"
		wait-text "vitrine@vitrine:~$" 300
		type "clear; echo \$((6 * 7)) on \$(nproc) CPUs\\n"
		wait-text "42 on 2 CPUs" 300
		screen-text typed
		wait-text "guest: insert a disc" 1200
		cd insert $work/disc.iso
		wait-text "reboot: Power down" 600
	END
}

# by_ssh PASSWORD COMMAND...: what user vitrine sees. ssh takes a password from nobody but a terminal or this program.
by_ssh() {
	printf '#!/bin/sh\necho %s\n' "$1" > askpass
	chmod +x askpass
	SSH_ASKPASS=$work/askpass SSH_ASKPASS_REQUIRE=force ssh -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 -o ConnectTimeout=60 -o LogLevel=ERROR \
		vitrine@127.0.0.1 "${@:2}"
}

power_button() {
	local player

	player=$(pgrep -o -P $$ -x vitrine-core) && kill -TERM "$player"
}

# What somebody at this computer does: when FILE is there, says a wrong password, then the right one, asks, and ends by the power button.
assist() { # FILE
	until [ -s "$1" ]; do
		sleep 1
	done
	until by_ssh vitrine true 2> refused; do # the keys may still be in the making
		sleep 2
	done
	by_ssh wrong echo "a wrong password was taken" > wrong 2>&1
	by_ssh vitrine bash -s $outside < "$folder/debian/sample-online" > answers 2>&1
	power_button
}

# start FILE OPTION...: plays it with an assistant that waits for FILE.
start() {
	local assistant

	rm -f answers wrong "$1"
	assist "$1" &
	assistant=$!
	vitrine 3600 "${@:2}" "$work/$appliance"
	kill $assistant 2> /dev/null
	[ ! -e answers ] || sed 's/^/  by ssh: /' answers
	[ "$(grep -c "Booting .Debian GNU/Linux" serial)" = 1 ] || fail "the machine was reset"
}

# A port to ssh, as a user opens it: in the text file that the first start has left.
open_port() {
	vitrine 60 --until SeaBIOS "$work/$appliance"
	for text in state/vitrine/*/*.vmx; do
		echo 'vitrine.forward0 = "tcp:2222:22"' >> "$text"
	done
}

expect_online() {
	expect_status 0
	expect answers "guest: controller $driver" "guest: ens34 00:50:56:16:25:34" "guest: address 10.0.2.15/24 by DHCP from 10.0.2.2"
	expect answers "guest: file $(sha256sum < file | cut -c 1-64)" "guest: system running, failed: none"
	expect answers "guest: the kernel complains: of nothing" "guest: end"
	expect wrong "Permission denied"
	expect_no wrong "was taken"
	expect messages "the power button was pressed"
	expect serial "Reached target" "System Power Off" "reboot: Power down"
}

first_start() {
	start typed --script "$work/script"
	expect_online
	cp login screen
	expect_row 1 "Debian GNU/Linux 12 vitrine tty1"
	expect_row 3 "vitrine login:"
	cp typed screen
	expect_row 0 "42 on 2 CPUs"
	expect answers "guest: 2 CPUs" "guest: earlier starts: 0, kept: nothing" "guest: no disc" "guest: disc: this is the disc"
}

# Nothing types: that the answers come is its word. No disc is put in.
second_start() {
	start serial
	expect_online
	expect answers "guest: earlier starts: 1, kept: yes" "guest: the last start ended: by the power key, unmounted"
	expect_no answers "guest: disc: "
}

check() {
	local server download

	download=$(sha256sum < "$work/$appliance")
	ip link set lo up
	ip address add $outside/32 dev lo
	serve file 8000 2> /dev/null &
	server=$!
	[ "${appliance##*.}" = vmx ] || open_port
	first_start
	second_start
	kill $server
	[ "$(sha256sum < "$work/$appliance")" = "$download" ] || fail "the appliance was changed"
	echo "  $appliance is as it was"
}
