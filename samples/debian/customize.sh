#!/bin/bash
# SPDX-License-Identifier: MIT
# customize.sh ROOT: what make.sh's Debian is beyond its packages; run by mmdebstrap when these are installed. SYSTEM_UUID: its file system's.
set -euo pipefail
root=$(realpath "${1:?usage: customize.sh ROOT}")
[ "$root" != / ] && [ -e "$root/etc/debian_version" ] || exit 2 # it would make this computer an appliance

# ---- who and where ----

echo vitrine > "$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tvitrine\n::1\tlocalhost ip6-localhost\n' > "$root/etc/hosts"
# User and password are "vitrine" (openssl passwd -6 -salt appliance vitrine). Root has no password: sudo.
chroot "$root" useradd -m -s /bin/bash -G sudo,adm,cdrom vitrine \
	-p '$6$appliance$51zcsSsSr1kiBsD385aCUq1IlmB6L5HyklOVDPAKHDyNOAhsSqGDiqySwubyUjjmp/L5Rz3eHDhUOSLt99eC8/'
echo '%sudo ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/vitrine"
chmod 440 "$root/etc/sudoers.d/vitrine"
: > "$root/etc/resolv.conf"

cat > "$root/etc/fstab" <<END
UUID=$SYSTEM_UUID / ext4 errors=remount-ro 0 1
/dev/sr0 /media/cdrom0 iso9660 ro,user,noauto 0 0
END
mkdir -p "$root/media/cdrom0"

# ---- its card by its name, as Debian's installer writes it on a VMware board with the card in slot 34 ----

cat > "$root/etc/network/interfaces" <<'END'
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

allow-hotplug ens34
iface ens34 inet dhcp
END

# ---- ssh: each copy of the appliance makes its own key at its first start ----

rm -f "$root"/etc/ssh/ssh_host_*
cat > "$root/etc/systemd/system/ssh-key.service" <<'END'
[Unit]
Description=Key of this machine's ssh
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
END
printf '%s\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'UseDNS no' > "$root/etc/ssh/sshd_config.d/vitrine.conf"
chroot "$root" systemctl -q enable ssh-key.service serial-getty@ttyS0.service

# A machine in a machine without hardware virtualization below takes minutes; its devices appear nevertheless.
mkdir -p "$root/etc/systemd/system.conf.d"
printf '%s\n' '[Manager]' DefaultTimeoutStartSec=900s DefaultTimeoutStopSec=900s DefaultDeviceTimeoutSec=900s > "$root/etc/systemd/system.conf.d/patience.conf"

# An appliance is not changed behind its owner's back, and is up soon.
chroot "$root" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	e2scrub_reap.service fstrim.timer systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-pstore.service \
	modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service modprobe@dm_mod.service \
	sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount sys-fs-fuse-connections.mount

# ---- the initramfs: the controllers that a machine of VMware or VirtualBox may have ----

printf '%s\n' mptspi mptsas ahci ata_piix sd_mod sr_mod ext4 > "$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u -k all > /dev/null

# ---- GRUB: its menu and modules in the file system, and core.img, which make.sh puts behind the boot sector ----

cat > "$root/etc/default/grub" <<'END'
GRUB_DEFAULT=0
GRUB_TIMEOUT=2
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet systemd.show_status=1"
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_OS_PROBER=true
END
grub=$root/boot/grub/i386-pc
mkdir -p "$grub"
cp "$root"/usr/lib/grub/i386-pc/*.{mod,lst} "$grub/"
# update-grub looks for the disk that / is on, which is not there yet. In the running system it writes the same at greater length.
cat > "$root/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=2
search --no-floppy --fs-uuid --set=root $SYSTEM_UUID
menuentry "Debian GNU/Linux" --class debian --class gnu-linux --class os {
	linux /vmlinuz root=UUID=$SYSTEM_UUID ro console=tty0 console=ttyS0,115200 quiet systemd.show_status=1
	initrd /initrd.img
}
END
printf '%s\n' "search.fs_uuid $SYSTEM_UUID root" 'set prefix=($root)/boot/grub' > "$grub/load.cfg"
chroot "$root" grub-mkimage -O i386-pc -c /boot/grub/i386-pc/load.cfg -p /boot/grub -o /boot/grub/i386-pc/core.img \
	biosdisk part_msdos ext2 search_fs_uuid

# ---- what the making leaves behind ----

rm -rf "$root"/{vmlinuz,initrd.img}.old "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/*_* "$root"/var/log/{apt,dpkg.log,bootstrap.log,alternatives.log} \
	"$root/var/cache/ldconfig/aux-cache" "$root"/var/cache/debconf/*-old
