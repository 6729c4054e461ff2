# SPDX-License-Identifier: MIT
# What the tests of the installed files share. Needs $PREFIX, where cmake --install has put them.
set -u
test_name=$(basename "$0" .sh)
share=$PREFIX/share
id=org.vitrine.Vitrine
work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-install-XXXXXX")
failures=0
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAILED: $test_name: $*"
	failures=$((failures + 1))
}

# check WHAT COMMAND...: skipped by name if COMMAND is not installed
check() {
	local what=$1
	shift
	command -v "$1" >/dev/null || { echo "SKIPPED: $what: $1 is not installed"; return; }
	if "$@" >"$work/said" 2>&1; then
		echo "passed: $what"
	else
		fail "$what: $(cat "$work/said")"
	fi
}
