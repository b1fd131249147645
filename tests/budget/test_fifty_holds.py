"""A budget holds under a flood: as many requests are admitted as the money covers, to the last one.

The balance is exactly fifty holds. Five hundred clients ask at once while the provider answers nobody, so every decision is
made with all the others in flight. Then the fifty cost exactly half of what they held, and a second five hundred find
exactly as many places as the money left pays for.
"""

import asyncio
import json
from collections import Counter

import openai
import pytest

from harness.control import units
from harness.process import poll, until
from harness.provider import ScriptedProvider, completion
from harness.sycee import Sycee

CROWD, PLACES = 500, 50
PROMPT = [{"role": "user", "content": "one of five hundred, and all at once"}]


class Gate:
    """A provider that answers nobody until it is opened, and then reports the usage it was told to."""

    def __init__(self):
        self.usage, self.waiting, self._open = None, 0, False

    async def answer(self, _, reply):
        self.waiting += 1
        await poll(lambda: self._open, 120, "the gate to be opened")
        self.waiting -= 1
        await reply.json(completion("done " * 100, self.usage))  # long enough to be worth what is reported

    def open(self):
        self._open = True

    def close(self):
        self._open = False


@pytest.fixture(scope="module")
def gate():
    return Gate()


@pytest.fixture(scope="module")
def sycee(gate):
    with ScriptedProvider(gate.answer) as provider:
        with Sycee("--upstream", provider.url, "--key-env", "SYCEE_TEST_UPSTREAM_KEY", env={"SYCEE_TEST_UPSTREAM_KEY": "sk-test"}) as running:
            yield running


async def crowd(consumer, max_tokens, when_all_are_decided):
    """Five hundred requests at once; gives how each ended, and how many had been refused before any was answered."""
    async with openai.AsyncOpenAI(api_key=consumer.key, base_url=consumer.sycee.base_url, max_retries=0, timeout=60) as client:
        async def one():
            try:
                await client.chat.completions.create(model=consumer.sycee.models["chat"], messages=PROMPT, max_tokens=max_tokens)
                return "answered"
            except openai.APIStatusError as error:
                return f"{error.status_code} {error.code}"
        tasks = [asyncio.create_task(one()) for _ in range(CROWD)]
        await when_all_are_decided(tasks)
        return Counter(await asyncio.gather(*tasks))


def flood(consumer, gate, max_tokens):
    gate.close()

    async def decided(tasks):
        await poll(lambda: sum(task.done() for task in tasks) + gate.waiting == CROWD, 60, "each to be refused or at the provider")
        held = await asyncio.to_thread(consumer.balance)
        assert held["balance"] - held["held"] >= 0, held
        gate.open()

    return asyncio.run(crowd(consumer, max_tokens, decided))


def hold_and_prices(sycee, gate, max_tokens):
    """What one request holds, and the schedule it is quoted at; measured on an account of its own."""
    probe = sycee.consumer(100 * 10**9)
    gate.usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    gate.open()
    raw = probe.openai().chat.completions.with_raw_response.create(model=sycee.models["chat"], messages=PROMPT, max_tokens=max_tokens)
    receipt = probe.control.receipt(raw.headers["x-sycee-receipt"])
    return units(receipt["hold"]), sycee.schedule(receipt["schedule"])["prices"]


def usage_costing(cost, prices, max_tokens):
    """A report that costs exactly this much, or None: prompt tokens that the prompt can have, and the completion for the rest."""
    prompt_max = len(json.dumps(PROMPT))
    for prompt in range(prompt_max // 2):
        rest = cost * 10**6 - prompt * prices["input_uncached"]
        if rest >= 0 and rest % prices["output_visible"] == 0 and rest // prices["output_visible"] <= max_tokens:
            completion_tokens = rest // prices["output_visible"]
            return {"prompt_tokens": prompt, "completion_tokens": completion_tokens, "total_tokens": prompt + completion_tokens}
    return None


def half_price(sycee, gate):
    """(max_tokens, hold, usage) with a usage that costs exactly half of the hold."""
    for max_tokens in range(400, 480):
        hold, prices = hold_and_prices(sycee, gate, max_tokens)
        if hold % 2 == 0 and (usage := usage_costing(hold // 2, prices, max_tokens)):
            return max_tokens, hold, usage
    raise AssertionError("no length between 400 and 480 tokens has a half that tokens can cost")


def test_exactly_fifty_then_exactly_what_the_money_left_covers(sycee, gate):
    max_tokens, hold, gate.usage = half_price(sycee, gate)
    consumer = sycee.consumer(PLACES * hold)

    first = flood(consumer, gate, max_tokens)
    assert first == {"answered": PLACES, "429 in_flight_budget": CROWD - PLACES}
    left = consumer.idle()
    assert left["balance"] == left["available"] == PLACES * hold // 2

    second = flood(consumer, gate, max_tokens)
    fits = left["balance"] // hold
    assert fits == PLACES // 2 and second == {"answered": fits, "429 in_flight_budget": CROWD - fits}
    after = consumer.idle()
    assert after["balance"] == left["balance"] - fits * hold // 2 >= 0 and after["held"] == 0

    receipts = consumer.receipts()
    assert len(receipts) == PLACES + fits and {units(receipt["total"]) for receipt in receipts} == {hold // 2}
    until(lambda: sycee.operator.get("/overview")["open_holds"] == 0, 10, "no hold left anywhere")
