#!/bin/bash
# SPDX-License-Identifier: MIT
# dump.sh VITRINE-CORE: qemu-img writes each disk format from random bytes and holes; --dump of it has the same hash, and its holes stay holes.
# The control: one byte changed in the source is another hash.
set -euo pipefail
core=$1
command -v qemu-img >/dev/null || { echo "SKIPPED: qemu-img is missing (package qemu-utils)"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-dump-XXXXXX")
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
cd "$work"

# 40 MiB and a sector, so that no format's unit divides it: random, hole, random at the end.
truncate -s $((40 * 1048576 + 512)) source.img
dd if=/dev/urandom of=source.img bs=65536 count=37 conv=notrunc status=none
dd if=/dev/urandom of=source.img bs=4096 seek=5000 count=99 conv=notrunc status=none
dd if=/dev/urandom of=source.img bs=512 seek=81920 count=1 conv=notrunc status=none
hash=$(sha256sum <source.img)

judge() { # FILE
	"$core" --dump ide0:0 "$1" >dump.raw 2>messages || { cat messages; echo "FAILED: $1 cannot be dumped"; exit 1; }
	[ "$(sha256sum <dump.raw)" = "$hash" ] || { echo "FAILED: $1: the dump differs"; exit 1; }
	[ "$(stat -c %b dump.raw)" -lt 20000 ] || { echo "FAILED: $1: the dump's holes are stored"; exit 1; }
	echo "passed: $1"
}

judge source.img
for format in monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat streamOptimized; do
	qemu-img convert -q -f raw -O vmdk -o subformat=$format source.img $format.vmdk
	judge $format.vmdk
done
judge twoGbMaxExtentSparse-s001.vmdk # a piece opens the whole
for options in compat=0.10 cluster_size=2M extended_l2=on; do
	qemu-img convert -q -f raw -O qcow2 -o $options source.img $options.qcow2
	judge $options.qcow2
done
for type in zlib zstd; do
	qemu-img convert -q -c -f raw -O qcow2 -o compression_type=$type source.img $type.qcow2
	judge $type.qcow2
done
for options in vdi:static=off vdi:static=on vpc:force_size=on vpc:subformat=fixed,force_size=on vhdx:subformat=dynamic \
	vhdx:subformat=fixed,block_size=1M; do
	name=${options//:/-}.${options%%:*}
	name=${name/%vpc/vhd}
	qemu-img convert -q -f raw -O "${options%%:*}" -o "${options#*:}" source.img "$name"
	judge "$name"
done
# Three layers: what is written into the upper two is what lies in the lowest there.
qemu-img create -q -f qcow2 -b zstd.qcow2 -F qcow2 middle.qcow2
qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2
judge top.qcow2
qemu-img create -q -f vmdk -b monolithicFlat.vmdk -F vmdk delta.vmdk
judge delta.vmdk
printf x | dd of=source.img bs=1 seek=300 conv=notrunc status=none
[ "$(sha256sum <source.img)" != "$hash" ] || { echo "FAILED: the control"; exit 1; }
