"""Makes more pictures of this folder and, as PNG, what PIL reads from them: the
formats that are read beside JPEG, PNG, still WebP and GIF, and files that bend the
rules.

    python3 formats.py        # needs pillow, pillow-heif, numpy

For X.<format> the expected RGB is X.<format>.rgb.png.
"""
import io, os, struct, zlib
import numpy as np
import pillow_heif
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

pillow_heif.register_heif_opener()
here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(11)
W, H = 45, 35
y, x = np.mgrid[0:H, 0:W]
base = np.stack([x * 255 / W, y * 255 / H, (np.sin(x / 5) + np.cos(y / 4) + 2) * 63], -1)
base += rng.normal(0, 6, base.shape)
base[5:15, 8:20] = (230, 20, 30)
pixels = base.clip(0, 255).astype(np.uint8)
rgb = Image.fromarray(pixels, "RGB")
rgba = rgb.copy()
rgba.putalpha(Image.fromarray((x * 255 // W).astype(np.uint8), "L"))


def expect(name, want=None):
    path = os.path.join(here, name)
    if want is None:
        got = Image.open(path)
        if got.mode.startswith("I"):  # PIL clips 16-bit grey; the upper byte is what is meant
            got = Image.fromarray((np.asarray(got).astype(np.uint32) >> 8).astype(np.uint8), "L")
        want = ImageOps.exif_transpose(got).convert("RGB")
    want.save(path + ".rgb.png", optimize=True)


def save(name, img, **kw):
    img.save(os.path.join(here, name), **kw)
    expect(name)


def write(name, data, want=None):
    with open(os.path.join(here, name), "wb") as f:
        f.write(data)
    expect(name, want)


def encoded(img, format, **kw):
    buf = io.BytesIO()
    img.save(buf, format, **kw)
    return buf.getvalue()


# TIFF
for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
    save(f"{compression}.tif", rgb, compression=compression)
save("grey.tif", rgb.convert("L"))
save("greyalpha.tif", rgba.convert("LA"))
save("rgba.tif", rgba, compression="tiff_lzw")
save("palette.tif", rgb.quantize(31))
save("onebit.tif", rgb.convert("1"))
save("group4.tif", rgb.convert("1"), compression="group4")
save("group3.tif", rgb.convert("1"), compression="group3")
save("cmyk.tif", rgb.convert("CMYK"))
save("grey16.tif", Image.fromarray((base[..., 0].clip(0, 255) * 257).astype(np.uint16)))
save("pages.tif", rgb, save_all=True, append_images=[ImageOps.mirror(rgb)], compression="tiff_lzw")
info = TiffImagePlugin.ImageFileDirectory_v2()
info[0x112] = 6
save("orient6.tif", rgb, tiffinfo=info)
info = TiffImagePlugin.ImageFileDirectory_v2()
info[317] = 2
save("predictor.tif", rgb, compression="tiff_lzw", tiffinfo=info)


def tiff(tags, blocks, order=">"):
    """A TIFF of the tags (number: values) and the data of its strips or tiles."""
    mark = b"MM" if order == ">" else b"II"
    offsets = 324 if 322 in tags else 273
    tags = dict(tags)
    tags[offsets] = [0] * len(blocks)
    tags[325 if offsets == 324 else 279] = [len(b) for b in blocks]
    at = 8 + 2 + 12 * len(tags) + 4
    extra = b""
    placed = {}
    for t in sorted(tags):
        if len(tags[t]) > 1:
            placed[t] = at + len(extra)
            extra += b"\0" * (4 * len(tags[t]))
    start = at + len(extra)
    tags[offsets] = [start + sum(len(b) for b in blocks[:i]) for i in range(len(blocks))]
    entries, extra = b"", b""
    for t in sorted(tags):
        values = struct.pack(order + "%dL" % len(tags[t]), *tags[t])
        if len(tags[t]) > 1:
            extra += values
            values = struct.pack(order + "L", placed[t])
        entries += struct.pack(order + "HHL", t, 4, len(tags[t])) + values
    head = mark + struct.pack(order + "HL", 42, 8) + struct.pack(order + "H", len(tags))
    return head + entries + b"\0\0\0\0" + extra + b"".join(blocks)


common = {256: [W], 257: [H], 258: [8, 8, 8], 259: [1], 262: [2], 277: [3]}
planes = [pixels[..., c].tobytes() for c in range(3)]
write("planar.tif", tiff({**common, 284: [2], 278: [H]}, planes), rgb)
padded = np.zeros((48, 48, 3), np.uint8)
padded[:H, :W] = pixels
tiles = [zlib.compress(padded[j : j + 16, i : i + 16].tobytes()) for j in range(0, 48, 16) for i in range(0, 48, 16)]
write("tiled.tif", tiff({**common, 259: [8], 322: [16], 323: [16]}, tiles, "<"), rgb)
deep = (base.clip(0, 255) * 257).astype(">u2")
write("rgb16.tif", tiff({**common, 258: [16, 16, 16], 278: [H]}, [deep.tobytes()]),
      Image.fromarray((deep >> 8).astype(np.uint8), "RGB"))
four = pixels[..., 0] >> 4
row = np.zeros((H, (W + 1) // 2), np.uint8)
row[:, :] = four[:, 0::2] << 4
row[:, : W // 2] |= four[:, 1::2]
write("grey4.tif", tiff({**common, 258: [4], 262: [1], 277: [1], 278: [H]}, [row.tobytes()]),
      Image.fromarray(four * 17, "L").convert("RGB"))

# BMP
save("rgb.bmp", rgb)
save("palette.bmp", rgb.quantize(200))
save("grey.bmp", rgb.convert("L"))
save("onebit.bmp", rgb.convert("1"))
save("alpha.bmp", rgba)


def bmp(depth, storage, body, palette=b"", masks=b"", height=H, header=40):
    if header == 12:
        dib = struct.pack("<LHHHH", 12, W, height, 1, depth)
    else:
        dib = struct.pack("<LllHHLLllLL", 40, W, height, 1, depth, storage, len(body), 0, 0, len(palette) // 4, 0)
    at = 14 + len(dib) + len(masks) + len(palette)
    return b"BM" + struct.pack("<LLL", at + len(body), 0, at) + dib + masks + palette + body


def lines(rows):
    return b"".join(r + b"\0" * (-len(r) % 4) for r in rows)


bgr = pixels[..., ::-1]
write("topdown.bmp", bmp(24, 0, lines([r.tobytes() for r in bgr]), height=-H))
write("core.bmp", bmp(24, 0, lines([r.tobytes() for r in bgr[::-1]]), header=12))
p16 = (pixels >> np.array([3, 2, 3], np.uint8)).astype(np.uint16)
p565 = (p16[..., 0] << 11 | p16[..., 1] << 5 | p16[..., 2]).astype("<u2")
write("565.bmp", bmp(16, 3, lines([r.tobytes() for r in p565[::-1]]), masks=struct.pack("<LLL", 0xF800, 0x7E0, 0x1F)))
p5 = (pixels >> 3).astype(np.uint16)
p555 = (p5[..., 0] << 10 | p5[..., 1] << 5 | p5[..., 2]).astype("<u2")
write("555.bmp", bmp(16, 0, lines([r.tobytes() for r in p555[::-1]])))
q = rgb.quantize(16)
palette = b"".join(bytes([b, g, r, 0]) for r, g, b in np.array(q.getpalette()[:48]).reshape(-1, 3).tolist())
index = np.asarray(q)
rle8 = rle4 = b""
for r in index[::-1]:
    at = 0
    while at < W:
        n = 1
        while at + n < W and n < 255 and r[at + n] == r[at]:
            n += 1
        if n > 2 or at + 4 > W:
            rle8 += bytes([n, r[at]])
            rle4 += bytes([n, r[at] << 4 | r[at]])
            at += n
        else:
            part = r[at : at + 3]
            rle8 += bytes([0, 3, *part, 0])
            rle4 += bytes([0, 3, part[0] << 4 | part[1], part[2] << 4])
            at += 3
    rle8 += b"\0\0"
    rle4 += b"\0\0"
write("rle8.bmp", bmp(8, 1, rle8 + b"\0\1", palette))
write("rle4.bmp", bmp(4, 2, rle4 + b"\0\1", palette), q.convert("RGB"))

# HEIC and AVIF
small = rgb.resize((100, 90), Image.LANCZOS)
for name in ("heic", "avif"):
    save(f"rgb.{name}", small, quality=85)
    save(f"odd.{name}", rgb, quality=85)
    save(f"grey.{name}", rgb.convert("L"), quality=85)
    save(f"alpha.{name}", rgba, quality=85)
    ex = Image.Exif()
    ex[0x0112] = 6
    save(f"orient6.{name}", rgb, quality=85, exif=ex)
save("444.heic", rgb, quality=85, chroma=444)
save("422.heic", rgb, quality=85, chroma=422)
save("444.avif", rgb, quality=85, subsampling="4:4:4")
save("limited.heic", rgb, quality=85, full_range_flag=0, matrix_coefficients=1)
save("limited.avif", rgb, quality=85, range="limited")
save("frames.avif", rgb, quality=70, save_all=True, append_images=[ImageOps.mirror(rgb)])



def boxes(data):
    at = 0
    while at + 8 <= len(data):
        n = struct.unpack(">L", data[at : at + 4])[0]
        yield data[at + 4 : at + 8], data[at + 8 : at + n]
        at += n


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">L", 8 + len(body)) + kind + body


def full(kind, *parts, version=0, flags=0):
    return box(kind, struct.pack(">L", version << 24 | flags), *parts)


def grid(img, side, turn):
    """A HEIC of tiles, turned by quarters to the left, as telephones write them."""
    across, down = -(-img.width // side), -(-img.height // side)
    tiles = []
    for j in range(down):
        for i in range(across):
            tile = encoded(img.crop((i * side, j * side, (i + 1) * side, (j + 1) * side)), "HEIF", quality=85)
            top = dict(boxes(tile))
            properties = dict(boxes(dict(boxes(dict(boxes(top[b"meta"][4:]))[b"iprp"]))[b"ipco"]))
            tiles.append(top[b"mdat"])
    n = len(tiles)
    infe = [full(b"infe", struct.pack(">HH4sB", i + 1, 0, b"hvc1", 0), version=2) for i in range(n)]
    infe.append(full(b"infe", struct.pack(">HH4sB", n + 1, 0, b"grid", 0), version=2))
    ipco = box(b"ipco", box(b"hvcC", properties[b"hvcC"]), full(b"ispe", struct.pack(">LL", side, side)),
               full(b"ispe", struct.pack(">LL", *img.size)), box(b"irot", bytes([turn])))
    ipma = b"".join(struct.pack(">HBBB", i + 1, 2, 0x81, 2) for i in range(n)) + struct.pack(">HBBB", n + 1, 2, 3, 0x84)
    description = struct.pack(">BBBBHH", 0, 0, down - 1, across - 1, *img.size)

    def meta(start):
        places = b""
        for i, t in enumerate(tiles):
            places += struct.pack(">HHHHLL", i + 1, 0, 0, 1, start + sum(map(len, tiles[:i])), len(t))
        places += struct.pack(">HHHHLL", n + 1, 1, 0, 1, 0, len(description))
        return full(b"meta", full(b"hdlr", b"\0" * 4 + b"pict" + b"\0" * 13), full(b"pitm", struct.pack(">H", n + 1)),
                    full(b"iinf", struct.pack(">H", n + 1), *infe),
                    full(b"iref", box(b"dimg", struct.pack(">HH", n + 1, n), *(struct.pack(">H", i + 1) for i in range(n)))),
                    box(b"iprp", ipco, full(b"ipma", struct.pack(">L", n + 1), ipma)),
                    full(b"iloc", b"\x44\0", struct.pack(">H", n + 1), places, version=1), box(b"idat", description))

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *tiles)


write("grid.heic", grid(small, 64, 0))
write("gridturned.heic", grid(small, 64, 3))

# Others
save("animated.webp", rgb, quality=85, save_all=True, append_images=[ImageOps.mirror(rgb)])
save("animatedlossless.webp", rgba, lossless=True, save_all=True, append_images=[ImageOps.mirror(rgba)])
save("two.mpo", rgb, quality=85, save_all=True, append_images=[ImageOps.mirror(rgb)])
save("frames.png", rgb, save_all=True, append_images=[ImageOps.mirror(rgb)])
q = rgb.quantize(64)
q.info["transparency"] = int(np.asarray(q)[10, 10])
save("transparent.gif", q, transparency=q.info["transparency"])
plain = encoded(rgb.quantize(64), "GIF")
write("outside.gif", plain[:6] + struct.pack("<HH", 20, 50) + plain[10:])
at = plain.index(b",\0\0\0\0")
write("shifted.gif", plain[: at + 1] + struct.pack("<HH", 7, 3) + plain[at + 5 :])
clear = encoded(q, "GIF", transparency=q.info["transparency"])
at = clear.index(b",\0\0\0\0")
write("transparentshifted.gif", clear[: at + 1] + struct.pack("<HH", 7, 3) + clear[at + 5 :])

exif = Image.Exif()
exif[0x0112] = 8
raw = b"Exif\0\0" + exif.tobytes()[6:] if exif.tobytes().startswith(b"Exif") else b"Exif\0\0" + exif.tobytes()
text = "\nexif\n%8d\n%s\n" % (len(raw), "\n".join(raw.hex()[i : i + 72] for i in range(0, 2 * len(raw), 72)))
meta = PngImagePlugin.PngInfo()
meta.add_text("Raw profile type exif", text, zip=True)
save("rawprofile.png", rgb, pnginfo=meta)
meta = PngImagePlugin.PngInfo()
xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description tiff:Orientation="3" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"/></rdf:RDF></x:xmpmeta>'
meta.add_itxt("XML:com.adobe.xmp", xmp, zip=True)
save("xmp.png", rgb, pnginfo=meta)
save("xmp.jpg", rgb, quality=85, xmp=xmp.encode())
save("xmp.webp", rgb, lossless=True, xmp=xmp.encode())
cmyk = encoded(rgb.convert("CMYK"), "JPEG", quality=90)
at = cmyk.index(b"Adobe") + 11
write("ycck.jpg", cmyk[:at] + b"\2" + cmyk[at + 1 :])
after = encoded(rgb, "PNG")
write("afterend.png", after + encoded(ImageOps.mirror(rgb), "PNG", exif=exif)[8:])
