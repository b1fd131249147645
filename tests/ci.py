#!/usr/bin/env python3
"""What decides whether a change may land: `make test`, then the newcomer's first ten minutes, timed.

The second part takes a clean clone with a build folder of its own, runs `make demo`, pastes the curl line it prints,
and stops it with SIGTERM. Reads nothing from the terminal; every wait has an end; under 30 minutes in all.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Nothing is built a second time here, so nothing is kept for that.
os.environ.setdefault("CARGO_INCREMENTAL", "0")
TEST_LIMIT_S = 26 * 60
READY_LIMIT_S = 10 * 60
STOP_LIMIT_S = 15
DEMO_PORT = 7720


def fail(reason, output=""):
    print(output[-6000:])
    print(f"ci: {reason}", flush=True)
    sys.exit(1)


def whole_group(popen, number):
    try:
        os.killpg(popen.pid, number)
    except ProcessLookupError:
        pass


def end_group(popen):
    """Asks, waits a little, insists."""
    whole_group(popen, signal.SIGTERM)
    try:
        popen.wait(5)
    except subprocess.TimeoutExpired:
        pass
    whole_group(popen, signal.SIGKILL)


def make_test():
    child = subprocess.Popen(["make", "--no-print-directory", "test"], cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        status = child.wait(TEST_LIMIT_S)
    except subprocess.TimeoutExpired:
        fail(f"make test ran past {TEST_LIMIT_S // 60} minutes")
    finally:
        end_group(child)
    if status != 0:
        fail(f"make test failed with status {status}")


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def descendants(pid):
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        yield from descendants(int(child))


def demo_process(make_pid):
    """The process that `make demo` became or started: the one whose program is sycee."""
    for pid in [make_pid, *descendants(make_pid)]:
        if Path(f"/proc/{pid}/exe").resolve().name == "sycee":
            return pid
    return None


def paste(command):
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    if answer.returncode != 0 or '"choices"' not in answer.stdout:
        fail(f"the printed curl line did not work: {command}", answer.stdout + answer.stderr)
    return answer.stdout


def curl_line(text):
    """The command as a reader would paste it: from `curl` to the first line that does not go on."""
    found = re.search(r"^\s*(curl (?:.*\\\n)*.*)$", text, re.MULTILINE)
    return found[1] if found else None


def timed_demo():
    with tempfile.TemporaryDirectory(prefix="sycee-ci-") as folder:
        clone, log = Path(folder) / "sycee", Path(folder) / "log"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True, timeout=120, stdin=subprocess.DEVNULL)
        port = DEMO_PORT if port_is_free(DEMO_PORT) else 0
        data = Path(folder) / "data"
        arguments = f"--data {data}" + ("" if port else " --port 0")
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CARGO_TARGET_DIR", "CARGO_BUILD", "MAKE", "MFLAGS"))}
        begun = time.monotonic()
        with open(log, "w") as output:
            make = subprocess.Popen(["make", "--no-print-directory", "demo", f"ARGS={arguments}"], cwd=clone, env=own, start_new_session=True,
                                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            follow(make, log, begun)
        finally:
            end_group(make)


def until_said(make, log, find, seconds, what):
    """What `find` makes of the words of `make demo`, once it makes something of them."""
    end = time.monotonic() + seconds
    while not (found := find(log.read_text(errors="replace"))):
        if make.poll() is not None:
            fail(f"make demo ended with status {make.returncode} before {what}", log.read_text(errors="replace"))
        if time.monotonic() > end:
            fail(f"not within {seconds} s of make demo: {what}", log.read_text(errors="replace"))
        time.sleep(0.05)
    return found


def ready_line(text):
    return re.search(r"^ready (http://127\.0\.0\.1:\d+)$", text, re.MULTILINE)


def follow(make, log, begun):
    ready = until_said(make, log, ready_line, READY_LIMIT_S, "it was ready")
    seconds = time.monotonic() - begun
    print(f"ci: make demo from a clean clone: {ready[0]} after {seconds:.0f} s on {os.cpu_count()} cores", flush=True)
    line = until_said(make, log, curl_line, 10, "it printed a curl line")
    print(f"ci: pasted `{line[:60]}…`: {paste(line)[:100]}…")
    stop(make, log)


def stop(make, log):
    pid = demo_process(make.pid)
    if pid is None:
        fail("no sycee process below make demo", log.read_text(errors="replace"))
    begun = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    try:
        status = make.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        fail(f"the demo did not stop within {STOP_LIMIT_S} s of SIGTERM", log.read_text(errors="replace"))
    if status != 0:
        fail(f"the demo stopped with status {status}", log.read_text(errors="replace"))
    print(f"ci: SIGTERM stopped it cleanly in {time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ci: told to stop"))  # so that what it started ends with it
    started = time.monotonic()
    if "--demo-only" not in sys.argv:
        make_test()
    timed_demo()
    print(f"ci: all well after {time.monotonic() - started:.0f} s")
