"""Chat with the official Python client: what it gets, and what that does to the ledger."""

import pytest

from harness.control import units
from harness.sycee import check_settled

HELLO = [{"role": "user", "content": "Where does the money of one token go?"}]


def ask(consumer, **options):
    return consumer.openai().chat.completions.with_raw_response.create(
        model=consumer.sycee.models["chat"], messages=HELLO, **{"max_tokens": 40, **options})


def receipt_of(raw):
    name = raw.headers["x-sycee-receipt"]
    assert name.startswith("req_") and len(name) == 36
    return name


def inputs(receipt):
    return sum(receipt["buckets"].get(name, 0) for name in ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h"))


def outputs(receipt):
    return sum(receipt["buckets"].get(name, 0) for name in ("output_visible", "output_reasoning"))


def test_a_plain_answer_is_billed_for_what_it_says_it_used(consumer):
    before = consumer.balance()
    raw = ask(consumer)
    answer = raw.parse()
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content
    assert raw.headers["x-request-id"] and raw.headers["content-type"].startswith("application/json")
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert raw.headers["x-sycee-schedule"] == receipt["schedule"]
    assert (inputs(receipt), outputs(receipt)) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert units(receipt["total"]) > 0 and 1 <= outputs(receipt) <= 41


def test_a_stream_shows_no_usage_unless_asked_and_is_billed_all_the_same(consumer):
    before = consumer.balance()
    raw = ask(consumer, stream=True)
    chunks = list(raw.parse())
    assert all(chunk.usage is None for chunk in chunks) and all(chunk.choices for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] in (["stop"], ["length"])
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert raw.headers["x-sycee-schedule"] == receipt["schedule"]
    assert outputs(receipt) > 0


def test_a_stream_asked_for_usage_ends_with_the_usage_that_is_billed(consumer):
    before = consumer.balance()
    raw = ask(consumer, stream=True, stream_options={"include_usage": True})
    *chunks, last = raw.parse()
    assert last.choices == [] and all(chunk.usage is None and chunk.choices for chunk in chunks)
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert (inputs(receipt), outputs(receipt)) == (last.usage.prompt_tokens, last.usage.completion_tokens)


def test_plain_and_streamed_answers_of_the_same_request_cost_the_same_per_token(consumer):
    bills = []
    for stream in (False, True):
        before = consumer.balance()
        raw = ask(consumer, stream=stream, max_tokens=16)
        if stream:
            list(raw.parse())
        bills.append(check_settled(consumer, before, receipt_of(raw)))
    plain, streamed = bills
    assert inputs(plain) == inputs(streamed) and plain["prices"] == streamed["prices"]


def test_the_receipt_is_there_when_the_stream_says_done(consumer):
    raw = ask(consumer, stream=True)
    list(raw.parse())
    found = consumer.control.get(f"/receipts/{receipt_of(raw)}")  # at once: no waiting for it
    assert found["finish"] in ("stop", "length")


def test_several_choices_are_all_paid_for(consumer):
    before = consumer.balance()
    raw = ask(consumer, n=3, max_tokens=12)
    answer = raw.parse()
    assert len(answer.choices) == 3
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert outputs(receipt) >= 12 + 2, "three replies of up to twelve tokens each, not one"


@pytest.mark.parametrize("stream", [False, True])
def test_every_answer_carries_its_receipt_and_request_id(consumer, stream):
    raw = ask(consumer, stream=stream)
    assert receipt_of(raw) and raw.headers["x-request-id"]
    if stream:
        list(raw.parse())
        assert raw.headers["content-type"].startswith("text/event-stream")


def test_each_split_names_its_party_and_role(consumer):
    before = consumer.balance()
    raw = ask(consumer)
    raw.parse()
    split = check_settled(consumer, before, receipt_of(raw))["split"]
    assert {part["role"] for part in split} <= {"site", "author", "data_owner", "fee"}
    assert {"site", "fee"} <= {part["role"] for part in split} and all(part["party"] for part in split)
