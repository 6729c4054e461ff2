#!/bin/bash
# SPDX-License-Identifier: MIT
# window-test.sh BUILD-FOLDER: the window's test with the real core and the sample (tests/gui/real_sample.sh) inside the nested machine.
set -uo pipefail
folder=$(dirname "$(realpath "$0")")
build=$(realpath "$1")
machine=${XDG_CACHE_HOME:-$HOME/.cache}/vitrine-tests/boot-machine
"$folder/machine/make-machine.sh" "$machine" || exit
exec "$folder/machine/run-in-machine.sh" "$machine" "VITRINE=$build/vitrine FAKE_CORE=- DRAG_SOURCE=- \
FRAME_COUNTER=$build/tests/gui/frame_counter TESTCARD=$build/samples/testcard bash $folder/../gui/real_sample.sh"
