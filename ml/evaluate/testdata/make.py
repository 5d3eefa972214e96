"""Makes golden.json: scikit-learn's values for several sets of scores.

    python3 make.py        # needs scikit-learn, numpy
"""
import json, os, warnings
import numpy as np
import sklearn
from sklearn import metrics as M

warnings.simplefilter("ignore")
rng = np.random.default_rng(5)


def ece(y, s, bins=15):
    b = np.minimum((s * bins).astype(int), bins - 1)
    return float(sum(abs(s[b == i].mean() - y[b == i].mean()) * (b == i).mean() for i in range(bins) if (b == i).any()))


def at(y, s, detection):
    """False-positive rate at the first threshold that finds so many."""
    fpr, tpr, _ = M.roc_curve(y, s, drop_intermediate=False)
    return float(fpr[np.argmax(tpr >= detection)])


def curve(y, s):
    fpr, tpr, thresholds = M.roc_curve(y, s)  # drops points on straight lines
    return [[float(f), float(t), None if np.isinf(h) else float(h)] for f, t, h in zip(fpr, tpr, thresholds)]


def reliability(y, s, bins=15):
    b = np.minimum((s * bins).astype(int), bins - 1)
    return [[int((b == i).sum()), float(s[b == i].mean()), float(y[b == i].mean())] if (b == i).any() else [0, None, None] for i in range(bins)]


def case(name, y, s):
    y, s = np.asarray(y), np.asarray(s, float)
    p = (s > 0.5).astype(int)
    both = len(set(y.tolist())) == 2
    want = dict(n=len(y), accuracy=M.accuracy_score(y, p), brier=M.brier_score_loss(y, s, pos_label=1), ece=ece(y, s),
                balanced_accuracy=None, roc_auc=None, average_precision=None, mcc=None, fpr=None,
                detection=None, fpr_at_90=None, fpr_at_95=None)
    if (y == 0).any():
        want["fpr"] = float(p[y == 0].mean())
    if (y == 1).any():
        want["detection"] = float(p[y == 1].mean())
    if both:
        want.update(balanced_accuracy=M.balanced_accuracy_score(y, p), roc_auc=M.roc_auc_score(y, s),
                    average_precision=M.average_precision_score(y, s), mcc=M.matthews_corrcoef(y, p),
                    fpr_at_90=at(y, s, 0.9), fpr_at_95=at(y, s, 0.95))
    want = {k: (v if v is None else int(v) if k == "n" else float(v)) for k, v in want.items()}
    return dict(name=name, labels=y.tolist(), scores=s.tolist(), want=want,
                curve=curve(y, s) if both else None, reliability=reliability(y, s))


y200 = rng.integers(0, 2, 200)
cases = [
    case("random", y200, rng.random(200)),
    case("good", y200, np.clip(y200 * 0.5 + rng.normal(0.25, 0.2, 200), 0, 1)),
    case("ties", y200, np.round(np.clip(y200 * 0.3 + rng.normal(0.35, 0.2, 200), 0, 1), 1)),
    case("three values", y200, rng.choice([0.0, 0.5, 1.0], 200)),
    case("constant at the threshold", y200, np.full(200, 0.5)),
    case("constant high", y200, np.full(200, 0.9)),
    case("perfect", [0, 0, 1, 1], [0, 0.2, 0.8, 1]),
    case("inverted", [1, 1, 0, 0], [0, 0.2, 0.8, 1]),
    case("imbalanced", (rng.random(300) < 0.05).astype(int), rng.random(300) ** 3),
    case("one of each, tied", [0, 1], [0.7, 0.7]),
    case("all real", np.zeros(30, int), rng.random(30)),
    case("all synthetic", np.ones(30, int), rng.random(30)),
    case("single picture", [1], [1.0]),
]
values = np.sort(rng.random(40))
out = dict(sklearn=sklearn.__version__, cases=cases,
           quantiles=dict(values=values.tolist(), q=[0, 0.025, 0.3, 0.975, 1], want=np.quantile(values, [0, 0.025, 0.3, 0.975, 1]).tolist()))
json.dump(out, open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden.json"), "w"))
