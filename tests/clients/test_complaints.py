"""What people complain of most at other gateways, as far as it belongs to chat and embeddings: one test each.

Each test is named after its complaint. The providers are simulated; what they did and what it truly took is read from
them by a door that Sycee does not know of.
"""

import concurrent.futures
import json
import re
import time

import openai
import pytest

from harness.control import call, units
from harness.deployed import Deployed
from harness.process import until
from harness.provider import ScriptedProvider, chunk, events
from harness.sycee import check_nothing, check_settled

from .test_cancel import leave_after, truth
from .test_chat import HELLO, ask, inputs, outputs, receipt_of
from .test_refusals import hold_of_one

CREDIT = 10**9


def run_together(count, work):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def status_of(work):
    try:
        work()
        return 200
    except openai.APIStatusError as error:
        return error.status_code


def fail_first(sycee, fail):
    """The site that is asked first fails: the cheapest one is among all but the last."""
    for site in sycee.sites[:-1]:
        site.behave(fail=fail)


def test_overspend_by_concurrent_requests(sycee):
    consumer = sycee.consumer(3 * hold_of_one(sycee))
    before = consumer.balance()
    sycee.behave(gate_open=False)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        running = [pool.submit(status_of, lambda: ask(consumer).parse()) for _ in range(20)]
        until(lambda: sum(work.done() for work in running) == 17, 20, "all but three decided")
        sycee.behave(gate_open=True)
        assert sorted(work.result(20) for work in running) == [200] * 3 + [429] * 17
    after = consumer.idle()
    assert after["balance"] == before["balance"] - sum(units(receipt["total"]) for receipt in consumer.receipts()) >= 0
    assert len(consumer.receipts()) == 3


def test_disconnect_billed_nothing_or_in_full(sycee, consumer):
    sycee.behave(tokens_per_second=200, never_stops=True)
    before = consumer.balance()
    receipt = check_settled(consumer, before, leave_after(consumer, 20))
    sent = truth(sycee, receipt)[1]
    assert 20 <= outputs(receipt) <= sent < 1000


@pytest.mark.parametrize("place", ["own_chunk", "finish_chunk", "beside_choices", "every_chunk", "inside_choice"])
def test_streamed_usage_lost(sycee, consumer, place):
    sycee.behave(usage={"place": place})
    before = consumer.balance()
    raw = ask(consumer, stream=True)
    assert all(chunk.usage is None for chunk in raw.parse()), "and shown to no one who did not ask"
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert (inputs(receipt), outputs(receipt)) == truth(sycee, receipt)


def test_cached_tokens_at_the_wrong_price(sycee, consumer):
    sycee.behave(usage={"cached_tokens": 5})
    before = consumer.balance()
    raw = ask(consumer)
    raw.parse()
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert receipt["buckets"]["cache_read"] == 5
    assert receipt["buckets"]["input_uncached"] == truth(sycee, receipt)[0] - 5, "cached tokens are inside the prompt"
    prices = sycee.schedule(receipt["schedule"])["prices"]
    assert prices["cache_read"] < prices["input_uncached"], "else this test shows nothing"


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_counted_twice_or_never(sycee, consumer, stream):
    sycee.behave(reasoning_tokens=30)
    before = consumer.balance()
    raw = ask(consumer, max_tokens=80, stream=stream)
    if stream:
        list(raw.parse())
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert receipt["buckets"]["output_reasoning"] >= 30 - 2
    assert outputs(receipt) == truth(sycee, receipt)[1], "reasoning is inside the completion: together they are what was made"


def test_unpriced_model_free(sycee, consumer):
    before = consumer.balance()
    for name in ("gpt-4o", sycee.models["chat"].upper(), sycee.models["chat"] + " ", ""):
        assert status_of(lambda name=name: consumer.openai().chat.completions.create(model=name, messages=HELLO)) in (400, 404), name
    assert status_of(lambda: consumer.openai().embeddings.create(model=sycee.models["chat"], input="x")) in (400, 404)
    check_nothing(consumer, before)
    for offer in sycee.catalog()["offers"]:
        assert units(offer["schedules"][-1]["prices"]["input_uncached"]) > 0, "each offer has its price"


def test_retries_billed_twice(sycee, consumer):
    """The first site fails, another one answers: two attempts, one receipt, one payment."""
    fail_first(sycee, {"status": 503, "next": 1})
    before = consumer.balance()
    raw = ask(consumer)
    raw.parse()
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert len(receipt["attempts"]) >= 2 and len(consumer.receipts()) == 1
    assert (inputs(receipt), outputs(receipt)) == truth(sycee, receipt)


