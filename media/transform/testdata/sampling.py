"""Makes sampling.json: averages of RandomResizedCrop.get_params.

    python3 sampling.py        # needs torch, torchvision
"""
import json, os
import torch
from torchvision.transforms import RandomResizedCrop

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(1)
out = []
for W, H in ((640, 480), (256, 256), (1024, 300), (100, 900)):
    img = torch.empty(3, H, W)
    rows = torch.tensor([RandomResizedCrop.get_params(img, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(200_000)], dtype=torch.float64)
    top, left, h, w = rows.T
    out.append(dict(W=W, H=H, Width=w.mean().item(), Height=h.mean().item(), Left=left.mean().item(), Top=top.mean().item(),
                    WidthVariance=w.var().item(), Whole=((w == W) | (h == H)).double().mean().item()))
json.dump(out, open(os.path.join(here, "sampling.json"), "w"), indent=1)
