"""Files that people write: a mistake is refused before anything runs, with the file, the line and what would help."""

import re
import signal
import subprocess

import pytest

from harness.control import Control
from harness.deployed import Deployed
from harness.process import binary, until
from harness.provider import ScriptedProvider


@pytest.fixture(scope="module")
def provider():
    with ScriptedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def deployed(provider):
    with Deployed(provider.url) as running:
        yield running


SITE = '[sites."Test site"]\nurl = "http://127.0.0.1:1/v1"\n'
MISTAKES = {
    "unknown key": ('listen = "127.0.0.1:0"\nlisten_on = "all"\n' + SITE, 2, "listen_on"),
    "no TOML": ('listen = "127.0.0.1:0"\n[sites\n', 2, ""),
    "no address": ("listen = 7720\n", 1, ""),
    "missing tokenizer": ('listen = "127.0.0.1:0"\n\n[metering]\ntokenizers = ["no-such-file.gguf"]\n' + SITE, 4, "no-such-file.gguf"),
    "no tokenizer at all": ('listen = "127.0.0.1:0"\n\n[metering]\ntokenizers = ["sycee.toml"]\n' + SITE, 4, "sycee.toml"),
    "no URL": ('listen = "127.0.0.1:0"\n[sites.x]\nurl = "zhongwei"\n', 3, "zhongwei"),
    "missing secret": ('listen = "127.0.0.1:0"\n[sites.x]\nurl = "http://127.0.0.1:1/v1"\nkey_env = "SYCEE_NO_SUCH_KEY"\n', 4, "SYCEE_NO_SUCH_KEY"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_configuration_is_refused_with_its_line(tmp_path, mistake):
    text, line, named = MISTAKES[mistake]
    config = tmp_path / "sycee.toml"
    config.write_text(text)
    subprocess.run([binary(), "init", tmp_path / "data"], check=True, capture_output=True, timeout=30)
    done = subprocess.run([binary(), "serve", "--data", tmp_path / "data", "--config", config], capture_output=True, text=True, timeout=30)
    assert done.returncode not in (0, 101)
    assert f"{config}:{line}: " in done.stderr and named in done.stderr, done.stderr


CHANGES = {
    "a schedule without a bucket": ('prices = { input = "2", output = "8" }', 'prices = { input = "2" }', "output"),
    "an unknown bucket": ('output = "8" }', 'output = "8", thoughts = "1" }', "thoughts"),
    "a price that is no number": ('input = "2"', 'input = "two"', "two"),
    "an unknown key": ("concurrency_max = 1000", "concurrency_max = 1000\nconcurrency = 2", "concurrency"),
    "an unknown site": ('site = "Test site"', 'site = "Nowhere"', "Nowhere"),
    "a missing tokenizer": ("concurrency_max = 1000", 'concurrency_max = 1000\ntokenizer = "no-such.gguf"', "no-such.gguf"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_mistake_in_the_catalogue_is_refused_with_its_line_and_changes_nothing(deployed, change):
    good = deployed.catalog_file.read_text()
    before, (old, new, named) = deployed.catalog(), CHANGES[change]
    try:
        deployed.catalog_file.write_text(good.replace(old, new))
        said = deployed.apply(fails=True)
    finally:
        deployed.catalog_file.write_text(good)
    assert re.search(rf"{re.escape(str(deployed.catalog_file))}:\d+: ", said) and named in said, said
    assert deployed.catalog() == before


def test_a_dry_run_shows_the_difference_and_applies_nothing(deployed):
    good, before = deployed.catalog_file.read_text(), deployed.catalog()
    deployed.catalog_file.write_text(good.replace('output = "8"', 'output = "9"', 1))
    said = deployed.apply("--dry-run")
    assert "schedule scripted-chat" in said and "8.000000000" in said and "9.000000000" in said, said
    assert deployed.catalog() == before
    deployed.apply()
    prices = [schedule["prices"]["output_visible"] for offer in deployed.catalog()["offers"] for schedule in offer["schedules"]]
    assert "9.000000000" in prices
    assert "9.000000000" not in deployed.apply("--dry-run"), "applied once, there is no difference left"
    deployed.catalog_file.write_text(good)
    deployed.apply()


def test_applying_the_same_file_again_changes_nothing(deployed):
    position = Control(deployed.api_url, deployed.key).get("/log")["position"]
    deployed.apply()
    assert Control(deployed.api_url, deployed.key).get("/log")["position"] == position


def test_a_site_whose_address_is_gone_is_shown_as_not_set_up_until_the_file_names_one_again(deployed):
    def state():
        [site] = deployed.operator.get("/overview")["sites"]
        return site["state"]
    good = deployed.config.read_text()
    assert state() == "healthy"
    for text, wanted in ((good.replace('[sites."Test site"]', '[sites."Another site"]'), "unconfigured"), (good, "healthy")):
        deployed.config.write_text(text)
        deployed.process.popen.send_signal(signal.SIGHUP)
        until(lambda: state() == wanted, 10, wanted)


def test_a_backup_of_a_running_log_is_sound_and_can_be_restored(deployed, tmp_path):
    consumer = deployed.consumer(7 * 10**9)
    deployed.sycee("backup", str(deployed.data), str(tmp_path / "backup"))
    deployed.sycee("restore", str(tmp_path / "backup"), str(tmp_path / "restored"))
    assert '"sound": true' in deployed.sycee("verify", str(tmp_path / "restored"), "--json")
    assert consumer.balance()["balance"] == 7 * 10**9
