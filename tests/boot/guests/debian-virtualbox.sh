# SPDX-License-Identifier: MIT
# As debian-ahci.sh, on VirtualBox's board, with its network card: everything on the root bus, and no slot has a number.
controller=ahci-e1000 system=virtualbox-2.2

. "$folder/guests/debian.sh"

expect_board() {
	expect serial "guest: machine innotek GmbH, VirtualBox, serial 0" "-edge ahci[0000:00:0d.0]" "guest: card 0000:00:03.0, 00:0c:29:"
}
