#!/bin/bash
# SPDX-License-Identifier: MIT
# What is wrong with an appliance is said in words, by the real core in the real window, and where it can, it goes on.
. "$(dirname "$0")/real_lib.sh"
start_display 1400x1000
mkdir "$work/appliances"
cd "$work/appliances" || exit 1

shown() { # NAME: a page of words
	sleep 1
	shows_page
	shot "$1"
	alive
}

# says FILE WORD...: the sentence itself, which a picture cannot prove; without a window the same core says it
says() {
	local sentence word
	sentence=$("$core" --headless --quiet --seconds 1 --as-downloaded "$1" 2>&1 >/dev/null)
	echo "$sentence"
	for word in "${@:2}"; do
		grep -qF -- "$word" <<<"$sentence" || fail "$1: “$word” is not said"
	done
}

close_silently() { # a window that asks nothing
	click_close
	wait_end
}

# A download that was interrupted; Check Again plays it when it is whole
size=$(stat -c %s "$TESTCARD/testcard.ova")
head -c $((size / 2)) "$TESTCARD/testcard.ova" >interrupted.ova
says interrupted.ova interrupted.ova 'ends after'
launch "$PWD/interrupted.ova"
find_window interrupted.ova
shown interrupted
cp "$TESTCARD/testcard.ova" interrupted.ova
since=$EPOCHREALTIME
key Return
wait_card "$since"

# Its core is killed: Run Again
kill -9 $(cores)
shown killed
grep -q CRITICAL "$work/player.err" && fail "the window complained"
since=$EPOCHREALTIME
key Return
wait_card "$since"

# Closing a paused machine loses what it has in memory: it asks
click_run
sleep 0.7
click_close
shot close-asks-paused
key Return # Keep Paused is the default
alive
close_running

# A disk that is not there
cp "$TESTCARD/testcard.vmx" .
says testcard.vmx testcard.vmdk
launch "$PWD/testcard.vmx"
find_window testcard # .vmx, or what the file calls it
shown missing-disk
close_silently

# A device that Vitrine does not have yet
sed -e '0,/<rasd:ResourceType>5</s//<rasd:ResourceSubType>buslogic<\/rasd:ResourceSubType><rasd:ResourceType>6</' \
	"$TESTCARD/ova/testcard.ovf" >scsi.ovf
cp "$TESTCARD/ova/testcard-disk1.vmdk" .
says scsi.ovf 'BusLogic SCSI'
launch "$PWD/scsi.ovf"
find_window '(scsi.ovf|Vitrine test card)'
shown buslogic
close_silently

# A digest that is wrong: the machine pauses until its user has decided
sed -e 's/\(disk1\.vmdk)= \)[1-9a-f]/\10/;t' -e 's/\(disk1\.vmdk)= \)0/\11/' "$TESTCARD/testcard.ova" >changed.ova
launch "$PWD/changed.ova"
find_window 'Vitrine test card'
sleep 2
shot digest
key Return # Power Off is the default
sleep 1
shows_page
shot digest-refused
focus
since=$EPOCHREALTIME
key Return # Run
sleep 2
main=$window
window=$(xdotool search --onlyvisible --class vitrine | grep -vx "$main" | tail -1)
click -100 -20 # Play Anyway
window=$main
wait_card "$since"
shot played-anyway
close_running
