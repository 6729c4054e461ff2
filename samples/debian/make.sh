#!/bin/bash
# SPDX-License-Identifier: MIT
# make.sh FOLDER [MIRROR]: makes a small but whole Debian 12 from Debian's packages, twice, in FOLDER:
#   vitrine-debian.ova                        an LSI Logic disk in a streamOptimized VMDK
#   vitrine-debian-ahci.vmx and -ahci.vmdk    the same disk in a sparse VMDK, on a SATA controller
# About three minutes and 150 MB of download. Needs no root: mmdebstrap makes itself a user namespace (which takes the package uidmap and
# lines of yours in /etc/subuid and /etc/subgid), or uses root where it is root; the rest is fakeroot's. Does nothing while
# FOLDER/ready is newer than these files. Exit status 77, with the reason, when something that it needs is missing.
set -euo pipefail
folder=${1:?usage: make.sh FOLDER [MIRROR]} mirror=${2:-http://deb.debian.org/debian}
source=$(dirname "$(realpath "$0")")

# The times in the file system do not tell when it was made.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1795305600}
uuid=56697472-696e-4465-b269-616e20313200 # of the file system: GRUB and fstab find it by that
start=2048 sectors=4192256                # the partition, in sectors; 2 GB in all

packages=(linux-image-amd64 initramfs-tools busybox zstd grub-pc systemd-sysv udev dbus libpam-systemd kmod e2fsprogs
	ifupdown isc-dhcp-client iproute2 iputils-ping openssh-server sudo wget eject procps nano less)

# What such a machine never meets; most of the kernel's 390 MB. Without drivers/gpu the screen stays a VGA text console.
left_out=(/usr/share/{man,doc,info,locale,lintian}/'*'
	/lib/modules/'*'/kernel/sound/'*'
	/lib/modules/'*'/kernel/drivers/{gpu,media,infiniband,iio,hwmon,comedi,staging,isdn,mtd,platform,bluetooth,target}/'*'
	/lib/modules/'*'/kernel/drivers/net/{wireless,can,dsa,ieee802154,wwan,ethernet}/'*')
kept=(/usr/share/doc/'*'/copyright /lib/modules/'*'/kernel/drivers/net/ethernet/{intel,amd}/'*')

skip() {
	echo "SKIPPED: $1"
	exit 77
}

up_to_date() {
	[ "$folder/ready" -nt "$source/make.sh" ] && [ "$folder/ready" -nt "$source/customize.sh" ] &&
		[ "$folder/ready" -nt "$source/debian.ovf.in" ] && [ "$folder/ready" -nt "$source/debian.vmx" ]
}

# ---- the packages: a tar file of the whole system ----

install_packages() {
	local path options=()

	for path in "${left_out[@]}"; do
		options+=("--dpkgopt=path-exclude=$path")
	done
	for path in "${kept[@]}"; do # the last word counts
		options+=("--dpkgopt=path-include=$path")
	done
	SYSTEM_UUID=$uuid mmdebstrap --quiet --variant=minbase --include="$(IFS=, && echo "${packages[*]}")" \
		--aptopt='APT::Install-Recommends "false"' "${options[@]}" \
		--essential-hook='echo "grub-pc grub-pc/install_devices_empty boolean true" | chroot "$1" debconf-set-selections' \
		--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" && echo MODULES=list > "$1/etc/initramfs-tools/conf.d/vitrine"' \
		--customize-hook="$source/customize.sh \"\$1\"" \
		--skip=output/dev bookworm system.tar "$mirror" "deb $mirror bookworm-updates main" \
		"deb ${mirror%/debian*}/debian-security bookworm-security main"
}

# ---- the disk: boot sector, partition table, GRUB's core behind it, one ext4 file system ----

le32() {
	printf '\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24))
}

# Status, CHS (unused: LBA), type, CHS, first sector, sectors; and no other partition.
partition_table() {
	printf "\\x80\\xfe\\xff\\xff\\x83\\xfe\\xff\\xff$(le32 $start)$(le32 $sectors)"
	head -c 48 /dev/zero
	printf '\x55\xaa'
}

disk() {
	local system=tree/usr/lib/grub/i386-pc core=tree/boot/grub/i386-pc/core.img

	truncate -s $(((start + sectors) * 512)) disk.img
	mkdir -p tree/dev # which mmdebstrap leaves out with what is in it
	# In one fakeroot, which forgets at its end whom the files belong to.
	fakeroot -- bash -e <<-SYSTEM
		tar -C tree --numeric-owner -xf system.tar
		E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -U $uuid -J size=16 -m 1 -L vitrine -d tree \\
			-E offset=$((start * 512)),hash_seed=$uuid,assume_storage_prezeroed=1,root_owner=0:0 disk.img $((sectors / 2))k
	SYSTEM
	[ "$(stat -c %s $core)" -lt $(((start - 1) * 512)) ]
	dd if=$system/boot.img of=disk.img bs=446 count=1 conv=notrunc status=none
	partition_table | dd of=disk.img bs=1 seek=446 conv=notrunc status=none
	dd if=$core of=disk.img bs=512 seek=1 conv=notrunc status=none
}

# ---- the appliances ----

vmdk() { # SUBFORMAT FILE
	qemu-img convert -q -f raw -O vmdk -o subformat="$1" disk.img "$2"
}

appliances() {
	local disk=vitrine-debian-disk1.vmdk

	vmdk streamOptimized $disk
	sed "s/@SIZE@/$(stat -c %s $disk)/; s/@CAPACITY@/$(stat -c %s disk.img)/" "$source/debian.ovf.in" > vitrine-debian.ovf
	for file in vitrine-debian.ovf $disk; do
		echo "SHA256($file)= $(sha256sum < $file | cut -d' ' -f1)"
	done > vitrine-debian.mf
	tar --format=ustar --owner=0 --group=0 --mtime=@"$SOURCE_DATE_EPOCH" -cf vitrine-debian.ova \
		vitrine-debian.ovf vitrine-debian.mf $disk
	vmdk monolithicSparse vitrine-debian-ahci.vmdk
	cp "$source/debian.vmx" vitrine-debian-ahci.vmx
	mv vitrine-debian.ova vitrine-debian-ahci.vm* ..
}

! up_to_date || exit 0
for tool in mmdebstrap fakeroot mke2fs:e2fsprogs qemu-img:qemu-utils; do
	type -p "${tool%%:*}" > /dev/null || skip "${tool%%:*} is missing (package ${tool#*:})"
done
mkdir -p "$folder"
cd "$folder"
folder=$PWD
exec 9> lock
flock 9 # two tests may start at once
! up_to_date || exit 0
rm -rf work
mkdir work
cd work
install_packages || skip "mmdebstrap could not make a Debian 12 (its words are above; no network?)"
disk
appliances
cd ..
rm -r work
touch ready
