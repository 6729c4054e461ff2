# SPDX-License-Identifier: MIT
# SeaBIOS starts from a disk on an LSI Logic SCSI controller, parallel and SAS, and from the second of two, with the CD drive there too; and
# GRUB's rescue CD, as its package has it, from that drive.

# scsi_machine NAME MODEL [LINE...]: a .vmx with the boot disk on scsi0:0 and a CD drive without a disc on scsi0:2.
scsi_machine() {
	printf '%s\n' 'config.version = "8"' "displayName = \"$1\"" 'memsize = "64"' 'scsi0.present = "TRUE"' "scsi0.virtualDev = \"$2\"" \
		'scsi0:0.present = "TRUE"' 'scsi0:0.fileName = "boot.img"' 'scsi0:2.present = "TRUE"' \
		'scsi0:2.deviceType = "cdrom-image"' 'scsi0:2.fileName = ""' 'scsi0:2.startConnected = "FALSE"' "${@:3}" > "$work/$1.vmx"
}

prepare() {
	need /usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-pc
	cp /usr/lib/grub-rescue/grub-rescue-cdrom.iso "$work/"
	boot_sector "$work/boot.img"
	truncate -s 1M "$work/blank.img"
	scsi_machine spi lsilogic
	scsi_machine sas lsisas1068
	scsi_machine placed lsisas1068 'scsi0.pciSlotNumber = "192"'
	scsi_machine blank lsilogic
	scsi_machine blank-sas lsisas1068
	sed -i 's/boot.img/blank.img/' "$work"/blank*.vmx
	cat > "$work/script" <<-'END'
		wait-text "Press enter to boot" 600
		type c
		wait-text "grub>" 300
		type "ls (cd)/"
		wait-text "grub> ls (cd)/" 300
		type "boot/grub/\n"
		wait-text "i386-pc/" 300
	END
}

# The host's own KVM may need minutes for GRUB; SeaBIOS's word that it starts the CD, and GRUB's first one, are enough there.
starts_cd() { # NAME
	if [ -n "$inside" ]; then
		vitrine 1500 --as-downloaded --cd "$work/grub-rescue-cdrom.iso" --script "$work/script" "$work/$1.vmx"
		expect screen "grub> ls (cd)/boot/grub/" "i386-pc/"
	else
		vitrine 240 --as-downloaded --cd "$work/grub-rescue-cdrom.iso" --until "GRUB" "$work/$1.vmx"
	fi
	expect_status 0
	expect debug "Booting from DVD/CD..."
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

	starts_cd blank
	starts_cd blank-sas

	# The control: the same without a boot sector, and without the disc.
	vitrine 240 --as-downloaded --until "No bootable device." "$work/blank.vmx"
	expect_status 0
	expect screen "Boot failed: not a bootable disk"
	expect_no screen "boot-sector-runs"
	expect_no screen "GRUB"
}
