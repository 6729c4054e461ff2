#!/bin/bash
# SPDX-License-Identifier: MIT
# A file of every format is known by its name and by its content, in a desktop that has our types beside its own; and the type
# is one that opens with Vitrine.
. "$(dirname "$0")/lib.sh"
export XDG_DATA_HOME=$work/data XDG_CONFIG_HOME=$work/config XDG_DATA_DIRS=$share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}
export PATH=$PREFIX/bin:$PATH
command -v update-mime-database >/dev/null || { echo "SKIPPED: update-mime-database is not installed"; exit 77; }
[ -s "$share/mime/mime.cache" ] || fail 'the installation has made no MIME cache'

zeros() { head -c "$1" /dev/zero; }
boot_sector() { printf '\xeb\x3c\x90'; zeros 507; printf '\x55\xaa'; zeros 3584; }

make_samples() {
	printf '<?xml version="1.0"?>\n<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"/>\n' >a.ovf
	printf '<?xml version="1.0" encoding="UTF-8"?>\n<!-- a comment -->\n<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/2">\n' >second.ovf
	printf '<Envelope xmlns="http://www.vmware.com/schema/ovf/1/envelope"/>\n' >old.ovf
	tar --format=ustar -cf a.ova a.ovf
	tar --format=gnu -cf gnu.ova a.ovf
	printf '.encoding = "UTF-8"\nconfig.version = "8"\nmemsize = "64"\n' >a.vmx
	printf '#!/usr/bin/vmware\nconfig.version = "8"\n' >script.vmx
	{ printf 'KDMV\1\0\0\0'; zeros 504; } >a.vmdk
	printf '# Disk DescriptorFile\nversion=1\n' >text.vmdk
	{ printf 'QFI\373\0\0\0\3'; zeros 504; } >a.qcow2
	{ printf '<<< Oracle VM VirtualBox Disk Image >>>\n'; zeros 24; printf '\177\20\332\276\1\0\1\0'; zeros 440; } >a.vdi
	{ printf 'conectix\0\0\0\2\0\1\0\0'; zeros 496; } >a.vhd
	{ printf 'vhdxfile'; zeros 504; } >a.vhdx
	boot_sector >a.img
	{ zeros 32768; printf '\1CD001\1\0'; zeros 2040; } >a.iso
}

opens_with_us() { # TYPE
	grep -qE "^MimeType=(.*;)?$1;" "$share/applications/$id.desktop"
}

# expect HOW FILE TYPE...: one of these, and one that opens with Vitrine
expect() {
	local how=$1 file=$2 found
	shift 2
	found=$("$CONTENT_TYPE" "$how" "$file")
	case " $* " in
	*" $found "*) ;;
	*) fail "$file by its $how is taken for $found, not $*"; return ;;
	esac
	opens_with_us "$found" || { fail "$found ($file) does not open with Vitrine"; return; }
	echo "passed: $file by its $how: $found"
}

mkdir "$work/samples" && cd "$work/samples" && make_samples
# Newer desktops have names of their own for some; what counts is that they open with us.
ova='application/ovf application/x-virtualbox-ova' ovf='application/x-virtualbox-ovf'
img='application/x-raw-disk-image application/vnd.efi.img' iso='application/x-cd-image application/vnd.efi.iso'
for how in name content; do
	expect $how a.ova $ova
	expect $how gnu.ova $ova
	expect $how a.ovf $ovf
	expect $how second.ovf $ovf
	expect $how old.ovf $ovf
	expect $how a.vmx application/x-vmware-vmx
	expect $how script.vmx application/x-vmware-vmx
	expect $how a.vmdk application/x-vmdk-disk
	expect $how text.vmdk application/x-vmdk-disk
	expect $how a.qcow2 application/x-qemu-disk
	expect $how a.vdi application/x-vdi-disk
	expect $how a.vhd application/x-vhd-disk
	expect $how a.vhdx application/x-vhdx-disk
	expect $how a.img $img
	expect $how a.iso $iso
done
# What is not ours stays what it was.
printf 'hello\n' >note && tar -cf plain.tar note && printf '<?xml version="1.0"?>\n<a/>\n' >plain.xml
for pair in plain.tar:application/x-tar plain.xml:application/xml note:text/plain; do
	for how in name content; do
		[ $how:${pair%:*} = name:note ] && continue
		found=$("$CONTENT_TYPE" $how "${pair%:*}")
		[ "$found" = "${pair#*:}" ] || fail "${pair%:*} by its $how is taken for $found"
	done
done
# Archives belong to the archive manager.
for type in application/zip application/gzip application/x-xz application/x-7z-compressed; do
	opens_with_us $type && fail "$type opens with Vitrine"
done
if command -v gio >/dev/null; then
	for file in a.ova a.ovf a.vmx a.vmdk a.qcow2 a.vdi a.vhd a.vhdx a.img a.iso; do
		type=$(gio info -a standard::content-type $file | sed -n 's/.*content-type: //p')
		gio mime "$type" 2>&1 | grep -q "$id.desktop" || fail "gio mime $type ($file) does not name $id.desktop"
	done
else
	echo 'SKIPPED: gio is not installed: who opens what'
fi
exit $((failures > 0))
