# SPDX-License-Identifier: MIT
# As debian-ahci.sh, with a kernel that uses no message-signalled interrupts: those of the SATA controller come by its pin, through the PCI
# bridge that it lies behind, and as ACPI's _PRT says.
controller=ahci kernel_option=pci=nomsi

. "$folder/guests/debian.sh"

expect_board() {
	expect serial "guest: machine VMware, Inc., VMware Virtual Platform" "-fasteoi ahci[0000:"
	expect_no serial "-edge ahci["
}
