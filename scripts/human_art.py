#!/usr/bin/env python3
"""Adds human art to a labelled folder of pictures: paintings, drawings and
renderings by people, from the data packages of free games and painting programs
in Debian 12.

A detector whose real class has photographs only takes most human art for
AI-generated, so the shipped detectors are trained with these as well.

    PY=$(scripts/python.sh torch)        # any Python with Pillow and numpy will do
    $PY scripts/human_art.py DIR         # adds DIR/real/art_*/ and DIR/real/endless_sky_land/,
                                         # and their lines to DIR/manifest.tsv

Needs apt-get and dpkg-deb (Debian or Ubuntu with Debian's sources), 1.3 GB of
downloads and 3 GB in a temporary folder. Pictures are treated as those of the
training set: lossless ones get one JPEG generation of a random quality; the short
side is scaled (never up) to a length drawn from 384 to 768; a square of 384 or
256 pixels is cut at a random place; JPEG quality 90, no metadata; flat and nearly
equal pictures are left out. The same packages give the same files.

The licences are those of the packages (GPL, CC-BY-SA and others, see each one's
copyright file): the pictures are for training here and are not distributed.
"""
import csv
import hashlib
import io
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

PACKAGES = [
    "ardentryst", "boswars-data", "endless-sky-data", "fillets-ng-data", "freeciv-data",
    "freedroidrpg-data", "freeorion-data", "krita-data", "naev-data", "pokerth-data",
    "singularity", "supertux-data", "unknown-horizons",
]
CAP = 60  # pictures a package, so that none outweighs the others
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
Image.MAX_IMAGE_PIXELS = None


def source_of(package, path):
    """Endless Sky's landscapes are photographs; everything else is art."""
    if package == "endless-sky-data":
        return "endless_sky_land" if "/land/" in path else None
    return "art_" + package.removesuffix("-data").replace("-", "_")


def jpeg(image, quality):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality, subsampling=2)
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


def opened(path):
    """The picture in RGB, None where it is small, see-through or flat."""
    try:
        image = Image.open(path)
        if min(image.size) < 256:
            return None
        if image.mode in ("RGBA", "LA", "P"):
            alpha = np.asarray(image.convert("RGBA").resize((64, 64)))[..., 3]
            if (alpha > 250).mean() < 0.98:
                return None
        image = image.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None
    small = np.asarray(image.resize((128, 128)))
    if small.mean(2).std() < 15 or len(np.unique(small.reshape(-1, 3), axis=0)) < 2000:
        return None
    return image


def cut(image, rng):
    short = min(image.size)
    side = 384 if short >= 384 and rng.random() < 0.7 else 256
    target = min(short, max(side, int(rng.uniform(384, 768))))
    if target < short:
        image = image.resize([max(side, round(n * target / short)) for n in image.size], Image.LANCZOS)
    x, y = (rng.randint(0, n - side) for n in image.size)
    return image.crop((x, y, x + side, y + side))


def dhash(image):
    grey = np.asarray(image.convert("L").resize((9, 8), Image.BILINEAR)).astype(int)
    return (grey[:, 1:] > grey[:, :-1]).reshape(-1)


def collect(root, out):
    seen, rows, counts = [], [], {}
    for package in PACKAGES:
        paths = sorted(
            os.path.join(folder, name)
            for folder, _, names in os.walk(os.path.join(root, package))
            for name in names
            if name.lower().endswith(SUFFIXES)
        )
        random.Random(package).shuffle(paths)
        for path in paths:
            inside = os.path.relpath(path, root)
            source = source_of(package, path)
            if source is None or counts.get(source, 0) >= CAP or os.path.islink(path):
                continue
            image = opened(path)
            if image is None:
                continue
            rng = random.Random(inside)
            if not path.lower().endswith((".jpg", ".jpeg")):
                image = jpeg(image, rng.randint(75, 97))
            image = cut(image, rng)
            grey = np.asarray(image.convert("L"), dtype="f4")
            if grey.std() < 18 or np.abs(np.diff(grey, axis=1)).mean() < 2:
                continue
            code = dhash(image)
            if any((code != other).sum() < 6 for other in seen):
                continue
            seen.append(code)
            name = hashlib.sha256(inside.encode()).hexdigest()[:16] + ".jpg"
            relative = os.path.join("real", source, name)
            os.makedirs(os.path.dirname(os.path.join(out, relative)), exist_ok=True)
            image.save(os.path.join(out, relative), "JPEG", quality=90, subsampling=2)
            counts[source] = counts.get(source, 0) + 1
            rows.append({"path": relative, "label": "0", "split": "train", "source": source,
                         "origin": f"Debian {package}: {inside}", "side": str(image.width)})
    for source, n in sorted(counts.items()):
        print(f"{source}\t{n}")
    return rows


def add_to_manifest(out, rows):
    path = os.path.join(out, "manifest.tsv")
    old = []
    fields = ["path", "label", "split", "source", "origin", "side"]
    if os.path.exists(path):
        with open(path, newline="") as f:
            table = csv.DictReader(f, delimiter="\t")
            fields = table.fieldnames
            old = list(table)
    new = {row["path"] for row in rows}
    temporary = path + ".new"
    with open(temporary, "w", newline="") as f:
        table = csv.DictWriter(f, fields, delimiter="\t", restval="", extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows([row for row in old if row["path"] not in new] + rows)
    os.replace(temporary, path)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = sys.argv[1]
    with tempfile.TemporaryDirectory() as work:
        # apt-get download needs neither root nor an installation.
        subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=work, check=True)
        for name in sorted(os.listdir(work)):
            subprocess.run(["dpkg-deb", "-x", name, name.split("_")[0]], cwd=work, check=True)
        rows = collect(work, out)
    add_to_manifest(out, rows)
    print(f"{len(rows)} pictures added to {out}")


if __name__ == "__main__":
    main()
