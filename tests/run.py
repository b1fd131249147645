"""Runs the named steps of `make test` or `make soak` one after another, each with a deadline.

usage: run.py test | soak | STEP...

Prints what each step prints, then the seconds of each, then one line of its own: `N passed, N failed`. The counts are
summed from what the test programs themselves report; a step that fails without saying so counts as one failed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV_PYTHON = str(ROOT / "target/venv/bin/python")
TEST_LIMIT_S = 25 * 60


@dataclass
class Step:
    name: str
    command: list
    limit_s: int
    cwd: Path = ROOT
    env: dict | None = None
    needed_by_all: bool = False  # what follows makes no sense without it


def pytest(name, limit_s, *paths, **env):
    command = [VENV_PYTHON, "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", "tests", *(f"tests/{path}" for path in paths)]
    return Step(name, command, limit_s, env=env)


def node():
    """The Node that came with the client tests, as the official client wants a newer one than Debian has."""
    own = sorted((ROOT / "tests/clients/node/node_modules").glob("node-*/bin/node"))
    return str(own[0]) if own else shutil.which("node") or "node"


def steps():
    return {step.name: step for step in (
        Step("prepare", [sys.executable, "tests/prepare.py"], 900, needed_by_all=True),
        Step("check", ["cargo", "xtask", "check"], 900),
        Step("build", ["make", "--no-print-directory", "build"], 600, needed_by_all=True),
        Step("console", ["npm", "run", "--silent", "check"], 180, cwd=ROOT / "console"),
        pytest("commands", 120, "commands"),
        pytest("python clients", 240, "clients"),
        Step("node clients", [node(), "--test", "--test-reporter=spec", "tests/clients/node/openai.test.mjs"], 120),
        pytest("engine", 240, "engine"),
        pytest("budget", 120, "budget"),
        pytest("recompute", 120, "recompute"),
        pytest("proofs", 120, "proofs"),
        pytest("usage", 180, "usage"),
        pytest("crash", 240, "crash"),
        Step("browser", ["npm", "test", "--silent"], 300, cwd=ROOT / "console/e2e"),
        pytest("recompute, an hour", 90 * 60, "recompute", RECOMPUTE_MINUTES="60"),
        pytest("crash, 100 times", 3600, "crash", CRASH_ROUNDS="100"),
        Step("properties, 100 times", ["cargo", "test", "--quiet", "--workspace", "--lib"], 4 * 3600, env={"PROPTEST_CASES": "25600"}),
    )}


TEST = ["prepare", "check", "build", "console", "commands", "python clients", "node clients", "engine", "budget", "recompute", "proofs", "usage", "crash", "browser"]
SOAK = ["prepare", "build", "properties, 100 times", "crash, 100 times", "recompute, an hour"]
# The last words of nextest, cargo test, vitest, pytest and Playwright; Node's test runner has its own form.
SUMMARY = re.compile(r"^\s*(Summary \[|test result: |Tests  |\d+ (passed|failed)\b)")
NODE_SUMMARY = re.compile(r"^ℹ (pass|fail) (\d+)$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def counted(line):
    """What this line of output reports, as {"passed": n, "failed": n}; nothing for a line that is no summary."""
    text = COLOUR.sub("", line).rstrip()
    if node := NODE_SUMMARY.match(text):
        return {node[1] + "ed": int(node[2])}
    return {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed)\b", text)} if SUMMARY.match(text) else {}


def run(step):
    """(ok, seconds, passed, failed)."""
    print(f"\n━━ {step.name}", flush=True)
    begun, passed, failed = time.monotonic(), 0, 0
    try:
        child = subprocess.Popen(step.command, cwd=step.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
                                 env={**os.environ, **(step.env or {})})
    except OSError as error:
        print(f"cannot start {step.command[0]}: {error}", flush=True)
        return False, 0.0, 0, 1
    # The step ends with this program, by its own group: it may have started others.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: (os.killpg(child.pid, signal.SIGKILL), sys.exit("told to stop")))
    late = threading.Timer(step.limit_s, lambda: os.killpg(child.pid, signal.SIGKILL))
    late.start()
    for line in child.stdout:
        print(line, end="", flush=True)
        more = counted(line)
        passed, failed = passed + more.get("passed", 0), failed + more.get("failed", 0)
    status = child.wait()
    late.cancel()
    seconds = time.monotonic() - begun
    if seconds >= step.limit_s:
        print(f"{step.name}: stopped after its {step.limit_s} s", flush=True)
    if status != 0:
        failed = max(failed, 1)
    return status == 0 and failed == 0, seconds, passed, failed


def main(names):
    limit_s = TEST_LIMIT_S if names == ["test"] else None
    table = steps()
    names = {"test": TEST, "soak": SOAK}.get(names[0], names) if names else sys.exit(__doc__)
    unknown = [name for name in names if name not in table]
    if unknown:
        sys.exit(f"no step {unknown[0]!r}; there are: {', '.join(table)}")
    begun, rows = time.monotonic(), []
    for name in names:
        step = steps()[name]  # again, as `prepare` changes what there is
        ok, seconds, passed, failed = run(step)
        rows.append((name, ok, seconds, passed, failed))
        if not ok and step.needed_by_all:
            print(f"the rest needs {name!r}: stopping", flush=True)
            break
    total = time.monotonic() - begun
    print()
    for name, ok, seconds, passed, failed in rows:
        print(f"{name:<18} {seconds:7.1f} s  {passed:5} passed  {failed:3} failed{'' if ok else '   FAILED'}")
    print(f"{'together':<18} {total:7.1f} s")
    too_long = limit_s is not None and total > limit_s
    if too_long:
        print(f"took over {limit_s // 60} minutes")
    failures = sum(row[4] for row in rows) + too_long
    print(f"{sum(row[3] for row in rows)} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
