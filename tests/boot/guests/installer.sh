# SPDX-License-Identifier: MIT
# Debian 12's installer, kernel and initramfs as its netboot package has them, started from a CD by isolinux: to its first dialogue on the
# screen, which the arrow keys move in. The package (130 MB) is downloaded once with apt, as the nested machine's kernel is.
export TIMEOUT=5400 # of the nested machine: on a loaded computer its kernel alone takes minutes

prepare() {
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests/installer package=debian-installer-12-netboot-amd64

	need xorriso xorriso
	need /usr/lib/ISOLINUX/isolinux.bin isolinux
	need /usr/lib/syslinux/modules/bios/ldlinux.c32 syslinux-common
	need apt-get apt
	if [ ! -e "$cache/initrd.gz" ]; then
		mkdir -p "$cache"
		(cd "$work" && apt-get -qq download $package > /dev/null 2>&1) || skip "$package cannot be downloaded (no network?)"
		dpkg -x "$work/$package"*.deb "$work/unpacked"
		cp "$work"/unpacked/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/{linux,initrd.gz} "$cache/"
		rm -r "$work"/unpacked "$work"/*.deb
	fi
	mkdir -p "$work/cd/isolinux"
	cp "$cache"/{linux,initrd.gz} "$work/cd/"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/isolinux/"
	# fb=false, nomodeset: dialogues in text cells, as for a screen reader, instead of a frame buffer (the installer's manual, 5.3.2).
	cat > "$work/cd/isolinux/isolinux.cfg" <<-'END'
		DEFAULT install
		LABEL install
		  LINUX /linux
		  INITRD /initrd.gz
		  APPEND vga=normal fb=false nomodeset quiet ---
	END
	xorriso -as mkisofs -quiet -V INSTALLER -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
		-boot-load-size 4 -boot-info-table -o "$work/installer.iso" "$work/cd" 2> /dev/null
	rm -r "$work/cd"
	empty_machine installer 'ide1:0.fileName = "installer.iso"' 'ide1:0.startConnected = "TRUE"' 'numvcpus = "2"'
	# with 512 MB the first dialogue is another one, "Low memory mode"
	sed -i 's/^memsize.*/memsize = "1024"/' "$work/installer.vmx"
	empty_machine control
	cat > "$work/script" <<-'END'
		wait-text "Select a language" 3000
		wait-text "Choose the language to be used" 300
		wait-text "<Go Back>" 300
		screen-text dialogue
		key END
		sleep 5
	END
}

check() {
	vitrine 3600 --as-downloaded --script script installer.vmx
	expect_status 0
	expect dialogue "Select a language" "English" "<Go Back>"
	cmp -s dialogue screen && fail "the dialogue does not hear the keyboard"

	# The control: the same machine without the disc.
	vitrine 60 --as-downloaded --until "No bootable device." control.vmx
	expect_status 0
	expect_no screen "Select a language"
}
