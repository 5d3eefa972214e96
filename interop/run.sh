#!/usr/bin/env bash
# Runs the programs that others wrote against ours: the Python SDK in three
# generations and btcli, unchanged, on the development chain; Python neurons
# beside ours; a generated Python client on the service.
#
#   interop/run.sh            every part
#   interop/run.sh PART...    only these, such as: interop/run.sh sdk-10.5.0 btcli
#
# A part is a script interop/<part>.sh. Its Python is installed once by
# scripts/python.sh into the cache folder. A part that cannot be installed
# because the package index is out of reach is skipped, loudly; everything else
# that goes wrong fails the run. LIMIT (seconds, default 600) bounds each part.
set -uo pipefail
cd "$(dirname "$0")/.."

parts=("$@")
if [[ $# -eq 0 ]]; then
  for script in interop/*.sh; do
    part="$(basename "$script" .sh)"
    [[ "$part" == run || "$part" == lib ]] || parts+=("$part")
  done
fi

go build -o dist/bitmind-dev ./cmd/bitmind || exit 1

# A part runs in a process group of its own, which an interruption must reach.
running=''
trap 'kill "$running" 2>/dev/null; wait "$running"; exit 130' INT TERM
summary=() failed=0
for part in "${parts[@]}"; do
  if [[ ! -f "interop/$part.sh" ]]; then
    echo "error: there is no part $part; try: ls interop" >&2
    exit 2
  fi
  printf '\n== interop: %s\n' "$part"
  start=$SECONDS
  timeout --kill-after=10 "${LIMIT:-600}" bash "interop/$part.sh" &
  running=$!
  wait "$running"
  case $? in
  0) result=ok ;;
  3) result=SKIPPED; printf '\n*** %s SKIPPED: its packages cannot be installed here ***\n\n' "$part" ;;
  124 | 137) result='TIMED OUT' failed=1 ;;
  *) result=FAILED failed=1 ;;
  esac
  summary+=("$(printf '%-24s %-10s %4ss' "$part" "$result" "$((SECONDS - start))")")
done
printf '\n== interop\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
