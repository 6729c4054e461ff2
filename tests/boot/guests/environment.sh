# SPDX-License-Identifier: MIT
# A guest reads its OVF environment. GRUB's rescue CD is in the only drive, so that another drive is added for the properties' disc; GRUB's
# own IDE driver and ISO 9660 reader find ovf-env.xml there, with the package's value and then with the one that the machine's text gives.

# app NAME PRODUCT-SECTION: writes $work/NAME.ovf, a machine with one IDE CD drive, in which GRUB's rescue CD is.
app() {
	cat > "$work/$1.ovf" <<-END
		<?xml version='1.0'?>
		<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'
		  xmlns:rasd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData'>
		<References><File ovf:id='f' ovf:href='grub-rescue-cdrom.iso'/></References>
		<VirtualSystem ovf:id='vm'><Name>$1</Name>$2
		<VirtualHardwareSection ovf:transport='iso'>
		<Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>1</rasd:InstanceID>
		  <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
		<Item><rasd:Address>1</rasd:Address><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType></Item>
		<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/file/f</rasd:HostResource>
		  <rasd:InstanceID>3</rasd:InstanceID><rasd:Parent>2</rasd:Parent><rasd:ResourceType>15</rasd:ResourceType></Item>
		</VirtualHardwareSection></VirtualSystem></Envelope>
	END
}

# asks SCRIPT [COMMAND-LINE...]: what is typed at GRUB's menu. The BIOS shows GRUB only the drive that it started from; its own driver finds
# both. The BIOS keeps 15 keys for a guest that is slow to ask, so each piece is waited for.
asks() {
	cat > "$work/$1" <<-'END'
		wait-text "Press enter to boot" 600
		type c
		wait-text "grub>" 300
		type "nativedisk"
		wait-text "grub> nativedisk" 300
		type " pata\n"
		wait-text "nativedisk pata" 300
		type "search -f"
		wait-text "grub> search -f" 300
		type " /ovf-env.xml"
		wait-text "/ovf-env.xml" 300
		type " --set=r\n"
	END
	printf '%s\n' "${@:2}" >> "$work/$1"
}

prepare() {
	need /usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-pc
	cp /usr/lib/grub-rescue/grub-rescue-cdrom.iso "$work/"
	app with "<ProductSection><Property ovf:key='hostname' ovf:type='string' ovf:value='from-the-package'
		ovf:userConfigurable='true'/></ProductSection>"
	app without ""
	asks finds 'wait-text "--set=r" 300' 'type "cat ($r)/"' 'wait-text "grub> cat ($r)/" 300' 'type "ovf-env.xml\n"' \
		'wait-text "</Environment>" 300'
	asks misses 'wait-text "no such device: /ovf-env.xml" 300'
}

check() {
	vitrine 1500 --script "$work/finds" "$work/with.ovf"
	expect_status 0
	expect messages "A CD drive is added for the guest's properties"
	expect screen '<Property oe:key="hostname" oe:value="from-the-package"/>'

	echo 'vitrine.property.hostname = "from-the-text"' >> "$(echo "$work"/state/vitrine/with-*/with.vmx)"
	vitrine 1500 --script "$work/finds" "$work/with.ovf"
	expect_status 0
	expect screen '<Property oe:key="hostname" oe:value="from-the-text"/>'
	expect_no screen from-the-package

	# The control: the same machine without properties has no such disc.
	vitrine 1500 --script "$work/misses" "$work/without.ovf"
	expect_status 0
	expect_no messages "A CD drive is added"
}
