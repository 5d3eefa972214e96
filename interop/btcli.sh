#!/usr/bin/env bash
# btcli, unchanged and without prompts, on the development chain: version 9.8.7 and
# the newest, at blocks of 0.25 s and of 12 s, each on a chain of its own and all at
# once. What it says is compared with what is on the chain.
source "$(dirname "$0")/lib.sh"
old="$(python btcli-9.8.7)"
new="$(python btcli-newest)"

runs=()
begin() { # NAME PYTHON BLOCK-TIME full|short
  start_chain --block-time "$3" --tempo 10
  "$2" interop/btcli.py "$1" "$3" "$4" "$RPC" "$BITMIND" "$work/$1-$3" >"$work/$1-$3.out" 2>&1 &
  runs+=("$!")
  pids+=("$!")
}
begin 9.8.7 "$old" 12s short
begin newest "$new" 12s short
begin 9.8.7 "$old" 250ms full
begin newest "$new" 250ms full

failed=0
for run in "${runs[@]}"; do
  wait "$run" || failed=1
done
cat "$work"/*.out
exit "$failed"
