# SPDX-License-Identifier: MIT
# The test card, our sample appliance, as an OVA and as a .vmx: up, a CD in and out, pause and run, keys, its count of boots, off on Enter.
# The only guest that also plays well on an emulating KVM, hence the one with a time limit there: 10 seconds until it is up.

prepare() {
	local file

	for file in testcard.ova testcard.vmx testcard.vmdk; do
		[ -e "$samples/$file" ] || skip "$file was not built (qemu-img is missing, package qemu-utils)"
		cp "$samples/$file" "$work/"
	done
	need xorriso xorriso
	mkdir "$work/cd"
	echo hello > "$work/cd/hello"
	xorriso -as mkisofs -quiet -V VITRINE_BOOT_CD -o "$work/cd.iso" "$work/cd" 2> /dev/null
	# 9e is the code of A's release. Nothing follows the last line within a minute: a machine that is off by then switched itself off.
	cat > "$work/script" <<-END
		wait-text "testcard: cd (empty)" 120
		cd insert $work/cd.iso
		wait-text "testcard: cd VITRINE_BOOT_CD" 30
		cd eject
		wait-text "testcard: cd (empty)" 30
		pause
		sleep 1
		run
		key A
		wait-text "testcard: key 9e" 30
		key ENTER
		wait-text "testcard: power off" 30
		sleep 60
	END
}

# play_card BOOTS OPTION... FILE: status 4 is a machine that goes off while the script has something left to do.
play_card() {
	vitrine 300 --script "$work/script" "${@:2}"
	expect_status 4
	expect serial "testcard: up" "testcard: boots $1, counted on the disk" "testcard: cd VITRINE_BOOT_CD" "testcard: power off"
}

# Says how long a start takes; alone on the computer at most 10 seconds, which no test beside others can ask.
start_alone() {
	vitrine 60 --as-downloaded --until "testcard: ready" "$work/testcard.ova"
	expect_status 0
	echo "  up after $took s"
}

check() {
	[ -n "$inside" ] || start_alone
	play_card 1 "$work/testcard.ova"
	play_card 2 "$work/testcard.ova"
	play_card 1 --as-downloaded "$work/testcard.ova"
	play_card 1 "$work/testcard.vmx"

	# The control: a CD that is not put in is not seen.
	vitrine 30 --as-downloaded --until "testcard: ready" "$work/testcard.vmx"
	expect_status 0
	expect_no serial "VITRINE_BOOT_CD"
}
