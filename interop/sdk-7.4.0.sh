#!/usr/bin/env bash
# The Python SDK 7.4.0 of mid-2024, unchanged, on the development chain in both of
# its profiles: what works after dTAO, exactly, and why the rest does not.
source "$(dirname "$0")/lib.sh"
py="$(python sdk-7.4.0)"
start_chain --block-time 250ms
rpc381="$RPC"
start_chain --block-time 250ms --spec 293
# Nothing of it may read the settings of whoever runs this.
HOME="$work" "$py" interop/sdk-7.4.0.py "$work/wallets" "$rpc381" "$RPC" 2>"$work/python.log" || {
  tail -20 "$work/python.log" >&2
  exit 1
}
