#!/bin/sh
# Puts the C2PA library, which checks signed histories of pictures, into the cache
# folder, where the program looks for it, and prints its path. Quick when it is
# there already; else a download of 16 MB, of which 23 MB are kept.
#
#   scripts/c2pa.sh               fetch if missing, check, print the path
#   scripts/c2pa.sh --optional    the same; where that fails, say so and succeed:
#                                 the program works without it, and then reports
#                                 that signed histories were not checked
#
# It comes out of the PyPI wheel "c2pa-python" (MIT or Apache-2.0) by way of pip:
# version and hashes are pinned in media/provenance/c2pa/library.tsv. It needs
# Linux with glibc on x86_64 or aarch64, and Python 3 with pip.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
pins=$root/media/provenance/c2pa/library.tsv
# Where the program looks; a process without a home has a folder of its user.
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
cache=${cache:-${TMPDIR:-/tmp}/cache-$(id -u)}/bitmind/c2pa

optional=
fail() {
	if [ "$optional" ]; then
		echo "c2pa.sh: signed histories (C2PA) will not be checked: $*" >&2
		exit 0
	fi
	echo "c2pa.sh: $*" >&2
	exit 1
}

case "$#:${1:-}" in
0:) ;;
1:--optional) optional=yes ;;
*) fail "unknown arguments: $*; try: no arguments, or --optional" ;;
esac

[ "$(uname -s)" = Linux ] || fail "only Linux is supported; try: set BITMIND_C2PA to libc2pa_c of c2pa-python 0.38 or newer"
case $(uname -m) in
x86_64) arch=amd64 platform=x86_64 ;;
aarch64 | arm64) arch=arm64 platform=aarch64 ;;
*) fail "no library for $(uname -m); try: set BITMIND_C2PA to your own build of it" ;;
esac

# pin FIELD prints a field of this machine's line in library.tsv.
pin() {
	awk -F '\t' -v a="$arch" -v f="$1" '$1 == a { print $f }' "$pins"
}

# matches FILE tells whether the file is there and is the pinned library.
matches() {
	[ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$(pin 6)" ]
}

library=$cache/$(pin 3)/libc2pa_c.so
if ! matches "$library"; then
	python3 -m pip --version >/dev/null 2>&1 || fail "no pip; try: apt-get install python3-pip"
	mkdir -p "${library%/*}" || fail "the cache folder cannot be written; try: set XDG_CACHE_HOME"
	# Inside the cache, so that the last step is a rename within one disk.
	work=$(mktemp -d "$cache/.fetch.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	echo "c2pa.sh: fetching the C2PA library (16 MB)" >&2
	printf 'c2pa-python==%s --hash=sha256:%s\n' "$(pin 3)" "$(pin 4)" >"$work/requirements.txt"
	# The wheel is only unpacked, never installed.
	python3 -m pip --disable-pip-version-check download -q --no-deps --only-binary=:all: --require-hashes \
		--python-version 3.12 --platform "manylinux_2_28_$platform" \
		--dest "$work" -r "$work/requirements.txt" >&2 || fail "the download failed; try: again with a network"
	python3 - "$work" "$(pin 5)" <<'PYTHON'
import glob, shutil, sys, zipfile
folder, member = sys.argv[1:]
(wheel,) = glob.glob(folder + "/*.whl")
with zipfile.ZipFile(wheel) as z, z.open(member) as src, open(folder + "/lib", "wb") as dst:
    shutil.copyfileobj(src, dst)
PYTHON
	matches "$work/lib" || fail "the library does not have the pinned sha256"
	chmod 644 "$work/lib"
	mv -f "$work/lib" "$library"
fi
echo "$library"
