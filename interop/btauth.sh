#!/usr/bin/env bash
# Requests signed by SDK 11's http_auth reach our axon, and requests signed by our
# client pass SDK 11's verify.
source "$(dirname "$0")/lib.sh"

py="$(python sdk-11)"
go build -o "$work/btauth" ./interop/btauth
"$work/btauth" axon >"$work/axon.addr" &
pids+=("$!")
until [[ -s "$work/axon.addr" ]]; do sleep 0.1; done
"$py" interop/btauth.py "$(cat "$work/axon.addr")" "$work/btauth"
