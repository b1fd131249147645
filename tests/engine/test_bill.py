"""A real engine behind Sycee: the bill is what the engine truly counted, whatever is told on the way.

llama.cpp answers two hundred conversations in Chinese, English, emoji and code, through a proxy that passes its usage on,
strips it, triples it or sets it to zero. The offer pins the model's own tokenizer and chat template, so Sycee counts for
itself. Cached and uncached input have one price here, and a shared prefix may come from the engine's cache: the sum counts.
"""

import concurrent.futures

import pytest

from engine.prompts import conversations
from harness.control import units
from harness.deployed import Deployed
from harness.engine import MODES, TamperingProxy, model_file, start_engine
from harness.provider import CHAT

TOKENS_MAX = 24


@pytest.fixture(scope="module")
def proxy():
    engine, url = start_engine()
    running = TamperingProxy(url)
    yield running
    running.close()
    engine.stop()


@pytest.fixture(scope="module")
def sycee(proxy):
    with Deployed(f"{proxy.url}/v1", tokenizer=model_file()) as running:
        yield running


def ask(client, messages, stream):
    raw = client.chat.completions.with_raw_response.create(model=CHAT, messages=messages, max_tokens=TOKENS_MAX, stream=stream, seed=len(str(messages)))
    answer = raw.parse()
    if stream:
        list(answer)
    return raw.headers["x-sycee-receipt"]


@pytest.mark.parametrize("mode", MODES)
def test_two_hundred_bills_equal_the_engines_true_count(sycee, proxy, mode):
    consumer = sycee.consumer(10**12)
    before, client = consumer.balance(), consumer.openai()
    proxy.mode, proxy.truth, proxy.asked_usage = mode, {}, []
    prompts = [messages for _, messages in conversations()]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda at: ask(client, prompts[at], stream=at % 2 == 1), range(len(prompts))))

    compared, total, stopped = 0, 0, 0
    for messages, name in zip(prompts, names, strict=True):
        receipt = consumer.control.receipt(name)
        prompt, completion, finish = proxy.truth[messages[-1]["content"]]
        buckets = receipt["buckets"]
        assert buckets["input_uncached"] + buckets.get("cache_read", 0) == prompt, (mode, messages, receipt)
        assert buckets["output_visible"] == completion, (mode, messages, finish, receipt)
        assert receipt["basis"] == "own_count" and receipt["finish"] == finish
        assert receipt["dispute"] == (mode in ("triple", "zero")), receipt
        compared, total, stopped = compared + 1, total + units(receipt["total"]), stopped + (finish == "stop")
    assert compared == len(proxy.truth) == 200 and 20 <= stopped <= 180
    assert proxy.asked_usage and all(proxy.asked_usage), "Sycee asks every stream for its usage, although the caller did not"
    assert consumer.idle()["balance"] == before["balance"] - total
