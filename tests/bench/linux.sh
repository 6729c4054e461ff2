# SPDX-License-Identifier: MIT
# What Debian's unmodified kernel measures from inside: disks, network, idling; and a whole Debian's way to its login. Sourced by bench.sh,
# after parts.sh. Where KVM has no hardware below it (kvm_pvm) such a kernel does not come up, so there is nothing to measure.

outside=198.51.100.1 # an address of the nested machine that is not its loopback (RFC 5737)

skip_without_hardware() {
	[ -d /sys/module/kvm_pvm ] || return 1
	echo "SKIPPED: $1: an unmodified Linux does not run on this host's KVM (kvm_pvm); take --machine"
}

# A CD with the kernel, linux-init and linux_ops. It stays beside the disk's image, of noise: zeros cost less than bytes do.
prepare_linux() {
	local boot=$here/../boot tree=$kept/tree cd=$kept/cd tool
	[ ! -s "$kept/linux.iso" ] || return 0
	[ -n "$machine" ] || ! [ -d /sys/module/kvm_pvm ] || return 0 # it will be skipped
	for tool in xorriso cpio busybox modinfo; do
		type -p $tool >/dev/null || { echo "SKIPPED: $tool is not installed"; exit 77; }
	done
	"$boot/machine/make-machine.sh" "$cache/boot-machine" || return # for its kernel
	mkdir -p "$tree"/{bin,lib,proc,sys,dev} "$cd/isolinux"
	cp "$(type -p busybox)" "$(helper linux_ops -static)" "$tree/bin/" && cp "$here/linux-init" "$tree/init" &&
		"$boot/machine/copy-modules.sh" "$cache/boot-machine/kernel" "$tree/lib" ata_piix ahci sd_mod e1000 || return
	(cd "$tree" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$cd/initrd.gz"
	cp "$cache"/boot-machine/kernel/boot/vmlinuz-* "$cd/vmlinuz"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/isolinux/" || return
	printf '%s\n' 'DEFAULT linux' 'LABEL linux' 'LINUX /vmlinuz' 'INITRD /initrd.gz' \
		'APPEND console=ttyS0 quiet panic=-1' >"$cd/isolinux/isolinux.cfg"
	xorriso -as mkisofs -quiet -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
		-boot-info-table -o "$kept/linux.iso" "$cd" 2>/dev/null
	rm -r "$tree" "$cd"
	{ head -c 4096 /dev/zero; head -c 67104768 /dev/urandom; } >"$kept/linux.img"
}

prepare_disk() { prepare_linux; }
prepare_net() { prepare_linux; }

# linux_guest NAME [LINE...]: a machine with the CD, and for QEMU the file $work/NAME/qemu with an option in each line.
linux_guest() {
	mkdir -p "$work/$1" && : >"$work/$1/qemu" && cp "$kept/linux.iso" "$work/$1/linux.iso" || return
	printf '%s\n' 'config.version = "8"' 'displayName = "bench"' 'memsize = "256"' 'ide1:0.present = "TRUE"' \
		'ide1:0.deviceType = "cdrom-image"' 'ide1:0.fileName = "linux.iso"' "${@:2}" >"$work/$1/$1.vmx"
}

linux_ours() { # GUEST CONSOLE
	rm -rf "$XDG_STATE_HOME" # each play begins with an empty overlay
	command=("$core" --headless --quiet --serial "$2" "$work/$1/$1.vmx")
}

linux_theirs() { # GUEST CONSOLE
	local image=$work/$1/disk-flat.vmdk
	[ ! -e "$image" ] || { rm -f "$image.qcow2"; qemu-img create -q -f qcow2 -F raw -b "$image" "$image.qcow2"; }
	command=("$qemu_copy" "${qemu_data[@]}" -accel kvm -cpu host -nodefaults -vga std -display none -m 256
		-chardev "file,id=s,path=$2" -serial chardev:s -drive "file=$kept/linux.iso,media=cdrom,if=ide,index=2,format=raw"
		$(sed "s|IMAGE|$image.qcow2|" "$work/$1/qemu"))
}

# figures GUEST UNIT: plays it in pairs and compares each figure that it says.
figures() {
	local i k side pid patience=600 sides=(ours theirs) words
	rm -f "$work"/rows.*
	for ((i = 0; i < ((rounds + 4) / 5) * 2; i++)); do
		side=${sides[(i + i / 2) % 2]}
		"$side" "$1" "$work/console"
		play_until 'guest: idle' || return
		stop_playing
		! grep -a 'guest: FAILED' "$work/console" >&2 || return 1
		[ $SECONDS -lt 60 ] || sed -n "s/^guest:/# $side:/p" "$work/console" >&2
		tr -d '\r' <"$work/console" | sed -n 's|^guest: \(.*\): \([0-9.]*\) .*/s$|\1:\2|p' >>"$work/rows.$side"
	done
	cut -d: -f1 "$work/rows.ours" | awk '!seen[$0]++' | while read -r words; do
		columns theirs sed -n "s/^$words://p" | brief=1 pairs "$words" "$2" 1
	done
}

measure_disk() {
	local adapter
	skip_without_hardware disk && return
	for adapter in ahci ide; do
		if [ $adapter = ahci ]; then
			linux_guest linux_ahci 'sata0.present = "TRUE"' 'sata0:0.present = "TRUE"' 'sata0:0.fileName = "disk.vmdk"' || return
			printf '%s\n' -device ich9-ahci,id=a -drive if=none,id=d,file=IMAGE,format=qcow2 -device ide-hd,bus=a.0,drive=d \
				>"$work/linux_ahci/qemu"
		else
			linux_guest linux_ide 'ide0:0.present = "TRUE"' 'ide0:0.fileName = "disk.vmdk"' || return
			printf '%s\n' -drive if=ide,index=0,file=IMAGE,format=qcow2 >"$work/linux_ide/qemu"
		fi
		flat_disk "$work/linux_$adapter" "$kept/linux.img" || return
		echo "direct reads and writes on $adapter, operations a second (more is better)"
		figures linux_$adapter /s || return
		rm -r "$work/linux_$adapter"
	done
}

measure_net() {
	local server status
	skip_without_hardware net && return
	[ "$kept" != "$work" ] || { echo "SKIPPED: net gives this computer an address, so it runs with --machine only"; return 0; }
	ip address replace $outside/32 dev lo || return
	"$kept/linux_ops" serve 8001 &
	server=$!
	linux_guest linux_net 'ethernet0.present = "TRUE"' 'ethernet0.virtualDev = "e1000"' 'ethernet0.connectionType = "nat"'
	printf '%s\n' -netdev user,id=n -device e1000,netdev=n >"$work/linux_net/qemu"
	echo "one TCP connection by NAT on an e1000, a million bytes a second (more is better)"
	figures linux_net MB/s
	status=$?
	kill $server
	return $status
}

# ---- login: samples/debian on its SATA disk, from power-on to the login on its serial line ----

sample=$cache/sample-debian

prepare_login() {
	local make=$here/../../samples/debian/make.sh
	[ -n "$machine" ] || ! [ -d /sys/module/kvm_pvm ] || return 0
	[ -x "$make" ] && [ "$kept" = "$work" ] || return 0 # not once more inside
	"$make" "$sample" || [ $? = 77 ]
}

login() { # OURS|THEIRS: microseconds
	local row
	rm -rf "$XDG_STATE_HOME"
	if [ "$1" = ours ]; then
		command=("$core" --headless --quiet --serial @ "$sample/vitrine-debian-ahci.vmx")
	else
		command=("$qemu_copy" "${qemu_data[@]}" -accel kvm -cpu host -smp 2 -nodefaults -vga std -display none -m 512
			-chardev file,id=s,path=@ -serial chardev:s -device ich9-ahci,id=a -device ide-hd,bus=a.0,drive=d
			-drive "if=none,id=d,file=$sample/vitrine-debian-ahci.vmdk,format=vmdk,snapshot=on"
			-netdev user,id=n -device e1000,netdev=n)
	fi
	row=$("$stopwatch" -t 900 -m 'login: ' "${command[@]}" 2>"$log") || { cat "$log" >&2; return 1; }
	echo $((${row% *} + ${row#* }))
}

measure_login() {
	skip_without_hardware login && return
	[ -e "$sample/ready" ] || { echo "SKIPPED: login: samples/debian was not made (its make.sh says why)"; return 0; }
	cold=yes interleave $(((rounds + 9) / 10)) login >"$work/rows" || return
	pairs 'power-on to the login of a whole Debian' s 1000000 <"$work/rows"
}
