"""Writes the checkpoints of the tests, with the values that PyTorch reads from them.

Run in this folder: $(../../../../scripts/python.sh torch) golden.py
"""

import argparse
import collections
import json

import numpy
import torch
from torch import nn

torch.manual_seed(1)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.fc1 = nn.Linear(2, 1)

    def forward(self, x):
        return self.fc1(self.bn1(self.conv1(x)).mean((2, 3)))


model = Tiny()
model(torch.randn(4, 3, 8, 8))  # gives the batch norm statistics of its own
state = model.state_dict()
optimiser = torch.optim.Adam(model.parameters())
model(torch.randn(4, 3, 8, 8)).sum().backward()
optimiser.step()
state = collections.OrderedDict((k, v.clone()) for k, v in model.state_dict().items())

wide = torch.arange(24, dtype=torch.float32).reshape(4, 6)
checkpoints = {
    "plain": state,
    "wrapped": {
        "epoch": 3,
        "model": collections.OrderedDict(("module." + k, v) for k, v in state.items()),
        "optimizer": optimiser.state_dict(),
        "args": argparse.Namespace(lr=0.1, name="npr"),
        "best": numpy.float64(0.5),
        "names": {"real", "fake"},
    },
    "types": {
        "half": torch.tensor([1.5, -2.25, 65504, 6e-8]).half(),
        "bfloat16": torch.tensor([1.5, -3e38, 1e-3]).bfloat16(),
        "double": torch.tensor([0.1, -1e30], dtype=torch.float64),
        "long": torch.tensor([1, 2, 3]),
        "bool": torch.tensor([True, False]),
        "float": torch.tensor([float("inf"), -0.0]),
    },
    "views": {
        "transposed": wide.t(),
        "column": wide[:, 2],
        "part": wide[1:3, 1:4],
        "scalar": torch.tensor(7.0),
        "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(torch.tensor([1.0, 2.0])),
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
    },
}


def listed(values):
    # JSON has no infinity; all finite float32 numbers survive it.
    return [str(v) if abs(v) == float("inf") else v for v in values]


golden = {}
for name, checkpoint in checkpoints.items():
    for form, new in (("zip", True), ("legacy", False)):
        torch.save(checkpoint, f"{name}_{form}.pth", _use_new_zipfile_serialization=new)
    back = torch.load(f"{name}_zip.pth", weights_only=False)
    back = back.get("model", back)
    golden[name] = {
        k.removeprefix("module."): {"shape": list(v.shape), "data": listed(v.float().flatten().tolist())}
        for k, v in back.items()
        if v.is_floating_point()
    }
torch.save(model, "module_zip.pth")
torch.save(torch.zeros(2), "tensor_zip.pth")
torch.save({"epoch": 1}, "nothing_zip.pth")
torch.save({"netG": state, "netD": state}, "gan_zip.pth")
torch.save({"teacher": state, "student": state}, "several_zip.pth")
with open("golden.json", "w") as f:
    json.dump(golden, f, indent=1)
