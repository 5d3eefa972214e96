"""A graph in ONNX Runtime's Python package: the peer of "nprload -bare".

  python bench/ort_peer.py MODEL.onnx BATCH SECONDS

Pictures are 224 x 224 noise, two threads. Needs onnxruntime and numpy.
"""

import json
import sys
import time

import numpy as np
import onnxruntime

model, batch, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = 2, 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: np.random.default_rng(1).random((batch, 3, 224, 224), dtype=np.float32)}
for _ in range(3):
    session.run(None, feed)
runs, start = 0, time.monotonic()
while time.monotonic() - start < seconds:
    session.run(None, feed)
    runs += 1
print(json.dumps({"images_per_s": runs * batch / (time.monotonic() - start)}))
