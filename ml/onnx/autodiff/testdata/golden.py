"""Makes golden.json: values and gradients of layers as PyTorch has them.

  $(scripts/python.sh torch) ml/onnx/autodiff/testdata/golden.py > ml/onnx/autodiff/testdata/golden.json

Each case has its inputs, which are all differentiated, the outputs and the
gradients of sum(output * weight), where weight[i] = ((i * 37) % 11 - 5) / 5.
"""

import json

import torch
import torch.nn.functional as F

torch.manual_seed(1)
torch.set_num_threads(1)
cases = []


def case(name, layer, *shapes, positive=False, **options):
    inputs = [torch.randn(s) for s in shapes]
    if positive:
        inputs[-1] = (inputs[-1] > 0).float()  # labels: not differentiated
    for x in inputs[: len(inputs) - positive]:
        x.requires_grad_()
    extra = {}
    y = layer(*inputs, **({"extra": extra} if "statistics" in options else {}))
    weight = torch.tensor([((i * 37) % 11 - 5) / 5 for i in range(y.numel())]).reshape(y.shape)
    (y * weight).sum().backward()
    flat = lambda t: [float(f"{v:.7g}") for v in t.detach().flatten().tolist()]
    cases.append({
        "name": name,
        "inputs": [{"shape": list(x.shape), "data": flat(x)} for x in inputs],
        "shape": list(y.shape), "output": flat(y),
        "gradients": [flat(x.grad) for x in inputs if x.grad is not None],
        **({"statistics": {k: flat(v) for k, v in extra.items()}} if extra else {}),
    })


picture = (2, 4, 7, 6)
for name, options, weight in [
    ("conv", {"padding": 1}, (3, 4, 3, 3)),
    ("conv stride 2", {"padding": 1, "stride": 2}, (3, 4, 3, 3)),
    ("conv dilated", {"padding": 2, "dilation": 2}, (3, 4, 3, 3)),
    ("conv dilated stride 2", {"padding": 2, "dilation": 2, "stride": 2}, (2, 4, 3, 3)),
    ("conv grouped", {"padding": 1, "groups": 2}, (6, 2, 3, 3)),
    ("conv grouped stride 2", {"padding": 1, "groups": 2, "stride": 2}, (6, 2, 3, 3)),
    ("conv depthwise", {"padding": 1, "groups": 4}, (4, 1, 3, 3)),
    ("conv depthwise doubling", {"padding": 1, "groups": 4, "stride": 2}, (8, 1, 3, 3)),
    ("conv 1x1", {}, (5, 4, 1, 1)),
    ("conv 1x1 stride 2", {"stride": 2}, (5, 4, 1, 1)),
    ("conv unpadded", {}, (2, 4, 3, 2)),
    ("conv overpadded", {"padding": 2}, (2, 4, 1, 1)),
]:
    case(name, lambda x, w, b, o=options: F.conv2d(x, w, b, **o), picture, weight, weight[:1])
for name, options, weight in [
    ("transposed conv", {"padding": 1}, (4, 3, 3, 3)),
    ("transposed conv stride 2", {"stride": 2, "padding": 1, "output_padding": 1}, (4, 3, 3, 3)),
    ("transposed conv grouped", {"stride": 2, "groups": 2}, (4, 2, 2, 2)),
]:
    bias = (weight[1] * options.get("groups", 1),)
    case(name, lambda x, w, b, o=options: F.conv_transpose2d(x, w, b, **o), picture, weight, bias)


def norm(x, scale, bias, extra):
    mean, variance = torch.linspace(-1, 1, 4), torch.linspace(1, 2, 4)
    y = F.batch_norm(x, mean, variance, scale, bias, training=True, momentum=0.2, eps=1e-3)
    extra["mean"], extra["variance"] = mean, variance
    return y


case("batch norm", norm, (3, 4, 5, 4), (4,), (4,), statistics=True)
case("batch norm of vectors", norm, (6, 4), (4,), (4,), statistics=True)
case("layer norm", lambda x, s, b: F.layer_norm(x, x.shape[-1:], s, b, 1e-5), (3, 4, 8), (8,), (8,))
case("max pool", lambda x: F.max_pool2d(x, 3, 2, 1), picture)
case("max pool after relu", lambda x: F.max_pool2d(F.relu(x), 3, 2, 1), picture)
case("average pool", lambda x: F.avg_pool2d(x, 3, 2, 1), picture)
case("global average pool", lambda x: F.adaptive_avg_pool2d(x, 1), picture)
case("resize nearest", lambda x: F.interpolate(x, (14, 12), mode="nearest"), picture)
case("resize linear", lambda x: F.interpolate(x, (10, 15), mode="bilinear", align_corners=False), picture)
case("silu", F.silu, (3, 5))
case("gelu", F.gelu, (3, 5))
case("log softmax", lambda x: F.log_softmax(x, -1), (3, 5))
case("cross-entropy of logits", lambda x, y: F.binary_cross_entropy_with_logits(x * 8, y).reshape(1), (6, 1), (6, 1), positive=True)


def focal(x, y):
    p = torch.sigmoid(x)
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return (loss * (1 - torch.where(y > 0, p, 1 - p)) ** 2).mean().reshape(1)


case("focal", focal, (6, 1), (6, 1), positive=True)

print('{"torch": "%s", "cases": [' % torch.__version__.split("+")[0])
print(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
print("]}")
