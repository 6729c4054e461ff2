#!/bin/bash
# SPDX-License-Identifier: MIT
# make-appliances.sh QEMU-IMG DISK.img SOURCE-FOLDER: writes testcard.vmx, .vmdk and .ova into the current folder.
set -euo pipefail
qemu_img=$1 image=$2 source=$3

cp "$source/testcard.vmx" testcard.vmx
"$qemu_img" convert -q -f raw -O vmdk -o subformat=monolithicSparse "$image" testcard.vmdk

rm -rf ova && mkdir ova && cd ova
"$qemu_img" convert -q -f raw -O vmdk -o subformat=streamOptimized "$image" testcard-disk1.vmdk
sed "s/@SIZE@/$(stat -c %s testcard-disk1.vmdk)/; s/@CAPACITY@/$(stat -c %s "$image")/" "$source/testcard.ovf.in" > testcard.ovf
for file in testcard.ovf testcard-disk1.vmdk; do
	echo "SHA256($file)= $(sha256sum < "$file" | cut -d' ' -f1)"
done > testcard.mf
# The descriptor first, as the specification wants it (DSP0243, 5.1); no owner or time of the build machine.
tar --format=ustar --owner=0 --group=0 --mtime=@0 -cf ../testcard.ova testcard.ovf testcard.mf testcard-disk1.vmdk
