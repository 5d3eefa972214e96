#!/usr/bin/env bash
# The Python SDK 9.8.3, unchanged, on the development chain in both of its
# profiles: from connecting to revealing weights, its metagraph against ours, and
# every reader that it has.
source "$(dirname "$0")/lib.sh"
py="$(python sdk-9.8.3)"
for spec in 381 293; do
  echo "runtime $spec"
  start_chain --block-time 250ms --spec "$spec"
  "$py" interop/sdk-9.8.3.py "$RPC" "$BITMIND" "$work/wallets$spec" "$spec" 2>"$work/python.log" || {
    tail -20 "$work/python.log" >&2
    exit 1
  }
done
