# SPDX-License-Identifier: MIT
# For play.sh and test.sh to source: the system's packages. Quiet when there is nothing to do; root only when something is missing.

packaging=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$packaging")

# The package manager, and its column in packages.tsv.
manager() {
	if command -v apt-get >/dev/null; then echo 'apt 2'
	elif command -v dnf >/dev/null; then echo 'dnf 3'
	elif command -v pacman >/dev/null; then echo 'pacman 4'
	fi
}

installed() { # NAME...: those of them that are installed
	case $1 in
	apt) shift; dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "ii" { print $2 }' ;;
	dnf) shift; rpm -q --qf '%{NAME}\n' "$@" 2>/dev/null | grep -v 'not installed' ;;
	pacman) shift; pacman -Qq "$@" 2>/dev/null ;;
	esac
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif command -v sudo >/dev/null; then sudo "$@"
	elif command -v pkexec >/dev/null; then pkexec "$@"
	else echo "Neither sudo nor pkexec is here; as root, please run: $*" >&2; return 1
	fi
}

# need_packages play|test: installs what is missing.
need_packages() {
	local which column wanted missing
	read -r which column <<<"$(manager)"
	if [ -z "$which" ]; then
		echo "No package manager that this script knows; packaging/packages.tsv lists what is needed." >&2
		return 0
	fi
	wanted=$(awk -F '\t' -v need="$1" -v c="$column" \
		'!/^#/ && ($1 == "play" || $1 == need) && $c != "-" { print $c }' "$packaging/packages.tsv" | sort -u)
	missing=$(comm -23 <(echo "$wanted") <(installed "$which" $wanted | sort -u))
	[ -n "$missing" ] || return 0
	echo "Installing with $which: $(echo $missing)"
	case $which in
	# Without recommendations: grub-rescue-pc and memtest86+ would change the boot loader of this computer otherwise.
	apt) as_root apt-get -q update >/dev/null
	     as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing >/dev/null ;;
	dnf) as_root dnf -q -y install $missing ;;
	pacman) as_root pacman -S --needed --noconfirm $missing ;;
	esac
}

# build FOLDER OPTION...: configures if needed and builds; says nothing but errors.
build() {
	local folder=$1 log; shift
	log=$(mktemp)
	if ! { cmake -G Ninja -S "$top" -B "$folder" "$@" && ninja -C "$folder"; } >"$log" 2>&1; then
		tail -n 60 "$log" >&2
		echo "The build failed; the whole log is $log" >&2
		return 1
	fi
	rm -f "$log"
}