def test_retries_billed_twice_under_an_idempotency_key(sycee, consumer):
    before = consumer.balance()
    key = {"Idempotency-Key": "0199f0c1-7a51-7cc3-98c4-dc0c0c07398f"}
    first, again = ask(consumer, extra_headers=key), None
    again = ask(consumer, extra_headers=key)
    assert receipt_of(first) == receipt_of(again) and first.parse() == again.parse()
    check_settled(consumer, before, receipt_of(first))
    assert len(consumer.receipts()) == 1
    with pytest.raises(openai.APIStatusError) as other:
        ask(consumer, extra_headers=key, max_tokens=41)
    assert other.value.status_code in (409, 422)


def joined(sycee):
    """How many requests have joined one that was there already, as the metrics say."""
    text = call(sycee.api_url.removesuffix("/api/v1") + "/metrics")[2]
    return int(re.search(r"^sycee_gateway_requests_joined_total (\d+)$", text, re.MULTILINE)[1])


def test_retries_billed_twice_when_the_client_lost_the_answer(sycee, consumer):
    """An identical request of the same account, marked as a retry while the first still runs, joins it."""
    before, joined_before = consumer.balance(), joined(sycee)
    sycee.behave(gate_open=False)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, consumer)
        until(lambda: consumer.balance()["held"], 10, "the first to hold money")
        again = pool.submit(ask, consumer, extra_headers={"x-stainless-retry-count": "1"})
        until(lambda: joined(sycee) == joined_before + 1, 10, "the second to join the first")
        sycee.behave(gate_open=True)
        names = {receipt_of(first.result(20)), receipt_of(again.result(20))}
    assert len(names) == 1 and len(consumer.receipts()) == 1
    check_settled(consumer, before, names.pop())


