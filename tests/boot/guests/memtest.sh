# SPDX-License-Identifier: MIT
# memtest86+ from its package's CD, through a pass of its first test. Its tests #1 and #2 are over too soon to be seen for sure: the
# proof is that it is at #3 and has found no error.

prepare() {
	need /usr/lib/memtest86+/memtest86+x64.iso memtest86+
	cp /usr/lib/memtest86+/memtest86+x64.iso "$work/"
	empty_machine memtest 'ide1:0.fileName = "memtest86+x64.iso"' 'ide1:0.startConnected = "TRUE"'
	cat > "$work/script" <<-'END'
		wait-text "Memtest86+ v" 120
		wait-text "Test #0 " 60
		wait-text "Test #3 " 150
	END
	empty_machine control
}

check() {
	vitrine 400 --as-downloaded --script "$work/script" "$work/memtest.vmx"
	expect_status 0
	expect screen "Memtest86+ v" "Memory  :   64MB" "Test #3 " "Errors: 0"

	# The control: the same machine without the disc.
	vitrine 60 --as-downloaded --until "No bootable device." "$work/control.vmx"
	expect_status 0
	expect_no screen "Memtest86+" "Test #"
}
