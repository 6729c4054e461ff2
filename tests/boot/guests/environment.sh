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

# types LINE...: at GRUB's prompt. While GRUB is busy the keyboard keeps 16 bytes, which are four keys with Shift, and loses what comes then;
# so every four are waited for.
types() {
	local line at seen

	for line; do
		for ((at = 0; at < ${#line}; at += 4)); do
			seen=${line:0:at + 4}
			printf 'type "%s"\nwait-text "grub> %s" 300\n' "${line:at:4}" "${seen% }"
		done
		echo 'type "\n"'
	done
}

# asks SCRIPT LINE... ANSWER: at GRUB's command line. The BIOS shows GRUB only the drive that it started from; its own driver finds both.
asks() {
	{
		printf '%s\n' 'wait-text "Press enter to boot" 600' 'type c' 'wait-text "grub>" 300'
		types "nativedisk pata" "search -f /ovf-env.xml --set=r" "${@:2:$# - 2}"
		echo "wait-text \"${*: -1}\" 300"
	} > "$work/$1"
}

prepare() {
	need /usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-pc
	cp /usr/lib/grub-rescue/grub-rescue-cdrom.iso "$work/"
	app with "<ProductSection><Property ovf:key='hostname' ovf:type='string' ovf:value='from-the-package'
		ovf:userConfigurable='true'/></ProductSection>"
	app without ""
	asks finds 'cat ($r)/ovf-env.xml' "</Environment>"
	asks misses "no such device: /ovf-env.xml"
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
