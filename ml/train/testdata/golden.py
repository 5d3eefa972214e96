"""Writes golden.json: what PyTorch computes for the losses and for several steps
of each optimiser on a small network, from the same weights and pictures.

    $(../../../scripts/python.sh torch) golden.py
"""

import json

import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

torch.set_num_threads(1)
SIZE, BATCH, STEPS = 8, 4, 8


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(4)
        self.fc1 = torch.nn.Linear(4, 1)

    def forward(self, x):
        return self.fc1(F.relu(self.bn1(self.conv1(x))).mean((2, 3)))


def numbers(t):
    return [float(v) for v in t.detach().flatten()]


def loss_of(c, logits, labels):
    s = c.get("smoothing", 0)
    y = labels * (1 - s) + s / 2
    weight = c.get("real", 1) + labels * (c.get("synthetic", 1) - c.get("real", 1))
    if c["loss"] == "focal":
        loss = sigmoid_focal_loss(logits, y, alpha=-1, gamma=c["gamma"], reduction="none")
        return (weight * loss).mean()
    return F.binary_cross_entropy_with_logits(logits, y, weight=weight)


def optimiser_of(c, net):
    groups = [
        {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": c.get("decay", 0)},
        {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0},
    ]
    if c["optimiser"] == "sgd":
        return torch.optim.SGD(groups, lr=c["lr"], momentum=0.9)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[c["optimiser"]]
    return kind(groups, lr=c["lr"])


def train(c, weights, pictures, labels):
    net = Net()
    net.load_state_dict(weights)
    optimiser = optimiser_of(c, net)
    micro = c.get("micro", BATCH)
    average = {k: v.clone() for k, v in net.state_dict().items() if v.is_floating_point()}
    losses, lengths = [], []
    for step in range(STEPS):
        optimiser.zero_grad()
        total = 0.0
        for i in range(0, BATCH, micro):
            loss = loss_of(c, net(pictures[step][i : i + micro]), labels[step][i : i + micro])
            (loss * micro / BATCH).backward()
            total += float(loss) * micro / BATCH
        length = torch.nn.utils.clip_grad_norm_(net.parameters(), c.get("clip") or 1e9)
        optimiser.step()
        losses.append(total)
        lengths.append(float(length))
        if c.get("ema"):
            decay = min(c["ema"], (1 + step) / (10 + step))
            for k, v in average.items():
                v.lerp_(net.state_dict()[k], 1 - decay)
    final = {k: numbers(v) for k, v in net.state_dict().items() if v.is_floating_point()}
    out = dict(c, losses=losses, lengths=lengths, final=final)
    if c.get("ema"):
        out["averaged"] = {k: numbers(v) for k, v in average.items()}
    return out


def main():
    torch.manual_seed(5)
    weights = {k: v.clone() for k, v in Net().state_dict().items()}
    weights["bn1.weight"].uniform_(0.5, 1.5)
    weights["bn1.bias"].uniform_(-0.5, 0.5)
    pictures = torch.randn(STEPS, BATCH, 3, SIZE, SIZE).round(decimals=3)
    labels = (torch.arange(STEPS * BATCH) % 3 != 0).float().reshape(STEPS, BATCH, 1)
    runs = [
        {"optimiser": "sgd", "loss": "bce", "lr": 0.1},
        {"optimiser": "sgd", "loss": "bce", "lr": 0.1, "decay": 0.05, "micro": 2},
        {"optimiser": "adam", "loss": "bce", "lr": 0.02},
        {"optimiser": "adam", "loss": "bce", "lr": 0.02, "decay": 0.05, "clip": 0.2},
        {"optimiser": "adamw", "loss": "bce", "lr": 0.02, "decay": 0.3, "ema": 0.6},
        {"optimiser": "adamw", "loss": "focal", "gamma": 2, "lr": 0.02, "decay": 0.3, "micro": 2, "clip": 0.1, "ema": 0.9},
        {"optimiser": "adam", "loss": "bce", "lr": 0.02, "smoothing": 0.1, "real": 2, "synthetic": 0.5},
    ]
    logits = torch.tensor([-90.0, -6.0, -1.5, -0.2, 0.0, 0.4, 2.0, 7.0, 90.0, 3.0, -3.0, 0.7])
    hard = torch.tensor([0.0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0.5])
    losses = []
    for c in [
        {"loss": "bce"},
        {"loss": "bce", "smoothing": 0.1},
        {"loss": "bce", "real": 2, "synthetic": 0.5},
        {"loss": "focal", "gamma": 2},
        {"loss": "focal", "gamma": 1.5, "smoothing": 0.2, "real": 0.7},
    ]:
        x = logits.clone().requires_grad_()
        loss = loss_of(c, x, hard)
        loss.backward()
        losses.append(dict(c, value=float(loss), gradient=numbers(x.grad)))

    parameter = torch.nn.Parameter(torch.zeros(1))
    schedules = {}
    for name, make in {
        "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 10, 0.9),
        "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 25),
    }.items():
        optimiser = torch.optim.SGD([parameter], lr=0.3)
        schedule = make(optimiser)
        schedules[name] = []
        for _ in range(25):
            schedules[name].append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
    shapes = {k: list(v.shape) for k, v in weights.items() if v.is_floating_point()}
    golden = {
        "torch": torch.__version__,
        "size": SIZE, "batch": BATCH,
        "shapes": shapes,
        "weights": {k: numbers(weights[k]) for k in shapes},
        "pictures": [numbers(p) for p in pictures],
        "labels": [numbers(y) for y in labels],
        "runs": [train(c, weights, pictures, labels) for c in runs],
        "logits": numbers(logits), "targets": numbers(hard), "losses": losses,
        "schedules": schedules,
    }
    with open("golden.json", "w") as f:
        json.dump(golden, f)
        f.write("\n")


main()
