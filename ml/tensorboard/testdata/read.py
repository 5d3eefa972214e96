"""Prints, as JSON, what TensorBoard finds in a folder of event files.

    $(scripts/python.sh tensorboard) read.py FOLDER
"""
import io
import json
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.plugins.pr_curve import plugin_data_pb2
from tensorboard.util import tensor_util

folder = sys.argv[1]


def rounded(x):
    return float(f"{x:.8g}")


# The reader that scripts use.
a = event_accumulator.EventAccumulator(folder)
a.Reload()
accumulator = {"scalars": {}, "images": {}}
for tag in a.Tags()["scalars"]:
    accumulator["scalars"][tag] = [[e.step, rounded(e.value)] for e in a.Scalars(tag)]
for tag in a.Tags()["images"]:
    rows = []
    for e in a.Images(tag):
        picture = Image.open(io.BytesIO(e.encoded_image_string)).convert("RGB")
        assert picture.size == (e.width, e.height)
        rows.append([e.step, e.width, e.height, list(picture.getpixel((3, 2)))])
    accumulator["images"][tag] = rows

# The reader behind the dashboards, which serves everything by its plugin.
p = plugin_event_accumulator.EventAccumulator(folder)
p.Reload()
plugins = {}
for tag in p.Tags()["tensors"]:
    metadata = p.SummaryMetadata(tag)
    name = metadata.plugin_data.plugin_name
    events = p.Tensors(tag)
    arrays = [tensor_util.make_ndarray(e.tensor_proto) for e in events]
    last = arrays[-1]
    if name == "scalars":
        value = [[e.step, rounded(v.item())] for e, v in zip(events, arrays)]
    elif name == "images":
        value = [e.step for e in events]
    elif name == "histograms":
        assert last.shape[1] == 3 and last.dtype == np.float64
        value = [events[-1].step, last.shape[0], last[:, 2].sum()]
    elif name == "pr_curves":
        data = plugin_data_pb2.PrCurvePluginData.FromString(metadata.plugin_data.content)
        assert last.shape == (6, data.num_thresholds)
        value = [events[-1].step, data.num_thresholds, last[:, 80].tolist()]
    else:
        value = [events[-1].step, last.item().decode()]
    plugins.setdefault(name, {})[tag] = value
json.dump({"accumulator": accumulator, "plugins": plugins}, sys.stdout)
