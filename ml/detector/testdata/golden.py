"""Makes pil_golden.json: what PIL and torchvision give for the pictures and steps
that preprocess_test.go tries. Needs pillow, torch and torchvision.

  python ml/detector/testdata/golden.py > ml/detector/testdata/pil_golden.json
"""

import hashlib
import json
import sys

import numpy as np
import PIL
import torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode

FILTERS = {"box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def picture(w, h, kind):
    """Noise from a linear congruential generator, or hard black and white stripes."""
    data, state = bytearray(), w * 65536 + h
    for i in range(3 * w * h):
        state = (state * 1664525 + 1013904223) % 2**32
        data.append(state >> 24 if kind == "noise" else 255 * (state >> 31))
    return Image.frombytes("RGB", (w, h), bytes(data))


def digest(data):
    return hashlib.sha256(data).hexdigest()


resizes = []
SIZES = [(64, 64), (256, 256), (301, 255), (97, 31), (5, 3), (1, 1), (1, 40), (640, 7), (60, 130), (300, 64)]
TARGETS = [(32, 32), (64, 64), (224, 224), (7, 90), (1, 1), (300, 31), (50, 80), (50, 111), (61, 129)]
for w, h in SIZES:
    for kind in ("noise", "stripes"):
        img = picture(w, h, kind)
        for tw, th in TARGETS:
            for name, filter in FILTERS.items():
                resizes.append([w, h, kind, tw, th, name, digest(img.resize((tw, th), filter).tobytes())])

pipelines = []
for w, h, short, crop, filter in [
    (640, 480, 256, 224, "bilinear"), (333, 517, 256, 224, "bicubic"), (100, 100, 64, 64, "bilinear"),
    (256, 256, 256, 224, "bilinear"), (1000, 201, 232, 224, "bicubic"), (50, 61, 96, 64, "bilinear"),
    (300, 900, 256, 224, "bilinear"), (900, 250, 231, 224, "bicubic"),
]:
    # Even differences between the sides and the crop: torchvision rounds halves to
    # even where we round down.
    steps = T.Compose([T.Resize(short, MODES[filter]), T.CenterCrop(crop), T.ToTensor(),
                       T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    img = picture(w, h, "noise")
    resized = T.Resize(short, MODES[filter])(img).size
    if any((s - crop) % 4 == 1 or (s - crop) % 4 == 3 for s in resized):
        # Cut by hand at the rounded-down corner.
        left, top = (resized[0] - crop) // 2, (resized[1] - crop) // 2
        steps.transforms[1] = lambda i, l=left, t=top, c=crop: i.crop((l, t, l + c, t + c))
    pipelines.append([w, h, short, crop, filter, digest(steps(img).numpy().astype("<f4").tobytes())])

pads = []
for w, h, size in [(5, 7, 16), (1, 3, 8), (30, 12, 20), (2, 2, 9), (16, 15, 16)]:
    a = np.asarray(picture(w, h, "noise"))
    y, x = max(size - h, 0), max(size - w, 0)
    a = np.pad(a, ((y // 2, y - y // 2), (x // 2, x - x // 2), (0, 0)), mode="reflect")
    top, left = (a.shape[0] - size) // 2, (a.shape[1] - size) // 2
    pads.append([w, h, size, digest(a[top : top + size, left : left + size].tobytes())])

json.dump({"pillow": PIL.__version__, "torchvision": torchvision.__version__.split("+")[0],
           "resizes": resizes, "pipelines": pipelines, "pads": pads}, sys.stdout, indent=0)
