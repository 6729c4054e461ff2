# SPDX-License-Identifier: MIT
# What the guests' scripts stand on (bash). Sourced by boot-test.sh, which sets:
#   $core     the vitrine-core program          $samples  the folder of the built test card
#   $work     a fresh folder for this test; what `prepare` puts there is there for `check`, also inside the nested machine

skip() {
	echo "SKIPPED: $1"
	exit 77
}

# need TOOL-OR-FILE PACKAGE...
need() {
	type -p "$1" > /dev/null || [ -e "$1" ] || skip "$1 is missing (package ${*:2})"
}

fail() {
	local file

	echo "FAILED: $1"
	for file in messages screen serial debug; do
		[ -s "$work/$file" ] || continue
		echo "---- the end of $file:"
		tail -n 30 "$work/$file" | tr -d '\r'
	done
	echo "----"
	exit 1
}

# vitrine SECONDS OPTION... FILE: plays FILE; leaves $work/{screen,serial,debug,messages} and sets $status and $took (seconds).
vitrine() {
	local seconds=$1 before=$EPOCHREALTIME

	rm -f "$work"/{screen,serial,debug,messages}
	"$core" --headless --seconds "$seconds" --serial "$work/serial" --debugcon "$work/debug" --screen-text "$work/screen" "${@:2}" \
		< /dev/null > "$work/messages" 2>&1
	status=$?
	took=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $before }")
	echo "played ${*: -1}: exit status $status after $took s"
}

expect_status() {
	[ "$status" = "$1" ] || fail "the exit status is $status, but should be $1"
}

# expect FILE TEXT...: each is somewhere in $work/FILE.
expect() {
	local text

	for text in "${@:2}"; do
		grep -qF -- "$text" "$work/$1" || fail "the $1 does not say \"$text\""
		echo "  $1: $text"
	done
}

expect_no() {
	local text

	for text in "${@:2}"; do
		! grep -qF -- "$text" "$work/$1" || fail "the $1 says \"$text\", but should not"
	done
}

# expect_row ROW TEXT: the exact cells of a row of the screen, counted from 0; trailing blanks do not count.
expect_row() {
	local row

	row=$(sed -n "$(($1 + 1))p" "$work/screen" | sed 's/ *$//')
	[ "$row" = "$2" ] || fail "row $1 of the screen is \"$row\", but should be \"$2\""
	echo "  row $1: $2"
}

# empty_machine NAME [LINE...]: writes $work/NAME.vmx, a PC with one CD drive without a disc, and the lines.
empty_machine() {
	printf '%s\n' 'config.version = "8"' "displayName = \"$1\"" 'memsize = "64"' 'ide1:0.present = "TRUE"' \
		'ide1:0.deviceType = "cdrom-image"' 'ide1:0.fileName = ""' 'ide1:0.startConnected = "FALSE"' "${@:2}" > "$work/$1.vmx"
}

# boot_sector FILE: a disk of 1 MB whose boot sector prints "boot-sector-runs" and halts, if a read through the BIOS leaves the first 64 KB
# above 1 MB alone; SeaBIOS's driver for LSI Logic does not (core/util/bios_fix.c).
boot_sector() {
	# xor ax, ax; mov ds, ax; dec ax; mov es, ax; mov di, 10h; mov cx, 7ff8h; mov ax, 0a5a5h; rep stosw
	# mov si, packet; mov ah, 42h; int 13h; mov di, 10h; mov cx, 7ff8h; mov ax, 0a5a5h; repe scasw; mov si, changed; jne next; mov si, runs
	# next: lodsb; or al, al; jz halt; mov ah, 0eh; xor bx, bx; int 10h; jmp next; halt: hlt; jmp halt
	# packet (INT 13h's extended read): 16 bytes, a sector, to 1000h:0, of LBA 0
	{
		printf '\x31\xc0\x8e\xd8\x48\x8e\xc0\xbf\x10\0\xb9\xf8\x7f\xb8\xa5\xa5\xf3\xab'
		printf '\xbe\x40\x7c\xb4\x42\xcd\x13\xbf\x10\0\xb9\xf8\x7f\xb8\xa5\xa5\xf3\xaf\xbe\x63\x7c\x75\x03\xbe\x50\x7c'
		printf '\xac\x08\xc0\x74\x08\xb4\x0e\x31\xdb\xcd\x10\xeb\xf3\xf4\xeb\xfd'
		printf '\x90\x90\x90\x90' # to 40h
		printf '\x10\0\x01\0\0\0\0\x10\0\0\0\0\0\0\0\0boot-sector-runs\r\n\0the read changed other memory\r\n\0'
	} > "$1"
	truncate -s 510 "$1"
	printf '\x55\xaa' >> "$1"
	truncate -s 1M "$1"
}

# serve FILE PORT: one answer for each that asks on any address, as HTTP/1.0, without end.
serve() {
	while :; do
		printf 'HTTP/1.0 200 OK\r\nContent-Length: %s\r\n\r\n' "$(stat -c %s "$1")" | cat - "$1" | busybox nc -l -p "$2" > /dev/null
	done
}
