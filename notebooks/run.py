"""Executes the notebooks with nbclient and checks what they show; notebooks/run.sh
prepares its surroundings. Usage: run.py FOLDER-FOR-EXECUTED-NOTEBOOKS"""
import base64
import io
import json
import math
import os
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent


def need(condition, message):
    if not condition:
        sys.exit(f"error: {message}")


def share(value, name):
    need(isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= 1, f"{name} is {value}")


def execute(name, folder):
    """Runs a notebook in its own folder, as Jupyter does, and keeps the result."""
    book = nbformat.read(HERE / name, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            need(not cell.outputs and cell.execution_count is None, f"{name} is stored with outputs; try: clear them in Jupyter")
    # No limit here: the script has one for everything, and says so on the machine
    # that is too slow.
    client = NotebookClient(book, timeout=None, startup_timeout=300, kernel_name="python3", resources={"metadata": {"path": str(HERE)}})
    try:
        client.execute()
    except CellExecutionError as error:
        sys.exit(f"error: {name}: {error}")
    finally:
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(book, folder / name)
    return book


def printed(book):
    """What the cells wrote, and the pictures that they drew."""
    text, pictures = "", []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stdout":
                text += output.text
            png = output.get("data", {}).get("image/png")
            if png:
                pictures.append(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))
    return text, pictures


def figures(name, text):
    lines = [line for line in text.splitlines() if line.startswith("figures: ")]
    need(len(lines) == 1, f"{name} printed {len(lines)} lines of figures, not 1")
    return json.loads(lines[0].removeprefix("figures: "))


def drawn(name, pictures, count):
    need(len(pictures) == count, f"{name} drew {len(pictures)} pictures, not {count}")
    for i, picture in enumerate(pictures):
        colours = len(picture.getcolors(1 << 24))
        need(min(picture.size) > 100 and colours > 20, f"{name}: picture {i + 1} is empty ({picture.size}, {colours} colours)")


def check_training(name, book):
    text, pictures = printed(book)
    found = figures(name, text)
    drawn(name, pictures, 1 + (found["wrong"] > 0))
    need(found["epochs"] == int(os.environ["BITMIND_EPOCHS"]), f"{name}: {found['epochs']} epochs")
    need(1 <= found["best_epoch"] <= found["epochs"] <= found["steps"], f"{name}: {found}")
    share(found["roc_auc"], f"{name}: ROC AUC")
    for key in ("first_loss", "last_loss"):
        need(0 < found[key] < 5, f"{name}: {key} is {found[key]}")
    need(0 <= found["wrong"] <= found["looked"] and found["looked"] > 0, f"{name}: {found}")
    # What the cells printed is what the run left behind.
    folder = pathlib.Path(found["folder"])
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    best = [line for line in lines if line.get("epoch") == found["best_epoch"] and "held" in line]
    need(len(best) == 1 and best[0]["held"]["roc_auc"] == found["roc_auc"], f"{name}: the printed ROC AUC is not that of {folder}/metrics.jsonl")
    held = json.loads((folder / "train.json").read_text())["data"]["held"]
    need(held == found["looked"], f"{name}: {found['looked']} pictures looked at where {held} were held out")
    for file in ("model_epoch_best.onnx", "model_epoch_last.safetensors", "report.html", "checkpoint"):
        need((folder / file).stat().st_size > 1000, f"{name}: {folder / file} is empty")
    return f"{found['epochs']} epochs, loss {found['first_loss']:.3f} to {found['last_loss']:.3f}, ROC AUC {found['roc_auc']:.3f}"


def check_evaluation(name, book):
    text, pictures = printed(book)
    found = figures(name, text)
    drawn(name, pictures, 2 + (found["wrong"] > 0))
    tables = [o.data["text/html"] for c in book.cells for o in c.get("outputs", []) if "text/html" in o.get("data", {})]
    need(len(tables) == 1 and tables[0].count("<tr>") == len(found["results"]) + 1, f"{name}: the table has not one row for each result")
    # The shipped detector and the one that train_detector.ipynb has made, on three tiers.
    need(found["models"] == 2 and len(found["results"]) == 6, f"{name}: {found['models']} detectors, {len(found['results'])} results")
    for r in found["results"]:
        what = f"{name}: {r['model_name']}, {r['tier']}"
        need(r["n"] == int(os.environ["BITMIND_LIMIT"]), f"{what}: {r['n']} pictures")
        for key in ("roc_auc", "ece", "detection", "fpr", "low", "high"):
            share(r[key], f"{what}: {key}")
        # Bootstrap intervals of few pictures may just miss the figure itself.
        need(r["low"] - 0.05 <= r["roc_auc"] <= r["high"] + 0.05, f"{what}: ROC AUC {r['roc_auc']} far from {r['low']} to {r['high']}")
    first = found["results"][0]
    need(first["roc_auc"] > 0.6, f"{name}: the shipped detector's ROC AUC is {first['roc_auc']}")
    need(0 <= found["wrong"] <= found["looked"] == first["n"], f"{name}: {found['wrong']} of {found['looked']} wrong")
    return ", ".join(f"{r['model_name']} on {r['tier']} {r['roc_auc']:.3f}" for r in found["results"])


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, check in (("train_detector.ipynb", check_training), ("eval_detector.ipynb", check_evaluation)):
        start = time.monotonic()
        told = check(name, execute(name, folder))
        print(f"{name}: ok in {time.monotonic() - start:.0f} s: {told}", flush=True)


main()
