# SPDX-License-Identifier: MIT
# How one target is run. Needs $here (this folder) and $build (where the targets were built).

dictionary() { # TARGET
	case $1 in
	vmx_fuzz) echo vmx.dict ;;
	vmdk*_fuzz) echo vmdk.dict ;;
	ovf_fuzz | ova_fuzz | manifest_fuzz) echo ovf.dict ;;
	esac
}

# GTK and fontconfig keep memory for ever: leaks are looked for in the parsers only.
leaks() { # TARGET
	case $1 in player_*) echo 0 ;; *) echo 1 ;; esac
}

# 64 MB is more than the largest table that a disk of 62 TB may have us read; a parser that wants more is wrong.
# But archives want dictionaries: xz of up to 128 MiB (packed.c), 7z and a zip's LZMA of up to 320 (sevenzip.h).
largest() { # TARGET
	case $1 in zip_fuzz) echo 321 ;; *) echo 64 ;; esac
}

run_target() { # TARGET CORPUS-FOLDER CRASHES-FOLDER OPTION...
	local target=$1 corpus=$2 crashes=$3 words
	shift 3
	words=$(dictionary "$target")
	ASAN_OPTIONS=detect_leaks=$(leaks "$target"):allocator_may_return_null=1:${ASAN_OPTIONS-} \
		"$build/$target" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb="$(largest "$target")" -verbosity=1 -print_final_stats=1 \
		-artifact_prefix="$crashes/$target-" ${words:+-dict="$here/$words"} "$@" "$corpus" </dev/null
}

final_stat() { # NAME LOG
	sed -n "s/^stat::$1: *//p" "$2"
}
