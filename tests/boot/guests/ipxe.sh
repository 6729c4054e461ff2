# SPDX-License-Identifier: MIT
# iPXE from its package's CD drives the card itself: an address by DHCP, a script by HTTP from a server beside the host, and by that script
# memtest86+, which runs.
outside=198.51.100.1 # an address of the nested machine that is not its loopback (RFC 5737)

prepare() {
	need /usr/lib/ipxe/ipxe.iso ipxe
	need /boot/memtest86+x64.bin memtest86+
	need busybox busybox-static
	need ip iproute2
	cp /usr/lib/ipxe/ipxe.iso "$work/"
	cp /boot/memtest86+x64.bin "$work/memtest"
	printf '%s\n' '#!ipxe' 'echo this script runs at ${net0/ip}' 'sleep 5' "kernel http://$outside:8001/memtest" boot > "$work/chained"
	empty_machine ipxe 'ide1:0.fileName = "ipxe.iso"' 'ide1:0.startConnected = "TRUE"' 'ethernet0.present = "TRUE"' \
		'ethernet0.virtualDev = "e1000"' 'ethernet0.addressType = "static"' 'ethernet0.address = "00:50:56:12:34:56"'
	grep -v ^ethernet0 "$work/ipxe.vmx" > "$work/no-card.vmx"
	cat > "$work/script" <<-END
		wait-text "Press Ctrl-B for the iPXE command line" 120
		key LEFTCTRL B
		wait-text "iPXE>" 30
		type "dhcp && show net0/ip\\n"
		wait-text "10.0.2.15" 60
		type "show net0/mac\\n"
		wait-text "00:50:56:12:34:56" 30
		type "chain http://$outside:8000/\\n"
		wait-text "this script runs at 10.0.2.15" 60
		screen-text chained-screen
		wait-text "Memtest86+ v" 120
	END
}

check() {
	local script memtest

	ip link set lo up
	ip address add $outside/32 dev lo
	serve chained 8000 2> /dev/null &
	script=$!
	serve memtest 8001 2> /dev/null &
	memtest=$!
	vitrine 500 --as-downloaded --script script ipxe.vmx
	expect_status 0
	expect chained-screen "this script runs at 10.0.2.15"
	expect screen "Memtest86+ v"

	# The control: the same machine without a card.
	vitrine 120 --as-downloaded --until "No more network devices" no-card.vmx
	expect_status 0
	expect_no screen "net0"
	kill $script $memtest
}
