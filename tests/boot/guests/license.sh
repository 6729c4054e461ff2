# SPDX-License-Identifier: MIT
# An OVF with a licence agreement and properties: it runs when the one was accepted, once, and gets the others on a CD.

# write_ovf LICENCE
write_ovf() {
	cat > "$work/app.ovf" << END
<?xml version='1.0'?>
<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns:rasd='http://schemas.dmtf.org/wbem/r'>
<References><File ovf:id='f' ovf:href='boot.img'/></References>
<DiskSection><Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='1048576'/></DiskSection>
<VirtualSystem ovf:id='vm'><Name>App</Name>
<EulaSection><License>$1</License></EulaSection>
<ProductSection><Property ovf:key='hostname' ovf:type='string' ovf:userConfigurable='true'/></ProductSection>
<VirtualHardwareSection ovf:transport='iso'>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType><rasd:Address>0</rasd:Address></Item>
<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType><rasd:Parent>2</rasd:Parent><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d</rasd:HostResource></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>
END
}

prepare() {
	boot_sector "$work/boot.img"
	write_ovf 'You may boot this sector.'
}

check() {
	vitrine 60 --until boot-sector-runs "$work/app.ovf"
	expect_status 7
	expect messages "You may boot this sector." "--accept-eula"
	expect_no debug "Booting from"

	vitrine 60 --accept-eula --until boot-sector-runs "$work/app.ovf"
	expect_status 0
	expect_no messages "You may boot this sector."
	expect messages "The guest's property hostname has no value" "A CD drive is added for the guest's properties"
	expect debug "DVD/CD [" # SeaBIOS sees a drive that the OVF does not have

	# Accepted once, for this text; its configuration file gives a property its value
	echo 'vitrine.property.hostname = "mine"' >> "$(echo "$work"/state/vitrine/App-*/App.vmx)"
	vitrine 60 --until boot-sector-runs "$work/app.ovf"
	expect_status 0
	expect_no messages "has no value"

	# Another text is another agreement
	write_ovf 'You may not.'
	vitrine 60 --until boot-sector-runs "$work/app.ovf"
	expect_status 7
	expect messages "You may not."
}
