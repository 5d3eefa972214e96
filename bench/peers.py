#!/usr/bin/env python3
"""Scores a folder of pictures with an open detector from PyPI, for comparison.

    PY=$(scripts/python.sh peers)
    $PY bench/peers.py sahu65 FOLDER > sahu65.jsonl
    $PY bench/peers.py minosse FOLDER > minosse.jsonl
    bitmind eval --data FOLDER --scores sahu65.jsonl --scores minosse.jsonl

Prints a JSON line for every picture: path below the folder, score in [0,1] (above
0.5 means AI-generated, by the detector's own scale) and seconds, or path and error.
FOLDER may have a manifest.tsv; --split takes the pictures that it puts in a split.
One picture at a time, on one thread.

sahu65 (1.1.0) gives its calibrated probability; its own verdict "likely AI" wants
0.88. minosse (0.1.0) gives one of three scores (0, 0.75, 1), so that its ROC curve
has at most two corners. bench/peers.sh does the whole comparison.
"""
import argparse
import csv
import json
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ORT_INTRA_THREADS"):
    os.environ[name] = "1"

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif")


def pictures(folder, split):
    manifest = os.path.join(folder, "manifest.tsv")
    if split:
        with open(manifest, newline="") as f:
            return sorted(row["path"] for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE) if row["split"] == split)
    found = []
    for base, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(base, n), folder) for n in names if n.lower().endswith(ENDINGS)]
    return sorted(found)


def sahu65():
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    from sahu65 import local

    local.warm()
    return lambda path: local.detect(path).ai_probability


def minosse():
    from minosse.detector import analyze_path

    return lambda path: analyze_path(path).score


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("detector", choices=("sahu65", "minosse"))
    args.add_argument("folder")
    args.add_argument("--split")
    args = args.parse_args()
    score = {"sahu65": sahu65, "minosse": minosse}[args.detector]()
    paths = pictures(args.folder, args.split)
    if not paths:
        sys.exit(f"error: no pictures in {args.folder}; try: a folder of JPEG, PNG or WebP files")
    for n, path in enumerate(paths, 1):
        line = {"path": path.replace(os.sep, "/")}
        start = time.perf_counter()
        try:
            line["score"] = float(score(os.path.join(args.folder, path)))
            line["seconds"] = round(time.perf_counter() - start, 4)
        except Exception as e:  # whatever a peer makes of a picture is its answer
            line["error"] = f"{type(e).__name__}: {e}"
        print(json.dumps(line), flush=True)
        if n % 100 == 0:
            print(f"{n} of {len(paths)}", file=sys.stderr)


if __name__ == "__main__":
    main()
