#!/usr/bin/env bash
# Measures what the scores of the detectors in models/ mean, and writes their
# reference.json.
#
#   scripts/reference.sh DATA UNSEEN OUT [best] [base] [fast]    (default: all three)
#
# DATA is the labelled folder that the detectors were trained on (docs/training.md), of
# which the split "dev" is used. UNSEEN is another one, whose manifest.tsv also has the
# column kind: its photographs (photo), its human art (painting, drawing, comic,
# anime, digital-art) and its AI-generated pictures are used, but for the sources
# that share an origin with the training data. Of a source, the first 10 pictures by name count:
# all sources weigh alike. The pictures are copied to OUT.
# BITMIND is the program (default: dist/bitmind, made by make build). Time on 2 cores: 3 minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -ge 3 && $1 != -* ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
data=$1 unseen=$2 out=$3
shift 3
[[ $# -gt 0 ]] || set -- best base fast
bitmind=${BITMIND:-dist/bitmind}

# Of the same origin as the training data: see models/DATA.md.
shared=' songguoxs_more comfy_previews art_style_naoto '

rm -rf "$out"
mkdir -p "$out"
# list LABEL CLASS SOURCE PATH, with sources of human art named art_*.
{
  awk -F'\t' -v root="$data" 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
    $c["split"] == "dev" { print ($c["label"] == 1 ? "fake" : "real") "\t" $c["source"] "\t" root "/" $c["path"] }' "$data/manifest.tsv"
  awk -F'\t' -v root="$unseen" -v shared="$shared" 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
    index(shared, " " $c["source"] " ") { next }
    { source = $c["source"]; kind = $c["kind"] }
    $c["label"] == "fake" { print "fake\t" source "\t" root "/" $c["path"]; next }
    kind == "photo" { sub(/^art_/, "photos_of_", source); print "real\t" source "\t" root "/" $c["path"] }
    kind ~ /^(painting|drawing|comic|anime|digital-art)$/ { sub(/^art_/, "", source); print "real\tart_" source "\t" root "/" $c["path"] }' "$unseen/manifest.tsv"
} | sort | awk -F'\t' '++n[$1 "/" $2] <= 10' | while IFS=$'\t' read -r label source path; do
  mkdir -p "$out/$label/$source"
  cp "$path" "$out/$label/$source/"
done

for name; do
  "$bitmind" eval --model "models/$name" --data "$out" --bootstrap 0 --reference "models/$name/reference.json" \
    --reference-data "Photographs, human art and AI-generated pictures of sources that the detector was not trained on; each source counts alike."
done
