#!/usr/bin/env bash
# Runs the benchmarks, each in turns with its Python peer where there is one, and
# prints one table: figure, ours, peer, ratio, aim.
#
#   bench/run.sh                 five rounds: about 15 minutes on 2 cores
#   bench/run.sh quick           one short round
#   bench/run.sh [quick] PART... only these: npr runtime loader first axon challenge api
#                                store chain sdk
#
# Every measurement is kept in dist/bench.json. docs/benchmarks.md says what the
# figures mean. The peers are installed once by scripts/python.sh; one that cannot
# be installed is left out.
set -euo pipefail
export LC_ALL=C # EPOCHREALTIME with a point
cd "$(dirname "$0")/.."

rounds=5 seconds=3 axon_requests=(51200 1536) fanouts=(15 3) metagraphs=(50 5)
if [[ "${1:-}" == quick ]]; then
  rounds=1 seconds=1 axon_requests=(10240 512) fanouts=(5 1) metagraphs=(20 3)
  shift
fi
parts=("$@")
[[ $# -gt 0 ]] || parts=(npr runtime loader first axon challenge api store chain sdk)

work="$(mktemp -d)"
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

loud() { printf '\n*** %s ***\n\n' "$*" >&2; }

# peer NAME prints the python of a peer, nothing where there is none.
peer() {
  scripts/python.sh "$1" || loud "the peer $1 cannot be installed: its figures are left out"
}

# measure SERIES COMMAND... adds the figures that the command prints to a series,
# such as axon.peer.
measure() {
  local series="$1"; shift
  "$@" | tee -a "$work/$series" | sed "s/^/$series /"
}

# gobench BINARY PATTERN [FLAG...] runs benchmarks of a package's test binary in
# that package's folder.
gobench() {
  local name="$1" pattern="$2"; shift 2
  (cd "$work/$name.dir" && "$work/$name" -test.run '^$' -test.bench "$pattern" -test.benchtime "${seconds}s" "$@") | grep ^Benchmark
}

# testbinary NAME PACKAGE builds what gobench runs.
testbinary() {
  go test -c -o "$work/$1" "./$2"
  ln -s "$PWD/$2" "$work/$1.dir"
}

# timed COMMAND... prints the wall time of a whole process.
timed() {
  local start="$EPOCHREALTIME"
  "$@" >/dev/null
  awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "{\"seconds\": %.4f}\n", b - a }'
}

# Images per second and memory of NPR, the same random weights in both.
npr() {
  local batch
  for batch in 1 16; do
    measure "npr-$batch.ours" "$work/nprload" -detector "$work/npr-random" -batch "$batch" -seconds "$seconds"
    [[ -z "$torch" ]] || measure "npr-$batch.peer" "$torch" bench/npr_peer.py bench "$work/npr-random/npr.safetensors" "$batch" "$seconds"
  done
}

# The graph of NPR alone, on a tensor that is ready, beside ONNX Runtime's C API
# (the same library) and its Python package.
runtime() {
  local batch
  for batch in 1 8; do
    measure "bare-$batch.ours" "$work/nprload" -bare -detector "$work/npr-random" -batch "$batch" -seconds "$seconds"
    measure "bare-$batch.peer" "$work/ortc" "$library" "$work/npr-random/model.onnx" "$batch" "$seconds"
    measure "bare-python-$batch.ours" "$work/nprload" -bare -detector "$work/npr-random" -batch "$batch" -seconds "$seconds"
    [[ -z "$peers" ]] || measure "bare-python-$batch.peer" "$peers" bench/ort_peer.py "$work/npr-random/model.onnx" "$batch" "$seconds"
  done
}

# Pictures read, augmented and normalised for training.
loader() {
  measure loader-robust.ours gobench loader.test 'Loader/robust/workers=2$'
  measure loader-challenge.ours gobench loader.test 'Loader/challenge/workers=2$'
}

# Start of the process to its first prediction, twice a round.
first() {
  local photo=samples/real/gcompris-monuments/ajanta-cave.jpg
  for _ in 1 2; do
    measure first.ours timed "$work/bitmind" predict "$photo"
    measure first-fast.ours timed "$work/bitmind" predict --model fast "$photo"
    measure first-npr.ours timed "$work/bitmind" predict --model "$work/npr-random" --threads 2 "$photo"
    [[ -z "$torch" ]] || measure first-npr.peer timed "$torch" bench/npr_peer.py predict "$work/npr-random/npr.safetensors" "$photo"
  done
}

# Both axons check every signature; the same load generator drives both, on the
# same cores. Both dendrites ask the same 256 axons, ours, with a 20 KB image.
axon() {
  measure axon.ours "$work/axonload" -mode load -addr "127.0.0.1:$our_port" -n "${axon_requests[0]}"
  [[ -z "$bittensor" ]] || measure axon.peer "$work/axonload" -mode load -addr "127.0.0.1:$peer_port" -n "${axon_requests[1]}"
  measure dendrite.ours "$work/axonload" -mode fanout -n "${fanouts[0]}" -bytes 20480 <"$work/targets.json"
  [[ -z "$bittensor" ]] || measure dendrite.peer "$bittensor" bench/dendrite_peer.py "${fanouts[1]}" 20480 <"$work/targets.json"
}

challenge() {
  local cores
  cores="$(nproc)"
  measure challenge-one.ours gobench challenge.test 'Challenge1024/one$' -test.cpu 1
  [[ -z "$torch" ]] || measure challenge-one.peer "$torch" bench/challenge_peer.py "$seconds" 1
  measure challenge-all.ours gobench challenge.test 'Challenge1024/all$'
  [[ -z "$torch" ]] || measure challenge-all.peer "$torch" bench/challenge_peer.py "$seconds" "$cores"
}

# What a validator and the service write for each challenge and request.
store() {
  measure store-append.ours gobench store.test 'Append/SQLite$'
  measure store-detection.ours gobench store.test 'AddDetection/SQLite$'
  measure store-key.ours gobench store.test 'Authenticate/SQLite$'
  measure store-miner.ours gobench store.test 'Miner/SQLite$'
}

# Detections by HTTP of 512-pixel JPEGs, the same graph in both, what only ours does
# left out; then many large pictures at once, each round at a fresh service.
api() {
  local model clients
  for model in fast best; do
    for clients in 1 16 64; do
      measure "api-$model-$clients.ours" "$work/apiload" -clients "$clients" -seconds "$seconds" -pid "${serve_pid[$model]}" \
        -url "http://127.0.0.1:${serve_port[$model]}/v1/detect?robustness=false&provenance=false"
      [[ -z "$fastapi" ]] || measure "api-$model-$clients.peer" "$work/apiload" -clients "$clients" -seconds "$seconds" \
        -pid "${peer_pid[$model]}" -url "http://127.0.0.1:${peer_port_of[$model]}/v1/detect"
    done
  done
  "$work/bitmind" serve --listen 127.0.0.1:19120 --store "$work/flood.db" 2>"$work/flood.log" &
  local flooded=$!
  pids+=("$flooded")
  ready 19120
  measure api-flood.ours "$work/apiload" -flood 500 -pid "$flooded" -url http://127.0.0.1:19120/v1/detect
  kill "$flooded"
  wait "$flooded" || true
}

chain() {
  measure blocks-memory.ours gobench localnet.test 'Blocks/memory$'
  measure blocks-disk.ours gobench localnet.test 'Blocks/disk$'
  measure epoch-yuma2.ours gobench yuma.test 'Epoch256x64/yuma2$'
  measure epoch-yuma3-liquid.ours gobench yuma.test 'Epoch256x64/yuma3-liquid$'
  measure epoch-block.ours gobench localnet.test 'EpochBlock$'
  measure epoch-1024.ours gobench localnet.test 'Epoch1024x64/disk$'
  measure block-1000.ours gobench localnet.test 'Block1000Extrinsics$'
}

# Both clients connect to the same chain, which runs on the same cores, read its
# subnet of 256 neurons and send it 256 set_weights.
sdk() {
  measure metagraph.ours "$work/sdkload" metagraph "$chain" "${metagraphs[0]}"
  [[ -z "$bittensor" ]] || measure metagraph.peer "$bittensor" bench/sdk_peer.py metagraph "$chain" "${metagraphs[1]}"
  measure weights.ours "$work/sdkload" weights "$chain" 256
  [[ -z "$bittensor" ]] || measure weights.peer "$bittensor" bench/sdk_peer.py weights "$chain" 256
  measure verify.ours gobench wallet.test 'Verify$' -test.cpu 1
  [[ -z "$bittensor" ]] || measure verify.peer "$bittensor" bench/sdk_peer.py verify "$seconds"
  measure decode.ours gobench substrate.test 'DecodeNeurons$' -test.cpu 1
}

# serving PORT waits until something listens there.
serving() {
  for _ in $(seq 600); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    sleep 0.1
  done
  echo "nothing listens on port $1" >&2
  return 1
}

# ready PORT waits until the service there answers.
ready() {
  for _ in $(seq 600); do
    if curl -sf "http://127.0.0.1:$1/readyz" >/dev/null; then return; fi
    sleep 0.1
  done
  echo "the service on port $1 is not ready" >&2
  return 1
}

# prepare_PART builds and starts what a part needs.
prepare_torch() { [[ -v torch ]] || torch="$(peer torch)"; }
prepare_npr() {
  prepare_torch
  go build -o "$work/nprload" ./bench/nprload
  "$work/nprload" -write "$work/npr-random"
}
prepare_runtime() {
  prepare_npr
  peers="$(peer peers)"
  library="$(scripts/onnxruntime.sh)"
  cc -O2 -I "$(go list -m -f '{{.Dir}}' github.com/yalue/onnxruntime_go)" -o "$work/ortc" bench/ortc/main.c -ldl
}
prepare_loader() { testbinary loader.test ml/loader; }
prepare_first() {
  prepare_npr
  go build -o "$work/bitmind" ./cmd/bitmind
  timed "$work/bitmind" predict --model fast samples/real/gcompris-monuments/ajanta-cave.jpg >/dev/null # into the page cache
}
prepare_axon() {
  bittensor="$(peer sdk-10.5.0)" our_port=19101 peer_port=19102
  go build -o "$work/axonload" ./bench/axonload
  "$work/axonload" -mode axon -addr "127.0.0.1:$our_port" & pids+=($!)
  "$work/axonload" -mode axons -axons 256 >"$work/targets.json" & pids+=($!)
  if [[ -n "$bittensor" ]]; then
    "$bittensor" bench/axon_peer.py "$peer_port" >"$work/axon_peer.log" 2>&1 & pids+=($!)
    serving "$peer_port"
  fi
  serving "$our_port"
  until [[ -s "$work/targets.json" ]]; do sleep 0.1; done
}
prepare_challenge() {
  prepare_torch
  testbinary challenge.test subnet/challenge
}
prepare_api() {
  fastapi="$(peer fastapi)"
  declare -gA serve_pid serve_port=([fast]=19111 [best]=19112) peer_pid peer_port_of=([fast]=19113 [best]=19114)
  go build -o "$work/bitmind" ./cmd/bitmind
  go build -o "$work/apiload" ./bench/apiload
  local model
  for model in fast best; do
    "$work/bitmind" serve --model "$model" --listen "127.0.0.1:${serve_port[$model]}" --store "$work/$model.db" 2>"$work/$model.log" &
    serve_pid[$model]=$!
    pids+=($!)
    if [[ -n "$fastapi" ]]; then
      "$fastapi" bench/api_peer.py "models/$model" "${peer_port_of[$model]}" 2>"$work/peer-$model.log" &
      peer_pid[$model]=$!
      pids+=($!)
      serving "${peer_port_of[$model]}"
    fi
    ready "${serve_port[$model]}"
  done
}
prepare_store() {
  testbinary store.test subnet/store
}
prepare_sdk() {
  bittensor="$(peer sdk-10.5.0)"
  go build -o "$work/sdkchain" ./bench/sdkchain
  go build -o "$work/sdkload" ./bench/sdkload
  testbinary wallet.test bittensor/wallet
  testbinary substrate.test bittensor/substrate
  "$work/sdkchain" >"$work/chain.url" & pids+=($!)
  until [[ -s "$work/chain.url" ]]; do
    kill -0 "${pids[-1]}" # it may have failed
    sleep 0.1
  done
  chain="$(cat "$work/chain.url")"
}
prepare_chain() {
  testbinary localnet.test bittensor/localnet
  testbinary yuma.test bittensor/yuma
}

read -r load _ </proc/loadavg
if awk -v l="$load" 'BEGIN { exit !(l > 1) }'; then
  loud "the load is $load: other work on this machine will show in the figures"
fi
for part in "${parts[@]}"; do
  "prepare_$part"
  for _ in $(seq "$rounds"); do "$part"; done
done
mkdir -p dist
echo
go run ./bench/report "$work" dist/bench.json
