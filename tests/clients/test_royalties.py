"""Lineage over real sockets: what a model earns goes to everybody who has a share in it, and no unit is lost.

The diamond is worked out on paper in the issue threads of royalty protocols: relative shares, each ancestor paid once for
each path, net of what it passes on. Here one answer earns exactly a million units, all of it for the model.
"""

import pytest

from harness.control import units
from harness.deployed import Deployed
from harness.provider import ScriptedProvider, completion
from harness.sycee import check_settled

MEMBER = """
[[member]]
name = "author of {name}"
roles = ["author"]
accounts = [{{ name = "income", asset = "CNY" }}]
"""
MODEL = """
[[model]]
name = "{name}"
kind = "chat"
author = "author of {name}"
account = "income"
context = 4096
bases = [{bases}]
shares = [{shares}]
"""
OFFER = """
[[offer]]
model = "{name}"
site = "Test site"
output_max = 4096
concurrency_max = 1000
asset = "CNY"
prices = {{ input = "{price}", output = "0" }}
model_fee_ppm = 1000000
platform_fee_ppm = 0
"""
MILLIONTH, ONE_A_TOKEN = "1", "0.001"  # 1 CNY a million tokens is a thousand units a token


def lineage(edges):
    """Models in the order in which they can be added, each with its bases."""
    text = ""
    for child, parents in edges.items():
        bases = ", ".join(f'{{ model = "{parent}", share_ppm = {ppm} }}' for parent, ppm in parents.items())
        text += MEMBER.format(name=child) + MODEL.format(name=child, bases=bases, shares="")
    return text


TENTH = 100_000
DIAMOND = lineage({"A": {}, "B": {"A": TENTH}, "C": {"A": TENTH}, "D": {"B": TENTH, "C": TENTH}}) + OFFER.format(name="D", price=MILLIONTH)
DUST = MEMBER.format(name="library") + MEMBER.format(name="E") + MODEL.format(
    name="E", bases="", shares='{ member = "author of library", account = "income", role = "data_owner", share_ppm = 333333 }') + OFFER.format(name="E", price=ONE_A_TOKEN)


@pytest.fixture(scope="module")
def sycee():
    async def script(request, reply):
        tokens = 1000 if request.json()["model"] == "D" else 1
        await reply.json(completion("x", {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1}))

    with ScriptedProvider(script) as provider:
        with Deployed(provider.url, catalog=DIAMOND + DUST) as running:
            yield running


def answer(consumer, model):
    before = consumer.balance()
    raw = consumer.openai().chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "who is paid for this? " * 60}], max_tokens=10)
    return check_settled(consumer, before, raw.headers["x-sycee-receipt"])


def test_a_diamond_relative(sycee):
    receipt = answer(sycee.consumer(10**9), "D")
    assert {part["party"]: units(part["amount"]) for part in receipt["split"]} == {
        "author of D": 800_000, "author of B": 90_000, "author of C": 90_000, "author of A": 20_000}


def test_dust_is_carried_until_it_is_a_unit(sycee):
    """Thirty payments of one unit, a third of each to the library: ten units in the end, and never a part of one before."""
    consumer, paid = sycee.consumer(10**9), {"author of E": 0, "author of library": 0}
    for number in range(1, 31):
        [part] = answer(consumer, "E")["split"]
        paid[part["party"]] += units(part["amount"])
        assert sum(paid.values()) == number and abs(paid["author of library"] - number / 3) < 1
    assert paid == {"author of E": 20, "author of library": 10}
