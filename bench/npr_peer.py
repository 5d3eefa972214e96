"""NPR in PyTorch: the peer of ml/onnx and ml/ort.

  python bench/npr_peer.py golden WEIGHTS OUT.json       logits for the inputs stored beside the weights
  python bench/npr_peer.py bench WEIGHTS BATCH SECONDS   images per second and peak resident memory, eager
  python bench/npr_peer.py predict WEIGHTS FILE          one picture's score

Needs torch and numpy, and pillow to predict. The golden form made ml/onnx/testdata/npr_golden.json:
  BITMIND_NPR_GOLDEN=/tmp/npr.safetensors go test ./ml/onnx -run TestNPRAgreesWithPyTorch
  python bench/npr_peer.py golden /tmp/npr.safetensors ml/onnx/testdata/npr_golden.json
"""

import json
import resource
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SIDE, THREADS = 224, 2


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


def load(tensors):
    model = NPR().eval()
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(k.endswith("num_batches_tracked") for k in missing), (missing, unexpected)
    return model


def golden(weights, out):
    tensors = read_safetensors(weights)
    inputs = {k: tensors.pop(k) for k in sorted(tensors) if k.startswith("input.")}
    model = load(tensors)
    with torch.inference_mode():
        logits = {k: model(x).flatten().tolist() for k, x in inputs.items()}
    parameters = sum(p.numel() for p in model.parameters())
    json.dump({"torch": torch.__version__.split("+")[0], "parameters": parameters, "logits": logits}, open(out, "w"), indent=1)


def bench(weights, batch, seconds):
    model = load(read_safetensors(weights))
    x = torch.rand(batch, 3, SIDE, SIDE)
    with torch.inference_mode():
        for _ in range(3):
            model(x)
        runs, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            model(x)
            runs += 1
        rate = runs * batch / (time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"images_per_s": round(rate, 2), "peak_mb": round(peak / 1024, 1)}))


def predict(weights, file):
    from PIL import Image

    picture = np.asarray(Image.open(file).convert("RGB"))
    top, left = ((n - SIDE) // 2 for n in picture.shape[:2])
    x = torch.from_numpy(picture[top : top + SIDE, left : left + SIDE].copy()).permute(2, 0, 1)[None] / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        print(f"{torch.sigmoid(load(read_safetensors(weights))(x)).item():.4f}  {file}")


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    if sys.argv[1:2] == ["golden"] and len(sys.argv) == 4:
        golden(*sys.argv[2:])
    elif sys.argv[1:2] == ["bench"] and len(sys.argv) == 5:
        bench(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    elif sys.argv[1:2] == ["predict"] and len(sys.argv) == 4:
        predict(*sys.argv[2:])
    else:
        sys.exit(__doc__)
