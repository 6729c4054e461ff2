# SPDX-License-Identifier: MIT
# What leaving the guest costs, and what a guest that has nothing to do costs. Sourced by bench.sh, after parts.sh.

# ---- exits: the same boot sector in vitrine-core, in QEMU, and in a loop of KVM_RUN with nothing around it ----

exits_burst=50 # 0.5 ms: less than the host gives to anybody at a time
exits_names=([0]='port writes' 'port reads' 'MMIO writes' 'MMIO reads')

prepare_exits() {
	bare_exits=$(helper bare_exits -pthread) || return
	[ -s "$kept/exits.sector" ] || {
		${CC:-cc} -m32 -nostdlib -static -DBURST=$exits_burst -Wl,-Ttext=0x7c00,--build-id=none,-e,start \
			-o "$kept/exits.elf" "$here/exits.S" && objcopy -O binary -j .text "$kept/exits.elf" "$kept/exits.sector"
	}
}

bare() { # GUEST CONSOLE
	command=("$bare_exits" "$kept/exits.sector" "$2")
}

# Of one play a line of eight figures: for each kind the lower tenth of its bursts, in ticks. What else the host did has made others longer.
bursts() { # OURS|BARE|THEIRS
	local pid kind ticks
	"$1" exits "$work/console"
	play_until exits@ || return
	stop_playing
	tr -d '\0' <"$work/console" | sed '0,/@exits/d' >"$work/bursts"
	said $(for kind in a b c d e f g h; do
		ticks=($(sed -n "s/^$kind //p" "$work/bursts" | sort))
		echo $((16#${ticks[${#ticks[@]} / 10]}))
	done)
}

measure_exits() {
	local count=$(((rounds + 2) / 3)) sides=(ours bare theirs) i k cpus mhz
	mhz=$(sed -n '/^cpu MHz/ { s/.*: //p; q }' /proc/cpuinfo) # virtual machines are told the time stamp counter's
	make_guest exits "$kept/exits.sector" 'numvcpus = "2"' || return
	rm -f "$work"/rows.*
	for ((i = 0; i < count * 3; i++)); do # who comes first changes from round to round
		k=${sides[(i + i / 3) % 3]}
		bursts $k >>"$work/rows.$k" || return
	done
	echo "port and MMIO exits, $count plays each: medians and the ratio's, [q1 .. q3]"
	for k in 0 1 2 3 4 5 6 7; do
		cpus='1 CPU'
		[ $k -lt 4 ] || cpus='2 CPUs'
		for i in bare theirs; do
			columns $i cut -d' ' -f$((k + 1)) |
				brief=1 pairs "${exits_names[k % 4]}, $cpus" us $((exits_burst * ${mhz%.*})) ${i/theirs/qemu}
		done
	done
}

# ---- idle: CPU time of all threads while the guest halts, woken by the ticks that the BIOS has set up (18.2 a second) ----

idle_seconds=20
idle_settles=12 # ticks that the guest has missed in its BIOS are made up for at twice the rate

prepare_idle() {
	prepare_linux || return
	# As boot_sector's, but with interrupts on: the mark; sti; 1: hlt; jmp 1b
	[ -s "$kept/idle.sector" ] || boot_sector | sed 's/\xfa\xf4\xeb\xfd/\xfb\xf4\xeb\xfd/' >"$kept/idle.sector"
}

# cpu_ms PID...: user and system time of all their threads. The fields follow the name, which is in parentheses.
cpu_ms() {
	local pid
	for pid; do sed 's/.*) //' "/proc/$pid/stat"; done |
		awk -v hz="$(getconf CLK_TCK)" '{ t += $12 + $13 } END { print t * 1000 / hz }'
}

idle() { # GUEST MARK OURS|THEIRS: hundredths of a percent of one processor
	local pid before after begin end
	"$3" "$1" "$work/console"
	play_until "$2" || return
	sleep $idle_settles
	begin=$(date +%s%N) before=$(cpu_ms $(processes_of $pid))
	sleep $idle_seconds
	end=$(date +%s%N) after=$(cpu_ms $(processes_of $pid))
	stop_playing
	awk "BEGIN { print ($after - $before) * 1e10 / ($end - $begin) }"
}

measure_idle() {
	local count=$(((rounds + 4) / 5)) cold=yes patience=600
	make_guest idle "$kept/idle.sector" || return
	interleave $count idle idle "$mark" >"$work/rows" || return
	pairs "CPU of a guest that halts, BIOS ticks, over $idle_seconds s" '% of a CPU' 100 <"$work/rows"
	skip_without_hardware 'an idle Linux' && return
	linux_guest linux_idle && interleave $count idle linux_idle 'guest: idle' >"$work/rows" || return
	pairs "CPU of Debian's kernel with nothing to do, over $idle_seconds s" '% of a CPU' 100 <"$work/rows"
}
