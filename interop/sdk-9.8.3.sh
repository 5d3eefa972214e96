#!/usr/bin/env bash
# The Python SDK 9.8.3, unchanged, on the development chain: from connecting to
# revealing weights, its metagraph against ours, and every reader that it has.
source "$(dirname "$0")/lib.sh"
py="$(python sdk-9.8.3)"
start_chain --block-time 250ms
"$py" interop/sdk-9.8.3.py "$RPC" "$BITMIND" "$work/wallets" 2>"$work/python.log" || {
  tail -20 "$work/python.log" >&2
  exit 1
}
