# SPDX-License-Identifier: MIT
# Debian's unmodified kernel online by its own e1000 driver: an address by DHCP, an echo, a file by HTTP from a server beside the host,
# a forwarded port from the host, the cable pulled and plugged, vitrine-net killed and started again. The controls: the same server
# through the host's loopback is refused, and without a cable nothing of it comes.
needs_machine_kernel=1 # the guest's kernel is the one of the nested machine
outside=198.51.100.1   # an address of the nested machine that is not its loopback (RFC 5737)

prepare() {
	local file tree=$work/tree

	need xorriso xorriso
	need cpio cpio
	need busybox busybox-static
	need ip iproute2
	need /usr/lib/ISOLINUX/isolinux.bin isolinux
	need /usr/lib/syslinux/modules/bios/ldlinux.c32 syslinux-common
	mkdir -p "$work/cd/isolinux" "$tree"/{bin,lib,proc,sys,dev}
	cp "$(type -p busybox)" "$tree/bin/busybox"
	cp "$folder/debian/init-net" "$tree/init"
	"$folder/machine/copy-modules.sh" "$machine/kernel" "$tree/lib" e1000
	(cd "$tree" && find . | cpio -o -H newc 2> /dev/null | gzip -1) > "$work/cd/initrd.gz"
	cp "$machine/kernel"/boot/vmlinuz-* "$work/cd/vmlinuz"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/isolinux/"
	cat > "$work/cd/isolinux/isolinux.cfg" <<-'END'
		DEFAULT linux
		LABEL linux
		  LINUX /vmlinuz
		  INITRD /initrd.gz
		  APPEND console=ttyS0 quiet panic=-1
	END
	xorriso -as mkisofs -quiet -V VITRINE_NET -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
		-boot-load-size 4 -boot-info-table -o "$work/net.iso" "$work/cd" 2> /dev/null
	rm -r "$tree" "$work/cd"
	head -c 1000000 /dev/urandom > "$work/file"
	machine_with net
	machine_with unplugged 'ethernet0.startConnected = "FALSE"'
	cat > "$work/script" <<-'END'
		wait-text "guest: online" 300
		wait-text "guest: pull my cable" 200
		net disconnect 0
		wait-text "guest: the cable is out" 30
		net connect 0
		wait-text "guest: the cable is in" 30
		wait-text "reboot: Power down" 200
	END
}

# machine_with NAME [LINE...]: a VMware board with our CD and one card.
machine_with() {
	printf '%s\n' 'config.version = "8"' "displayName = \"$1\"" 'guestOS = "debian12-64"' 'memsize = "256"' \
		'ide1:0.present = "TRUE"' 'ide1:0.deviceType = "cdrom-image"' 'ide1:0.fileName = "net.iso"' \
		'ethernet0.present = "TRUE"' 'ethernet0.virtualDev = "e1000"' 'ethernet0.connectionType = "nat"' \
		'ethernet0.addressType = "static"' 'ethernet0.address = "00:50:56:12:34:56"' 'ethernet0.pciSlotNumber = "33"' \
		'vitrine.forward0 = "tcp:18080:80"' "${@:2}" > "$work/$1.vmx"
}

# The guest says that it will listen a little before it does: until then a connection is refused.
ask() {
	local try

	for try in $(seq 20); do
		{ echo "a question"; sleep 2; } | busybox nc -w 30 127.0.0.1 18080 > "$work/answer"
		[ ! -s "$work/answer" ] || return
	done
}

# What the host does when the guest asks for it.
assist() {
	local asked

	for asked in "ask my port" "kill my network"; do
		until grep -qs "guest: $asked" "$work/serial"; do
			sleep 0.5
		done
		case $asked in
		ask*) ask ;;
		kill*) kill -KILL "$(pgrep -x vitrine-net)" ;;
		esac
	done
}

check() {
	local server assistant

	ip link set lo up
	ip address add $outside/32 dev lo
	serve file 8000 2> /dev/null &
	server=$!
	assist &
	assistant=$!
	vitrine 900 --script "$work/script" "$work/net.vmx"
	kill $server $assistant 2> /dev/null
	expect_status 0
	expect serial "guest: card 00:50:56:12:34:56" "guest: online, 10.0.2.15, router 10.0.2.2, name server 10.0.2.3"
	expect serial "guest: the router answers" "guest: file $(sha256sum < file | cut -c 1-64)"
	expect serial "guest: the host's loopback is refused" "guest: asked: a question"
	expect answer "an answer"
	expect serial "guest: the cable is out" "guest: the cable is in" "guest: file again $(sha256sum < file | cut -c 1-64)"
	expect messages "The machine's network was interrupted: its program ended (signal 9"
	expect serial "guest: the link went down and up" "guest: file after all $(sha256sum < file | cut -c 1-64)" "guest: end"

	# The control: the same machine with its cable out.
	vitrine 300 --until "guest: end" "$work/unplugged.vmx"
	expect serial "guest: card 00:50:56:12:34:56" "guest: no lease" "guest: end"
	expect_no serial "guest: online" "guest: file"
}
