# SPDX-License-Identifier: MIT
# SeaBIOS starts from a disk on an LSI Logic SCSI controller, parallel and SAS, and from the second of two, with the CD drive there too.

# scsi_machine NAME MODEL [LINE...]: a .vmx with the boot disk on scsi0:0 and a CD drive without a disc on scsi0:2.
scsi_machine() {
	printf '%s\n' 'config.version = "8"' "displayName = \"$1\"" 'memsize = "64"' 'scsi0.present = "TRUE"' "scsi0.virtualDev = \"$2\"" \
		'scsi0:0.present = "TRUE"' 'scsi0:0.fileName = "boot.img"' 'scsi0:2.present = "TRUE"' \
		'scsi0:2.deviceType = "cdrom-image"' 'scsi0:2.fileName = ""' 'scsi0:2.startConnected = "FALSE"' "${@:3}" > "$work/$1.vmx"
}

prepare() {
	boot_sector "$work/boot.img"
	truncate -s 1M "$work/blank.img"
	scsi_machine spi lsilogic
	scsi_machine sas lsisas1068
	scsi_machine placed lsisas1068 'scsi0.pciSlotNumber = "192"'
	scsi_machine blank lsilogic
	sed -i 's/boot.img/blank.img/' "$work/blank.vmx"
}

# starts_from NAME PCI-ID PCI-ADDRESS
starts_from() {
	vitrine 240 --as-downloaded --until boot-sector-runs "$work/$1.vmx"
	expect_status 0
	expect debug "found mpt-scsi($2) at $3" "mpt $3 0:0 vendor='VITRINE' product='Vitrine disk'"
	expect debug "mpt $3 2:0 vendor='VITRINE' product='Vitrine CD-ROM' rev='1.0' type=5 removable=1"
	expect screen "Booting from Hard Disk..." "boot-sector-runs"
}

check() {
	starts_from spi 0030 00:10.0
	starts_from sas 0054 02:00.0
	starts_from placed 0054 03:00.0

	# The control: the same without a boot sector.
	vitrine 240 --as-downloaded --until "No bootable device." "$work/blank.vmx"
	expect_status 0
	expect screen "Boot failed: not a bootable disk"
	expect_no screen "boot-sector-runs"
}
