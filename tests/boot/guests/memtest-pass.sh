# SPDX-License-Identifier: MIT
# memtest86+ through a whole pass of all its tests, on two CPUs; some minutes long, hence only with --all.

prepare() {
	need /usr/lib/memtest86+/memtest86+x64.iso memtest86+
	cp /usr/lib/memtest86+/memtest86+x64.iso "$work/"
	empty_machine memtest 'numvcpus = "2"' 'ide1:0.fileName = "memtest86+x64.iso"' 'ide1:0.startConnected = "TRUE"'
}

check() {
	vitrine 1500 --as-downloaded --until "Pass:  1" "$work/memtest.vmx"
	expect_status 0
	expect screen "Memtest86+ v" "SMP: 2T (PAR)" "Pass:  1" "Errors: 0"
}
