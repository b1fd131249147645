"""Processes that end with the test: started with a deadline, their last words kept for the failure message."""

import asyncio
import ctypes
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1


def binary():
    """The `sycee` under test: SYCEE_BIN, else what cargo built."""
    path = Path(os.environ.get("SYCEE_BIN") or Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/sycee")
    assert path.exists(), f"no binary at {path}: run `cargo build -p sycee` first"
    return str(path)


def until(probe, seconds, what):
    """Polls until `probe` gives something true; tests never sleep for a fixed time."""
    end = time.monotonic() + seconds
    while True:
        if found := probe():
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


async def poll(probe, seconds, what):
    """`until` for tests that hold many connections at once."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
    return found


def _tied_to_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    def __init__(self, command, env=None):
        self.output = tempfile.NamedTemporaryFile("w+", prefix="sycee-test-", suffix=".log")
        self.command = command
        self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
                                      env={**os.environ, **(env or {})}, cwd=ROOT, preexec_fn=_tied_to_parent)

    def said(self):
        return Path(self.output.name).read_text(errors="replace")

    def line(self, prefix, seconds=60):
        """Waits for an output line that starts with `prefix`; gives the rest of it."""
        def probe():
            for line in self.said().splitlines():
                if line.startswith(prefix):
                    return line[len(prefix):].strip() or " "
            assert self.popen.poll() is None, f"{self.command} ended with {self.popen.returncode}:\n{self.said()[-4000:]}"
            return None
        return until(probe, seconds, f"{prefix!r} from {self.command}; it said:\n{self.said()[-4000:]}")

    def stop(self, seconds=20):
        """Asks with SIGTERM; gives the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.command} did not stop on SIGTERM within {seconds} s:\n{self.said()[-4000:]}") from None

    def kill(self):
        self.popen.kill()
        self.popen.wait(20)
