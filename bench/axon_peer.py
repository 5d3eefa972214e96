"""Serves a no-op axon of the Python SDK, as `axonload -mode axon` does in Go.

Run by bench/run.sh: python axon_peer.py PORT
"""

import signal
import sys
import types

import bittensor as bt
from bittensor_wallet import Keypair


class ImageSynapse(bt.Synapse):
    image: str = ""
    prediction: float = -1.0


def forward(synapse: ImageSynapse) -> ImageSynapse:
    return synapse


def main():
    port = int(sys.argv[1])
    bob = Keypair.create_from_uri("//Bob")
    wallet = types.SimpleNamespace(hotkey=bob, coldkeypub=bob)
    axon = bt.Axon(
        wallet=wallet, port=port, ip="127.0.0.1",
        external_ip="127.0.0.1", external_port=port,
    )
    axon.attach(forward_fn=forward)
    axon.start()
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    axon.stop()


if __name__ == "__main__":
    main()
