#!/bin/sh
# Runs every fuzz target of the module for the given time each (default 5s).
set -eu
cd "$(dirname "$0")/.."
time=${1:-5s}
found=0
for dir in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -n1 dirname | sort -u); do
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/^func //' | sort -u); do
		echo "fuzz $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir"
		found=$((found + 1))
	done
done
[ "$found" -gt 0 ] || { echo 'error: no fuzz target found' >&2; exit 1; }
