"""Asks a running service through a client that openapi-python-client has made.

  python interop/openapi.py SERVER PICTURES

PICTURES holds real/<source>/*.jpg and fake/<source>/*.jpg. Every operation of the
detections is called, and each kind of error that a caller can make comes back as
the document's Problem with its code.
"""

import base64
import io
import pathlib
import sys
import time

from PIL import Image

from bitmind_client import Client
from bitmind_client.api.detections import (
    delete_detection, detect, detect_batch, feedback, get_detection, list_detections,
)
from bitmind_client.api.models import models
from bitmind_client.api.service import health, version
from bitmind_client.api.subnet import leaderboard
from bitmind_client.models import (
    Batch, Detection, DetectFilesBody, Feedback, FeedbackKind, Problem, Question,
)
from bitmind_client.types import UNSET, File

server, pictures = sys.argv[1], pathlib.Path(sys.argv[2])
client = Client(base_url=server, timeout=60)
photo = sorted(pictures.glob("real/*/*.jpg"))[0].read_bytes()
failed = 0


def check(what, ok, got=""):
    global failed
    print("ok  " if ok else "FAIL", what, "" if ok else got)
    failed += not ok


def file(data):
    return File(payload=io.BytesIO(data), file_name="photo.jpg", mime_type="application/octet-stream")


def is_problem(what, response, status, code):
    p = response.parsed
    check(what, response.status_code == status and isinstance(p, Problem) and p.code == code and p.detail, response.content[:300])


# The three ways to send a picture say the same.
raw = detect.sync(client=client, body=file(photo))
form = detect.sync(client=client, body=DetectFilesBody(file=file(photo), heatmap=True))
encoded = base64.b64encode(photo).decode()
named = detect.sync(client=client, body=Question(image=encoded, external_id="order 17"))
check("raw bytes", isinstance(raw, Detection) and raw.status == "done" and 0 <= raw.score <= 1, raw)
check("form", isinstance(form, Detection) and form.score == raw.score and form.heatmap is not UNSET, form)
check("JSON", isinstance(named, Detection) and named.score == raw.score and named.external_id == "order 17", named)
check("robustness", raw.robustness is not UNSET and 0 <= raw.robustness.jpeg60 <= 1, raw.robustness)
check("provenance", raw.provenance is not UNSET and raw.provenance.summary, raw.provenance)

quick = detect.sync(client=client, body=file(photo), robustness=False, provenance=False, threshold=0.5)
check("options of raw bytes", quick.robustness is UNSET and quick.bands.ai_above == 0.5 == quick.bands.real_below, quick)

later = detect.sync_detailed(client=client, body=Question(image=encoded, async_=True))
check("accepted", later.status_code == 202 and later.parsed.status == "queued", later.content[:300])
for _ in range(600):
    got = get_detection.sync(later.parsed.id, client=client)
    if got.status != "queued":
        break
    time.sleep(0.1)
check("answered later", got.status == "done" and got.score == raw.score, got)

broken = io.BytesIO()
Image.new("RGB", (400, 300)).save(broken, "PNG")
batch = detect_batch.sync(client=client, body=Batch(items=[
    Question(image=encoded), Question(image=base64.b64encode(b"no picture").decode()),
    Question(image=base64.b64encode(broken.getvalue()[:60]).decode()),
]))
check("batch", [i.status for i in batch.items] == [200, 415, 422] and batch.items[1].error.code == "unsupported_media", batch)

listed = list_detections.sync(client=client, external_id="order 17")
check("list", [d.id for d in listed.items] == [named.id], listed)
page = list_detections.sync(client=client, limit=2)
rest = list_detections.sync(client=client, limit=100, cursor=page.next_cursor)
check("pages", len(page.items) == 2 and not {d.id for d in page.items} & {d.id for d in rest.items}, page)
said = feedback.sync(named.id, client=client, body=Feedback(kind=FeedbackKind.RIGHT))
check("feedback", isinstance(said, Detection) and said.feedback == "right", said)
check("delete", delete_detection.sync_detailed(named.id, client=client).status_code == 204)
is_problem("deleted", get_detection.sync_detailed(named.id, client=client), 404, "not_found")

about = models.sync(client=client)
check("models", [m.name for m in about.items] == ["fast"] and about.items[0].default, about)
check("health", health.sync_detailed(client=client).status_code == 200)
check("version", version.sync_detailed(client=client).status_code == 200)

is_problem("empty", detect.sync_detailed(client=client, body=file(b"")), 400, "empty_body")
is_problem("no picture", detect.sync_detailed(client=client, body=file(b"no picture at all")), 415, "unsupported_media")
is_problem("cut short", detect.sync_detailed(client=client, body=file(broken.getvalue()[:60])), 422, "damaged_picture")
is_problem("an unknown detector", detect.sync_detailed(client=client, body=file(photo), models=["none"]), 422, "invalid")
is_problem("a private address", detect.sync_detailed(client=client, body=Question(url="http://127.0.0.1:1/a.jpg")), 422, "fetch_refused")
is_problem("no subnet", leaderboard.sync_detailed(client=client), 404, "not_found")
first = detect.sync(client=client, body=file(photo), idempotency_key="one")
again = detect.sync(client=client, body=file(photo), idempotency_key="one")
check("idempotency", first.id == again.id, (first.id, again.id))
is_problem("another request of that key", detect.sync_detailed(client=client, body=file(photo), threshold=0.9, idempotency_key="one"), 409, "conflict")

sys.exit(1 if failed else 0)
