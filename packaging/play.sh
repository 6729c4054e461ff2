#!/bin/bash
# SPDX-License-Identifier: MIT
# play.sh [FILE]: installs what is missing, builds Vitrine, and plays FILE (.ova .ovf .vmx .vmdk .vdi .vhd .vhdx .qcow2 .img .iso) or our sample.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1-} in
-h | --help)
	cat <<'END'
Usage: packaging/play.sh [FILE]
Installs what is missing with the system's package manager (asks for root only then), builds a release in build/release,
and plays FILE, or the sample appliance. Without a display it plays until the guest's screen is up and leaves a picture.
END
	exit 0 ;;
-*) echo "play.sh: $1 is not an option; see packaging/play.sh --help" >&2; exit 2 ;;
esac

need_packages play
[ -d "$top/build/release" ] || echo "Building Vitrine in build/release; this takes a minute the first time."
build "$top/build/release" -DCMAKE_BUILD_TYPE=Release -DVITRINE_TESTS=OFF
file=${1:-$top/build/release/samples/testcard/testcard.ova}
[ -e "$file" ] || { echo "play.sh: $file: there is no such file" >&2; exit 1; }

if [ -n "${DISPLAY-}${WAYLAND_DISPLAY-}" ]; then
	exec "$top/build/release/vitrine" "$file"
fi
picture=$PWD/$(basename "${file%.*}").png
echo "There is no display: playing without a window until the guest's screen is up."
"$top/build/release/vitrine-core" --headless --until-screen --seconds 120 --screenshot "$picture" "$file" || exit
echo "Its screen: $picture"
