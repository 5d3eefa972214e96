"""Makes the pictures of this folder and, as PNG, what PIL reads from them.

    python3 make.py        # needs pillow, numpy

For X.<format> the expected RGB is X.<format>.rgb.png.
"""
import io, os
import numpy as np
from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)
W, H = 45, 35  # odd, and no multiple of a block
y, x = np.mgrid[0:H, 0:W]
base = np.stack([x * 255 / W, y * 255 / H, (np.sin(x / 5) + np.cos(y / 4) + 2) * 63], -1)
base += rng.normal(0, 6, base.shape)
base[5:15, 8:20] = (230, 20, 30)
rgb = Image.fromarray(base.clip(0, 255).astype(np.uint8), "RGB")
alpha = Image.fromarray((x * 255 // W).astype(np.uint8), "L")
rgba = rgb.copy(); rgba.putalpha(alpha)


def save(name, img, **kw):
    path = os.path.join(here, name)
    img.save(path, **kw)
    expect(name)


def expect(name):
    path = os.path.join(here, name)
    got = Image.open(path)
    if got.mode.startswith("I"):  # PIL clips 16-bit grey; the upper byte is what is meant
        got = Image.fromarray((np.asarray(got).astype(np.uint32) >> 8).astype(np.uint8), "L")
    got = ImageOps.exif_transpose(got).convert("RGB")
    got.save(path + ".rgb.png", optimize=True)


for sub, tag in ((0, "444"), (1, "422"), (2, "420")):
    save(f"base{tag}.jpg", rgb, quality=88, subsampling=sub)
save("progressive.jpg", rgb, quality=80, progressive=True)
save("restart.jpg", rgb, quality=80, restart_marker_blocks=2)
save("grey.jpg", rgb.convert("L"), quality=80)
save("cmyk.jpg", rgb.convert("CMYK"), quality=90)
save("rgbcomp.jpg", rgb, quality=90, keep_rgb=True)
save("narrow.jpg", rgb.crop((0, 0, 3, 20)), quality=90, subsampling=2)
for o in range(1, 9):
    ex = Image.Exif(); ex[0x0112] = o
    save(f"orient{o}.jpg", rgb, quality=85, exif=ex)
ex = Image.Exif(); ex[0x0112] = 6
save("orient6.png", rgb, exif=ex)
save("orient6.webp", rgb, exif=ex, lossless=True)
save("rgb.png", rgb)
save("rgba.png", rgba)
save("grey.png", rgb.convert("L"))
save("greyalpha.png", rgba.convert("LA"))
save("palette.png", rgb.quantize(31))
save("palettealpha.png", rgb.quantize(16), transparency=3)
save("onebit.png", rgb.convert("1"))
save("grey16.png", Image.fromarray((base[..., 0].clip(0, 255) * 257).astype(np.uint16)))
save("lossy.webp", rgb, quality=85)
save("lossyalpha.webp", rgba, quality=85)
save("lossless.webp", rgb, lossless=True)
save("losslessalpha.webp", rgba, lossless=True, exact=True)
save("losslesspalette.webp", rgb.quantize(7).convert("RGB"), lossless=True)
save("plain.gif", rgb.quantize(64))
save("interlaced.gif", rgb.quantize(64), interlace=1)
save("frames.gif", rgb.quantize(64), save_all=True, append_images=[ImageOps.mirror(rgb).quantize(64)])
save("progressive444.jpg", rgb, quality=92, subsampling=0, progressive=True, restart_marker_blocks=5)
save("progressivegrey.jpg", rgb.convert("L"), quality=95, progressive=True)
save("lossless2.webp", rgb, lossless=True, method=6, quality=100)
save("lossless4.webp", rgb.quantize(4).convert("RGB"), lossless=True)
save("losslessmany.webp", Image.fromarray(np.tile(np.asarray(rgb), (5, 6, 1))[:170, :260], "RGB"), lossless=True, method=6)
save("losslesstwo.webp", rgb.convert("1").convert("RGB"), lossless=True)
save("losslessfast.webp", rgb, lossless=True, method=0, quality=0)
