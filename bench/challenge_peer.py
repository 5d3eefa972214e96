"""The original subnet's challenge in Pillow and torchvision: the peer of
BenchmarkChallenge1024 in subnet/challenge.

    python bench/challenge_peer.py [SECONDS]

Decodes the same 1024-pixel JPEG, transforms it at random and encodes it as JPEG,
on one thread, and prints one JSON object: challenges per second of wall time and
processor milliseconds per challenge. Needs torch, torchvision and pillow.
"""

import io
import json
import os
import sys
import time

import PIL
import torch
import torchvision
from PIL import Image
from torchvision import transforms

torch.set_num_threads(1)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "subnet", "challenge", "testdata", "photo1024.jpg")
data = open(path, "rb").read()
# The parameters of BitMind subnet v1.0.0.
chain = transforms.Compose([
    transforms.RandomResizedCrop(256),
    transforms.RandomHorizontalFlip(),
    transforms.RandomVerticalFlip(),
    transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2),
    transforms.RandomRotation(20),
])


def challenge():
    out = io.BytesIO()
    chain(Image.open(io.BytesIO(data)).convert("RGB")).save(out, format="JPEG")
    return out.getvalue()


for _ in range(5):
    challenge()
seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3
n, start, cpu = 0, time.perf_counter(), time.process_time()
while time.perf_counter() - start < seconds:
    challenge()
    n += 1
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
print(json.dumps({
    "challenges_per_s": round(n / wall, 1), "cpu_ms": round(cpu / n * 1e3, 2),
    "pillow": PIL.__version__, "torchvision": torchvision.__version__,
}))
