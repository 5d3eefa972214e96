#!/usr/bin/env bash
# Compares our axon and dendrite with the Python SDK's, in turns, and prints one
# line of figures a measurement and the medians with their ratios at the end.
#
#   bench/axon.sh [ROUNDS]
#
# axon      no-op handler, signatures checked, 256 kept-alive connections, the
#           same load generator for both; load and axon share the machine
# dendrite  256 axons (ours, in one process) asked at once with a 20 KB image
set -euo pipefail
cd "$(dirname "$0")/.."
rounds="${1:-3}"
python="$(bench/setup.sh)"
work="$(mktemp -d)"
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
go build -o "$work/axonload" ./bench/axonload

go_port="${GO_PORT:-19101}" python_port="${PYTHON_PORT:-19102}"
"$work/axonload" -mode axon -addr "127.0.0.1:$go_port" & pids+=($!)
"$python" bench/axon_peer.py "$python_port" >"$work/python.log" 2>&1 & pids+=($!)
"$work/axonload" -mode axons -axons 256 >"$work/targets.json" & pids+=($!)
for _ in $(seq 300); do
  if [[ -s "$work/targets.json" ]] &&
    (exec 3<>"/dev/tcp/127.0.0.1/$python_port") 2>/dev/null &&
    (exec 3<>"/dev/tcp/127.0.0.1/$go_port") 2>/dev/null; then
    break
  fi
  sleep 0.1
done

measure() { # name, command...
  local name="$1"; shift
  "$@" | tee -a "$work/$name" | sed "s/^/$name /"
}
for _ in $(seq "$rounds"); do
  measure axon-go "$work/axonload" -mode load -addr "127.0.0.1:$go_port" -n 51200
  measure axon-python "$work/axonload" -mode load -addr "127.0.0.1:$python_port" -n 1536
  measure dendrite-go "$work/axonload" -mode fanout -n 15 -bytes 20480 <"$work/targets.json"
  measure dendrite-python "$python" bench/dendrite_peer.py 3 20480 <"$work/targets.json"
done
"$python" - "$work" <<'PY'
import json, statistics, sys
def median(name, key):
    with open(f"{sys.argv[1]}/{name}") as f:
        return statistics.median(json.loads(line)[key] for line in f)
go, py = median("axon-go", "per_second"), median("axon-python", "per_second")
print(f"axon      {go:.0f} req/s (p99 {median('axon-go', 'p99_ms'):.1f} ms), "
      f"Python {py:.0f} req/s (p99 {median('axon-python', 'p99_ms'):.0f} ms): {go / py:.1f} times")
go, py = median("dendrite-go", "median_ms"), median("dendrite-python", "median_ms")
print(f"dendrite  {go:.1f} ms for 256 axons, Python {py:.0f} ms: {py / go:.1f} times")
PY
