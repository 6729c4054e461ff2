# SPDX-License-Identifier: MIT
# The measure "formats": disk formats, overlay and opening, by disk_bench (our block engine) and by qemu-img bench, which do
# the same requests on the same files and time nothing else; opening by qemu-io.

data_mb=128 # enough to leave every cache of ours and QEMU's behind, not the host's

# NAME QEMU-DRIVER CONVERT-OPTIONS; the image is $images/NAME
formats=(
	'raw raw'
	'vmdk vmdk'
	'vmdk-stream vmdk -o subformat=streamOptimized'
	'vdi vdi'
	'vhd vpc -o force_size=on'
	'vhdx vhdx'
	'qcow2 qcow2'
	'qcow2-zlib qcow2 -c'
	'qcow2-zstd qcow2 -c -o compression_type=zstd'
)

# What a guest's disk looks like: this host's programs and libraries.
make_images() {
	local row name driver options
	images=$work/images
	mkdir -p "$images"
	tar -cf - /usr/lib /usr/bin 2>/dev/null | head -c "${data_mb}M" >"$images/raw"
	for row in "${formats[@]}"; do
		read -r name driver options <<<"$row"
		[ "$name" = raw ] || qemu-img convert -f raw -O "$driver" $options "$images/raw" "$images/$name" || return
	done
}

# row TITLE [THEIR-NAME]: of rows "ours theirs" in $work/rows
row() {
	brief=1 pairs "$(printf '%-34s load %2.0f' "$1" "$(cut -d' ' -f1 /proc/loadavg)")" ms 1000 "${2:-qemu}" <"$work/rows"
}

# ---- requests ----

# The step of a walk that meets every block once and looks random: an odd number of them near the golden section.
scattered() { # BLOCK-SIZE
	local blocks=$((data_mb * 1048576 / $1))
	echo $(((blocks * 618 / 1000 | 1) * $1))
}

qemu_bench() { # ARGUMENT...: microseconds, as qemu-img bench says them
	qemu-img bench "$@" | awk '/Run completed/ { us = $4 * 1000000 } END { if (!us) exit 1; print us }'
}

# requests NAME DRIVER warm|cold BYTES COUNT STEP DEPTH ours|theirs
requests() {
	local file=$images/$1 arguments=(-s "$4" -c "$5" -S "$6" -d "$7")
	[ "$3" = warm ] || "$disk_bench" -x "$file" || return
	case $8 in
	ours) "$disk_bench" -t "$workers" "${arguments[@]}" "$file" ;;
	theirs) qemu_bench -U -f "$2" "${arguments[@]}" "$file" ;;
	esac
}

# The two walks, of 16 MB at least, into the array $walks: "TITLE COUNT STEP"
walk() { # BYTES
	local count=$((data_mb * 1048576 / $1))
	[ "$count" -lt 4096 ] || count=4096
	walks=("seq $count $1" "random $count $(scattered "$1")")
}

measure_reads() { # warm|cold BYTES...
	local temperature=$1 format name driver options bytes i order count step
	shift
	for format in "${formats[@]}"; do
		read -r name driver options <<<"$format"
		for bytes; do
			walk "$bytes"
			for i in "${walks[@]}"; do
				read -r order count step <<<"$i"
				interleave "$pairs_each" requests "$name" "$driver" "$temperature" "$bytes" "$count" "$step" 1 \
					>"$work/rows" || return
				row "$name, $order $((bytes / 1024))k, $temperature"
			done
		done
	done
}

# ---- an overlay ----

# writes BYTES COUNT STEP FLUSH ours|theirs: into a new overlay over raw
writes() {
	local arguments=(-w -s "$1" -c "$2" -S "$3" -d 1)
	rm -f "$images/overlay"
	case $5 in
	ours) "$disk_bench" -t "$workers" "${arguments[@]}" -f "$4" -o "$images/overlay" "$images/raw" ;;
	theirs)
		[ "$4" = 0 ] || arguments+=(--flush-interval="$4")
		qemu-img create -q -f qcow2 -b "$images/raw" -F raw "$images/overlay" &&
			qemu_bench -f qcow2 --pattern=165 "${arguments[@]}" "$images/overlay"
		;;
	esac
}

measure_writes() {
	local bytes i order count step
	for bytes in 4096 65536 1048576; do
		walk "$bytes"
		for i in "${walks[@]}"; do
			read -r order count step <<<"$i"
			interleave "$pairs_each" writes "$bytes" "$count" "$step" 0 >"$work/rows" || return
			row "new overlay, $order write $((bytes / 1024))k"
		done
	done
	interleave "$pairs_each" writes 4096 512 "$(scattered 4096)" 32 >"$work/rows" || return
	row 'new overlay, random write 4k, a flush after 32'
}

