#!/bin/bash
# SPDX-License-Identifier: MIT
# make-install-cd.sh CACHE KERNEL DISC: writes DISC, an image of a CD that installs Debian 12 onto an empty disk by itself. It is started by isolinux with
# KERNEL (an unpacked package) and holds
#   the installer's system, an initramfs: a Debian 12 made by mmdebstrap with grml-debootstrap, Debian's package of Grml's installer
#   a mirror of Debian with the packages that the new system consists of: pool/ and dists/bookworm/, unsigned as on Debian's discs
# About 230 MB of download, kept in CACHE. Needs no root. Exit status 77, with the reason, when something that it needs is missing.
set -euo pipefail
cache=$(realpath -m "${1:?usage: make-install-cd.sh CACHE KERNEL DISC}") kernel=$2 disc=$(realpath -m "$3")
folder=$(dirname "$(realpath "$0")")
mirror=http://deb.debian.org/debian keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# What the new system has besides what debootstrap takes, and what the installer's system has besides apt.
new=(usr-is-merged linux-image-amd64 initramfs-tools systemd-sysv udev kmod procps grub-pc)
installer=(usr-is-merged grml-debootstrap udev busybox kmod)
export SOURCE_DATE_EPOCH=1795305600

skip() {
	echo "SKIPPED: $1"
	exit 77
}

# apt as on a system that has no package, with folders of its own.
fetch_pool() {
	mkdir -p apt/{lists,pool}/partial
	: > apt/status
	echo "deb [arch=amd64 signed-by=$keyring] $mirror bookworm main" > apt/sources.list
	printf '%s\n' "Dir::State::Lists \"$PWD/apt/lists\";" "Dir::State::Status \"$PWD/apt/status\";" \
		"Dir::Cache \"$PWD/apt\";" "Dir::Cache::Archives \"$PWD/apt/pool\";" "Dir::Etc::SourceList \"$PWD/apt/sources.list\";" \
		'Dir::Etc::SourceParts "-";' 'APT::Architecture "amd64";' 'APT::Install-Recommends "false";' \
		'APT::Sandbox::User "";' 'Debug::NoLocking "true";' > apt/conf
	export APT_CONFIG=$PWD/apt/conf
	apt-get -qq update
	apt-get -qq -y --download-only install '?essential' '?priority(required)' apt debian-archive-keyring "${new[@]}" > /dev/null
	unset APT_CONFIG
}

# The pool's packages in one Packages file, with the places and sums that a mirror tells.
mirror_tree() {
	local packages=mirror/dists/bookworm/main/binary-amd64/Packages file name

	mkdir -p mirror/pool "${packages%/*}" mirror/.disk
	echo "Debian 12 for a test of Vitrine" > mirror/.disk/info
	for file in apt/pool/*.deb; do
		name=${file##*/}
		name=${name//%3a/_}
		mv "$file" "mirror/pool/$name"
		dpkg-deb -f "mirror/pool/$name"
		printf '%s\n' "Filename: pool/$name" "Size: $(stat -c %s "mirror/pool/$name")" \
			"SHA256: $(sha256sum < "mirror/pool/$name" | cut -c 1-64)" ''
	done > $packages
	printf '%s\n' 'Origin: Debian' 'Label: Debian' 'Suite: oldstable' 'Codename: bookworm' 'Architectures: amd64' 'Components: main' \
		"Date: $(LC_ALL=C date -Ru -d @$SOURCE_DATE_EPOCH)" 'SHA256:' \
		" $(sha256sum < $packages | cut -c 1-64) $(stat -c %s $packages) main/binary-amd64/Packages" > mirror/dists/bookworm/Release
}

fetch() {
	[ -e "$keyring" ] || skip "$keyring is missing (package debian-archive-keyring)"
	fetch_pool || skip "Debian's packages cannot be downloaded (apt's words are above; no network?)"
	mirror_tree
	mmdebstrap --quiet --variant=minbase --include="$(IFS=, && echo "${installer[*]}")" --aptopt='APT::Install-Recommends "false"' \
		--skip=output/dev bookworm installer.tar "$mirror" ||
		skip "mmdebstrap could not make a Debian 12 (its words are above; no network?)"
}

# The installer's system with the drivers of the machine: an LSI Logic disk, an IDE CD drive. What is left out is two thirds.
initramfs() {
	mkdir -p tree/dev tree/cdrom
	fakeroot -- bash -e <<-SYSTEM
		tar -C tree --numeric-owner -xf "$cache/installer.tar"
		rm -r tree/usr/share/{doc,man,locale,zoneinfo,perl} tree/usr/lib/udev/hwdb* tree/usr/lib/x86_64-linux-gnu/{gconv,perl}
		mkdir -p tree/drivers
		"$folder/../machine/copy-modules.sh" "$kernel" tree/drivers mptspi ata_piix sd_mod sr_mod isofs crc32c_generic ext4
		cp "$folder/install-init" tree/init
		cp "$folder/install-packages" tree/etc/debootstrap/packages
		cp -r "$folder/install-etc" tree/etc/debootstrap/etc
		cd tree && find . | cpio -o -H newc 2> /dev/null | gzip -1 > ../cd/installer.gz
	SYSTEM
	rm -rf tree
}

for file in /usr/lib/ISOLINUX/isolinux.bin:isolinux /usr/lib/syslinux/modules/bios/ldlinux.c32:syslinux-common; do
	[ -e "${file%:*}" ] || skip "${file%:*} is missing (package ${file#*:})"
done
for tool in mmdebstrap fakeroot xorriso cpio modinfo:kmod apt-get:apt dpkg-deb:dpkg; do
	type -p "${tool%%:*}" > /dev/null || skip "${tool%%:*} is missing (package ${tool#*:})"
done
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9 # two tests may start at once
if [ "$(cat "$cache/ready" 2> /dev/null)" != "${new[*]}, ${installer[*]}" ]; then
	rm -rf "$cache"/{work,mirror,installer.tar}
	mkdir "$cache/work"
	(cd "$cache/work" && fetch && mv mirror installer.tar ..) || exit
	rm -r "$cache/work"
	echo "${new[*]}, ${installer[*]}" > "$cache/ready"
fi
work=$(mktemp -d "$(dirname "$disc")/make-cd.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p cd/isolinux
initramfs
cp "$kernel"/boot/vmlinuz-* cd/linux
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 cd/isolinux/
cat > cd/isolinux/isolinux.cfg <<'END'
DEFAULT install
LABEL install
  LINUX /linux
  INITRD /installer.gz
  APPEND console=tty0 console=ttyS0 quiet panic=-1
END
xorriso -as mkisofs -quiet -R -V "Debian 12" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
	-boot-info-table -o "$disc" cd "$cache/mirror" 2> /dev/null
