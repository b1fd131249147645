"""Complaint: settlement lost at a crash. `kill -9` in the middle of two hundred streams.

Nobody pays for what did not arrive, and next to nothing is given away. The provider and the clients outlive the crash, so
both know to the token what was delivered. Each round kills the gateway at another moment, restarts it on the same folder, and
looks at every stream: billed at most what its client received, at least that minus one interval of progress (a second, or 256
tokens, whichever comes first), by our own count where there was one, and nothing held any more.
CRASH_ROUNDS sets how often; the round's number seeds its moments.
"""

import asyncio
import os
import random
import time

import pytest

from harness.control import Refused, units
from harness.deployed import Deployed
from harness.engine import model_file
from harness.process import poll
from harness.provider import CHAT, ScriptedProvider, chunk, pace
from harness.streams import Received, read_stream

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20"))
STREAMS = 200
INTERVAL_S, INTERVAL_TOKENS = 1.0, 256
SLOW, FAST = "abcdefgh", "abcdefgh" * 8  # one letter is one token of the test model


async def endless(request, reply):
    """Says letters ten times a second until the client leaves; every tenth stream eight times as many."""
    await reply.start_events()
    await reply.event(chunk({"role": "assistant", "content": ""}))
    letters = FAST if request.json()["messages"][0]["content"].endswith("0") else SLOW
    while True:
        await reply.event(chunk({"content": letters}))
        await pace(0.1)


@pytest.fixture(scope="module")
def provider():
    with ScriptedProvider(endless) as running:
        yield running


@pytest.fixture(scope="module")
def sycee(provider):
    with Deployed(provider.url, tokenizer=model_file(), context=32_768) as running:
        yield running


@pytest.fixture(scope="module")
def uncounted(provider):
    """Its offer pins no tokenizer, so nothing there is counted by us."""
    with Deployed(provider.url, context=32_768) as running:
        yield running


def began(received):
    """The stream has brought something."""
    return bool(received.tokens)


def is_marked(received):
    """It has brought something for longer than it could without a durable mark."""
    return began(received) and received.tokens[-1][0] - received.tokens[0][0] > 2 * INTERVAL_S


async def streams_until_killed(sycee, consumer, moment=0.0, streams=STREAMS, are=began, **asked):
    """What each of the streams received, and when the gateway died: a moment after all of them were as they have to be."""
    received = [Received() for _ in range(streams)]
    body = {"model": CHAT, "max_tokens": 30_000, **asked}
    tasks = [asyncio.create_task(read_stream(sycee.base_url, consumer.key, {**body, "messages": [{"role": "user", "content": f"stream {at}"}]},
                                             received[at], len)) for at in range(streams)]
    await poll(lambda: all(are(one) for one in received) or any(task.done() for task in tasks), 30, are.__doc__)
    assert not any(task.done() for task in tasks), [one.status for one in received if one.status != 200]
    due = time.monotonic() + moment
    await poll(lambda: time.monotonic() >= due, 2 * moment + 1, "the moment of the kill")
    killed = time.monotonic()
    await asyncio.to_thread(sycee.kill)
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert not any(one.done for one in received), "every stream was in its middle"
    return received, killed


def recovered(consumer, receipt):
    """What a stream that was killed was closed with; one that owes nothing may have none."""
    try:
        found = consumer.control.get(f"/receipts/{receipt}")
    except Refused as refused:
        assert refused.status == 404, refused
        return None
    assert found["finish"] == "recovered", found
    return found


def bases(receipt):
    """Whose count the prompt, the answer and the whole stand on."""
    return receipt["input_basis"], receipt["output_basis"], receipt["basis"]


def billed(consumer, receipt):
    """(output tokens, amount) of a stream's receipt, by our own count."""
    found = recovered(consumer, receipt)
    if found is None:
        return 0, 0
    assert bases(found) == ("own_count",) * 3 or units(found["total"]) == 0, found
    return found["buckets"]["output_visible"], units(found["total"])


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_kill_in_the_middle_of_two_hundred_streams(sycee, number):
    consumer = sycee.consumer(10**13)
    before = consumer.balance()
    moment = random.Random(number).uniform(0.3, 2.3)
    received, killed = asyncio.run(streams_until_killed(sycee, consumer, moment))
    assert sycee.verify()["sound"]
    sycee.start()

    after = consumer.idle()
    paid = 0
    for one in received:
        tokens, total = billed(consumer, one.receipt)
        paid += total
        assert tokens <= one.total(), f"{one.receipt}: billed {tokens}, received {one.total()}"
        assert tokens >= one.total(before=killed - INTERVAL_S), f"{one.receipt}: billed {tokens} of {one.total()} received; a second was lost"
        assert one.total() - tokens <= INTERVAL_TOKENS, f"{one.receipt}: billed {tokens} of {one.total()} received"
    assert after["balance"] == before["balance"] - paid and after["held"] == 0
    assert paid > 0 or moment < INTERVAL_S, "streams older than an interval have paid something"
    assert sycee.operator.get("/overview")["open_holds"] == 0, "no orphan"


LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(("where", "asked", "expected"), [
    ("uncounted", {}, ("unverified", "unverified", "unverified")),
    ("sycee", {"tools": [LOOK]}, ("unverified", "own_count", "unverified")),
])
def test_a_kill_makes_no_count_of_an_estimate(request, where, asked, expected):
    """Where the offer pins nothing, or the prompt cannot be counted, the receipt from the last mark says so."""
    sycee = request.getfixturevalue(where)
    consumer = sycee.consumer(10**13)
    received, _ = asyncio.run(streams_until_killed(sycee, consumer, streams=3, are=is_marked, **asked))
    sycee.start()
    consumer.idle()
    assert [bases(recovered(consumer, one.receipt)) for one in received] == [expected] * len(received)


def test_the_books_are_sound_after_all_of_it(sycee):
    sycee.stop()
    found = sycee.verify()
    assert found["sound"] and found["cause"] is None and found["entries"] > ROUNDS
    sycee.start()
