"""Makes golden.json and its pictures with torchvision on PIL pictures.

    python3 make.py        # needs torch, torchvision, numpy and pillow 10.3, of the subnet's time:
                           # from about 13 on, pillow resizes down before across where
                           # that is less work, which rounds differently
"""
import json, os
import numpy as np
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(11)
W, H = 230, 170
y, x = np.mgrid[0:H, 0:W]
base = np.stack([128 + 120 * np.sin(x / 17 + y / 60), y * 255 / H, 128 + 100 * np.cos((x * y) / 900)], -1)
base += rng.normal(0, 12, base.shape)
base[20:70, 40:60] = 128          # grey has no hue
base[90:120, 100:160] = (0, 0, 0)
base[120:150, 100:160] = (255, 10, 255)
source = Image.fromarray(base.clip(0, 255).astype(np.uint8))
source.save(os.path.join(here, "source.png"), optimize=True)

names = ["brightness", "contrast", "saturation", "hue"]
cases = []
for n in range(24):
    size = [64, 96, 48][n % 3]
    w, h = int(rng.integers(30, W + 1)), int(rng.integers(30, H + 1))
    if n == 0:
        w, h = W, H
    if n == 1:
        w, h = size, size
    if n == 2:
        w, h = 20, 17  # enlarged
    left, top = int(rng.integers(0, W - w + 1)), int(rng.integers(0, H - h + 1))
    order = [names[i] for i in rng.permutation(4)]
    p = dict(source_width=W, source_height=H, left=left, top=top, width=w, height=h, size=size,
             flip_horizontal=bool(n & 1), flip_vertical=bool(n & 2), order=order,
             brightness=float(rng.uniform(.8, 1.2)), contrast=float(rng.uniform(.8, 1.2)),
             saturation=float(rng.uniform(.8, 1.2)), hue=float(rng.uniform(-.2, .2)),
             angle=float([0, 90, -180][n - 3]) if 3 <= n < 6 else float(rng.uniform(-20, 20)))
    img = F.resized_crop(source, top, left, h, w, [size, size], InterpolationMode.BILINEAR, antialias=True)
    if p["flip_horizontal"]: img = F.hflip(img)
    if p["flip_vertical"]: img = F.vflip(img)
    for s in order:
        img = getattr(F, "adjust_" + s)(img, p[s])
    img = F.rotate(img, p["angle"], InterpolationMode.NEAREST, False, None, fill=0)
    name = f"golden{n:02d}.png"
    img.save(os.path.join(here, name), optimize=True)
    cases.append(dict(file=name, params=p))
json.dump(cases, open(os.path.join(here, "golden.json"), "w"), indent=1)
