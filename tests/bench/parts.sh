# SPDX-License-Identifier: MIT
# What bench.sh is made of: the two programs, the guests, the measures, the statistics.

work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
log=$work/log

# What is compiled or made once for each run; in the nested machine that would take minutes, so there it comes from outside.
kept=${VITRINE_BENCH_KEPT:-$work}

helper() { # NAME [OPTION]...: the program of NAME.c beside this file
	local to=$kept/$1
	[ -x "$to" ] || ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$to" "$here/$1.c" "${@:2}" || exit 1
	echo "$to"
}

# ---- the guests ----

# A boot sector that says $mark on the debug console, byte by byte, and halts with interrupts off.
boot_sector() {
	local i code='\xba\x02\x04' # mov $0x402, %dx
	for ((i = 0; i < ${#mark}; i++)); do
		code+=$(printf '\\xb0\\x%02x\\xee' "'${mark:i:1}") # mov $c, %al; out %al, (%dx)
	done
	code+='\xfa\xf4\xeb\xfd' # cli; 1: hlt; jmp 1b
	{ printf "$code"; head -c 510 /dev/zero; } | head -c 510
	printf '\x55\xaa'
}

copy_qemu() {
	local folder
	qemu_copy=$work/qemu-system-x86_64 qemu_data=()
	cp "$qemu" "$qemu_copy"
	for folder in $("$qemu" -L help); do qemu_data+=(-L "$folder"); done # it would look for its firmware beside the copy
}

# flat_disk FOLDER FILE: a copy of FILE as FOLDER/disk.vmdk.
flat_disk() {
	cp "$2" "$1/disk-flat.vmdk" && truncate -s %1M "$1/disk-flat.vmdk" && cat >"$1/disk.vmdk" <<-END
		# Disk DescriptorFile
		version=1
		CID=12345678
		parentCID=ffffffff
		createType="monolithicFlat"
		RW $(($(stat -c %s "$1/disk-flat.vmdk") / 512)) FLAT "disk-flat.vmdk" 0
		ddb.adapterType = "ide"
	END
}

# make_guest NAME [SECTOR [LINE...]]: $work/NAME/NAME.vmx, with an IDE disk that begins with the file SECTOR.
make_guest() {
	local folder=$work/$1
	mkdir -p "$folder" || return
	printf '%s\n' 'config.version = "8"' 'displayName = "bench"' "memsize = \"$memory\"" "${@:3}" >"$folder/$1.vmx"
	[ $# -gt 1 ] || return 0
	printf '%s\n' 'ide0:0.present = "TRUE"' 'ide0:0.fileName = "disk.vmdk"' >>"$folder/$1.vmx"
	flat_disk "$folder" "$2"
}

make_guests() {
	boot_sector >"$work/sector"
	make_guest bare
	make_guest disk "$work/sector"
}

# The command lines, into the array $command. $2: where the debug console's bytes go.
ours() { # GUEST CONSOLE
	[[ $1 != linux* ]] || { linux_ours "$@"; return; }
	command=("$core" --headless --quiet --serial /dev/null --debugcon "$2" "$work/$1/$1.vmx")
}

# QEMU from a copy of its program: another QEMU that happens to run here would share its pages, and halve what it seems to use.
theirs() { # GUEST CONSOLE
	local cpus
	[[ $1 != linux* ]] || { linux_theirs "$@"; return; }
	cpus=$(sed -n 's/^numvcpus = "\(.*\)"/\1/p' "$work/$1/$1.vmx")
	command=("$qemu_copy" "${qemu_data[@]}" -accel kvm -nodefaults -vga std -display none -m "$memory" -smp "${cpus:-1}"
		-chardev "file,id=d,path=$2" -device isa-debugcon,iobase=0x402,chardev=d)
	[ ! -e "$work/$1/disk-flat.vmdk" ] || command+=(-drive "file=$work/$1/disk-flat.vmdk,format=raw,if=ide")
}

# ---- statistics ----

# pairs TITLE UNIT DIVISOR [THEIR-NAME]: reads rows "ours theirs"; prints medians, and the spread of the ratio; in one line if $brief.
pairs() {
	awk -v brief="${brief:-}" -v title="$1" -v unit="$2" -v divisor="$3" -v them="${4:-qemu}" '
		function sort(a, n,   i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
		}
		function quantile(a, n, q,   at, low) { # linear between neighbours
			at = 1 + (n - 1) * q; low = int(at)
			return low >= n ? a[n] : a[low] + (at - low) * (a[low + 1] - a[low])
		}
		function spread(a, n) {
			sort(a, n)
			return sprintf("%8.3f  [%.3f %.3f .. %.3f %.3f]", quantile(a, n, .5), a[1], quantile(a, n, .25),
				quantile(a, n, .75), a[n])
		}
		NF == 2 && $2 > 0 { n++; x[n] = $1 / divisor; y[n] = $2 / divisor; r[n] = $1 / $2 }
		END {
			if (!n) { print title ": nothing was measured"; exit 1 }
			if (brief) {
				spread(x, n); spread(y, n); spread(r, n)
				printf "    %-22s vitrine %9.3f  %-4s %9.3f %s, ratio %6.3f [%.3f .. %.3f]\n", title, quantile(x, n, .5), them,
					quantile(y, n, .5), unit, quantile(r, n, .5), quantile(r, n, .25), quantile(r, n, .75)
				exit
			}
			printf "%s, %d pairs: median [min q1 .. q3 max]\n", title, n
			printf "    %-8s %s %s\n    %-8s %s %s\n    ratio    %s\n", "vitrine", spread(x, n), unit, them, spread(y, n), unit,
				spread(r, n)
		}'
}

# columns SIDE COMMAND...: rows of two: what COMMAND makes of $work/rows.ours, and of rows.SIDE. (<() needs /dev/fd, which the machine lacks.)
columns() {
	"${@:2}" <"$work/rows.ours" >"$work/left" && "${@:2}" <"$work/rows.$1" >"$work/right" &&
		paste -d' ' "$work/left" "$work/right"
}

# Rows are kept for the statistics; a long run also shows them as they come.
said() {
	echo "$*"
	[ $SECONDS -lt 60 ] || echo "# $*" >&2
}

# interleave COUNT MEASURE ARGUMENT...: rows "ours theirs"; who comes first changes from pair to pair.
interleave() {
	local count=$1 i a b
	shift
	[ -n "${cold:-}" ] || { "$@" ours && "$@" theirs; } >/dev/null || return # warms caches
	for ((i = 0; i < count; i++)); do
		if [ $((i % 2)) = 0 ]; then
			a=$("$@" ours) && b=$("$@" theirs) || return
		else
			b=$("$@" theirs) && a=$("$@" ours) || return
		fi
		said "$a $b"
	done
}

host() {
	local kvm='hardware KVM'
	[ ! -d /sys/module/kvm_pvm ] || kvm='kvm_pvm, no hardware virtualisation below it'
	echo "# $(date -u +%F\ %R) UTC, $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), Linux $(uname -r), $kvm"
	echo "# load $(cut -d' ' -f1-3 /proc/loadavg); guest of $memory MB; $("${qemu:-qemu-img}" --version | head -1)"
}

# ---- start, boot ----

timed() { # GUEST FIELD MARK OURS|THEIRS: microseconds
	local row
	"$4" "$1" @
	if ! row=$("$stopwatch" -t 120 -m "$3" "${command[@]}" 2>"$log"); then
		echo "${command[0]##*/} did not come that far:" >&2
		cat "$log" >&2
		return 1
	fi
	cut -d' ' -f"$2" <<<"$row"
}

measure_start() {
	interleave "$rounds" timed bare 1 '' >"$work/rows" || return
	pairs 'exec to the first byte of SeaBIOS' ms 1000 <"$work/rows"
}

measure_boot() {
	interleave $(((rounds + 2) / 3)) timed disk 2 "$mark" >"$work/rows" || return
	pairs 'first byte of SeaBIOS to the boot sector' s 1000000 <"$work/rows"
}

# ---- memory ----

# Kilobytes of PID..., guest RAM left out: the mappings of at least half the guest's size. BENCH_MAPS=1 lists the rest.
mapped_kb() { # private|shared PID...
	local pid fields='^Private_(Clean|Dirty):'
	[ "$1" = private ] || fields='^Pss:'
	shift
	for pid; do cat "/proc/$pid/smaps"; done | awk -v fields="$fields" -v ram=$((memory * 1024 / 2)) -v list="${BENCH_MAPS:-0}" '
		/^[0-9a-f]+-[0-9a-f]+ / { name = $6 ? $6 : "anonymous" }
		/^Size:/ { guest = $2 >= ram; size = $2 }
		$0 ~ fields && !guest { sum += $2; of[name " of " size " kB"] += $2 }
		END {
			print sum
			if (list) for (n in of) if (of[n]) print of[n], n | "sort -rn | head -40 >&2"
		}'
}

# Plays $command in the background, as $pid, until it has said MARK in $work/console.
play_until() { # MARK
	local end=$((SECONDS + ${patience:-120}))
	: >"$work/console"
	"${command[@]}" >"$log" 2>&1 </dev/null &
	pid=$!
	while [ $SECONDS -lt $end ]; do
		grep -qsF "$1" "$work/console" && return
		kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	echo "${command[0]##*/} did not come that far:" >&2
	tail -n 20 "$work/console" "$log" >&2
	stop_playing
	return 1
}

stop_playing() {
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null || true # its status is that of the signal
}

# Of a pair broker and core, or of QEMU.
processes_of() { # PID
	echo "$1" $(pgrep -P "$1")
}

resting() { # core|pair private|shared ours|theirs: kB
	local pid pids
	"$3" disk "$work/console"
	play_until "$mark" || return
	sleep 1
	pids=$(processes_of $pid)
	[ "$1$3" != coreours ] || pids=${pids#* }
	mapped_kb "$2" $pids
	stop_playing
}

measure_memory() {
	local count=$(((rounds + 2) / 3))
	interleave $count resting core private >"$work/rows" || return
	pairs 'private memory of the core process, less guest RAM' MB 1024 <"$work/rows"
	interleave $count resting pair private >"$work/rows" || return
	pairs 'the same of both processes (core and headless broker)' MB 1024 <"$work/rows"
	interleave $count resting pair shared >"$work/rows" || return
	pairs 'their proportional share (Pss), which counts what the two share' MB 1024 <"$work/rows"
}

# ---- bytes read of an OVA ----

make_ova() { # MEGABYTES: kept in the cache, 4 GB are not made every time
	local to=$cache/bench-$1MB.ova d=$cache/bench-$1MB.tmp file
	[ -s "$to" ] && { echo "$to"; return; }
	[ "$(df --output=avail -BM "$cache" | tail -1 | tr -dc 0-9)" -gt $(($1 * 2 + 1000)) ] ||
		{ echo "SKIPPED: $cache has no room for an OVA of $1 MB" >&2; return 1; }
	rm -rf "$d" && mkdir -p "$d" || return
	boot_sector >"$d/first"
	"$make_stream_vmdk" "$1" "$d/first" >"$d/bench-disk1.vmdk" || return
	sed "s/testcard-disk1/bench-disk1/; s/@SIZE@/$(stat -c %s "$d/bench-disk1.vmdk")/; s/@CAPACITY@/$(($1 << 20))/" \
		"$here/../../samples/testcard/testcard.ovf.in" >"$d/bench.ovf" || return
	(cd "$d" && for file in bench.ovf bench-disk1.vmdk; do
		echo "SHA256($file)= $(sha256sum <$file | cut -d' ' -f1)"
	done >bench.mf && tar --format=ustar -cf bench.ova bench.ovf bench.mf bench-disk1.vmdk && mv bench.ova "$to") || return
	rm -rf "$d"
	echo "$to"
}

# Every read of the OVA by any thread until one enters KVM_RUN. A mapping of it would not be seen, and is named.
bytes_read() { # OVA
	local first="$work/ova-console" pid i
	rm -f "$work/trace"
	: >"$first"
	ours bare "$first"
	command[${#command[@]}-1]=$1
	setsid strace -f -y -s 0 -o "$work/trace" -e trace=read,pread64,readv,preadv,preadv2,mmap,sendfile,copy_file_range,ioctl \
		"${command[@]}" >"$log" 2>&1 </dev/null &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		grep -qs KVM_RUN "$work/trace" && break
		sleep 0.1
	done
	kill -KILL -- -$pid 2>/dev/null
	wait $pid 2>/dev/null
	[ $i -lt 600 ] || { cat "$log" >&2; return 1; }
	awk -v ova="<$1>" '
		/KVM_RUN/ { exit }
		index($0, ova) && / mmap\(/ { mapped++ }
		index($0, ova) && /= [0-9]+$/ && !/ mmap\(/ { calls++; bytes += $NF }
		END { printf "%d bytes in %d reads%s\n", bytes, calls, mapped ? ", and mapped" : "" }' "$work/trace"
}

measure_ova() {
	local size file
	command -v strace >/dev/null || { echo "SKIPPED: strace is not installed"; return 0; }
	mkdir -p "$cache"
	for size in 10 4096; do
		file=$(make_ova $size) || return
		echo "bytes read of an OVA of $size MB before the first instruction: $(bytes_read "$file")" || return
	done
}

# What every measure but "formats" needs.
prepare_guests() {
	qemu=$(command -v qemu-system-x86_64) || { echo "SKIPPED: qemu-system-x86_64 is not installed"; exit 77; }
	[ -w /dev/kvm ] || { echo "SKIPPED: /dev/kvm is not there, or not for this user"; exit 77; }
	stopwatch=$(helper stopwatch) || exit 1
	make_stream_vmdk=$(helper make_stream_vmdk -lz) || exit 1
	make_guests
	copy_qemu
}
