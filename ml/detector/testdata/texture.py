"""Makes texture_golden.json: the windows that texture_crops must choose, worked
out with numpy from FORMAT.md's words. Needs numpy.

  python ml/detector/testdata/texture.py > ml/detector/testdata/texture_golden.json
"""

import hashlib
import json
import sys

import numpy as np


def picture(w, h):
    """Noise whose strength differs from block to block."""
    data, state = np.zeros((h, w, 3), np.uint8), w * 65536 + h
    for y in range(h):
        for x in range(w):
            strength = (x // 37 + 3 * (y // 29)) % 9
            for c in range(3):
                state = (state * 1664525 + 1013904223) % 2**32
                data[y, x, c] = 128 + (((state >> 24) - 128) * strength >> 3)
    return data


def starts(side, size):
    n = -(-side // size)
    room = max(side - size, 0)
    return [i * room // (n - 1) if n > 1 else room // 2 for i in range(n)]


def texture(green):
    part = green.astype(int)
    across = np.abs(np.diff(part, axis=1))[::4].sum()
    down = np.abs(np.diff(part, axis=0))[::4, 1:].sum()
    return int(across + down)


cases = []
for w, h, size, count in [(200, 150, 32, 6), (301, 97, 64, 3), (64, 64, 32, 4), (65, 130, 32, 2), (40, 300, 64, 2),
                          (300, 20, 48, 3), (20, 20, 32, 8), (33, 33, 32, 1), (256, 256, 224, 2)]:
    img = picture(w, h)
    corners = [(x, y) for y in starts(h, size) for x in starts(w, size)]
    scores = [texture(img[y : y + size, x : x + size, 1]) for x, y in corners]
    best = sorted(sorted(range(len(corners)), key=lambda i: (-scores[i], i))[:count])
    windows = []
    for x, y in (corners[i] for i in best):
        part = img[y : y + size, x : x + size]
        dy, dx = size - part.shape[0], size - part.shape[1]
        part = np.pad(part, ((dy // 2, dy - dy // 2), (dx // 2, dx - dx // 2), (0, 0)), mode="reflect")
        windows.append([x, y, hashlib.sha256(part.tobytes()).hexdigest()])
    cases.append({"width": w, "height": h, "size": size, "count": count, "windows": windows})
json.dump({"numpy": np.__version__, "cases": cases}, sys.stdout, indent=1)
print()
