#!/usr/bin/env bash
# Installs the Python SDK that the axon and dendrite benchmarks compare
# themselves with, once, into a throwaway virtual environment outside the
# repository, and prints that environment's python.
#
#   PY=$(bench/setup.sh)
#
# The folder is ${BITMIND_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bitmind/bench};
# delete it to start afresh. Needs Python 3.10 or newer with venv and pip.
set -euo pipefail

sdk=10.5.0
cache="${BITMIND_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bitmind/bench}"
venv="$cache/bittensor-$sdk"
python="$venv/bin/python"

if [[ ! -e "$venv/.done" ]]; then
  mkdir -p "$cache"
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  nice "$python" -m pip install --quiet --disable-pip-version-check "bittensor==$sdk" >&2
  touch "$venv/.done"
fi
echo "$python"
