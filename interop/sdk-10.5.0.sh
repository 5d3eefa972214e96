#!/usr/bin/env bash
# The Python SDK 10.5.0, unchanged, on the development chain: from connecting to
# revealing weights, its metagraph against ours, and every reader that it has.
source "$(dirname "$0")/lib.sh"
py="$(python sdk-10.5.0)"
start_chain --block-time 250ms
"$py" interop/sdk-10.5.0.py "$RPC" "$BITMIND" "$work/wallets" 2>"$work/python.log" || {
  tail -20 "$work/python.log" >&2
  exit 1
}
