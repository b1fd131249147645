"""Sycee as an institution runs it: founded with `init`, served from a configuration, its catalogue applied from a file."""

import os
import subprocess

from .control import Control
from .process import Process, binary, until
from .provider import CHAT, EMBEDDING
from .sycee import Running

CONFIG = """
listen = "127.0.0.1:{port}"

[metering]
tokenizers = [{pinned}]
chat_templates = [{pinned}]

[sites."Test site"]
url = "{provider}"

[timeouts]
{timeouts}
"""

CATALOG = """
[[member]]
name = "Test power company"
roles = ["provider"]
accounts = [{{ name = "income", asset = "CNY" }}]

[[member]]
name = "Test author"
roles = ["author"]
accounts = [{{ name = "income", asset = "CNY" }}]

[[provider]]
name = "Test provider"
member = "Test power company"

[[site]]
name = "Test site"
provider = "Test provider"
account = "income"
region = "Test region"
longitude = "105.19"
power_price = "0.31"
pue = "1.2"
joules_input = "0.1"
joules_output = "0.7"
basis = "assumed"
simulated = true
"""

MODEL = """
[[model]]
name = "{name}"
kind = "{kind}"
author = "Test author"
account = "income"
context = {context}

[[offer]]
model = "{name}"
site = "Test site"
output_max = {context}
concurrency_max = 1000
{pins}
asset = "CNY"
prices = {{ input = "2", output = "8" }}
model_fee_ppm = 150000
platform_fee_ppm = 50000
"""


class Deployed(Running):
    """One site that serves a chat and an embedding model; with `tokenizer` the chat offer pins that GGUF file's own counting;
    `catalog` adds to the catalogue."""

    asset = "CNY"

    def __init__(self, provider_url, tokenizer=None, context=4096, catalog="", **timeouts):
        super().__init__()
        self.data, self.config = self.folder / "data", self.folder / "sycee.toml"
        self.catalog_file = self.folder / "catalog.toml"
        pinned = f'"{tokenizer}"' if tokenizer else ""
        self._settings = {"pinned": pinned, "provider": provider_url, "timeouts": "\n".join(f"{name} = {value}" for name, value in timeouts.items())}
        pins = f"tokenizer = {pinned}\nchat_template = {pinned}" if tokenizer else ""
        self.catalog_file.write_text(CATALOG.format() + MODEL.format(name=CHAT, kind="chat", context=context, pins=pins)
                                     + MODEL.format(name=EMBEDDING, kind="embedding", context=context, pins="") + catalog)
        self.models = {"chat": CHAT, "embedding": EMBEDDING}
        self.key = self.sycee("init", str(self.data)).split("key (shown only now): ")[1].split()[0]
        self.start()
        self.apply()

    def sycee(self, *arguments, env=None, fails=False):
        """Runs a command to its end and gives what it said."""
        done = subprocess.run([binary(), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                              env={**os.environ, **(env or {})})
        assert (done.returncode != 0) == fails, f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self):
        """Starts it, for the first time or again, on a port of the system's choice."""
        self.config.write_text(CONFIG.format(port=0, **self._settings))
        self.process = Process([binary(), "serve", "--data", str(self.data), "--config", str(self.config)])
        root = self.process.line("ready ")
        self.base_url, self.api_url = f"{root}/v1", f"{root}/api/v1"
        self.operator = Control(self.api_url, self.key)
        until(lambda: self.operator.get("/health")["status"] == "ok", 10, "healthy")

    def apply(self, *arguments, fails=False):
        return self.sycee("apply", str(self.catalog_file), "--url", self.api_url.removesuffix("/api/v1"), "--key-env", "SYCEE_TEST_OPERATOR",
                          *arguments, env={"SYCEE_TEST_OPERATOR": self.key}, fails=fails)
