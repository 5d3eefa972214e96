#!/usr/bin/env bash
# Executes the notebooks from beginning to end, as Jupyter would, with small
# settings on the sample pictures, and checks what their cells print.
#
#   notebooks/run.sh            both, about a minute on 2 cores
#   KEEP=DIR notebooks/run.sh   and keeps them there with their outputs
#
# The Jupyter kernel and nbclient are installed once by scripts/python.sh into the
# cache folder. Exit status 3, loudly: the package index is out of reach, so that
# nothing was executed.
set -euo pipefail
cd "$(dirname "$0")/.."

if PY=$(scripts/python.sh notebooks); then :; else
  status=$?
  if [[ $status -eq 3 ]]; then
    printf '\n*** notebooks SKIPPED: their packages cannot be installed here ***\n\n'
  fi
  exit "$status"
fi
go build -o dist/bitmind-dev ./cmd/bitmind

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
# Nothing of the user's Jupyter and matplotlib settings, and no kernel but this one.
export JUPYTER_CONFIG_DIR="$scratch/jupyter" JUPYTER_DATA_DIR="$scratch/data" IPYTHONDIR="$scratch/ipython"
export MPLCONFIGDIR="$scratch/matplotlib" PYDEVD_DISABLE_FILE_VALIDATION=1
export BITMIND="$PWD/dist/bitmind-dev" BITMIND_OUT="$scratch/runs"
export BITMIND_SIZE="${BITMIND_SIZE:-64}" BITMIND_EPOCHS="${BITMIND_EPOCHS:-3}" BITMIND_LIMIT="${BITMIND_LIMIT:-40}"
timeout --kill-after=10 "${LIMIT:-900}" "$PY" notebooks/run.py "${KEEP:-$scratch/executed}"