# ---- the limit of streamOptimized ----

# streamed THREADS CLOCK ours|theirs: the whole disk in requests of 1 MB, and the inflating alone
streamed() {
	case $3 in
	ours) "$disk_bench" $2 -t "$1" -s 1048576 -c "$data_mb" "$images/vmdk-stream" ;;
	theirs) "$disk_bench" $2 -i -t "$1" "$images/vmdk-stream" ;;
	esac
}

measure_limit() {
	local threads clock
	for threads in 1 2; do
		for clock in '' -u; do
			interleave $((pairs_each * 2)) streamed $threads "$clock" >"$work/rows" || return
			row "vmdk-stream, seq 1024k, $threads workers${clock:+, CPU}" libdeflate
		done
	done
}

# ---- opening ----

elapsed() { # COMMAND...: microseconds
	local begin=${EPOCHREALTIME/./}
	"$@" >/dev/null 2>"$log" || return
	echo $((${EPOCHREALTIME/./} - begin))
}

# opened FILE DRIVER TIMES ours|theirs: microseconds of one opening; what qemu-io needs to start is taken off
opened() {
	local commands=() i with without
	if [ "$4" = ours ]; then
		"$disk_bench" -n "$3" "$1"
		return
	fi
	for ((i = 0; i < $3; i++)); do
		commands+=(-c "open -r -U -o driver=$2 $1" -c close)
	done
	with=$(elapsed qemu-io "${commands[@]}") && without=$(elapsed qemu-io -c quit) || return
	awk "BEGIN { print ($with - $without) / $3 }"
}

opening() { # TITLE FILE DRIVER TIMES
	interleave "$pairs_each" opened "$2" "$3" "$4" >"$work/rows" || return
	row "opening $1"
}

# Sparse, with data at both ends.
measure_growth() {
	local format name driver options size file
	for size in 1G 2040G; do # VHD's largest
		rm -f "$images/long"
		truncate -s $size "$images/long"
		dd if="$images/raw" of="$images/long" bs=1M count=1 conv=notrunc status=none
		dd if="$images/raw" of="$images/long" bs=1M count=1 seek=$((${size%G} * 1024 - 1)) conv=notrunc status=none
		for format in "${formats[@]}"; do
			read -r name driver options <<<"$format"
			file=$images/long
			[ "$name" = raw ] || file=$images/long-$name
			[ "$name" = raw ] || qemu-img convert -f raw -O "$driver" $options "$images/long" "$file" || return
			opening "$name of $size" "$file" "$driver" 100 || return
			[ "$name" = raw ] || rm -f "$file"
		done
	done
}

make_chain() { # DRIVER: 20 files, each with 64 KB of its own
	local i below
	for ((i = 0; i < 20; i++)); do
		below=()
		[ $i = 0 ] || below=(-b "$1-$((i - 1)).$1" -F "$1")
		qemu-img create -q -f "$1" "${below[@]}" "$1-$i.$1" ${data_mb}M &&
			qemu-io -f "$1" -c "write -q -P $((i + 1)) $((i * 5))M 64k" "$1-$i.$1" || return
	done
}

measure_chains() {
	local driver
	mkdir -p "$images/split"
	cd "$images/split" || return # disk_bench resolves names there
	ulimit -n "$(ulimit -Hn)"
	qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse split.vmdk 2000G || return
	opening "a split VMDK of $(grep -ac SPARSE split.vmdk) extents" split.vmdk vmdk 3 || return
	for driver in qcow2 vmdk; do
		make_chain $driver || return
		opening "a chain of 20 $driver" $driver-19.$driver $driver 20 || return
		images=. interleave "$pairs_each" requests $driver-19.$driver $driver warm 65536 $((data_mb * 16)) 65536 1 \
			>"$work/rows" || return
		row "a chain of 20 $driver, seq 64k"
	done
}

measure_formats() {
	local part
	disk_bench=${core%/*}/tests/bench/disk_bench
	workers=2 pairs_each=$(((rounds + 2) / 3))
	[ -x "$disk_bench" ] || { echo "SKIPPED: $disk_bench is not built"; return 0; }
	for part in qemu-img qemu-io; do
		command -v $part >/dev/null || { echo "SKIPPED: $part is not installed"; return 0; }
	done
	make_images || return
	echo "formats: medians of $pairs_each pairs, $workers workers, one request at a time, images of $data_mb MB"
	for part in ${BENCH_PARTS:-limit reads_warm reads_cold writes chains growth}; do
		case $part in
		reads_warm) measure_reads warm 4096 65536 1048576 ;;
		reads_cold) measure_reads cold 4096 1048576 ;;
		chains) (measure_chains) ;;
		*) "measure_$part" ;;
		esac || return
	done
}
