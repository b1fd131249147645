"""A client that leaves in the middle of a stream pays for what it got, and the provider is told to stop."""

import pytest

from harness.control import units
from harness.process import until
from harness.sycee import check_settled

from .test_chat import ask, inputs, outputs, receipt_of


def leave_after(consumer, tokens):
    """The receipt id of a stream that the client closes when it has read so many tokens; a simulated site sends one in each chunk."""
    raw = ask(consumer, stream=True, max_tokens=2000)
    stream = raw.parse()
    for chunk in stream:
        tokens -= bool(chunk.choices[0].delta.content)
        if not tokens:
            break
    stream.close()
    return receipt_of(raw)


def truth(sycee, receipt):
    """The provider's own true count of the request that this receipt bills."""
    [seen] = [request for request in sycee.upstream() if request["request_id"] == receipt["id"] and request["status"] == 200]
    return seen["prompt_tokens"], seen["sent_tokens"]


@pytest.mark.parametrize("tokens", [1, 17, 300])
def test_a_cancelled_stream_pays_for_what_was_delivered_and_no_more(sycee, consumer, tokens):
    """The site says so many tokens, one in each chunk, and then nothing, until the client has read them all and leaves."""
    sycee.behave(never_stops=True, stall_after_tokens=tokens)
    before = consumer.balance()
    receipt = check_settled(consumer, before, leave_after(consumer, tokens))
    assert receipt["finish"] == "cancelled"
    assert (inputs(receipt), outputs(receipt)) == truth(sycee, receipt) and outputs(receipt) == tokens
    assert units(receipt["total"]) < units(receipt["hold"])


def test_the_provider_is_told_at_once(sycee, consumer):
    sycee.behave(tokens_per_second=100, never_stops=True)
    name = leave_after(consumer, 5)
    consumer.control.receipt(name)
    until(lambda: [request for request in sycee.upstream() if request["request_id"] == name][-1]["outcome"] == "cancelled", 5, "the provider's stream to end")


def test_leaving_before_the_first_byte_costs_nothing(sycee, consumer):
    import httpx2

    before = consumer.balance()
    sycee.behave(gate_open=False)
    with pytest.raises(Exception) as gone:
        consumer.openai(timeout=httpx2.Timeout(1.0)).chat.completions.create(
            model=sycee.models["chat"], messages=[{"role": "user", "content": "hello"}], max_tokens=50)
    assert "tim" in str(gone.value).lower()
    after = consumer.idle()
    assert after == before
    sycee.behave(gate_open=True)


def test_a_cancel_is_no_strike_against_the_provider(sycee, consumer):
    sycee.behave(tokens_per_second=200, never_stops=True)
    for _ in range(6):
        name = leave_after(consumer, 2)
        consumer.control.receipt(name)
    sycee.behave(tokens_per_second=0, never_stops=None)
    before = consumer.balance()
    raw = ask(consumer)
    raw.parse()
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert len(receipt["attempts"]) == 1, "the cheapest site is still the first choice"
