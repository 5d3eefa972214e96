"""Checks btauth/1 in both directions: btauth.py AXON_ADDRESS GO_CLIENT."""

import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from bittensor import http_auth
from bittensor.sp_core import Keypair

axon, client = sys.argv[1:]
failed = False


def check(what, got, want):
    global failed
    if got == want:
        print(f"ok {what}")
    else:
        failed = True
        print(f"FAIL {what}: {got!r}, want {want!r}")


def key(uri, **kw):
    return Keypair.create_from_uri(uri, **kw)


alice, bob, eve = key("//Alice"), key("//Bob"), key("//Eve")


def ask(headers, body, path="/Echo", method="POST"):
    """The status, and the answer as JSON."""
    request = urllib.request.Request(f"http://{axon}{path}", data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


def sign(signer, body, path="/Echo", receiver=bob.ss58_address, method="POST", **kw):
    return http_auth.sign(signer, method=method, path=path, body=body, receiver_ss58=receiver, **kw)


# SDK 11 asks our axon.
body = json.dumps({"text": "hello ✓"}).encode()
headers = sign(alice, body)
check("signed by the SDK, answered by our axon", ask(headers, body),
      (200, {"text": "hello ✓", "caller": alice.ss58_address}))
check("the same request again", ask(headers, body),
      (401, {"message": "ReplayedRequest: this nonce was already accepted from this hotkey"}))
check("with a query", ask(sign(alice, b"", "/Echo?a=%20b&c", method="GET"), None, "/Echo?a=%20b&c", "GET"),
      (200, {"text": "", "caller": alice.ss58_address}))
check("another body", ask(sign(alice, body), body + b" "),
      (401, {"message": "BadSignature: signature does not verify against the claimed hotkey"}))
check("another receiver", ask(sign(alice, body, receiver=eve.ss58_address), body),
      (401, {"message": "WrongReceiver: request was signed for a different receiving hotkey"}))
check("no receiver", ask(sign(alice, body, receiver=None), body)[0], 401)
now = time.time_ns()
check("11 s old", ask(sign(alice, body, nonce_ns=now - 11 * 10**9), body),
      (401, {"message": "StaleRequest: nonce is older than the 10s freshness window"}))
check("9 s old", ask(sign(alice, body, nonce_ns=time.time_ns() - 9 * 10**9), body)[0], 200)
check("3.5 s ahead", ask(sign(alice, body, nonce_ns=time.time_ns() + 3_500_000_000), body)[0], 401)
check("1.5 s ahead", ask(sign(alice, body, nonce_ns=time.time_ns() + 1_500_000_000), body)[0], 200)
check("blacklisted", ask(sign(eve, body), body), (403, {"message": "Forbidden. Key is blacklisted: not her."}))
check("no such synapse", ask(sign(alice, body, "/Nothing"), body, "/Nothing")[0], 404)
other = key("//Alice", crypto_type=0)
check("signed with an ed25519 key", ask(sign(other, body), body)[1].get("caller"), other.ss58_address)

# Our client asks a server that verifies with SDK 11.
answers = []


class Server(http.server.BaseHTTPRequestHandler):
    def handle_any(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        args = dict(method=self.command, path=self.path, self_hotkey_ss58=bob.ss58_address)
        status, answer = 200, ""
        try:
            answer = http_auth.verify(self.headers, data, **args).hotkey_ss58
        except http_auth.AuthError as e:
            status, answer = 401, f"{type(e).__name__}: {e}"
        else:
            try:  # once is enough
                http_auth.verify(self.headers, data, **args)
            except http_auth.ReplayedRequest:
                pass
            else:
                answer = "accepted twice"
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_POST = do_PUT = handle_any

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
run = subprocess.run([client, "client", f"http://127.0.0.1:{server.server_port}"], capture_output=True, text=True, timeout=60)
check("our client ends well", (run.returncode, run.stderr), (0, ""))
lines = run.stdout.splitlines()
check("our client's requests", len(lines), 3)
for line in lines:
    request, _, answer = line.partition(": ")
    check(f"signed by us, verified by the SDK: {request}", answer, f"200 {alice.ss58_address}")
server.shutdown()
sys.exit(1 if failed else 0)
