# SPDX-License-Identifier: MIT
# As debian.sh, with disk and CD drive on a SATA controller (AHCI), which lies behind a VMware board's PCI bridge.
controller=ahci

. "$folder/guests/debian.sh"
