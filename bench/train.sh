#!/usr/bin/env bash
# Measures the training step of npr and ferretnet, ours and PyTorch's in turns,
# and prints images per second of both and their ratio.
#
#   bench/train.sh           five rounds of five seconds: about 4 minutes on 2 cores
#   bench/train.sh quick     two rounds of two seconds
#
# A step is forward, loss, backward and Adam on 8 pictures of 224 pixels, two
# threads each. The figure of a network is the median of its rounds' ratios; the
# last line is the smaller one. Exit status 3: PyTorch cannot be installed.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

rounds=5 seconds=5 batch=8 size=224
[[ "${1:-}" != quick ]] || rounds=2 seconds=2
python="$(scripts/python.sh torch)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
go build -o "$work/trainload" ./bench/trainload

# rate COMMAND... prints the images per second that the command tells.
rate() { "$@" | sed -n 's/.*"images_per_s": *\([0-9.]*\).*/\1/p'; }
# median of the numbers on standard input
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

smallest=
for arch in npr ferretnet; do
  for ((round = 1; round <= rounds; round++)); do
    ours="$(rate "$work/trainload" -arch "$arch" -size "$size" -batch "$batch" -seconds "$seconds")"
    peer="$(rate "$python" bench/train_peer.py "$arch" "$size" "$batch" "$seconds")"
    echo "$arch, round $round: $ours images/s, PyTorch $peer"
    echo "$ours" >>"$work/$arch.ours"
    echo "$peer" >>"$work/$arch.peer"
    awk "BEGIN { printf \"%.3f\n\", $ours / $peer }" >>"$work/$arch.ratio"
  done
  ratio="$(median <"$work/$arch.ratio")"
  echo "$arch: $(median <"$work/$arch.ours") images/s, PyTorch $(median <"$work/$arch.peer"), ratio $ratio"
  smallest="$(printf '%s\n' $smallest "$ratio" | sort -n | head -1)"
done
echo "ratio to PyTorch: $smallest"
