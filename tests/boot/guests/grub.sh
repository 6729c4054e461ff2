# SPDX-License-Identifier: MIT
# GRUB's rescue CD, as its package has it: from our CD drive to its menu, then to its command line by the keyboard.

prepare() {
	need /usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-pc
	cp /usr/lib/grub-rescue/grub-rescue-cdrom.iso "$work/"
	cat > "$work/script" <<-'END'
		wait-text "GNU GRUB" 150
		wait-text "Press enter to boot" 30
		screen-text menu
		type c
		wait-text "grub>" 30
		type "ls\n"
		wait-text "(cd)" 30
	END
	empty_machine control
}

check() {
	vitrine 240 --as-downloaded --script "$work/script" "$work/grub-rescue-cdrom.iso"
	expect_status 0
	expect debug "Booting from DVD/CD..."
	expect menu "GNU GRUB"
	expect screen "grub> ls" "(cd)"

	# The control: the same machine without the disc.
	vitrine 60 --as-downloaded --until "No bootable device." "$work/control.vmx"
	expect_status 0
	expect_no screen "GNU GRUB"
}
