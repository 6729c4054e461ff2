#!/bin/bash
# SPDX-License-Identifier: MIT
# vitrine.writeInPlace: before a disk is changed itself, its user is asked, once; whoever says no plays on an overlay.
. "$(dirname "$0")/real_lib.sh"
start_display 1400x1000
mkdir "$work/appliances"
cd "$work/appliances" || exit 1
cp "$TESTCARD/testcard.vmx" "$TESTCARD/testcard.vmdk" .
echo 'vitrine.writeInPlace = "TRUE"' >>testcard.vmx
cp testcard.vmdk before.vmdk
machine=$PWD/testcard.vmx
state=$XDG_STATE_HOME/vitrine

unchanged() { cmp -s before.vmdk testcard.vmdk; }
overlays() { find "$state" -name '*.qcow2' | grep -q .; }

ask() { # NAME: the machine is started, and its window asks
	launch "$machine"
	find_window '(testcard|Vitrine test card)'
	sleep 2
	shot "$1"
	[ -e testcard.vmdk.lck ] && fail "the disk is locked before anybody has said yes"
	return 0
}

# Nothing starts while it asks; closed then, nothing is left
ask asked
[ -n "$(cores)" ] || fail "there is no core that waits"
bars_shown && fail "the machine runs before its user has answered"
key Escape # as No
since=$EPOCHREALTIME
wait_card "$since"
close_running
unchanged || fail "the disk was changed, although its user said no"
overlays || fail "there is no overlay"

# Yes: it is locked, changed, and let go
rm -r "$state"
ask asked-again
main=$window
window=$(xdotool search --onlyvisible --class vitrine | grep -vx "$main" | tail -1)
since=$EPOCHREALTIME
click -100 -20 # Change the Disks
window=$main
wait_card "$since"
[ -n "$(ls testcard.vmdk.lck/M?????.lck)" ] || fail "the disk is not locked"
close_running
unchanged && fail "the disk was not changed"
overlays && fail "there is an overlay"
[ -e testcard.vmdk.lck ] && fail "the disk is still locked"
qemu-img check -q testcard.vmdk || fail "the disk is damaged"
grep -qxF "$machine" "$state/write-in-place" || fail "the yes is not kept"

# It is not asked again
play_card "$machine"
shot not-asked
close_running