FAULTS = {
    "connection closed": {"fail": {"next": 1000}},
    "status 500": {"fail": {"status": 500, "next": 1000}},
    "cut in the stream": {"cut_after_tokens": 5},
    "error in the stream": {"error_after_tokens": 5},
    "no JSON in the stream": {"malformed_after_tokens": 5},
    "wrong content length": {"content_length_error": 50},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_orphaned_holds(sycee, consumer, fault, stream):
    sycee.behave(**FAULTS[fault])
    before = consumer.balance()
    try:
        answer = ask(consumer, stream=stream).parse()
        if stream:
            list(answer)
    except openai.OpenAIError:
        pass
    after = consumer.idle()
    paid = sum(units(receipt["total"]) for receipt in consumer.receipts())
    assert after["balance"] == before["balance"] - paid and after["held"] == 0


def test_an_upstream_error_before_the_first_byte_costs_nothing(sycee, consumer):
    sycee.behave(fail={"status": 500, "next": 1000})
    before = consumer.balance()
    with pytest.raises(openai.APIStatusError) as failed:
        ask(consumer)
    assert failed.value.status_code in (502, 503)
    assert consumer.idle() == before


def test_a_stream_cut_by_the_provider_pays_what_was_delivered(sycee, consumer):
    sycee.behave(cut_after_tokens=7)
    before = consumer.balance()
    raw, text = ask(consumer, stream=True), ""
    with pytest.raises(openai.OpenAIError):
        for chunk in raw.parse():
            text += chunk.choices[0].delta.content or ""
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert text and 1 <= outputs(receipt) <= 7


def test_large_negative_balances(sycee):
    """A provider that ignores max_tokens answers far more than was held: the rest is the provider's loss."""
    consumer = sycee.consumer(hold_of_one(sycee))
    before = consumer.balance()
    sycee.behave(never_stops=True)
    raw = ask(consumer)
    raw.parse()
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert units(receipt["total"]) <= units(receipt["hold"]) == before["balance"]
    assert consumer.balance()["balance"] >= 0


def test_the_spend_table_as_bottleneck(sycee):
    """Two hundred answers at once: each is settled before its last byte leaves, none waits in a queue of bills."""
    consumer = sycee.consumer(100 * CREDIT)
    before = consumer.balance()

    def one(_):
        raw = ask(consumer, max_tokens=4)
        raw.parse()
        return units(consumer.control.get(f"/receipts/{receipt_of(raw)}")["total"])

    totals = [total for _ in range(4) for total in run_together(50, one)]
    assert len(totals) == 200
    assert consumer.idle()["balance"] == before["balance"] - sum(totals)


LIES = {"strip": "strip", "zero": "zero", "triple": {"multiply": 3}, "a thousandfold": {"multiply": 1000}, "negative": "negative", "absurd": "absurd"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("lie", LIES)
def test_provider_lies(sycee, consumer, lie, stream):
    sycee.behave(usage={"lie": LIES[lie]})
    before = consumer.balance()
    raw = ask(consumer, stream=stream)
    if stream:
        list(raw.parse())
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert (inputs(receipt), outputs(receipt)) == truth(sycee, receipt), "the bill is the own count"
    assert receipt["dispute"] == (lie != "strip"), "saying nothing is no lie"


def test_provider_lies_by_counting_one_choice_of_three(sycee, consumer):
    sycee.behave(usage={"lie": "first_choice"})
    before = consumer.balance()
    raw = ask(consumer, n=3)
    raw.parse()
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert outputs(receipt) == truth(sycee, receipt)[1] and receipt["dispute"]


def test_cost_and_upstream_cost_summed(sycee, consumer):
    """What the consumer pays once is what all parties together get once, failed attempts included."""
    before = consumer.balance()
    names = []
    for fail in (None, {"status": 500, "next": 1}, None):
        fail_first(sycee, fail)
        raw = ask(consumer)
        raw.parse()
        names.append(receipt_of(raw))
    receipts = [consumer.control.receipt(name) for name in names]
    got = sum(units(part["amount"]) for receipt in receipts for part in receipt["split"])
    assert consumer.idle()["balance"] == before["balance"] - got


def test_budgets_bypassed_by_another_route(sycee):
    consumer = sycee.consumer(0)
    reached = len(sycee.upstream())
    chat = {"model": sycee.models["chat"], "messages": HELLO, "max_tokens": 5}
    embed = {"model": sycee.models["embedding"], "input": "x"}
    root = sycee.base_url.removesuffix("/v1")
    tries = [("/v1/chat/completions", chat), ("/v1/chat/completions", {**chat, "stream": True}), ("/v1/embeddings", embed),
             ("/v1//chat/completions", chat), ("/v1/chat/completions/", chat), ("/v1/v1/chat/completions", chat), ("/chat/completions", chat),
             ("/v1/engines/x/chat/completions", chat), ("/V1/chat/completions", chat), ("/v1/completions", {**chat, "prompt": "x"}),
             ("/v1/responses", {"model": sycee.models["chat"], "input": "x"}), ("/v1/messages", chat)]
    answers = {}
    for path, body in tries:
        for header in ({"authorization": f"Bearer {consumer.key}"}, {"x-api-key": consumer.key}):
            try:
                call(f"{root}{path}", "POST", body, headers=header)
                answers[path, json.dumps(body)] = 200
            except Exception as error:
                answers[path, json.dumps(body)] = error.status
    assert set(answers.values()) <= {402, 404, 405}, answers
    assert answers["/v1/chat/completions", json.dumps(chat)] == answers["/v1/embeddings", json.dumps(embed)] == 402
    assert len(sycee.upstream()) == reached
    second = sycee.operator.post(f"/members/{consumer.member}/keys", {"label": "second", "account": consumer.account, "reason": "made by a test"})
    assert status_of(lambda: openai.OpenAI(api_key=second["secret"], base_url=sycee.base_url, max_retries=0).embeddings.create(**embed)) == 402


def test_long_healthy_streams_killed_by_one_wall_clock():
    """Every single limit is a second here; a stream that says something all the time goes on for five."""
    words = [chunk({"content": "word "}) for _ in range(50)]
    with ScriptedProvider(events([*words, chunk({}, "stop")], pause_s=0.1)) as provider:
        with Deployed(provider.url, first_token_seconds=1, idle_seconds=1, total_seconds=1) as running:
            consumer = running.consumer(CREDIT)
            before, begun = consumer.balance(), time.monotonic()
            raw = ask(consumer, stream=True, max_tokens=100)
            assert sum(bool(part.choices[0].delta.content) for part in raw.parse()) == 50
            assert time.monotonic() - begun > 4
            assert check_settled(consumer, before, receipt_of(raw))["finish"] == "stop"

            provider.script = events(words[:5] + [chunk({"content": "then silence"})], pause_s=0.1, done=False, silence_s=20)
            before, begun = consumer.balance(), time.monotonic()
            raw = ask(consumer, stream=True, max_tokens=100)
            with pytest.raises(openai.OpenAIError):
                list(raw.parse())
            assert time.monotonic() - begun < 10, "but a silent one does not"
            assert 5 <= outputs(check_settled(consumer, before, receipt_of(raw))) <= 10


def test_error_text_is_never_billed_as_an_answer(sycee, consumer):
    sycee.behave(error_after_tokens=0)
    before = consumer.balance()
    with pytest.raises(openai.OpenAIError):
        list(ask(consumer, stream=True).parse())
    after = consumer.idle()
    assert sum(outputs(receipt) for receipt in consumer.receipts()) == 0 and after["balance"] >= before["balance"] - 10**6
