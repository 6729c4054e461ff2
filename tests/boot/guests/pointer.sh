# SPDX-License-Identifier: MIT
# Where the pointer is, as Debian's unmodified kernel sees it: by the USB tablet (uhci_hcd, usbhid) and by VMware's back door (psmouse's
# vmmouse). The control: a machine without either finds neither.
needs_machine_kernel=1 # the guest's kernel is the one of the nested machine

prepare() {
	local file tree=$work/tree

	need busybox busybox-static
	need xorriso xorriso
	need cpio cpio
	need /usr/lib/ISOLINUX/isolinux.bin isolinux
	need /usr/lib/syslinux/modules/bios/ldlinux.c32 syslinux-common
	mkdir -p "$tree"/{bin,lib,proc,sys,dev} "$work/cd/isolinux"
	cp "$(type -p busybox)" "$tree/bin/busybox"
	cp "$folder/debian/pointer-init" "$tree/init"
	"$folder/machine/copy-modules.sh" "$machine/kernel" "$tree/lib" psmouse evdev uhci-hcd usbhid hid-generic
	(cd "$tree" && find . | cpio -o -H newc 2> /dev/null | gzip -1) > "$work/cd/isolinux/initrd.gz"
	cp "$machine"/kernel/boot/vmlinuz-* "$work/cd/isolinux/vmlinuz"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/isolinux/"
	cat > "$work/cd/isolinux/isolinux.cfg" <<-'END'
		DEFAULT linux
		LABEL linux
		  LINUX vmlinuz
		  INITRD initrd.gz
		  APPEND console=ttyS0 quiet panic=-1
	END
	xorriso -as mkisofs -quiet -V VITRINE_POINTER -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
		-boot-load-size 4 -boot-info-table -o "$work/pointer.iso" "$work/cd" 2> /dev/null
	rm -r "$tree" "$work/cd"
	cat > "$work/script" <<-'END'
		wait-text "guest: listening to tablet" 240
		sleep 3
		position 16384 49152
		position 16384 49152 1
		position 65535 0 1
		position 65535 0 0
		wait-text "guest: listening to vmmouse" 60
		sleep 4
		position 8192 32768
		position 8192 32768 2
		position 8192 32768 0
		wait-text "reboot: Power down" 120
	END
}

machine_with() { # NAME USB VMPORT
	empty_machine "$1" "usb.present = \"$2\"" "vitrine.vmport = \"$3\""
	sed -i "s/memsize = \"64\"/memsize = \"256\"/; s/ide1:0.fileName = \"\"/ide1:0.fileName = \"pointer.iso\"/
		s/ide1:0.startConnected = \"FALSE\"/ide1:0.startConnected = \"TRUE\"/" "$work/$1.vmx"
}

check() {
	machine_with both TRUE TRUE
	vitrine 400 --script "$work/script" "$work/both.vmx"
	expect_status 0
	expect serial "guest: usb: 80ee:0021 Vitrine USB Tablet" "guest: vmmouse is there"
	# ABS_X, ABS_Y (of 0x7fff), BTN_LEFT down, ABS_X, ABS_Y, up
	expect serial "guest: tablet: 3/0=8192 3/1=24576 1/272=1 3/0=32767 3/1=0 1/272=0"
	# ABS_X, ABS_Y (of 0xffff), BTN_RIGHT down and up
	expect serial "guest: vmmouse: 3/0=8192 3/1=32768 1/273=1 1/273=0"
	expect serial "guest: the kernel complains: of nothing"

	machine_with neither FALSE FALSE
	vitrine 300 "$work/neither.vmx"
	expect_status 0
	expect serial "guest: no tablet" "guest: no vmmouse" "reboot: Power down"
}
