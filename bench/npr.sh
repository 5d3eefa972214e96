#!/usr/bin/env bash
# Compares NPR here with PyTorch eager, in turns, one process a measurement.
#
#   bench/npr.sh [ROUNDS]
#
# PYTHON names a Python with torch and numpy; without one, PyTorch is left out.
# Ours: BenchmarkNPR (a 256 x 256 picture preprocessed and scored at 224 x 224)
# and BenchmarkFirstPrediction of ml/detector; the memory is the test process's
# peak. PyTorch: the model alone, on a ready tensor.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds="${1:-3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
go test -c -o "$work/detector.test" ./ml/detector
python="${PYTHON:-python3}"
if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
  echo "$python has no torch: PyTorch is left out; try: PYTHON=/path/to/python bench/npr.sh" >&2
  python=
fi
for _ in $(seq "$rounds"); do
  for batch in 1 16; do
    (cd ml/detector && "$work/detector.test" -test.run '^$' -test.bench "NPR/batch=$batch\$" -test.benchtime 5s | grep ^Benchmark)
    if [[ -n "$python" ]]; then
      "$python" bench/npr_peer.py bench "$batch"
    fi
  done
  (cd ml/detector && "$work/detector.test" -test.run '^$' -test.bench FirstPrediction -test.benchtime 2s | grep ^Benchmark)
done
