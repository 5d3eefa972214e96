"""A validator of this subnet written with the Python SDK: it asks one miner 20 times,
scores it, and sets weights.

    python crossplay_validator.py RPC WALLETS NAME MINER-HOTKEY SAMPLES
"""

import asyncio
import base64
import itertools
import pathlib
import sys

import bittensor as bt
from bittensor.utils import networking
from bittensor_wallet import Wallet

ROUNDS = 20


class ImageSynapse(bt.Synapse):
    image: str = ""
    prediction: float = -1.0

    def deserialize(self) -> float:
        return self.prediction


rpc, wallets, name, miner, samples = sys.argv[1:]
failed = False


def check(what, good, why=""):
    global failed
    failed = failed or not good
    print(f"{'ok' if good else 'FAIL'} {what}" + ("" if good else f": {why}"), flush=True)


def pictures(kind):
    """JPEGs of as many different sources as there are."""
    sources = [sorted(folder.glob("*.jpg")) for folder in sorted(pathlib.Path(samples, kind).iterdir()) if folder.is_dir()]
    for row in itertools.cycle(itertools.zip_longest(*sources)):
        yield from (path for path in row if path)


async def rounds(dendrite, axon):
    """(label, response) of each round; half of the images are real."""
    out = []
    real, fake = pictures("real"), pictures("fake")
    for i in range(ROUNDS):
        path = next(fake if i % 2 else real)
        synapse = ImageSynapse(image=base64.b64encode(path.read_bytes()).decode())
        out.append((i % 2, await dendrite.forward(axons=axon, synapse=synapse, timeout=20, deserialize=False)))
    await dendrite.aclose_session()
    return out


wallet = Wallet(name=name, hotkey="default", path=wallets)
subtensor = bt.Subtensor(network=rpc)
metagraph = subtensor.metagraph(1)
uid = metagraph.hotkeys.index(miner)
try:
    networking.get_external_ip()
except networking.ExternalIPNotFound:
    # A dendrite asks the internet for its own address, which it then only puts into a
    # header.
    print("note the Python dendrite wants its own address from the internet, which is out of reach here: it is told 127.0.0.1", flush=True)
    networking.get_external_ip = lambda: "127.0.0.1"
answers = asyncio.run(rounds(bt.Dendrite(wallet=wallet), metagraph.axons[uid]))

bad = [f"status {r.dendrite.status_code} ({r.dendrite.status_message}), prediction {r.prediction}"
       for _, r in answers if r.dendrite.status_code != 200 or not 0 <= r.prediction <= 1]
right = sum(round(r.prediction) == label for label, r in answers)
slowest = max(float(r.dendrite.process_time or 0) for _, r in answers)
check(f"our miner answers a Python validator: {ROUNDS} rounds, right in {right}, the slowest {slowest:.2f} s", not bad and len(answers) == ROUNDS, "; ".join(bad[:3]))
check("our miner answers differently to different images", len({r.prediction for _, r in answers}) > 5, str([r.prediction for _, r in answers]))

result = subtensor.set_weights(wallet=wallet, netuid=1, uids=[uid], weights=[right / ROUNDS], max_attempts=3, wait_for_finalization=False)
check("the Python validator sets weights", bool(result.success), str(result.message))
weights = dict(subtensor.weights(netuid=1))
mine = dict(weights.get(metagraph.hotkeys.index(wallet.hotkey.ss58_address), []))
check("the chain holds them", mine == {uid: 65535}, str(weights))
sys.exit(1 if failed else 0)
