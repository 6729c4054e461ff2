#!/bin/bash
# SPDX-License-Identifier: MIT
# Every installed file is there, and its validator has nothing to say.
. "$(dirname "$0")/lib.sh"

for file in bin/vitrine bin/vitrine-core bin/vitrine-net; do
	[ -x "$PREFIX/$file" ] || fail "$file is not there or not executable"
done
for file in share/man/man1/vitrine.1 share/man/man1/vitrine-core.1 share/man/man1/vitrine-net.1 share/applications/$id.desktop share/mime/packages/$id.xml \
	share/metainfo/$id.metainfo.xml share/icons/hicolor/scalable/apps/$id.svg share/vitrine/testcard.ova; do
	[ -s "$PREFIX/$file" ] || fail "$file is not there or empty"
done

silent_man() { # FILE: man(1) warns, but ends with 0
	[ -z "$(man --warnings -l -Tutf8 "$1" 2>&1 >/dev/null | tee /dev/stderr)" ]
}
for page in vitrine vitrine-core vitrine-net; do
	if command -v mandoc >/dev/null; then
		check "manual $page" mandoc -Tlint -W error "$share/man/man1/$page.1"
	elif command -v man >/dev/null; then
		check "manual $page" silent_man "$share/man/man1/$page.1"
	else
		echo "SKIPPED: manual $page: neither mandoc nor man is installed"
	fi
done
check 'desktop file' desktop-file-validate "$share/applications/$id.desktop"
check 'AppStream' appstreamcli validate --no-net "$share/metainfo/$id.metainfo.xml"
for file in "$share/mime/packages/$id.xml" "$share/metainfo/$id.metainfo.xml" "$share/icons/hicolor/scalable/apps/$id.svg"; do
	check "XML of ${file##*/}" xmllint --noout "$file"
done
cp -r "$share/mime" "$work/mime"
check 'MIME types' update-mime-database "$work/mime"
check 'icon' rsvg-convert -o "$work/icon.png" "$share/icons/hicolor/scalable/apps/$id.svg"

for program in vitrine vitrine-core vitrine-net; do
	check "$program --version" "$PREFIX/bin/$program" --version
done
name=$(sed -n 's/^Exec=\([^ ]*\).*/\1/p' "$share/applications/$id.desktop")
[ -x "$PREFIX/bin/$name" ] || fail "the desktop file starts $name, which is not installed"
exit $((failures > 0))
