"""Asks 256 axons at once with the Python SDK's dendrite, as `axonload -mode
fanout` does in Go, and prints the same line of figures.

Run by bench/run.sh: python dendrite_peer.py ROUNDS IMAGE_BYTES < targets.json
"""

import asyncio
import base64
import hashlib
import json
import statistics
import sys
import time

import bittensor as bt
from bittensor.core.chain_data import AxonInfo
from bittensor.utils import networking
from bittensor_wallet import Keypair

# Finding the external address asks services on the internet.
networking.get_external_ip = lambda: "192.0.2.10"


class ImageSynapse(bt.Synapse):
    image: str = ""
    prediction: float = -1.0


def image(size):
    data = b""
    i = 0
    while len(data) < size:
        data += hashlib.sha256(bytes([i & 255, i >> 8 & 255, i >> 16 & 255])).digest()
        i += 1
    return base64.b64encode(data[:size]).decode()


async def main():
    rounds, size = int(sys.argv[1]), int(sys.argv[2])
    axons = [
        AxonInfo(version=10005000, ip=t["ip"], port=t["port"], ip_type=4,
                 hotkey=t["hotkey"], coldkey=t["hotkey"])
        for t in json.load(sys.stdin)
    ]
    synapse = ImageSynapse(image=image(size))
    took = []
    async with bt.Dendrite(wallet=Keypair.create_from_uri("//Alice")) as dendrite:
        for i in range(rounds + 1):
            start = time.perf_counter()
            answers = await dendrite.forward(axons, synapse, timeout=60, deserialize=False)
            if i > 0:
                took.append((time.perf_counter() - start) * 1000)
            dendrite.synapse_history.clear()
            bad = [a.dendrite.status_message for a in answers if not a.is_success]
            if bad:
                sys.exit(f"{len(bad)} of {len(answers)} failed: {bad[0]}")
    print(json.dumps({"requests": rounds * len(axons),
                      "median_ms": round(statistics.median(took), 3)}))


asyncio.run(main())
