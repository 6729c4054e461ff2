# SPDX-License-Identifier: MIT
# As debian.sh, with disk and CD drive on an LSI Logic SAS controller, which lies behind a VMware board's root port.
controller=lsisas1068

. "$folder/guests/debian.sh"
