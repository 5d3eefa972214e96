"""A detection service by FastAPI and ONNX Runtime: the peer of "bitmind serve".

  python bench/api_peer.py DETECTOR PORT

DETECTOR is a folder such as models/fast, whose graph, preprocessing, calibration
and limits it follows. POST /v1/detect takes a picture's bytes and answers as
bitmind does with robustness=false and provenance=false: score, verdict, size and
hash. One process; the endpoint runs in Starlette's thread pool, the graph on two
threads, as an operator of a small machine would set it up.
"""

import hashlib
import io
import json
import math
import sys
import time
import uuid

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from PIL import Image, ImageOps
from starlette.concurrency import run_in_threadpool

folder, port = sys.argv[1], int(sys.argv[2])
with open(f"{folder}/detector.json") as f:
    about = json.load(f)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = 2, 1
session = onnxruntime.InferenceSession(f"{folder}/{about['graph']['file']}", options, providers=["CPUExecutionProvider"])
mean = np.array(about["preprocess"]["mean"], np.float32)
std = np.array(about["preprocess"]["std"], np.float32)
filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
app = FastAPI()


def prepare(image):
    for step in about["preprocess"]["steps"]:
        size = step["size"]
        w, h = image.size
        if step["op"] == "resize_short":
            short = min(w, h)
            image = image.resize((max(round(w * size / short), 1), max(round(h * size / short), 1)), filters[step["filter"]])
        elif step["op"] == "center_crop":
            left, top = (w - size) // 2, (h - size) // 2
            image = image.crop((left, top, left + size, top + size))
        else:
            raise ValueError(step["op"])
    pixels = (np.asarray(image, np.float32) / 255 - mean) / std
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def detect(data):
    start = time.perf_counter()
    try:
        image = Image.open(io.BytesIO(data))
        image = ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:
        raise HTTPException(422, str(error))
    decoded = time.perf_counter()
    logit = float(session.run(None, {about["input"]["name"]: prepare(image)})[0].ravel()[0])
    calibration = about["calibration"]
    score = 1 / (1 + math.exp(-(calibration["scale"] * logit + calibration["offset"])))
    limits = about["verdict"]
    verdict = "real" if score < limits["real_below"] else "ai" if score > limits["ai_above"] else "unsure"
    return {
        "id": str(uuid.uuid4()), "score": score, "verdict": verdict, "bands": limits,
        "model": {"name": about["name"], "version": about["version"], "sha256": about["graph"]["sha256"]},
        "media": {"sha256": hashlib.sha256(data).hexdigest(), "width": image.width, "height": image.height, "bytes": len(data)},
        "timing": {"decode_ms": 1000 * (decoded - start), "detect_ms": 1000 * (time.perf_counter() - decoded)},
    }


@app.post("/v1/detect")
async def post(request: Request):
    return await run_in_threadpool(detect, await request.body())


session.run(None, {about["input"]["name"]: prepare(Image.new("RGB", (512, 512)))})
uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
