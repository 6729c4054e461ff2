#!/bin/bash
# SPDX-License-Identifier: MIT
# make-machine.sh DIR: prepares DIR for run-in-machine.sh: Debian's stock kernel, unpacked from its package, and an initramfs that
# loads kvm-amd and shows this machine's files below a throw-away overlay. Made once: does nothing while DIR is newer than this file.
# Exit status 77, with the reason, when something that it needs is missing.
set -euo pipefail
dir=${1:?usage: make-machine.sh DIR}
self=$(realpath "$0")

skip() {
	echo "SKIPPED: $1"
	exit 77
}

[ "$dir/ready" -nt "$self" ] && exit 0
for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio modinfo:kmod dpkg:dpkg apt-get:apt; do
	type -p "${tool%%:*}" > /dev/null || skip "${tool%%:*} is missing (package ${tool#*:})"
done
mkdir -p "$dir"
cd "$dir"
exec 9> lock
flock 9 # two tests may start at once
[ ready -nt "$self" ] && exit 0

# ---- the kernel ----

if [ ! -d kernel ]; then
	package=$(apt-cache depends linux-image-amd64 2> /dev/null | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
	[ -n "$package" ] || skip "apt knows no linux-image-amd64; is this Debian, and was apt-get update run?"
	rm -rf download && mkdir download
	(cd download && apt-get -qq download "$package") > /dev/null 2>&1 ||
		skip "$package cannot be downloaded (no network?); it is the kernel of the machine that the test runs in"
	dpkg -x download/*.deb unpacked
	mv unpacked kernel
	rm -rf download
fi

# ---- its initramfs ----

rm -rf tree
mkdir -p tree/{bin,lib,proc,sys,dev,new,rw,host}
cp "$(type -p busybox)" tree/bin/busybox
"$(dirname "$self")/copy-modules.sh" kernel tree/lib kvm-amd virtio_pci 9p 9pnet_virtio overlay tun
cat > tree/init <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs d /dev; mount -t proc p /proc; mount -t sysfs s /sys
while read -r module; do insmod "/lib/$module.ko"; done < /lib/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro,cache=loose host /host
mount -t tmpfs t /rw; mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work o /new
mount -t devtmpfs d /new/dev; mount -t proc p /new/proc; mount -t sysfs s /new/sys
mkdir -p /new/dev/shm /new/dev/pts; mount -t tmpfs t /new/dev/shm; mount -t devpts p /new/dev/pts
ifconfig lo up
command=$(sed -n 's/.*command=\([^ ]*\).*/\1/p' /proc/cmdline | base64 -d)
chroot /new /bin/bash -c "export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin; $command"
echo "[exit status $?]"
poweroff -f
END
chmod +x tree/init
(cd tree && find . | cpio -o -H newc 2> /dev/null | gzip -1) > initrd.gz
cp kernel/boot/vmlinuz-* vmlinuz
rm -rf tree
touch ready
