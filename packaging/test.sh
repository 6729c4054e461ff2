#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh [--all]: installs what is missing, builds Vitrine three ways, and runs the tests.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

all=
case ${1-} in
'') ;;
--all) all=yes ;;
-h | --help)
	cat <<'END'
Usage: packaging/test.sh [--all]
Installs what is missing with the system's package manager (asks for root only then), builds in build/ with gcc (release),
with gcc and AddressSanitizer and UndefinedBehaviorSanitizer, and with clang and the fuzzers, then runs the tests.
--all adds soaks, long fuzzing and big images. The environment variable VITRINE_CORPUS names a folder with real-world
OVF and VMX texts (default: ../shared/corpus beside this checkout, if it is there).
END
	exit 0 ;;
*) echo "test.sh: $1 is not an option; see packaging/test.sh --help" >&2; exit 2 ;;
esac

need_packages test
corpus=${VITRINE_CORPUS-}
[ -n "$corpus" ] || { [ -d "$top/../shared/corpus" ] && corpus=$(cd "$top/../shared/corpus" && pwd); } || true
echo "Building: release (gcc), sanitizers (gcc), fuzzers (clang)"
build "$top/build/test" -DCMAKE_BUILD_TYPE=Release -DVITRINE_CORPUS="$corpus"
build "$top/build/asan" -DCMAKE_BUILD_TYPE=Debug -DVITRINE_SANITIZE=ON -DVITRINE_CORPUS="$corpus"
build "$top/build/fuzz" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DVITRINE_SANITIZE=ON -DVITRINE_FUZZ=ON \
	-DVITRINE_TESTS=OFF -DVITRINE_PLAYER=ON

failed=0
run() { # TITLE COMMAND...
	local title=$1; shift
	echo "== $title"
	"$@" || { failed=$((failed + 1)); echo "== $title: FAILED"; }
}
ctest_in() { # FOLDER OPTION...
	local folder=$1; shift
	ctest --test-dir "$folder" --output-on-failure --no-tests=error "$@"
}
later='unit|soak' # what does not run last; --all runs the soaks too
[ -z "$all" ] || later=unit
run 'units under ASan and UBSan' ctest_in "$top/build/asan" -L unit -j 2
if [ -z "$all" ]; then
	run 'fuzzers, a short run each' "$top/tests/fuzz/run.sh" "$top/build/fuzz/tests/fuzz"
else
	run 'fuzzers, a million executions or ten minutes each' "$top/tests/fuzz/long.sh" "$top/build/fuzz/tests/fuzz" \
		"${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests/fuzz"
fi
run 'installing, the window, and real guests' ctest_in "$top/build/test" -LE "$later" -j 4
echo
[ $failed = 0 ] && echo "All tests passed; what was skipped is named above." || echo "$failed groups of tests failed."
exit $((failed > 0))
