#!/bin/sh
# Runs every fuzz target of the module for the given time each (default 5s).
set -eu
cd "$(dirname "$0")/.."
time=${1:-5s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() { # FOLDER TARGET
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 1x "$1" >"$log" 2>&1
}

found=0
for dir in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -n1 dirname | sort -u); do
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/^func //' | sort -u); do
		echo "fuzz $dir $target"
		if ! fuzz "$dir" "$target"; then
			# The go command sometimes takes the end of the time for a failure,
			# and then there is no failing input; that alone is tried again.
			if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
				fuzz "$dir" "$target" || { cat "$log"; exit 1; }
			else
				cat "$log"
				exit 1
			fi
		fi
		tail -n 1 "$log"
		found=$((found + 1))
	done
done
[ "$found" -gt 0 ] || { echo 'error: no fuzz target found' >&2; exit 1; }
