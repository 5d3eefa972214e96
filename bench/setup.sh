#!/usr/bin/env bash
# Installs a Python peer that the benchmarks compare themselves with, once, into
# a throwaway virtual environment outside the repository, and prints that
# environment's python.
#
#   PY=$(bench/setup.sh bittensor)   the Python SDK: axon and dendrite
#   PY=$(bench/setup.sh torch)       PyTorch, torchvision and Pillow (6 GB: the CUDA
#                                    libraries cannot be left out)
#
# The folder is ${BITMIND_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bitmind/bench};
# delete it to start afresh. Needs Python 3.10 or newer with venv and pip.
set -euo pipefail

case "${1:-}" in
bittensor) packages=(bittensor==10.5.0) ;;
torch) packages=(torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy==2.4.6) ;;
*)
  echo "usage: bench/setup.sh bittensor|torch" >&2
  exit 2 ;;
esac
cache="${BITMIND_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bitmind/bench}"
venv="$cache/${packages[0]/==/-}"
python="$venv/bin/python"

if [[ ! -e "$venv/.done" ]]; then
  echo "installing ${packages[0]} into $venv" >&2
  mkdir -p "$cache"
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  nice "$python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" >&2
  touch "$venv/.done"
fi
echo "$python"
