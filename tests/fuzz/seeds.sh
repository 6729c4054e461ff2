# SPDX-License-Identifier: MIT
# seed TARGET FOLDER: a few small inputs from which the fuzzer starts. A target's own comment says how its input is laid out.

seed_vmx() { # FOLDER: the first byte chooses which key is set
	cat >"$1/common" <<-'END'
		A.encoding = "UTF-8"
		config.version = "8"
		virtualHW.version = "10"
		displayName = "a |22b|22"
		guestOS = "debian12-64"
		memsize = "512"
		scsi0.present = "TRUE"
		scsi0.virtualDev = "lsilogic"
		scsi0:0.present = "TRUE"
		scsi0:0.fileName = "a.vmdk"
		ide1:0.present = "TRUE"
		ide1:0.deviceType = "cdrom-image"
		ide1:0.fileName = "a.iso"
		ethernet0.present = "TRUE"
		ethernet0.virtualDev = "e1000"
		# a comment
		serial0.present = FALSE
	END
	printf 'B#!/usr/bin/vmware\n.encoding = "windows-1252"\r\ndisplayName = "\344"\r\n' >"$1/windows"
	printf 'C.encoding = "GBK"\ndisplayName = "\304\343\272\303"\n' >"$1/gbk"
	printf 'Da = "1"\na = "2"\nb =\n = "c"\nd = "unclosed\n' >"$1/broken"
}

descriptor_text() {
	cat <<-'END'
		# Disk DescriptorFile
		version=1
		encoding="UTF-8"
		CID=fffffffe
		parentCID=ffffffff
		createType="twoGbMaxExtentFlat"

		# Extent description
		RW 4192256 FLAT "a-f001.vmdk" 0
		RW 100 SPARSE "a-s002.vmdk"
		RW 8 ZERO

		ddb.adapterType = "lsilogic"
		ddb.geometry.cylinders = "261"
	END
}

seed_vmdk_descriptor() { descriptor_text >"$1/text"; }

seed_vmdk() { # the first byte: 0 a whole file, 1 to 3 patches of 2 bytes place, 1 byte length
	{ printf '\0'; descriptor_text; } >"$1/text"
	{ printf '\0KDMV\1\0\0\0\3\0\0\0'; head -c 500 /dev/zero; } >"$1/header"
	printf '\1\20\0\3\377\377\377\377' >"$1/plain"
	printf '\2\70\0\7\377\377\377\377\377\377\377\377' >"$1/stream"
	local kind
	for kind in 3 4 5 6; do printf "\\$kind" >"$1/kind$kind"; done
	printf '\4\24\0\3\377\377\377\377' >"$1/cowd"
	printf '\5\200\0\7\377\377\377\377\0\0\0\0' >"$1/sesparse"
}

seed_vmdk_write() { # plain or snapshot, how many patches of 2 bytes place, 1 byte length; then operations of 4 bytes
	printf '\0\0\1\0\2\1\3\0\10\5\377\7\1\2\0\0\0\20\5\0\20\4' >"$1/plain"
	printf '\1\0\1\0\2\1\3\0\10\5\377\7\1\2\0\0\0\20\17\4\5\0\20\4' >"$1/snapshot"
	printf '\0\1\0\52\3\25\0\0\0\0\0\20\5\0\4\17\7' >"$1/table"
}

seed_qcow2_image() { # the first byte: 0 a whole file, else patches of 3 bytes place, 1 byte length
	local kind
	for kind in 1 2 3 4 5 6 7 10 11; do printf "\\$kind" >"$1/kind$kind"; done
	{ printf '\0QFI\373\0\0\0\3'; head -c 96 /dev/zero; } >"$1/header"
	printf '\2\40\0\0\3\0\0\0\1' >"$1/encrypted"
	printf '\4\0\100\0\7\377\377\377\377\0\0\0\0' >"$1/table"
}

seed_qcow2() { # an odd first byte: patches of 2 bytes page, 2 bytes offset, 1 byte length
	printf '\1\0\0\30\0\7\0\0\0\0\200\0\0\1' >"$1/size"
	printf '\1\1\0\0\0\7\200\0\0\0\0\1\0\0' >"$1/table"
	{ printf '\0QFI\373\0\0\0\3'; head -c 96 /dev/zero; } >"$1/header"
}

