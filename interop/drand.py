"""Our drand time lock against bittensor-drand, and the SDK's weights on a subnet with
commit-reveal. See drand.sh.

    drand.py RPC PROGRAM WALLETS VECTORS OLD   the checks; OLD is the python of SDK 9
    drand.py commit RPC WALLETS CLOCK          sets weights under libfaketime
    drand.py lock                              locks weights with an old bittensor-drand
"""

import glob
import json
import os
import secrets
import subprocess
import sys
import time

NETUID, ROUND = 1, 1000
GENESIS, PERIOD = 1692803367, 3
BLOCK_TIME = 0.25
UIDS, VALUES = [2, 3], [65535, 21845]


def lock():
    """Runs in the environment of SDK 9, with bittensor-drand below 1: its payload names
    no hotkey. It takes the round from the clock and says which one."""
    import bittensor_drand

    commit, reveal_round = bittensor_drand.get_encrypted_commit(UIDS, VALUES, 7, 360, 1000, NETUID, 1, 12)
    print(json.dumps({"commit": bytes(commit).hex(), "round": reveal_round}))


def commit(rpc, folder, clock):
    """Sets weights with the clock at which the SDK's commit falls on round 1000."""
    import bittensor as bt

    from sdk_scenario import wallet

    bt.logging.off()
    validator = wallet(folder, "//Bob", "//Bob//validator")
    subtensor = bt.Subtensor(network=rpc)
    # In the middle of an epoch, so that the commit falls into the same one.
    while True:
        state = subtensor.get_epoch_schedule_state(NETUID)
        if 5 <= state.current_block - state.last_epoch_block <= 25:
            break
        time.sleep(0.2)
    first = state.last_epoch_block + state.tempo
    ahead = (first + 3 - state.current_block) * BLOCK_TIME
    target = GENESIS + ROUND * PERIOD + PERIOD / 2 - ahead
    with open(clock, "w") as f:
        f.write(f"-{time.time() - target:.2f}")
    now = time.time()
    response = subtensor.set_weights(wallet=validator, netuid=NETUID, uids=UIDS, weights=[v / 65535 for v in VALUES],
                                     block_time=BLOCK_TIME, wait_for_finalization=False, max_attempts=1)
    data = response.data or {}
    print(json.dumps({"success": response.success, "message": str(response.message), "round": data.get("reveal_round"),
                      "clock": now - GENESIS, "commit": bytes(data.get("commit_for_reveal") or b"").hex()}))


def faketime():
    """The environment in which a process's clock follows a file."""
    import libfaketime

    found = glob.glob(os.path.join(os.path.dirname(libfaketime.__file__), "vendor", "libfaketime", "src", "libfaketime.so.1"))
    return {"LD_PRELOAD": found[0], "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def last_line(arguments, **environment):
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
    if run.returncode != 0:
        raise RuntimeError(f"{os.path.basename(arguments[0])} {arguments[1]}: {run.stderr.strip()[-500:]}")
    return run.stdout.strip().splitlines()[-1] if run.stdout.strip() else ""


def checks(rpc, program, folder, vectors, old_python):
    import bittensor as bt
    import bittensor_drand

    from sdk_checks import Report

    r = Report()
    with open(vectors) as f:
        signature = json.load(f)["signature"]

    def ours(*arguments):
        return last_line([program, *map(str, arguments)])

    plains = [b"", b"weights", secrets.token_bytes(33), secrets.token_bytes(4096)]
    with r.step("bittensor-drand opens ours"):
        for plain in plains:
            sealed = bytes.fromhex(ours("encrypt", ROUND, plain.hex()))
            r.equal(f"bittensor-drand opens our {len(plain)} bytes", bytes(bittensor_drand.decrypt_with_signature(sealed, signature)), plain)
    with r.step("we open bittensor-drand's"):
        for plain in plains:
            sealed, _ = bittensor_drand.encrypt_at_round(plain, ROUND)
            r.equal(f"we open bittensor-drand's {len(plain)} bytes", ours("decrypt", signature, bytes(sealed).hex()), plain.hex())
    with r.step("what was changed is refused"):
        sealed = bytearray.fromhex(ours("encrypt", ROUND, "00" * 20))
        sealed[-60] ^= 1
        try:
            bittensor_drand.decrypt_with_signature(bytes(sealed), signature)
            r.fail("bittensor-drand refuses ours when changed", "it opened it")
        except Exception:
            r.ok("bittensor-drand refuses ours when changed")
        run = subprocess.run([program, "decrypt", signature, sealed.hex()], capture_output=True, text=True)
        r.check("we refuse it too", run.returncode == 1 and "changed" in run.stderr, run.stderr)

    me = os.path.abspath(__file__)
    clock = os.path.join(folder, "clock")
    os.makedirs(folder, exist_ok=True)
    with r.step("bittensor-drand below 1 locks, we open"):
        start = GENESIS + ROUND * PERIOD
        # The second time the clock is right: by as much as the first round was off.
        for _ in range(2):
            with open(clock, "w") as f:
                f.write(f"-{time.time() - start:.2f}")
            got = json.loads(last_line([old_python, me, "lock"], FAKETIME_TIMESTAMP_FILE=clock, **faketime()))
            start += (ROUND - got["round"]) * PERIOD + PERIOD / 2
        if r.equal("its commit is of round 1000", got["round"], ROUND):
            p = json.loads(ours("weights", signature, got["commit"]))
            r.equal("its payload", (p["UIDs"], p["Values"], p["VersionKey"]), (UIDS, VALUES, 7))

    with r.step("the SDK's weights are revealed"):
        ours("setup", rpc)
        with open(clock, "w") as f:
            f.write("+0")
        got = json.loads(last_line([sys.executable, me, "commit", rpc, folder, clock], FAKETIME_TIMESTAMP_FILE=clock, **faketime()))
        r.check("set_weights on a subnet with commit-reveal", got["success"], got["message"])
        r.equal("it locks to round 1000", got["round"], ROUND)
        p = json.loads(ours("weights", signature, got["commit"]))
        r.equal("we open the SDK's commit", (p["UIDs"], p["Values"]), (UIDS, VALUES))

        s = bt.Subtensor(network=rpc)
        validator = 1
        waiting = s.get_timelocked_weight_commits(NETUID)
        r.check("the SDK sees its commit waiting", len(waiting) == 1 and waiting[0][3] == ROUND, waiting)
        r.equal("no weights before the pulse", dict(s.weights(NETUID)).get(validator, []), [])
        ours("pulse", rpc, ROUND, signature)
        want = list(zip(UIDS, VALUES))
        until = s.get_current_block() + 100
        while (got := dict(s.weights(NETUID)).get(validator, [])) == [] and s.get_current_block() < until:
            time.sleep(0.2)
        r.equal("the weights are revealed after it", [tuple(w) for w in got], want)
        r.equal("nothing waits any more", s.get_timelocked_weight_commits(NETUID), [])
    r.done()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    if sys.argv[1] == "commit":
        commit(*sys.argv[2:])
    elif sys.argv[1] == "lock":
        lock()
    else:
        checks(*sys.argv[1:])
