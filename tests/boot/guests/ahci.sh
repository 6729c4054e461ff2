# SPDX-License-Identifier: MIT
# SeaBIOS starts from a disk and from a CD on a SATA controller, on each kind of board: a boot sector that prints one word, and GRUB's rescue
# CD as its package has it.

# sata_machine NAME SYSTEM-TYPE: writes $work/NAME.ovf with a disk on sata0:0 and a CD drive on sata0:1.
sata_machine() {
	local item="        <rasd:ElementName>part</rasd:ElementName>"

	cat > "$work/$1.ovf" <<-END
		<?xml version="1.0"?>
		<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
		  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
		  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
		  <References><File ovf:id="file1" ovf:href="boot.vmdk"/></References>
		  <DiskSection><Info>disk</Info>
		    <Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="1048576"
		     ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
		  <VirtualSystem ovf:id="$1"><Info>$1</Info><Name>$1</Name><VirtualHardwareSection><Info>hardware</Info>
		    <System><vssd:ElementName>System</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
		      <vssd:VirtualSystemType>$2</vssd:VirtualSystemType></System>
		    <Item>$item<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>1</rasd:InstanceID>
		      <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
		    <Item><rasd:Address>0</rasd:Address>$item<rasd:InstanceID>2</rasd:InstanceID>
		      <rasd:ResourceSubType>AHCI</rasd:ResourceSubType><rasd:ResourceType>20</rasd:ResourceType></Item>
		    <Item><rasd:AddressOnParent>0</rasd:AddressOnParent>$item<rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>
		      <rasd:InstanceID>3</rasd:InstanceID><rasd:Parent>2</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
		    <Item><rasd:AddressOnParent>1</rasd:AddressOnParent>$item<rasd:InstanceID>4</rasd:InstanceID>
		      <rasd:Parent>2</rasd:Parent><rasd:ResourceType>15</rasd:ResourceType></Item>
		  </VirtualHardwareSection></VirtualSystem></Envelope>
	END
}

prepare() {
	need qemu-img qemu-utils
	need /usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-pc
	cp /usr/lib/grub-rescue/grub-rescue-cdrom.iso "$work/"
	boot_sector "$work/boot.img"
	qemu-img convert -q -f raw -O vmdk -o subformat=streamOptimized "$work/boot.img" "$work/boot.vmdk"
	truncate -s 1M "$work/blank.img"
	sata_machine vmware vmx-10
	sata_machine virtualbox virtualbox-2.2
	sata_machine other qemu
	cat > "$work/script" <<-'END'
		wait-text "GNU GRUB" 150
		wait-text "Press enter to boot" 30
		type c
		wait-text "grub>" 30
		type "ls\n"
		wait-text "(cd)" 30
	END
}

# starts_from_disk NAME PCI-ADDRESS
starts_from_disk() {
	vitrine 60 --as-downloaded --until boot-sector-runs "$work/$1.ovf"
	expect_status 0
	expect debug "AHCI controller at $2" "AHCI/0: Vitrine disk" "AHCI/1: Vitrine CD-ROM"
	expect_row 2 "Booting from Hard Disk..."
	expect_row 3 "boot-sector-runs"
}

check() {
	starts_from_disk vmware 01:04.0
	starts_from_disk virtualbox 00:0d.0
	starts_from_disk other 00:04.0

	# The host's own KVM may need minutes for GRUB; SeaBIOS's word that it starts the CD is enough there.
	sed -i 's/boot.vmdk/none.vmdk/' "$work/virtualbox.ovf"
	qemu-img convert -q -f raw -O vmdk -o subformat=streamOptimized "$work/blank.img" "$work/none.vmdk"
	if [ -n "$inside" ]; then
		vitrine 240 --as-downloaded --cd "$work/grub-rescue-cdrom.iso" --script "$work/script" "$work/virtualbox.ovf"
		expect screen "grub> ls" "(cd)"
	else
		vitrine 60 --as-downloaded --cd "$work/grub-rescue-cdrom.iso" --until "GRUB" "$work/virtualbox.ovf"
	fi
	expect_status 0
	expect debug "Booting from DVD/CD..."

	# The control: the same machine without the disc.
	vitrine 60 --as-downloaded --until "No bootable device." "$work/virtualbox.ovf"
	expect_status 0
	expect screen "Boot failed: not a bootable disk"
	expect_no screen "GRUB"
}
