"""The real binary, as a newcomer starts it, and the people around it: an operator and consumers with money."""

import itertools
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import openai

from .control import Control, amount, call, units
from .process import Process, binary, until

_numbers = itertools.count(1)


@dataclass
class Consumer:
    """A member with one account and one key, made for one test."""

    sycee: object
    member: str
    account: str
    key: str

    @property
    def control(self):
        return Control(self.sycee.api_url, self.key)

    def openai(self, **options):
        """The official client; without retries, so that each call is one request."""
        return openai.OpenAI(api_key=self.key, base_url=self.sycee.base_url, timeout=30, **{"max_retries": 0, **options})

    def balance(self):
        return self.control.account(self.account)

    def idle(self, seconds=10):
        """The account once nothing is held any more."""
        return until(lambda: (found := self.balance())["held"] == 0 and found, seconds, f"no hold left on {self.account}: {self.balance()}")

    def receipts(self):
        return self.control.all("/receipts", account=self.account)


class Running:
    """A running Sycee and its operator: how both ways to start one are used."""

    process = base_url = api_url = operator = data = None

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="sycee-test-")
        self.folder = Path(self._folder.name)

    def stop(self):
        status = self.process.stop()
        assert status == 0, f"SIGTERM must end it cleanly, not with {status}:\n{self.process.said()[-3000:]}"

    def kill(self):
        self.process.kill()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                self.kill()
        finally:
            self._folder.cleanup()

    def verify(self):
        """What `sycee verify` says of the folder."""
        done = subprocess.run([binary(), "verify", str(self.data), "--json"], capture_output=True, text=True, timeout=120)
        return json.loads(done.stdout)

    def consumer(self, money, name=None):
        """A new consumer with this many units of money."""
        name, reason = name or f"Consumer {next(_numbers)}", {"reason": "made by a test"}
        member = self.operator.post("/members", {"name": name, "roles": ["consumer"], **reason})["id"]
        account = self.operator.post("/accounts", {"member": member, "name": "main", "asset": self.asset, **reason})["id"]
        if money:
            self.operator.post(f"/accounts/{account}/deposits", {"amount": amount(money), **reason})
        key = self.operator.post(f"/members/{member}/keys", {"label": "test", "account": account, **reason})["secret"]
        return Consumer(self, member, account, key)

    def catalog(self):
        return self.operator.get("/catalog")

    def schedule(self, name):
        """A schedule by its id: prices in units per million tokens, and its shares."""
        [found] = [schedule for offer in self.catalog()["offers"] for schedule in offer["schedules"] if schedule["id"] == name]
        return {**found, "prices": {bucket: units(price) for bucket, price in found["prices"].items()}}


class Sycee(Running):
    """`sycee demo` on a free port and a data folder of its own; without the simulated clients unless they are asked for."""

    def __init__(self, *arguments, data=None, env=None, seconds=60, clients=False):
        super().__init__()
        self.data = Path(data or self.folder / "data")
        ready_file = self.folder / "ready.json"
        self.process = Process([binary(), "demo", "--ready-file", str(ready_file), "--data", str(self.data), "--port", "0",
                                *([] if clients else ["--quiet"]), *arguments], env)
        self.process.line("ready ", seconds)
        self.ready = json.loads(ready_file.read_text())
        self.base_url, self.api_url = self.ready["base_url"], self.ready["api_url"]
        self.keys, self.models = self.ready["keys"], self.ready["models"]
        self.operator = Control(self.api_url, self.keys["operator"])
        self.sites = [Site(url) for url in self.ready["sites"]]
        [account, *_] = Control(self.api_url, self.keys["consumer"]).get("/accounts")["items"]
        self.asset = account["asset"]

    def behave(self, **changes):
        """Changes every simulated site at once."""
        for site in self.sites:
            site.behave(**changes)

    def upstream(self):
        """Every request that reached a simulated site, with the true counts that only the site knows."""
        return [request for site in self.sites for request in site.requests()]


class Site:
    """A simulated provider, by the door that only tests use."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self._root = self.url.removesuffix("/v1")

    def behave(self, **changes):
        call(f"{self._root}/sim/behaviour", "POST", changes)

    def gate(self, is_open):
        call(f"{self._root}/sim/gate", "POST", {"open": is_open})

    def requests(self):
        return call(f"{self._root}/sim/requests")[2]


def price(schedule, buckets):
    """What a receipt must total: tokens times price, summed in whole units, divided once and rounded down."""
    return sum(count * schedule["prices"].get(bucket, 0) for bucket, count in buckets.items()) // 10**6


def check_settled(consumer, before, receipt_id):
    """One request's whole effect on the ledger. Gives the receipt."""
    receipt = consumer.control.receipt(receipt_id)
    total = units(receipt["total"])
    assert receipt["id"] == receipt_id
    assert {"input_uncached", "output_visible"} <= set(receipt["buckets"]) and all(n >= 0 for n in receipt["buckets"].values()), receipt
    due = price(consumer.sycee.schedule(receipt["schedule"]), receipt["buckets"])
    assert total == min(due, units(receipt["hold"])) and receipt["capped"] == (due > total), receipt
    assert sum(units(part["amount"]) for part in receipt["split"]) == total, receipt["split"]
    assert all(units(part["amount"]) >= 0 for part in receipt["split"])
    after = consumer.idle()
    assert after["balance"] == before["balance"] - total, (before, after, receipt)
    lines = [line for line in consumer.control.statement(consumer.account) if line["reference"] == receipt_id]
    assert sum(units(line["amount"]) for line in lines) == -total, lines
    return receipt


def check_nothing(consumer, before):
    """A refused request leaves the account as it was."""
    assert consumer.idle() == before
    assert consumer.receipts() == []
