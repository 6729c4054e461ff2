# SPDX-License-Identifier: MIT
# vitrine.writeInPlace: the test card counts its boots on the disk itself, which qemu-img then finds sound; the person's yes, locks, snapshots.

prepare() {
	need qemu-img qemu-utils
	[ -e "$samples/testcard.vmdk" ] || skip "testcard.vmdk was not built (qemu-img is missing, package qemu-utils)"
	mkdir "$work/vm"
	cp "$samples/testcard.vmx" "$samples/testcard.vmdk" "$work/vm/"
	echo 'vitrine.writeInPlace = "TRUE"' >> "$work/vm/testcard.vmx"
	sed 's/"testcard.vmdk"/"delta.vmdk"/' "$work/vm/testcard.vmx" > "$work/vm/delta.vmx"
}

# play_card BOOTS OPTION...: of the machine $machine
play_card() {
	vitrine 120 --until "testcard: ready" "${@:2}" "$work/vm/$machine.vmx"
	expect_status 0
	expect serial "testcard: boots $1, counted on the disk"
	[ ! -e "$work/vm/testcard.vmdk.lck" ] || fail "its lock is still there"
}

refused() {
	vitrine 120 --until "testcard: ready" --write-in-place "$work/vm/$machine.vmx"
	expect_status 1
}

unchanged() { cmp "$work/before" "$work/vm/$1" || fail "$1 was changed"; }

# while it plays: locked for others. Then it is killed, and its lock stays.
check_lock() {
	local pid i

	"$core" --headless --write-in-place --serial "$work/locked" --seconds 120 "$work/vm/testcard.vmx" > /dev/null 2>&1 < /dev/null &
	pid=$!
	for i in $(seq 600); do
		grep -qa "testcard: ready" "$work/locked" 2> /dev/null && break
		sleep 0.2
	done
	[ "$(stat -c %s "$work"/vm/testcard.vmdk.lck/M?????.lck)" = 512 ] || fail "it is not locked as VMware does it"
	refused
	expect messages "testcard.vmdk is being changed by another machine"
	kill -9 $pid
	wait $pid 2> /dev/null
	[ -e "$work/vm/testcard.vmdk.lck" ] || fail "its lock went with the broker that was killed"
	sleep 5 # its core sees that nobody listens any more, and ends
}

check() {
	local machine=testcard

	# Nobody has allowed it: as without the key. Then there is an overlay, below which nothing is written.
	cp "$work/vm/testcard.vmdk" "$work/before"
	play_card 1
	expect messages "all changes to this disk go to the overlay" "--write-in-place does"
	refused
	expect messages "ide0-0.qcow2" "delete that file"
	unchanged testcard.vmdk
	rm -r "$XDG_STATE_HOME/vitrine"

	(cd "$work/vm" && qemu-img create -q -f vmdk -F vmdk -b testcard.vmdk delta.vmdk)
	cp "$work/vm/delta.vmdk" "$work/stale.vmdk"
	play_card 1 --write-in-place
	play_card 2 --write-in-place
	qemu-img check -q "$work/vm/testcard.vmdk" || fail "the disk is damaged"
	[ -z "$(find "$XDG_STATE_HOME" -name '*.qcow2')" ] || fail "there is an overlay"
	cp "$work/vm/testcard.vmdk" "$work/before"
	play_card 3 --write-in-place --as-downloaded
	unchanged testcard.vmdk

	check_lock
	play_card 4 --write-in-place
	qemu-img check -q "$work/vm/testcard.vmdk" || fail "the disk is damaged"

	# A snapshot of the disk as it was no longer fits, for its content ID is another one. A new one does, and leaves the disk below it.
	machine=delta
	refused
	expect messages "was changed after the snapshot"
	(cd "$work/vm" && rm delta.vmdk && qemu-img create -q -f vmdk -F vmdk -b testcard.vmdk delta.vmdk)
	cp "$work/vm/testcard.vmdk" "$work/before"
	play_card 5 --write-in-place
	play_card 6 --write-in-place
	unchanged testcard.vmdk
	qemu-img check -q "$work/vm/delta.vmdk" || fail "the snapshot is damaged"
}
