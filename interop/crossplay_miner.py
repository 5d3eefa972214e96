"""A miner of this subnet written with the Python SDK.

    python crossplay_miner.py RPC WALLETS NAME

It judges an image by how well it compresses, which is crude and honest. Prints what
it was asked when it is told to end.
"""

import base64
import signal
import socket
import sys
import threading
import typing

import bittensor as bt
from bittensor_wallet import Wallet


class ImageSynapse(bt.Synapse):
    image: str = ""
    prediction: float = -1.0

    def deserialize(self) -> float:
        return self.prediction


rpc, wallets, name = sys.argv[1:]
callers, refused = {}, []


def forward(synapse: ImageSynapse) -> ImageSynapse:
    jpeg = base64.b64decode(synapse.image)
    if not jpeg.startswith(b"\xff\xd8"):
        refused.append(jpeg[:4].hex())
        return synapse
    caller = synapse.dendrite.hotkey
    callers[caller] = callers.get(caller, 0) + 1
    # Smooth pictures are small: more likely made than taken.
    synapse.prediction = 1.0 if len(jpeg) < 16_000 else 0.0
    return synapse


def blacklist(synapse: ImageSynapse) -> typing.Tuple[bool, str]:  # the SDK compares the signature
    registered = subtensor.is_hotkey_registered_on_subnet(synapse.dendrite.hotkey, 1)
    return not registered, "registered" if registered else "not registered"


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]

wallet = Wallet(name=name, hotkey="default", path=wallets)
subtensor = bt.Subtensor(network=rpc)
axon = bt.Axon(wallet=wallet, ip="127.0.0.1", port=port, external_ip="127.0.0.1", external_port=port)
axon.attach(forward_fn=forward, blacklist_fn=blacklist)
axon.start()
axon.serve(netuid=1, subtensor=subtensor)
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
while not ended.wait(0.2):
    pass
axon.stop()
asked = sum(callers.values())
good = asked >= 20 and len(callers) == 1 and not refused
print(f"{'ok' if good else 'FAIL'} the Python miner answered {asked} requests of {len(callers)} validator" + (f": no JPEG: {refused[:3]}" if refused else ""), flush=True)
