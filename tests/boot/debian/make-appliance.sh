#!/bin/bash
# SPDX-License-Identifier: MIT
# make-appliance.sh KERNEL WORK CONTROLLER SYSTEM-TYPE [OPTION]: writes WORK/debian.ova: Debian's unmodified kernel (an unpacked package),
# busybox, our init, and GRUB, on one disk in a streamOptimized VMDK. CONTROLLER says what it and the CD drive hang on (controllers-*.xml),
# SYSTEM-TYPE whose board it is (vmx-08, virtualbox-2.2), OPTION is one more for the kernel. Everything is written by others' tools
# (grub-mkimage, mke2fs, qemu-img, tar), none needs root.
set -euo pipefail
folder=$(dirname "$(realpath "$0")") kernel=$1 work=$2 controller=$3 system=$4 option=${5:-}
image=$work/disk.img
first=2048 first_sectors=65536 second=67584 second_sectors=32768 # 32 MB for GRUB and Linux, 16 MB for what the guest writes

# The driver of the controller; the item that the CD drive hangs on, and where.
case $controller in
ide) driver=ata_piix cd_parent=4 cd_address=0 ;;
ahci) driver=ahci cd_parent=3 cd_address=1 ;;
ahci-e1000) driver='ahci e1000' cd_parent=3 cd_address=1 ;;
lsilogic) driver=mptspi cd_parent=3 cd_address=1 ;;
lsisas1068) driver=mptsas cd_parent=3 cd_address=1 ;;
esac

# ---- the initramfs ----

tree=$work/tree
mkdir -p "$tree"/{bin,lib,proc,sys,dev} "$work/files"
cp "$(type -p busybox)" "$tree/bin/busybox"
cp "$folder/init" "$tree/init"
"$folder/../machine/copy-modules.sh" "$kernel" "$tree/lib" $driver sd_mod sr_mod isofs button evdev
(cd "$tree" && find . | cpio -o -H newc 2> /dev/null | gzip -1) > "$work/files/initrd.gz"
cp "$kernel"/boot/vmlinuz-* "$work/files/vmlinuz"

# ---- GRUB's two halves: boot.img in the first sector, core.img behind it, its menu in the file system ----

mkdir -p "$work/files/grub"
cat > "$work/files/grub/grub.cfg" <<END
set timeout=1
menuentry "Debian's kernel" {
	echo "GRUB loads Linux"
	linux /vmlinuz console=ttyS0 quiet panic=-1 $option
	initrd /initrd.gz
}
END
grub-mkimage -O i386-pc -p '(hd0,msdos1)/grub' -o "$work/core.img" \
	biosdisk part_msdos ext2 normal linux echo test
truncate -s $(((second + second_sectors) * 512)) "$image"
dd if=/usr/lib/grub/i386-pc/boot.img of="$image" bs=446 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none
[ "$(stat -c %s "$work/core.img")" -lt $(((first - 1) * 512)) ]

# ---- the partition table: status, CHS (unused: LBA), type, CHS, first sector, sectors ----

le32() {
	printf '\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24))
}
partition() {
	printf "\\x$1\\xfe\\xff\\xff\\x$2\\xfe\\xff\\xff$(le32 "$3")$(le32 "$4")"
}
{
	partition 80 83 $first $first_sectors
	partition 00 83 $second $second_sectors
	head -c 32 /dev/zero
	printf '\x55\xaa'
} | dd of="$image" bs=1 seek=446 conv=notrunc status=none
mke2fs -q -t ext2 -d "$work/files" -E offset=$((first * 512)) "$image" $((first_sectors / 2))k

# ---- the OVA ----

qemu-img convert -q -f raw -O vmdk -o subformat=streamOptimized "$image" "$work/debian-disk1.vmdk"
sed -e "s/@SIZE@/$(stat -c %s "$work/debian-disk1.vmdk")/; s/@CAPACITY@/$(stat -c %s "$image")/" \
	-e "s/@CD_PARENT@/$cd_parent/; s/@CD_ADDRESS@/$cd_address/; s/@SYSTEM@/$system/" \
	-e "/@CONTROLLERS@/ { r $folder/controllers-$controller.xml" -e "d }" "$folder/debian.ovf.in" > "$work/debian.ovf"
(cd "$work" && for file in debian.ovf debian-disk1.vmdk; do
	echo "SHA256($file)= $(sha256sum < $file | cut -d' ' -f1)"
done > debian.mf && tar --format=ustar -cf debian.ova debian.ovf debian.mf debian-disk1.vmdk)
rm -rf "$tree" "$work/files" "$image" "$work"/{core.img,debian.ovf,debian.mf,debian-disk1.vmdk}
