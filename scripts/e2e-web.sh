#!/usr/bin/env bash
# Tests the pages in Chromium, which it installs where it can. Arguments go to go
# test, such as -run TestPhone. With BITMIND_E2E_SHOTS=docs the pages' pictures are
# made anew. Exit status: 3 where there is no Chromium to be had.
set -euo pipefail
cd "$(dirname "$0")/.."
chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome || command -v chrome; }
if ! chromium >/dev/null && command -v apt-get >/dev/null; then
  echo 'installing Chromium' >&2
  sudo=; test "$(id -u)" = 0 || sudo=$(command -v sudo || true)
  { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends chromium fonts-inter; } >&2 ||
    echo 'error: Chromium cannot be installed' >&2
fi
if ! chromium >/dev/null; then
  echo 'SKIPPED: the browser tests need Chromium; try: apt-get install -y chromium, then make e2e-web' >&2
  exit 3
fi
export BITMIND_E2E_WEB=1
exec go test -count=1 -timeout 20m -v ./web/e2e "$@"
