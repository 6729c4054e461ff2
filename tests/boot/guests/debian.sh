# SPDX-License-Identifier: MIT
# Debian's unmodified kernel on two CPUs, loaded by GRUB from a disk (IDE, unless another guest's script says $controller) in a streamOptimized VMDK in an OVA; its drivers are modules.
# First start: disk and CD are read, written and verified, the CD is ejected and another put in. Second start, without a CD: what was
# written is there, no CD is found, the power button (SIGTERM) shuts it down, and the download is as it was. Each start is the other's
# control.
needs_machine_kernel=1 # the guest's kernel is the one of the nested machine

prepare() {
	local disc

	need grub-mkimage grub-common
	need /usr/lib/grub/i386-pc/boot.img grub-pc-bin
	need mke2fs e2fsprogs
	need qemu-img qemu-utils
	need xorriso xorriso
	"$folder/debian/make-appliance.sh" "$machine/kernel" "$work" "${controller:-ide}" "${system:-vmx-08}" "${kernel_option:-}"
	for disc in one two; do
		mkdir "$work/$disc"
		echo "this is disc $disc" > "$work/$disc/label"
		head -c 3000000 /dev/urandom > "$work/$disc/random"
		xorriso -as mkisofs -quiet -V "DISC_$disc" -o "$work/$disc.iso" "$work/$disc" 2> /dev/null
		rm -r "${work:?}/$disc"
	done
	cat > "$work/script" <<-END
		wait-text "GRUB loads Linux" 120
		screen-text grub
		wait-text "guest: waits to be paused" 600
		sleep 1
		pause
		sleep 10
		run
		wait-text "guest: ejected" 300
		wait-text "guest: the drive is empty; waiting for the second CD" 60
		cd insert $work/two.iso
		wait-text "reboot: Power down" 180
	END
}

sum() {
	sha256sum "$1" | cut -c 1-64
}

# SIGTERM for the machine that the main shell plays, when its guest says that it waits for the power button.
press_power_button() {
	local player

	while sleep 0.5; do
		grep -qs "guest: waits for the power button" "$work/serial" || continue
		player=$(pgrep -o -P $$ -x vitrine-core) && kill -TERM "$player"
		return
	done
}

# What the guest says about the board; other guests' scripts have their own.
expect_board() {
	expect serial "guest: machine VMware, Inc., VMware Virtual Platform, serial VMware-56 4d 01 23 45 67 89 ab-cd ef 01 23 45 67 89 ab"
	expect serial "uuid 564d0123-4567-89ab-cdef-0123456789ab" "guest: slots: 1 " " 33 34 " " 160 192 224 256"
}

check() {
	local download presser

	download=$(sum "$work/debian.ova")
	vitrine 1000 --cd "$work/one.iso" --script "$work/script" "$work/debian.ova"
	expect_status 0
	expect grub "GRUB loads Linux"
	expect_board
	expect serial "guest: kernel 6." ", 2 CPUs" "guest: disk Vitrine" "guest: drive Vitrine"
	expect serial "guest: earlier starts: 0, kept: nothing" "guest: disk: 8 MB written, read back from the disk, equal"
	expect serial "guest: disk: a changed byte is noticed" "guest: disk: put back, equal"
	expect serial "guest: a pause is no time" "guest: disk: what was written about the pause is equal"
	expect serial "guest: first CD: this is disc one, sum $(sum "$work/one.iso")" "guest: ejected"
	expect serial "guest: second CD: this is disc two, sum $(sum "$work/two.iso")"
	expect serial "guest: the kernel complains: of nothing" "guest: end"

	# No script and no --until: status 0 is the guest's own power-off, which it does when it has heard the power button.
	press_power_button &
	presser=$!
	vitrine 600 "$work/debian.ova"
	kill $presser 2> /dev/null
	expect_status 0
	expect messages "the power button was pressed"
	expect serial "guest: the power button was pressed"
	expect serial "guest: earlier starts: 1, kept: yes" "guest: disk: put back, equal" "guest: no CD"
	expect serial "guest: the kernel complains: of nothing" "guest: end" "reboot: Power down"
	expect_no serial "first CD" "second CD"
	[ "$(sum "$work/debian.ova")" = "$download" ] || fail "the OVA was changed"
}
