# SPDX-License-Identifier: MIT
# isolinux from a CD of our own: to its prompt, then two labels typed at it: one displays its text, the other cannot be found.

prepare() {
	local file

	need xorriso xorriso
	need /usr/lib/ISOLINUX/isolinux.bin isolinux
	need /usr/lib/syslinux/modules/bios/ldlinux.c32 syslinux-common
	mkdir -p "$work/cd/isolinux"
	cp /usr/lib/ISOLINUX/isolinux.bin "$work/cd/isolinux/"
	for file in ldlinux config libutil libcom32; do
		cp "/usr/lib/syslinux/modules/bios/$file.c32" "$work/cd/isolinux/"
	done
	cat > "$work/cd/isolinux/isolinux.cfg" <<-'END'
		PROMPT 1
		TIMEOUT 0
		SAY Vitrine's own isolinux CD
		DEFAULT missing
		LABEL second
		  COM32 config.c32
		  APPEND second.cfg
		LABEL missing
		  LINUX /no-such-kernel
	END
	cat > "$work/cd/isolinux/second.cfg" <<-'END'
		PROMPT 1
		TIMEOUT 0
		SAY The second configuration was read from the CD
	END
	xorriso -as mkisofs -quiet -V VITRINE_ISOLINUX -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
		-boot-load-size 4 -boot-info-table -o "$work/isolinux.iso" "$work/cd" 2> /dev/null
	cat > "$work/script" <<-'END'
		wait-text "Vitrine's own isolinux CD" 120
		wait-text "boot:" 20
		screen-text prompt
		type "missing\n"
		wait-text "no-such-kernel... failed: No such file or directory" 20
		screen-text missing
		type "second\n"
		wait-text "The second configuration was read from the CD" 20
	END
	empty_machine control
}

check() {
	vitrine 200 --as-downloaded --script "$work/script" "$work/isolinux.iso"
	expect_status 0
	expect prompt "ISOLINUX 6" "Vitrine's own isolinux CD" "boot:"
	expect missing "boot: missing" "Loading /no-such-kernel... failed: No such file or directory"
	expect screen "boot: second" "The second configuration was read from the CD"

	# The control: the same machine without the disc.
	vitrine 60 --as-downloaded --until "No bootable device." "$work/control.vmx"
	expect_status 0
	expect_no screen "isolinux" "boot:"
}
