"""Proofs out of a real log, checked by `sycee proof verify` and by a script that shares no line with it. They have to agree."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CREDIT
from harness.process import ROOT, binary, until
from harness.sycee import Sycee

HERE = Path(__file__).resolve().parent
SCRIPT = ROOT / "docs/verify_proof.py"
# A metered line of an earlier log; `UPDATE=1 cargo nextest run -p sycee earlier` makes another.
LINE, LINE_KEY = HERE / "line.tlog-proof", HERE / "line.key"


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def sycee(*arguments):
    done = run(binary(), "proof", *arguments)
    assert done.returncode in (0, 1), done
    return done


def made(*arguments):
    done = sycee(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def checked(key, file, kept=None):
    """The report of `sycee proof verify`, after the script has come to the same."""
    done = sycee("verify", file, "--key", key, "--json", *(["--kept", kept] if kept else []))
    report = json.loads(done.stdout)
    assert report["proved"] == (done.returncode == 0) == (report["cause"] is None), done
    other = run(sys.executable, SCRIPT, key, file, *([kept] if kept else []))
    assert other.returncode in (0, 1) and "Traceback" not in other.stderr, other
    assert report["proved"] == (other.returncode == 0) == other.stdout.endswith("PROVED\n"), (report, other)
    return report


class Log:
    """Receipts of two consumers, asked for before and after a checkpoint was kept, in a log that has stopped."""

    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        with Sycee(data=self.data) as running:
            self.receipts = [self.ask(running, name) for name in ("Ada", "Bo")]
            self.kept = folder / "kept"
            self.kept.write_text(self.checkpoint(running))
            # From a running log too: what is signed is enough.
            self.running = folder / "running.tlog-proof"
            self.running.write_text(made("make", self.data, self.receipts[0]))
            self.receipts += [self.ask(running, name) for name in ("Cy", "Di", "Ed")]
        self.key = folder / "key"
        self.key.write_text(made("key", self.data))

    @staticmethod
    def ask(running, name):
        raw = running.consumer(CREDIT, name).openai().chat.completions.with_raw_response.create(
            model=running.models["chat"], messages=[{"role": "user", "content": f"{name} asks about 词元"}], max_tokens=20)
        return raw.headers["x-sycee-receipt"]

    @staticmethod
    def checkpoint(running):
        """The next checkpoint that has everything that has been settled."""
        now = running.operator.get("/log")["durable_position"]
        def latest():
            text = running.operator.get("/log")["checkpoint"]
            return text and int(text.split("\n")[1]) >= now and text
        return until(latest, 20, "a checkpoint")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return Log(tmp_path_factory.mktemp("proofs"))


def test_every_receipt_is_proved_with_its_price_and_its_amount(log, tmp_path):
    key = log.key.read_text().strip()
    for receipt in log.receipts:
        file = tmp_path / f"{receipt}.tlog-proof"
        made("make", log.data, receipt, "--out", file)
        report = checked(key, file)
        assert report["proved"], report
        assert [step["step"] for step in report["steps"]][-3:] == ["split", "price", "amount"]
        [shown] = report["file"]["shown"]["receipts"]
        assert shown["request"] == receipt and int(shown["total"]) > 0
        assert sum(int(part["amount"]) for part in shown["split"]) == int(shown["total"])
        assert not any(other in file.read_text() or other in json.dumps(report) for other in log.receipts if other != receipt)
    assert checked(log.key, log.running)["proved"]


def test_every_entry_is_proved_from_the_first_to_the_last(log, tmp_path):
    size = int((log.data / "checkpoint").read_text().split("\n")[1])
    for position in (0, 1, size // 2, size - 2, size - 1):
        file = tmp_path / str(position)
        file.write_text(made("make", log.data, position, "--with-others"))
        assert checked(log.key, file)["file"]["shown"]["position"] == position
    done = sycee("make", log.data, size)
    assert done.returncode == 1 and f"failed to find position {size}" in done.stderr


def test_a_log_is_proved_to_begin_as_it_was_when_a_checkpoint_was_kept(log, tmp_path):
    growth = tmp_path / "growth"
    made("growth", log.data, log.kept, "--out", growth)
    assert checked(log.key, growth, log.kept)["proved"]
    same = tmp_path / "same"
    same.write_text(made("growth", log.data, log.data / "checkpoint"))
    assert checked(log.key, same, log.data / "checkpoint")["proved"]
    # Another beginning, another size, another path.
    assert not checked(log.key, growth, log.data / "checkpoint")["proved"]
    assert not checked(log.key, same, log.kept)["proved"]
    lines = growth.read_text().split("\n")
    for changed in ([lines[0], *lines[2:]], [lines[0], lines[2], lines[1], *lines[3:]], ["old 1", *lines[1:]]):
        growth.write_text("\n".join(changed))
        assert not checked(log.key, growth, log.kept)["proved"], changed


def test_a_line_is_proved_with_its_price():
    report = checked(LINE_KEY, LINE)
    assert report["proved"] and report["file"]["shown"]["line"]["verdict"] == "paid", report
    assert [step["step"] for step in report["steps"]][-2:] == ["price", "amount"]


def spoiled(text):
    """The proof with something changed in each of its parts, again and again."""
    head, checkpoint = text.split("\n\n", 1)
    first, extra, *rest = head.split("\n")
    inner = base64.b64decode(extra.removeprefix("extra ")).decode().split("\n")
    def put(lines):
        return "\n".join([first, "extra " + base64.b64encode("\n".join(lines).encode()).decode(), *rest]) + "\n\n" + checkpoint
    for number, line in enumerate(inner):
        name, _, value = line.rpartition(" ")
        if len(value) < 24:
            continue
        plain = bytearray(base64.b64decode(value))
        for at in {0, len(plain) // 2, len(plain) - 1}:
            plain[at] ^= 4
            changed = base64.b64encode(plain).decode()
            plain[at] ^= 4
            yield put([*inner[:number], f"{name} {changed}" if name else changed, *inner[number + 1:]])
        yield put([*inner[:number], *inner[number + 1:]])
    for number in range(len(rest)):
        yield "\n".join([first, extra, *rest[:number], *rest[number + 1:]]) + "\n\n" + checkpoint
    for old, new in ((rest[0], f"index {int(rest[0].split()[1]) + 1}"), ("\n\n", "\n"), ("@v1", "@v2"), ("proof.example/log", "other.example/log")):
        yield text.replace(old, new, 1)
    size = checkpoint.split("\n")[1]
    yield text.replace(f"\n{size}\n", f"\n{int(size) + 1}\n")


def test_what_was_changed_anywhere_proves_nothing(log, tmp_path):
    receipt = made("make", log.data, log.receipts[0])
    file, tried = tmp_path / "spoiled", 0
    for key, text in ((LINE_KEY, LINE.read_text()), (log.key, receipt)):
        for changed in spoiled(text):
            if changed != text:
                file.write_text(changed)
                assert not checked(key, file)["proved"], changed
                tried += 1
    assert tried > 80


def test_a_key_is_believed_and_nothing_else(log):
    file = log.running
    for key, cause in ((LINE_KEY, "not signed by this key"), ("nonsense", "key"), (file, "key")):
        report = json.loads(sycee("verify", file, "--key", key, "--json").stdout)
        assert not report["proved"] and cause in report["cause"], report
        assert run(sys.executable, SCRIPT, key, file).returncode == 1


def test_what_cannot_be_checked_is_said_and_not_taken(log, tmp_path):
    (tmp_path / "junk").write_text("junk\n")
    for file in (tmp_path / "junk", tmp_path / "missing", log.kept):
        done = sycee("verify", file, "--key", log.key)
        assert done.returncode == 1 and str(file) in done.stderr, done
        assert not json.loads(sycee("verify", file, "--key", log.key, "--json").stdout)["proved"]
    (tmp_path / "growth").write_text(made("growth", log.data, log.kept))
    done = sycee("verify", tmp_path / "growth", "--key", log.key)
    assert done.returncode == 1 and "--kept FILE" in done.stderr
    assert sycee("make", log.data, "req_" + 32 * "0").returncode == 1
    assert json.loads(made("show", log.running))["kind"] == "proof"
