"""Measures the Python SDK's chain client as `sdkload` measures ours, on the same chain,
and prints the same figures.

Run by bench/run.sh: python sdk_peer.py metagraph|weights URL N
                     python sdk_peer.py verify SECONDS
"""

import json
import resource
import statistics
import sys
import tempfile
import time

import bittensor as bt
from bittensor.core.extrinsics.weights import set_weights_extrinsic
from bittensor_wallet import Keypair, Wallet

NETUID, NEURONS = 1, 256
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"

if sys.argv[1] == "verify":
    key, message = Keypair.create_from_uri("//Alice"), bytes(220)
    signature = key.sign(message)
    done, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < float(sys.argv[2]):
        assert key.verify(message, signature)
        done += 1
    print(json.dumps({"verifies/s": done / took}))
    sys.exit()

what, url, n = sys.argv[1], sys.argv[2], int(sys.argv[3])


def timed(f):
    start = time.perf_counter()
    result = f()
    return result, (time.perf_counter() - start) * 1000


def connect():
    subtensor = bt.Subtensor(network=url)
    subtensor.get_balance(ALICE)
    return subtensor


subtensor, connect_ms = timed(connect)
if what == "metagraph":
    took = []
    for _ in range(n):
        graph, ms = timed(lambda: subtensor.metagraph(NETUID))
        assert len(graph.uids) == NEURONS, graph
        took.append(ms)
    figures = {"connect_ms": connect_ms, "metagraph_ms": statistics.median(took),
               "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
else:
    key = Keypair.create_from_uri("//neuron1")
    wallet = Wallet(name="bench", hotkey="bench", path=tempfile.mkdtemp())
    wallet.set_hotkey(key, encrypt=False, overwrite=True)
    wallet.set_coldkey(key, encrypt=False, overwrite=True)

    def nonce():
        return subtensor.substrate.query("System", "Account", [key.ss58_address]).value["nonce"]

    def send():
        for _ in range(n):
            done = set_weights_extrinsic(
                subtensor=subtensor, wallet=wallet, netuid=NETUID, mechid=0, uids=uids, weights=weights,
                version_key=0, raise_error=True, wait_for_inclusion=False, wait_for_finalization=False)
            assert done.success, done

    before = nonce()
    uids, weights = list(range(NEURONS)), [65535 - i for i in range(NEURONS)]
    _, ms = timed(send)
    while nonce() != before + n:
        time.sleep(0.2)
    figures = {"weights_ms": ms}
print(json.dumps(figures))
