"""`sycee demo` as a newcomer meets it: what it prints, what it writes, and what it says when it cannot start."""

import http.cookiejar
import json
import re
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from harness.control import Control, call, units
from harness.process import Process, binary
from harness.sycee import Sycee


def start_and_fail(*arguments):
    done = subprocess.run([binary(), "demo", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode not in (0, 101), f"it must refuse, not panic: {done.stderr}"
    return done.stdout + done.stderr


def test_it_prints_what_a_newcomer_needs_and_the_curl_line_works(demo):
    said = demo.process.said()
    [ready] = re.findall(r"^ready (\S+)$", said, re.MULTILINE)
    assert demo.base_url == f"{ready}/v1" and demo.api_url == f"{ready}/api/v1"
    assert demo.keys["consumer"] in said and re.search(r"http://127\.0\.0\.1:\d+/signin/\S+", said)
    line = re.search(r"^\s*(curl (?:.*\\\n)*.*)$", said, re.MULTILINE)[1]
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "choices" in done.stdout, (line, done)


def test_the_ready_file_is_whole_and_every_key_in_it_works(demo):
    ready = json.loads((demo.folder / "ready.json").read_text())
    assert set(ready) == {"base_url", "console_url", "api_url", "data_dir", "models", "keys", "sites"}
    assert set(ready["models"]) == {"chat", "embedding"} and set(ready["keys"]) == {"consumer", "operator", "provider", "auditor"}
    assert Path(ready["data_dir"]).resolve() == demo.data.resolve() and len(ready["sites"]) >= 2
    for role, key in ready["keys"].items():
        session = call(f"{demo.api_url}/session", "POST", {"key": key})[2]
        assert role in session["member"]["roles"], (role, session)
    assert list(demo.folder.glob("ready.json?*")) == [], "no half-written file is left"


def test_the_console_signs_in_by_itself(demo):
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(demo.ready["console_url"], timeout=10) as page:
        assert page.headers["content-type"].startswith("text/html")
    [cookie] = [cookie for cookie in jar if cookie.name == "sycee_session"]
    assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "Strict"
    with opener.open(f"{demo.api_url}/session", timeout=10) as session:
        assert json.load(session)["member"]["id"]


def test_health_and_the_log_agree_on_what_is_durable(demo):
    health = call(f"{demo.api_url}/health")[2]
    log = Control(demo.api_url, demo.keys["auditor"]).get("/log")
    assert health["status"] == "ok" and health["log_id"] == log["log_id"]
    assert 0 < log["durable_position"] <= call(f"{demo.api_url}/health")[2]["position"]
    assert re.fullmatch(r"[0-9a-f]{64}", log["root"]) and [asset["decimals"] for asset in log["assets"]] == [9] * len(log["assets"])


def test_a_used_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = start_and_fail("--port", port, "--data", str(tmp_path / "data"))
    assert port in said and "use" in said.lower(), said


def test_a_folder_in_use_is_named(demo):
    said = start_and_fail("--port", "0", "--data", str(demo.data))
    assert str(demo.data) in said and f"locked by process {demo.process.popen.pid}" in said, said
    (demo.data / "lock").unlink()
    said = start_and_fail("--port", "0", "--data", str(demo.data))
    assert str(demo.data) in said and "locked by another process" in said, "the lock is more than the file that says who has it"


def test_sigterm_ends_it_with_sound_books_and_it_goes_on_where_it_stopped(tmp_path):
    with Sycee(data=tmp_path / "data") as first:
        consumer = first.consumer(5 * 10**9)
    found = first.verify()
    assert found["sound"] and found["cause"] is None
    with Sycee(data=tmp_path / "data") as second:
        found = Control(second.api_url, consumer.key).get(f"/accounts/{consumer.account}")
        assert units(found["balance"]) == 5 * 10**9
        assert second.ready["keys"], "keys work again after a restart"
        assert Control(second.api_url, second.keys["operator"]).get("/members")["items"]


@pytest.mark.parametrize(("disk", "said", "helps"), [
    ("size=4k", "no space left", "hint: free some space"),
    ("ro", "Read-only file system", "hint: mount it writable"),
])
def test_a_disk_that_is_full_or_read_only_is_told_with_what_helps(tmp_path, disk, said, helps):
    mounted = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", mounted, "sh", disk, tmp_path,
                           binary(), "demo", "--port", "0", "--data", tmp_path / "data"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode not in (0, 101), done
    assert said in done.stderr and helps in done.stderr and str(tmp_path / "data") in done.stderr, done.stderr


def test_a_folder_that_is_moved_away_under_it_stops_it_and_is_named(tmp_path):
    running = Process([binary(), "demo", "--data", str(tmp_path / "data"), "--port", "0"])
    running.line("ready ")
    (tmp_path / "data").rename(tmp_path / "moved")
    assert running.popen.wait(30) not in (0, 101), running.said()
    said = running.said()
    assert f"{tmp_path / 'data'}: not found" in said and "removed or moved away" in said and "sycee init" not in said, said


def verify_flipped(running, segment, good, at):
    data = bytearray(good)
    data[at] ^= 1 << at % 8
    segment.write_bytes(data)
    done = subprocess.run([binary(), "verify", str(running.data), "--json"], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


def test_verify_names_the_place_of_a_flipped_byte(tmp_path):
    with Sycee(data=tmp_path / "data") as running:
        running.consumer(10**9)
    sound = running.verify()
    [segment] = running.data.glob("segment-*")
    good = segment.read_bytes()
    written = len(good.rstrip(b"\0"))
    places = [*(written * part // 40 for part in range(1, 40)), written - 1, written + 5000]
    for at in places:
        status, found = verify_flipped(running, segment, good, at)
        assert status not in (0, 101) and not found["sound"] and found["cause"], f"byte {at} of {written}"
        assert found["position"] is None or found["position"] <= sound["position"]
    assert len(places) == 41
    refused = Process([binary(), "demo", "--data", str(running.data), "--port", "0"])
    assert refused.popen.wait(30) not in (0, 101) and "ready" not in refused.said(), "never silently shorter"
