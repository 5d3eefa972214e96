# Shared by the parts of the interop run (source it). Gives each part a scratch
# folder, chains that end with it, and the Python environments.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BITMIND="${BITMIND:-$PWD/dist/bitmind-dev}"
work="$(mktemp -d)"
pids=()

# cleanup ends what the part started and removes its folder, whatever way it ends.
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# start_chain [localnet flag...] runs a bare chain on free ports and sets RPC to
# its address. Its log is $work/chain<N>.log.
start_chain() {
  local n="${#pids[@]}" dir="$work/chain${#pids[@]}"
  "$BITMIND" localnet --miners 0 --validators 0 --dir "$dir" \
    --rpc 127.0.0.1:0 --listen 127.0.0.1:0 "$@" >"$work/chain$n.log" 2>&1 &
  pids+=("$!")
  for _ in $(seq 150); do
    if [[ -s "$dir/endpoints.json" ]]; then
      RPC="$(sed -n 's/.*"rpc": *"\([^"]*\)".*/\1/p' "$dir/endpoints.json")"
      return
    fi
    sleep 0.1
  done
  echo "error: the chain did not start:" >&2
  cat "$work/chain$n.log" >&2
  return 1
}

# python NAME prints the python of an environment of scripts/python.sh; where the
# package index cannot be reached, the part ends with status 3, which skips it.
python() { scripts/python.sh "$1" || exit 3; }
