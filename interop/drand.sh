#!/usr/bin/env bash
# Our drand time lock against the Python package bittensor-drand, in both directions,
# and the Python SDK 10.5.0, unchanged, setting weights on a subnet of ours with
# commit-reveal version 4. The SDK locks weights to drand's public beacon, of whose
# signatures only old ones are known here: so its clock is set back to the hour of
# round 1000.
source "$(dirname "$0")/lib.sh"
py="$(python sdk-10.5.0)"
old="$(python sdk-9.8.3)"
go build -o "$work/drand" ./interop/drand
# 41 blocks are an epoch of 10 s.
start_chain --block-time 250ms --tempo 40
"$py" interop/drand.py "$RPC" "$work/drand" "$work/wallets" bittensor/timelock/testdata/drand.json "$old"
