#!/bin/sh
# Puts ONNX Runtime's shared library into the cache folder, where the program
# looks for it, and prints its path. Quick when it is there already.
#
#   scripts/onnxruntime.sh                fetch if missing, check, print the path
#   scripts/onnxruntime.sh --stage DIR    the same, then put it, compressed, into
#                                         DIR: ml/ort/embedded is where a build
#                                         with the tag embed_ort includes it from
#
# It comes out of the PyPI wheel "onnxruntime" by way of pip, else out of npm's
# "onnxruntime-node": versions and hashes are pinned in ml/ort/library.tsv. It
# needs Linux with glibc on x86_64 or aarch64, and either Python 3 with pip or
# Node with npm. ONNXRUNTIME_SOURCE=pypi or =npm allows one of the two only.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
pins=$root/ml/ort/library.tsv
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bitmind/onnxruntime

fail() {
	echo "onnxruntime.sh: $*" >&2
	exit 1
}

stage=
case "$#:${1:-}" in
0:) ;;
2:--stage) stage=$2 && mkdir -p "$stage" ;;
*) fail "unknown arguments: $*; try: no arguments, or --stage DIR" ;;
esac

[ "$(uname -s)" = Linux ] || fail "only Linux is supported; try: set BITMIND_ONNXRUNTIME to ONNX Runtime 1.24 or newer"
case $(uname -m) in
x86_64) arch=amd64 platform=x86_64 ;;
aarch64 | arm64) arch=arm64 platform=aarch64 ;;
*) fail "no library for $(uname -m); try: set BITMIND_ONNXRUNTIME to your own build of ONNX Runtime 1.24 or newer" ;;
esac

# pin SOURCE FIELD prints a field of this machine's line in library.tsv.
pin() {
	awk -F '\t' -v a="$arch" -v s="$1" -v f="$2" '$1 == a && $2 == s { print $f }' "$pins"
}

# matches FILE HASH tells whether the file is there and has that sha256.
matches() {
	[ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$2" ]
}

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# from_pypi DIR and from_npm DIR leave the library at DIR/lib.
from_pypi() {
	python3 -m pip --version >/dev/null 2>&1 || return 1
	printf 'onnxruntime==%s --hash=sha256:%s\n' "$(pin pypi 3)" "$(pin pypi 4)" >"$1/requirements.txt"
	# The wheel is only unpacked, never installed: the Python version in its name
	# need not be this machine's, and an "externally managed" Python allows it.
	python3 -m pip --disable-pip-version-check download -q --no-deps --only-binary=:all: --require-hashes \
		--implementation cp --python-version 3.12 --abi cp312 --platform "manylinux_2_28_$platform" \
		--dest "$1" -r "$1/requirements.txt" >&2 || return 1
	python3 - "$1" "$(pin pypi 5)" <<'PYTHON'
import glob, shutil, sys, zipfile
folder, member = sys.argv[1:]
(wheel,) = glob.glob(folder + "/*.whl")
with zipfile.ZipFile(wheel) as z, z.open(member) as src, open(folder + "/lib", "wb") as dst:
    shutil.copyfileobj(src, dst)
PYTHON
}

from_npm() {
	npm --version >/dev/null 2>&1 || return 1
	(cd "$1" && npm pack --silent --ignore-scripts "onnxruntime-node@$(pin npm 3)" >&2) || return 1
	package=$(echo "$1"/onnxruntime-node-*.tgz)
	if ! matches "$package" "$(pin npm 4)"; then
		echo "onnxruntime.sh: npm's package does not have the pinned sha256" >&2
		return 1
	fi
	tar -xzOf "$package" "$(pin npm 5)" >"$1/lib"
}

library=
for source in ${ONNXRUNTIME_SOURCE:-pypi npm}; do
	file=$cache/$(pin "$source" 3)/libonnxruntime.so
	if matches "$file" "$(pin "$source" 6)"; then
		library=$file
		break
	fi
done

if [ -z "$library" ]; then
	mkdir -p "$cache"
	for source in ${ONNXRUNTIME_SOURCE:-pypi npm}; do
		# Inside the cache, so that the last step is a rename within one disk.
		work=$(mktemp -d "$cache/.fetch.XXXXXX")
		if "from_$source" "$work"; then
			if matches "$work/lib" "$(pin "$source" 6)"; then
				file=$cache/$(pin "$source" 3)/libonnxruntime.so
				mkdir -p "${file%/*}"
				chmod 644 "$work/lib"
				mv -f "$work/lib" "$file"
				library=$file
			else
				echo "onnxruntime.sh: the library from $source does not have the pinned sha256" >&2
			fi
		fi
		rm -rf "$work"
		work=
		[ -z "$library" ] || break
	done
fi
[ -n "$library" ] || fail "no library; try: apt-get install python3-pip (or npm) and a network, or set BITMIND_ONNXRUNTIME to libonnxruntime.so 1.24 or newer"

if [ "$stage" ]; then
	packed=$stage/onnxruntime.so.gz
	if [ ! -f "$packed" ] || [ "$(gzip -dc "$packed" 2>/dev/null | sha256sum)" != "$(sha256sum <"$library")" ]; then
		gzip -9 -n -c "$library" >"$packed.tmp"
		mv -f "$packed.tmp" "$packed"
	fi
fi
echo "$library"
