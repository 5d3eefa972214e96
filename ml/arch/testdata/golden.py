"""Makes golden.json: what PyTorch gives for the architectures of this package on
weights and pictures that arch_test.go makes by the same formula. Needs torch,
torchvision and numpy:

  $(scripts/python.sh torch) ml/arch/testdata/golden.py > ml/arch/testdata/golden.json

The networks are written down from the papers once more, as plain functions of a
store of weights that makes each weight when it is first asked for.
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

M64 = (1 << 64) - 1


def uniform(name, n):
    """n values in [0, 1) with 24 bits: a splitmix64 sequence seeded by the name's FNV-1a hash."""
    seed = 0xCBF29CE484222325
    for b in name.encode():
        seed = ((seed ^ b) * 0x100000001B3) & M64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def weight(name, shape):
    n = int(np.prod(shape))
    u = uniform(name, n)
    if name.endswith(".running_var"):
        v = 0.5 + 1.5 * u
    elif len(shape) == 1 and name.endswith(".weight"):
        v = 0.5 + u  # of a batch norm
    elif len(shape) == 1:
        v = 0.2 * (2 * u - 1)  # biases and running means
    else:
        fan_in = n // shape[0]
        v = (2 * u - 1) * np.sqrt((6 if len(shape) == 4 else 3) / fan_in)
    return torch.from_numpy(v.astype(np.float32).reshape(shape))


