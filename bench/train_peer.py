"""The training step in PyTorch: the peer of ml/onnx/autodiff (bench/trainload).

  python bench/train_peer.py ARCH SIZE BATCH SECONDS   images per second and peak memory

Forward, binary cross-entropy, backward and Adam on a batch of noise that is
ready, in eager mode on two threads. ARCH is npr or ferretnet. Needs torch.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from npr_peer import NPR

THREADS = 2


class Block(nn.Module):
    """Two depthwise convolutions, near and dilated, mixed by 1x1 convolutions."""

    def __init__(self, inputs, stride):
        super().__init__()
        out = stride * inputs
        self.near = nn.Conv2d(inputs, out, 3, stride, 1, groups=inputs, bias=False)
        self.far = nn.Conv2d(inputs, out, 3, stride, 2, dilation=2, groups=inputs, bias=False)
        self.mix, self.bn1 = nn.Conv2d(out, out, 1, bias=False), nn.BatchNorm2d(out)
        self.depth = nn.Conv2d(out, out, 3, 1, 1, groups=out, bias=False)
        self.point, self.bn2 = nn.Conv2d(out, out, 1, bias=False), nn.BatchNorm2d(out)
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.mix(self.near(x) + self.far(x))), inplace=True)
        return F.relu(self.bn2(self.point(self.depth(y))) + self.shortcut(x), inplace=True)


class FerretNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
            nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(True))
        self.feature = nn.Sequential(Block(32, 2), Block(64, 1), Block(64, 2), Block(128, 1), nn.Conv2d(128, 128, 1, bias=False))
        self.logit = nn.Sequential(nn.Dropout(0.2), nn.Linear(128, 1))

    def forward(self, x):
        # The median of the 3x3 window with its middle as zero, as the authors write it.
        n, c, h, w = x.shape
        windows = F.unfold(x, 3, padding=1).view(n, c, 9, h * w)
        windows = torch.cat([windows[:, :, :4], torch.zeros_like(windows[:, :, :1]), windows[:, :, 5:]], 2)
        x = x - windows.median(2).values.view(n, c, h, w)
        return self.logit(self.feature(self.stem(x)).mean((2, 3)))


def main(arch, size, batch, seconds):
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    model = {"npr": NPR, "ferretnet": FerretNet}[arch]().train()
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters == {"npr": 1_437_761, "ferretnet": 126_289}[arch], parameters
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = torch.rand(batch, 3, size, size), (torch.arange(batch) % 2).float()[:, None]

    def step():
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    for _ in range(2):
        step()
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        loss = step()
        steps += 1
    rate = steps * batch / (time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"images_per_s": round(rate, 3), "peak_mb": peak // 1024, "loss": round(loss.item(), 4)}))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
