# SPDX-License-Identifier: MIT
# As debian.sh, with disk and CD drive on an LSI Logic parallel SCSI controller, in a VMware board's slot 16.
controller=lsilogic

. "$folder/guests/debian.sh"
