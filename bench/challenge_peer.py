"""The original subnet's challenge in Pillow and torchvision: the peer of
BenchmarkChallenge1024 in subnet/challenge.

    python bench/challenge_peer.py [SECONDS [PROCESSES]]

Decodes the same 1024-pixel JPEG, transforms it at random and encodes it as JPEG,
in so many processes of one thread each, and prints one JSON object: challenges
per second of all together. Needs torch, torchvision and pillow.
"""

import io
import json
import multiprocessing
import os
import sys
import time

import torch
from PIL import Image
from torchvision import transforms

PHOTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "subnet", "challenge", "testdata", "photo1024.jpg")
# The parameters of BitMind subnet v1.0.0.
CHAIN = transforms.Compose([
    transforms.RandomResizedCrop(256),
    transforms.RandomHorizontalFlip(),
    transforms.RandomVerticalFlip(),
    transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2),
    transforms.RandomRotation(20),
])


def challenge(data):
    out = io.BytesIO()
    CHAIN(Image.open(io.BytesIO(data)).convert("RGB")).save(out, format="JPEG")
    return out.getvalue()


def measure(seconds, together):
    torch.set_num_threads(1)
    with open(PHOTO, "rb") as f:
        data = f.read()
    for _ in range(5):
        challenge(data)
    together.wait()
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        challenge(data)
        n += 1
    return n / (time.perf_counter() - start)


def child(seconds, together, rates):
    rates.put(measure(seconds, together))


def main(seconds=3.0, processes=1):
    fork = multiprocessing.get_context("fork")
    together, rates = fork.Barrier(processes), fork.Queue()
    children = [fork.Process(target=child, args=(seconds, together, rates)) for _ in range(processes)]
    for c in children:
        c.start()
    total = sum(rates.get() for _ in children)
    for c in children:
        c.join()
    print(json.dumps({"challenges/s": round(total, 1)}))


if __name__ == "__main__":
    main(*(t(a) for t, a in zip((float, int), sys.argv[1:])))