def picture(name, n, side):
    """A batch of ramps under noise, normalised."""
    noise = (uniform(name, n * 3 * side * side) * 64).astype(np.int64).reshape(n, 3, side, side)
    i, c, y, x = np.indices((n, 3, side, side))
    v = ((3 * x + 5 * y) // 4 + 40 * c + 70 * i + noise) % 256
    return torch.from_numpy(((v / 255 - 0.45) / 0.225).astype(np.float32))


class Net:
    def __init__(self, training):
        self.w, self.training = {}, training

    def get(self, name, *shape):
        if name not in self.w:
            self.w[name] = weight(name, shape).to(torch.get_default_dtype())
            if not name.split(".")[-1].startswith("running_"):
                self.w[name].requires_grad_(self.training)
        return self.w[name]

    def conv(self, x, name, out, k, bias=False, groups=1, **how):
        kernel = self.get(name + ".weight", out, x.shape[1] // groups, k, k)
        b = self.get(name + ".bias", out) if bias else None
        return F.conv2d(x, kernel, b, groups=groups, **how)

    def norm(self, x, name, momentum=0.1):
        c = x.shape[1]
        mean, var = self.get(name + ".running_mean", c), self.get(name + ".running_var", c)
        return F.batch_norm(x, mean, var, self.get(name + ".weight", c), self.get(name + ".bias", c),
                            self.training, momentum, 1e-5)

    def linear(self, x, name):
        return F.linear(x, self.get(name + ".weight", 1, x.shape[1]), self.get(name + ".bias", 1))

    def parameters(self):
        return {k: v for k, v in sorted(self.w.items()) if not k.split(".")[-1].startswith("running_")}


def bottleneck(net, x, name, width, stride, kernel=3, pad=1):
    y = F.relu(net.norm(net.conv(x, name + ".conv1", width, 1), name + ".bn1"))
    y = F.relu(net.norm(net.conv(y, name + ".conv2", width, kernel, stride=stride, padding=pad), name + ".bn2"))
    y = net.norm(net.conv(y, name + ".conv3", 4 * width, 1), name + ".bn3")
    if stride != 1 or x.shape[1] != 4 * width:
        x = net.norm(net.conv(x, name + ".downsample.0", 4 * width, 1, stride=stride), name + ".downsample.1")
    return F.relu(y + x[:, :, : y.shape[2], : y.shape[3]])


def half_resnet(net, x):
    x = F.relu(net.norm(net.conv(x, "conv1", 64, 3, stride=2, padding=1), "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for layer, (blocks, width) in enumerate([(3, 64), (4, 128)], 1):
        for i in range(blocks):
            x = bottleneck(net, x, f"layer{layer}.{i}", width, 2 if layer == 2 and i == 0 else 1)
    return net.linear(x.mean((2, 3)), "fc1")


def nearest_residual(x):
    return x - x[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)


def npr(net, x):
    return half_resnet(net, nearest_residual(x) * 2 / 3), None


def safe(net, x):
    # The HH band of one level of bior1.3 with symmetric extension, by its six taps.
    taps = torch.tensor([0, 0, -(0.5**0.5), 0.5**0.5, 0, 0], dtype=torch.float64)
    side = x.shape[-1]
    out = (side + 5) // 2
    p = 2 * (out - 1) - side + 6
    index = np.pad(np.arange(side), (p // 2, (p + 1) // 2), mode="symmetric")
    x = x[:, :, index][:, :, :, index]
    kernel = torch.outer(taps.flip(0), taps.flip(0)).to(x.dtype).expand(3, 1, 6, 6)
    x = F.conv2d(x, kernel, stride=2, groups=3)
    x = torchvision.transforms.functional.resize(x, [side, side], antialias=True)
    return half_resnet(net, x), None


def ferretnet(net, x):
    n, c, h, w = x.shape
    cells = F.unfold(x, 3, padding=1).view(n, c, 9, h * w).clone()
    cells[:, :, 4] = 0
    x = x - cells.median(2).values.view(n, c, h, w)
    x = F.relu(net.norm(net.conv(x, "cbr1.0", 16, 3, padding=1), "cbr1.1"))
    x = F.relu(net.norm(net.conv(x, "cbr2.0", 32, 3, stride=2, padding=1), "cbr2.1"))
    for s in range(2):
        for b in range(2):
            name = f"feature.{s}.{b}"
            stride, width = (2, 2 * x.shape[1]) if b == 0 else (1, x.shape[1])
            near = net.conv(x, name + ".layers.0.conv1", width, 3, groups=x.shape[1], stride=stride, padding=1)
            far = net.conv(x, name + ".layers.0.conv2", width, 3, groups=x.shape[1], stride=stride, padding=2, dilation=2)
            y = F.relu(net.norm(net.conv(near + far, name + ".layers.0.conv3", width, 1), name + ".layers.1"))
            y = net.conv(y, name + ".layers.3.depth_wise", width, 3, groups=width, padding=1)
            y = net.norm(net.conv(y, name + ".layers.3.point_wise", width, 1), name + ".layers.4")
            if b == 0:
                x = net.norm(net.conv(x, name + ".shortcut.0", width, 1, bias=True, stride=stride), name + ".shortcut.1")
            x = F.relu(y + x)
    x = net.conv(x, "feature.2", x.shape[1], 1)
    return net.linear(x.mean((2, 3)), "logit.1"), None


def patches(net, x, name):
    """Scores of the patches and their mean, by one linear layer."""
    channels = x.shape[1]
    kernel = net.get(name + ".weight", 1, channels).view(1, channels, 1, 1)
    heat = F.conv2d(x, kernel, net.get(name + ".bias", 1))
    return heat.mean((2, 3)), heat[:, 0]


def ladeda(net, x):
    x = net.conv(nearest_residual(x) * 2 / 3, "conv1", 64, 1)
    x = F.relu(net.norm(net.conv(x, "conv2", 64, 3), "bn1", 0.001))
    for layer, (blocks, width, stride, wide) in enumerate(
            [(3, 64, 2, True), (4, 128, 2, True), (6, 256, 2, False), (3, 512, 1, False)], 1):
        for i in range(blocks):
            x = bottleneck(net, x, f"layer{layer}.{i}", width, stride if i == 0 else 1, 3 if wide and i == 0 else 1, 0)
    return patches(net, x, "fc")


def tiny_ladeda(net, x):
    sobel = torch.tensor([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]]).to(x.dtype).expand(3, 1, 3, 3)
    x = net.conv(F.conv2d(x, sobel, padding=1, groups=3), "conv1", 8, 1)
    x = F.relu(net.norm(net.conv(x, "conv2", 8, 3), "bn1", 0.001))
    x = F.relu(net.norm(net.conv(x, "layer1.0.conv1", 8, 1), "layer1.0.bn1"))
    x = F.relu(net.norm(net.conv(x, "layer1.0.conv2", 8, 3, stride=2), "layer1.0.bn2"))
    return patches(net, x, "fc")


def sample(t):
    """Four values, spread over the tensor, and the root of the sum of squares."""
    flat = t.detach().double().flatten()
    at = [0, len(flat) // 3, 2 * len(flat) // 3, len(flat) - 1]
    return short([flat[i] for i in at] + [flat.norm()])


def flat(t):
    return short(t.detach().flatten())


def short(values):
    return [float(f"{float(v):.8g}") for v in values]


torch.manual_seed(0)
torch.set_num_threads(2)
golden = {"torch": torch.__version__.split("+")[0], "architectures": {}}
for name, f, side, train_side in [("npr", npr, 64, 32), ("safe", safe, 64, 32), ("ferretnet", ferretnet, 64, 32),
                                  ("ladeda", ladeda, 64, 32), ("tiny-ladeda", tiny_ladeda, 64, 32)]:
    net = Net(False)
    with torch.no_grad():
        logits, heat = f(net, picture("picture", 2, side))
    entry = {"parameters": sum(v.numel() for v in net.parameters().values()), "side": side, "logits": flat(logits)}
    if heat is not None:
        entry["heatmap"] = flat(heat)
    # Gradients in float64, so that what differs is the other side's rounding.
    torch.set_default_dtype(torch.float64)
    net = Net(True)
    logits, _ = f(net, picture("training", 4, train_side).double())
    loss = F.binary_cross_entropy_with_logits(logits, torch.tensor([[0.0], [1], [0], [1]]))
    loss.backward()
    torch.set_default_dtype(torch.float32)
    entry["training"] = {
        "side": train_side, "logits": flat(logits), "loss": float(loss.detach()),
        "gradients": {k: sample(v.grad) for k, v in net.parameters().items()},
        "buffers": {k: sample(v) for k, v in sorted(net.w.items()) if k.split(".")[-1].startswith("running_")},
    }
    golden["architectures"][name] = entry
    print(name, entry["parameters"], entry["logits"], entry["training"]["loss"], file=sys.stderr)
json.dump(golden, sys.stdout, indent=None, separators=(",", ":"))
print()
