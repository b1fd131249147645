"""What `verify`, `backup` and `restore` say of a folder that is no log, half of one, or somebody else's."""

import json
import subprocess

import pytest

from harness.process import binary

KEYS = {"sound", "entries", "position", "state_hash", "assets", "cause"}


def sycee(*arguments):
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode != 101, done.stderr
    return done


def refused(*arguments):
    done = sycee(*arguments)
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def verified(*arguments):
    """The report of `sycee verify --json`: the one thing on standard output, whatever it was given."""
    done = sycee("verify", *arguments, "--json")
    report = json.loads(done.stdout)
    assert KEYS <= set(report) and report["sound"] == (done.returncode == 0) == (report["cause"] is None), done
    return report


@pytest.fixture
def log(tmp_path):
    done = sycee("init", tmp_path / "log", "--segment-mib", 8)
    assert done.returncode == 0, done.stderr
    return tmp_path / "log"


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_verify_gives_json_of_whatever_it_is_given(log, tmp_path):
    assert verified(log)["entries"] == 1
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    for name in ("missing", "empty", "file"):
        found = verified(tmp_path / name)
        assert (found["entries"], found["position"], found["assets"]) == (0, None, [])
        assert str(tmp_path / name) in found["cause"], found
        for command in (["verify"], ["backup", tmp_path / "new"], ["restore", tmp_path / "new"]):
            said = refused(command[0], tmp_path / name, *command[1:])
            assert str(tmp_path / name) in said and "hint: name the directory" in said, said
    assert not (tmp_path / "new").exists()
    assert f"{tmp_path / 'file'}: Not a directory" in refused("restore", log, tmp_path / "file")
    cause = verified(log, "--checkpoint", tmp_path / "no-such-file")["cause"]
    assert "no-such-file" in cause and "No such file" in cause
    (log / "segment-00000000000000000000.log").write_bytes(b"")
    assert "segment-00000000000000000000.log" in verified(log)["cause"]


def test_a_file_that_is_no_checkpoint_is_named_with_its_line(log, tmp_path):
    junk = tmp_path / "junk"
    for content, line in ((b"junk\n", 2), (b"\x7fELF\x01", 1), (b"log\n1\nroot\n", 3), (b"", 1)):
        junk.write_bytes(content)
        found = verified(log, "--checkpoint", junk)
        assert found["cause"].startswith(f"{junk} is no checkpoint of this log (line {line}: "), found
        assert found["entries"] == 1, "the log was verified all the same"


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_copy_needs_an_empty_folder(log, tmp_path, command):
    target = tmp_path / "target"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    before = tree(target)
    said = refused(command, log, target)
    assert str(target) in said and "notes.txt" in said and "hint: nothing was written" in said, said
    assert tree(target) == before
    (target / "notes.txt").unlink()
    assert sycee(command, log, target, "--segment-mib", 8).returncode == 0
    assert verified(target)["entries"] == 1
    assert str(target) in refused(command, log, target), "a second copy beside the first"


def test_half_a_copy_is_not_taken_for_a_log(log, tmp_path):
    """What a kill leaves, at every operation, is played in `node::tests::copies`; here is what people are told of it."""
    half, config = tmp_path / "half", tmp_path / "sycee.toml"
    assert sycee("backup", log, half, "--segment-mib", 8).returncode == 0
    (half / "unfinished-copy").touch()
    config.write_text('listen = "127.0.0.1:0"\n[sites.x]\nurl = "http://127.0.0.1:1/v1"\n')
    assert "not finished" in verified(half)["cause"]
    for command in (("serve", "--config", config, "--data", half), ("verify", half), ("restore", half, tmp_path / "new"), ("backup", log, half)):
        said = refused(*command)
        assert str(half) in said and "not finished" in said and "remove that directory and copy again" in said, said
    assert not (tmp_path / "new").exists()
