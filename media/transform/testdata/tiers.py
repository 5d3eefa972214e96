"""Records what Pillow makes of source.png at each tier: tier-*.png.

    python media/transform/testdata/tiers.py     # Pillow 13
"""
import io
import pathlib

from PIL import Image

here = pathlib.Path(__file__).parent
source = Image.open(here / "source.png").convert("RGB").crop((0, 0, 150, 111))
w, h = source.size


def halved():
    return source.resize((w // 2, h // 2)).resize((w, h))  # bicubic, the default


def saved(img, **how):
    buf = io.BytesIO()
    img.save(buf, **how)
    return Image.open(buf).convert("RGB")


thumb = source.copy()
thumb.thumbnail((128, 128))
for name, img in {
    "half-jpeg55": saved(halved(), format="JPEG", quality=55),
    "half-webp75": saved(halved(), format="WEBP", quality=75),
    "half-jpeg80": saved(halved(), format="JPEG", quality=80),
    "jpeg50": saved(source, format="JPEG", quality=50),
    "thumb128": thumb,
}.items():
    img.save(here / f"tier-{name}.png", optimize=True)
