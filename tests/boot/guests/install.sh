# SPDX-License-Identifier: MIT
# A whole installation: a CD of ours (debian/make-install-cd.sh) starts a system that partitions an empty LSI Logic disk, has debootstrap, apt
# and dpkg install Debian 12 from the CD's packages, and GRUB install itself (grml-debootstrap, unmodified). The second start, without the CD,
# is the installed system's: its own GRUB, a login on the serial line, and every file of every package as it should be. The control: before,
# the same machine has nothing to start from.
needs_machine_kernel=1 # the installer's kernel is the one of the nested machine
export TIMEOUT=14000 MEMORY=5120 # of the nested machine: what it writes is in its memory

prepare() {
	need qemu-img qemu-utils
	"$folder/debian/make-install-cd.sh" "${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests/install" "$machine/kernel" "$work/install.iso" || exit
	qemu-img create -q -f vmdk "$work/empty.vmdk" 2500M
	printf '%s\n' 'config.version = "8"' 'displayName = "install"' 'guestOS = "debian12-64"' 'memsize = "1024"' \
		'scsi0.present = "TRUE"' 'scsi0.virtualDev = "lsilogic"' 'scsi0:0.present = "TRUE"' 'scsi0:0.fileName = "empty.vmdk"' \
		'ide1:0.present = "TRUE"' 'ide1:0.deviceType = "cdrom-image"' 'ide1:0.fileName = ""' 'ide1:0.startConnected = "FALSE"' \
		> "$work/install.vmx"
	cat > "$work/script" <<-'END'
		wait-text "GRUB" 600
		wait-text "Debian GNU/Linux 12 installed ttyS0" 3000
		wait-text "Debian GNU/Linux 12 installed tty1" 1200
		sleep 5
		screen-text login
		serial "root\n"
		wait-text "Password:" 600
		serial "vitrine\n"
		wait-text "root@installed:~#" 600
		serial "dpkg --verify | grep -v ' c /etc/' | sed 's/^/wro''ng: /'; dpkg -l | grep -c '^ii' | sed 's/^/packages: /'\n"
		wait-text "packages: " 3000
		serial "findmnt -no SOURCE,FSTYPE /; systemctl is-system-running; echo gu''est: end\n"
		wait-text "guest: end" 600
		serial "poweroff\n"
		wait-text "reboot: Power down" 900
	END
}

# What an hour's test is about: the steps of the installer, as they come.
tell_steps() {
	until [ -e serial ]; do
		sleep 1
	done
	tail -n +1 -F serial 2> /dev/null | grep --line-buffered '^installer: \|^ \* \|Executing stage'
}

check() {
	local teller

	# The control: the same machine without the CD.
	vitrine 600 --until "No bootable device." install.vmx
	expect_status 0
	expect screen "Boot failed: not a bootable disk"
	rm -f serial

	tell_steps &
	teller=$!
	vitrine 12000 --cd install.iso install.vmx
	pkill -P $teller tail
	expect_status 0
	expect serial "installer: CD: Debian 12 for a test of Vitrine" "installer: the disk is empty: Vitrine disk 5120000 sectors"
	expect serial "Installation finished. No error reported." "installer: installed;" "reboot: Power down"
	cp serial installation

	vitrine 6000 --script script install.vmx
	expect_status 0
	expect login "Debian GNU/Linux 12 installed tty1" "installed login:"
	expect serial "installed login:" "packages: " "/dev/sda1 ext4" "guest: end"
	expect_no serial "wrong: "
}
