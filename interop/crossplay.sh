#!/usr/bin/env bash
# Neurons written with the Python SDK 10.5.0 and ours in one subnet:
#   1. a Python miner answers our validator for 20 rounds, and earns;
#   2. our miner, with the shipped model, answers a Python validator for 20 rounds,
#      which sets weights with the SDK, and our miner earns.
# Each has a chain of its own, so that whoever earns was paid by the other language.
source "$(dirname "$0")/lib.sh"
py="$(python sdk-10.5.0)"
wallets="$work/wallets"
failed=0

check() { # WHAT GOOD(0/1) [WHY]
  if [[ "$2" == 1 ]]; then echo "ok $1"; else echo "FAIL $1: ${3:-}"; failed=1; fi
}

# join NAME [STAKE] makes a wallet, and registers its hotkey; //Alice pays.
join() {
  "$BITMIND" wallet create --wallet.path "$wallets" --wallet.name "$1" --no-password --json >/dev/null 2>&1
  local on=(--netuid 1 --subtensor.network "$RPC" --wallet.path "$wallets" --wallet.name "$1" --wallet.uri //Alice --json)
  "$BITMIND" register "${on[@]}" >/dev/null
  if [[ -n "${2:-}" ]]; then "$BITMIND" stake "$2" "${on[@]}" >/dev/null; fi
}

# hotkey NAME prints its address.
hotkey() { sed -n 's/.*"ss58Address": *"\([^"]*\)".*/\1/p' "$wallets/$1/hotkeys/default"; }

# field NAME FIELD prints what our metagraph says of a wallet's neuron.
field() {
  "$BITMIND" metagraph --netuid 1 --subtensor.network "$RPC" --json | "$py" -c '
import json, sys
hotkey, field = sys.argv[1:]
print(next((n[field] for n in json.load(sys.stdin)["neurons"] if n["hotkey"] == hotkey), ""))
' "$(hotkey "$1")" "$2"
}

# until_ok WHAT SECONDS COMMAND... waits for a command to succeed.
until_ok() {
  local what="$1" end=$((SECONDS + $2))
  shift 2
  until "$@"; do
    if [[ -n "${miner:-}" ]] && ! kill -0 "$miner" 2>/dev/null; then
      check "$what" 0 "the miner ended"
      return 1
    fi
    if ((SECONDS > end)); then
      check "$what" 0 "not within the time"
      return 1
    fi
    sleep 0.5
  done
}

serving() { [[ "$(field "$1" serving)" == True ]]; }
permitted() { [[ "$(field "$1" validator_permit)" == True ]]; }
earning() { awk -v i="$(field "$1" incentive)" -v e="$(field "$1" emission_rao)" 'BEGIN { exit !(i > 0 && e > 0) }'; }

# earns NAME WHO says whether a neuron is paid in the epochs that follow.
earns() {
  if until_ok "$2 earns" 60 earning "$1"; then
    check "$2 earns: incentive $(field "$1" incentive), $(field "$1" emission_rao) rao in the last epoch" 1
  fi
}

neuron() { # KIND NAME [flag...]
  local kind="$1" name="$2"
  shift 2
  "$BITMIND" "$kind" --netuid 1 --subtensor.network "$RPC" --wallet.path "$wallets" --wallet.name "$name" \
    --dir "$work/state" --axon.ip 127.0.0.1 --axon.port 0 --json "$@"
}

# 1. A Python miner, our validator.
start_chain --block-time 500ms --tempo 10
join python-miner
join our-validator 10000
HOME="$work" "$py" interop/crossplay_miner.py "$RPC" "$wallets" python-miner >"$work/miner.out" 2>"$work/miner.err" &
miner=$!
pids+=("$miner")
until_ok "the Python miner serves" 60 serving python-miner && until_ok "our validator has a permit" 30 permitted our-validator || {
  tail -20 "$work/miner.err" >&2
  exit 1
}
if neuron validator our-validator --steps 20 --neuron.interval 1 >"$work/validator.json" 2>"$work/validator.log"; then
  "$py" - "$work/validator.json" "$(hotkey python-miner)" <<'PY' || failed=1
import json, sys

report = json.load(open(sys.argv[1]))
miner = next((m for m in report["miners"] if m["hotkey"] == sys.argv[2]), None)
good = bool(miner) and report["challenges"] == 20 and miner["asked"] == miner["answered"] == 20 and report["weights_set"] > 0
said = f"20 rounds, weights set {report['weights_set']} times, the miner right in {miner['accuracy']:.0%}, score {miner['score']:.3f}" if miner else json.dumps(report)
print(("ok" if good else "FAIL") + " our validator asks a Python miner: " + said)
sys.exit(not good)
PY
else
  check "our validator asks a Python miner" 0 "$(tail -3 "$work/validator.log")"
fi
earns python-miner "the Python miner"
kill "$miner"
wait "$miner" 2>/dev/null || true
miner=""
cat "$work/miner.out"
grep -q '^FAIL' "$work/miner.out" && failed=1

# 2. Our miner, a Python validator.
wallets="$work/wallets-2"
start_chain --block-time 500ms --tempo 10
join our-miner
join python-validator 10000
neuron miner our-miner >"$work/our-miner.json" 2>"$work/our-miner.log" &
miner=$!
pids+=("$miner")
until_ok "our miner serves" 60 serving our-miner && until_ok "the Python validator has a permit" 30 permitted python-validator || {
  tail -20 "$work/our-miner.log" >&2
  exit 1
}
HOME="$work" "$py" interop/crossplay_validator.py "$RPC" "$wallets" python-validator "$(hotkey our-miner)" samples 2>"$work/python-validator.err" || {
  tail -20 "$work/python-validator.err" >&2
  exit 1
}
earns our-miner "our miner"
exit "$failed"
