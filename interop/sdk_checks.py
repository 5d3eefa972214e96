"""What the parts of the interop run share: one line for each check."""

import contextlib
import json
import subprocess
import sys
import traceback


class Report:
    """Prints the checks and remembers whether one failed."""

    def __init__(self):
        self.failed = 0

    def ok(self, what):
        print(f"ok {what}", flush=True)

    def fail(self, what, why):
        self.failed += 1
        print(f"FAIL {what}: {why}", flush=True)

    def note(self, what, why):
        print(f"note {what}: {why}", flush=True)

    def check(self, what, condition, why="it is not so"):
        if condition:
            self.ok(what)
        else:
            self.fail(what, why)
        return bool(condition)

    def equal(self, what, got, want):
        return self.check(what, got == want, f"{got!r}, want {want!r}")

    def within(self, what, got, want, part=1e-6):
        """Compares floats that went through 32 bits on one side."""
        return self.check(what, abs(got - want) <= part * max(1.0, abs(want)), f"{got!r}, want {want!r}")

    @contextlib.contextmanager
    def step(self, what):
        """Makes an exception a failed check and goes on after it."""
        try:
            yield
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self.fail(what, f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})")

    def done(self):
        sys.exit(1 if self.failed else 0)


def bitmind(program, *arguments):
    """Runs our own program and returns the JSON document it prints."""
    run = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    if run.returncode != 0:
        raise RuntimeError(f"bitmind {arguments[0]}: {run.stderr.strip()}")
    return json.loads(run.stdout)
