"""Makes photo1024.jpg: noise with a photograph's 1/f spectrum, 1024 x 1024.

    python3 make.py        # needs pillow, numpy
"""
import os
import numpy as np
from PIL import Image

n = 1024
rng = np.random.default_rng(3)
f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n)[None, :])
f[0, 0] = 1
planes = []
for _ in range(3):
    spectrum = np.exp(2j * np.pi * rng.random((n, n))) / f**1.35
    plane = np.fft.ifft2(spectrum).real
    planes.append((plane - plane.mean()) / plane.std())
luma = planes[0] * 50 + 120
rgb = np.stack([luma + planes[1] * 14, luma, luma + planes[2] * 14], -1)
Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "photo1024.jpg"), quality=90)
