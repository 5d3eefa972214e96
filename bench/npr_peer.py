"""NPR in PyTorch: the peer of ml/onnx and ml/ort.

  python bench/npr_peer.py golden WEIGHTS OUT.json   logits for the inputs stored beside the weights
  python bench/npr_peer.py bench [BATCH [SIDE]]      images per second and peak resident memory, eager

Needs torch and numpy. The golden form made ml/onnx/testdata/npr_golden.json:
  BITMIND_NPR_GOLDEN=/tmp/npr.safetensors go test ./ml/onnx -run TestNPRAgreesWithPyTorch
  python bench/npr_peer.py golden /tmp/npr.safetensors ml/onnx/testdata/npr_golden.json
"""

import json
import resource
import struct
import sys
import time

import numpy as np

start = time.perf_counter()
import torch
import torch.nn.functional as F
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.downsample = None
        if inputs != out:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)) + shortcut, inplace=True)


class NPR(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Bottleneck(64, 64, 1), Bottleneck(256, 64, 1), Bottleneck(256, 64, 1))
        self.layer2 = nn.Sequential(Bottleneck(256, 128, 2), *[Bottleneck(512, 128, 1) for _ in range(3)])
        self.fc1 = nn.Linear(512, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        x = x[:, :, : height // 2 * 2, : width // 2 * 2]
        down = F.interpolate(x, scale_factor=0.5, mode="nearest")
        x = (x - F.interpolate(down, scale_factor=2.0, mode="nearest")) * 2.0 / 3.0
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        return self.fc1(self.layer2(self.layer1(x)).mean((2, 3)))


def read_safetensors(path):
    data = open(path, "rb").read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[8 + size + first : 8 + size + last], "<f4")
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


def golden(weights, out):
    tensors = read_safetensors(weights)
    inputs = {k: tensors.pop(k) for k in sorted(tensors) if k.startswith("input.")}
    model = NPR().eval()
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(k.endswith("num_batches_tracked") for k in missing), (missing, unexpected)
    with torch.inference_mode():
        logits = {k: model(x).flatten().tolist() for k, x in inputs.items()}
    parameters = sum(p.numel() for p in model.parameters())
    json.dump({"torch": torch.__version__.split("+")[0], "parameters": parameters, "logits": logits}, open(out, "w"), indent=1)


def bench(batch=1, side=224):
    torch.manual_seed(0)
    model = NPR().eval()
    x = torch.rand(batch, 3, side, side)
    with torch.inference_mode():
        model(x)
        first = time.perf_counter() - start
        for _ in range(2):
            model(x)
        runs, began = 0, time.perf_counter()
        while time.perf_counter() - began < 15:
            model(x)
            runs += 1
        rate = runs * batch / (time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({
        "torch": torch.__version__, "threads": torch.get_num_threads(), "batch": batch, "side": side,
        "images_per_second": round(rate, 2), "peak_resident_mb": round(peak / 1024), "first_prediction_s": round(first, 2),
    }))


if __name__ == "__main__":
    if sys.argv[1:2] == ["golden"] and len(sys.argv) == 4:
        golden(*sys.argv[2:])
    elif sys.argv[1:2] == ["bench"]:
        bench(*map(int, sys.argv[2:]))
    else:
        sys.exit(__doc__)