patch() { # PLACE BYTES: a row of patched_image.h; BYTES as \\ooo, at most 16
	local octal
	octal=$(printf '\\%03o\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24)) $((${#2} / 4 - 1)))
	printf "$octal$2"
}

seed_vdi() { # the first byte: 0 a whole file, 1 dynamic, 2 differencing
	{ printf '\1'; patch 512 '\000\000\000\000'; } >"$1/map"
	{ printf '\2'; patch 368 '\377\377\377\377\377\377\377\377'; } >"$1/size"
	{ printf '\2'; patch 76 '\003\000\000\000'; patch 440 '\000\000\000\000'; } >"$1/undo"
}

seed_vhd() { # the first byte: 0 a whole file, 1 fixed, 2 dynamic, 3 differencing
	{ printf '\1'; patch 0 '\143\157\156\145'; } >"$1/fixed"
	{ printf '\2'; patch 1536 '\000\000\000\001'; } >"$1/table"
	{ printf '\2'; patch 544 '\000\040\000\000'; } >"$1/block"
	{ printf '\3'; patch 1096 '\000\000\377\377'; } >"$1/locator"
	printf '\203' >"$1/child"
}

seed_vhdx() { # the first byte: 0 a whole file, 1 dynamic, 2 differencing, 3 with a log
	{ printf '\1'; patch 3145728 '\006\000\100\000'; } >"$1/table"
	{ printf '\2'; patch 2162704 '\000\000\040\200\070\001\000\000'; } >"$1/capacity"
	{ printf '\2'; patch 2162688 '\000\000\040\000\003\000\000\000'; } >"$1/block"
	{ printf '\2'; patch 2166784 '\267\357\112\260'; } >"$1/locator"
	{ printf '\3'; patch 1048640 '\172\145\162\157'; } >"$1/log"
	printf '\203' >"$1/unclosed"
}

volume_descriptor() { # TYPE
	printf "\\$1CD001\\1\\0"
	printf '%-32s%-32s' LINUX 'A LABEL'
	head -c 1976 /dev/zero
}

seed_iso() { # the first half lies at sector 16, the second at 256
	{ volume_descriptor 1; volume_descriptor 377; } >"$1/iso9660"
	{ volume_descriptor 1; printf '\2\0\2\0'; head -c 2043 /dev/zero; printf '\1'; } >"$1/udf"
}

seed_player_messages() { # rows of: type, count, count bytes
	printf '\0\10\1\0\0\0\4\0\0\0\3\30\200\2\0\0\340\1\0\0\0\0\0\0\0\0\0\0\200\2\0\0\340\1\0\0' >"$1/screen"
	printf '\1\40aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\2\4\2\0\0\0\4\40\0\0\0\0\1\0\0\0\0\0\0\0debian.iso\0\0\0\0\0\0\0\0\0\0' >"$1/machine"
	printf '\6\10\1\0\0\0word\7\20\1\0\0\0question\0\0\0\0' >"$1/words"
}

ovf_text() { cat "$here/../../samples/testcard/testcard.ovf.in"; }

# The sections beside the hardware
product_text() {
	cat <<-'END'
	<Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns:rasd='r'><DeploymentOptionSection><Configuration ovf:id='big'/><Configuration
	ovf:id='small' ovf:default='true'/></DeploymentOptionSection><VirtualSystemCollection><EulaSection><License ovf:msgid='e'/></EulaSection><VirtualSystem
	ovf:id='vm'><EulaSection><License>Be&#13; good</License></EulaSection><ProductSection ovf:class='c' ovf:instance='i'><Property ovf:key='k' ovf:value='v'
	ovf:userConfigurable='true' ovf:password='true' ovf:qualifiers='MinLen(1)'><Value ovf:value='w' ovf:configuration='small'/></Property></ProductSection>
	<VirtualHardwareSection ovf:transport='iso com.vmware.guestInfo'><Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType>
	<rasd:Connection>Net</rasd:Connection></Item></VirtualHardwareSection></VirtualSystem><VirtualSystem ovf:id='s'><ProductSection><Property ovf:key='k'
	ovf:value='x'/></ProductSection></VirtualSystem><ProductSection><Property ovf:key='all'/></ProductSection></VirtualSystemCollection><Strings xml:lang='en'><Msg
	ovf:msgid='e'>Text</Msg></Strings></Envelope>
	END
}

# Messages in a file of their own, which follows behind the line
bundle_text() {
	cat <<-'END'
	<Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'><References><File ovf:id='f' ovf:href='a%20b.msg'/></References><VirtualSystem
	ovf:id='vm'><EulaSection><License ovf:msgid='e'/></EulaSection><EulaSection><License ovf:msgid='f'/></EulaSection><VirtualHardwareSection/>
	</VirtualSystem><Strings xml:lang='en' ovf:fileRef='f'/><Strings xml:lang='de'><Msg ovf:msgid='f'>Text</Msg></Strings></Envelope>
	#bundle
	<Strings xml:lang='en'><Msg ovf:msgid='e'>Text</Msg></Strings>
	END
}

seed_ovf() {
	ovf_text >"$1/testcard"
	product_text >"$1/product"
	bundle_text >"$1/bundle"
}

seed_manifest() {
	local digest=0123456789abcdef0123456789abcdef01234567
	printf 'SHA1(a.ovf)= %s\nSHA1 (a-disk1.vmdk) = %s\r\n' $digest $digest >"$1/sha1"
	printf 'SHA256(a.ovf)= %s%s\n' $digest 0123456789abcdef01234567 >"$1/sha256"
}

seed_ova() {
	mkdir "$work/tar"
	ovf_text >"$work/tar/a.ovf"
	seed_manifest "$work/tar"
	for format in ustar gnu pax; do
		(cd "$work/tar" && tar --format=$format -cf "$1/$format" a.ovf sha1) 2>/dev/null
	done
	rm -rf "$work/tar"
}

# No tool packs it: a stored member, of what zstd made, gets another method (93) and size (3000).
seed_zip_zstd() { # FILE
	local directory
	mkdir "$work/packing/zstd"
	(cd "$work/packing/zstd" && zstd -q -c ../a.img >a.img && zip -q -X -0 "$1.zip" a.img && mv "$1.zip" "$1") 2>/dev/null || return 0
	directory=$((35 + $(stat -c %s "$work/packing/zstd/a.img")))
	printf '\135' | dd of="$1" bs=1 seek=8 conv=notrunc status=none
	printf '\135' | dd of="$1" bs=1 seek=$((directory + 10)) conv=notrunc status=none
	printf '\270\13' | dd of="$1" bs=1 seek=$((directory + 24)) conv=notrunc status=none
}

seed_zip() {
	mkdir "$work/packing"
	printf 'config.version = "8"\nmemsize = "64"\nide0:0.present = "TRUE"\nide0:0.fileName = "a.img"\n' >"$work/packing/a.vmx"
	head -c 3000 "$here/seeds.sh" >"$work/packing/a.img"
	for level in 0 6; do
		(cd "$work/packing" && zip -q -$level "$1/disk$level" a.img && zip -q -$level "$1/machine$level" a.vmx a.img &&
			zip -q -$level -fz "$1/zip64$level" a.img) 2>/dev/null
	done
	for method in BZip2 LZMA PPMd:mem=1m xz; do
		(cd "$work/packing" && 7z a -tzip -mm=$method "$1/disk-$method" a.img && 7z a -tzip -mm=$method "$1/machine-$method" a.vmx a.img) >/dev/null 2>&1
	done
	seed_zip_zstd "$1/disk-zstd"
	for options in -mhc=off '-mhc=off -m0=LZMA' '-mhc=off -m0=PPMd:mem=1m' '-mhc=off -mf=BCJ2' '-mhc=off -m0=Deflate -ms=off' -mhc=on; do
		(cd "$work/packing" && rm -f a.7z && 7z a $options a.7z a.vmx a.img && mv a.7z "$1/7z$options") >/dev/null 2>&1
	done
	gzip -c "$work/packing/a.img" >"$1/gz" 2>/dev/null
	xz -c "$work/packing/a.img" >"$1/xz" 2>/dev/null
	rm -rf "$work/packing"
}

seed_xz() {
	head -c 5000 "$here/seeds.sh" | xz -0 --block-size=1024 >"$1/blocks" 2>/dev/null
	head -c 5000 "$here/seeds.sh" | xz --delta --x86 --lzma2=preset=0 --check=sha256 >"$1/filters" 2>/dev/null
	head -c 5000 /dev/zero | xz --check=none >"$1/zeros" 2>/dev/null
}

seed_gz_index() { # an odd first byte: patches of 2 bytes place (from 0x8000 on: from the end), 1 byte length
	printf '\1\14\0\4\1\0\0\0' >"$1/count"
	printf '\1\70\0\10\0\0\20\0\0\0\0\0' >"$1/size"
	printf '\1\330\377\10\377\0\0\0\0\0\0\0' >"$1/point"
	printf '\1\0\20\2\0\0' >"$1/window"
}

seed() { # TARGET FOLDER
	local name=${1%_fuzz}
	if declare -F "seed_$name" >/dev/null; then "seed_$name" "$2"; fi
}
