# SPDX-License-Identifier: MIT
# As sample.sh, with the disk and the CD drive on a SATA controller. Its second start is the control of the network: without a card there is
# no address; one logs in on the serial line.
appliance=vitrine-debian-ahci.vmx driver=ahci

. "$folder/guests/sample.sh"

second_start() {
	local machine=$work/$appliance

	cp "$machine" with-card
	sed -i '/^ethernet0/d' "$machine"
	cat > script <<-'END'
		wait-text "Debian GNU/Linux 12 vitrine ttyS0" 1800
		serial "vitrine\n"
		wait-text "Password:" 300
		serial "vitrine\n"
		wait-text "vitrine@vitrine:~$" 300
		serial "cd /var/lib; sha256sum -c kept.sum; ip -4 -o address | grep -c . | sed 's/^/addresses: /'; echo gu''est: end\n"
		wait-text "guest: end" 300
		powerbutton
		wait-text "reboot: Power down" 600
	END
	vitrine 3600 --script script "$machine"
	cp with-card "$machine"
	expect_status 0
	expect serial "kept: OK" "addresses: 1" "reboot: Power down" # lo
}
