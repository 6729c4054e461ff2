# SPDX-License-Identifier: MIT
# SeaBIOS alone, on a disk whose boot sector prints one word through the BIOS and halts.

prepare() {
	boot_sector "$work/boot.img"
	cp "$work/boot.img" "$work/blank.img"
	printf '\0\0' | dd of="$work/blank.img" bs=1 seek=510 conv=notrunc status=none # no signature: not bootable
}

# The BIOS stands still for longer than a guest's screen does that is up: a core that is stopped is a computer that is very busy.
busy_start() {
	local player core_process

	rm "$work/debug" # the last start's
	vitrine 90 --as-downloaded --until-screen "$work/boot.img" > "$work/played" &
	player=$!
	until grep -q "Machine UUID" "$work/debug" 2> /dev/null || ! kill -0 $player; do
		sleep 0.1
	done
	core_process=$(pgrep -P "$(pgrep -P $player)" -f -- --core-fd)
	sleep 0.5
	kill -STOP "$core_process"
	sleep 10
	kill -CONT "$core_process"
	wait $player
	cat "$work/played"
	expect_row 3 "boot-sector-runs"
}

check() {
	vitrine 60 --as-downloaded --until boot-sector-runs "$work/boot.img"
	expect_status 0
	expect debug "SeaBIOS (version " "Booting from Hard Disk..." "Booting from 0000:7c00"
	expect screen "SeaBIOS (version "
	expect screen "Machine UUID " # row 1: SMBIOS was taken, and the appliance without a uuid has one
	expect_row 2 "Booting from Hard Disk..."
	expect_row 3 "boot-sector-runs"

	busy_start

	# The controls: without the signature the same texts must not come, and a text that nobody says is not seen.
	vitrine 60 --as-downloaded --until "No bootable device." "$work/blank.img"
	expect_status 0
	expect screen "Boot failed: not a bootable disk"
	expect_no screen "boot-sector-runs"
	vitrine 3 --as-downloaded --until "a text that nobody says" "$work/boot.img"
	expect_status 4
}
