#!/bin/bash
# SPDX-License-Identifier: MIT
# What must be unpacked first shows how far that is, can be cancelled, and begins anew by Run.
. "$(dirname "$0")/lib.sh"
start_display

play preparing
shot preparing
alive
key space # Cancel has the focus, there is nothing else
wait_log '^cancelled'
shows_page
shot cancelled
: >"$log"
focus
key Return
wait_log '^start guest.vmx'
