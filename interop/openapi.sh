#!/usr/bin/env bash
# A Python client generated from the service's OpenAPI document asks the service.
source "$(dirname "$0")/lib.sh"

py="$(python openapi)"
"$BITMIND" serve --model fast --listen 127.0.0.1:0 --store "$work/service.db" --endpoints "$work/endpoints.json" 2>"$work/serve.log" &
pids+=("$!")
until [[ -s "$work/endpoints.json" ]]; do
  kill -0 "${pids[-1]}" || { cat "$work/serve.log" >&2; exit 1; }
  sleep 0.1
done
server="$(sed -n 's/.*"http": *"\([^"]*\)".*/\1/p' "$work/endpoints.json")"
until curl -sf "$server/readyz" >/dev/null; do sleep 0.1; done
curl -sf "$server/openapi.json" >"$work/openapi.json"
# The generator formats what it makes with ruff, which is beside it.
PATH="$(dirname "$py"):$PATH" openapi-python-client generate \
  --path "$work/openapi.json" --meta none --output-path "$work/bitmind_client" >"$work/generate.log" 2>&1
grep '^WARNING' "$work/generate.log" || true
PYTHONPATH="$work" "$py" interop/openapi.py "$server" samples
