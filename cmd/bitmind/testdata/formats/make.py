"""Writes, as PNG, what PIL reads from the pictures of this folder.

    python3 make.py        # needs pillow, pillow-heif
"""
import os
import pillow_heif
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
here = os.path.dirname(os.path.abspath(__file__))
for name in ("photo.heic", "photo.avif", "webp-animated.webp", "gif-transparent.gif", "orientation-6.jpg"):
    path = os.path.join(here, name)
    ImageOps.exif_transpose(Image.open(path)).convert("RGB").save(path + ".rgb.png", optimize=True)
