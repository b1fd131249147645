"""401, 402, 404 and 429 as the official client raises them; none of them moves money or reaches a provider."""

import concurrent.futures
import re

import openai
import pytest

from harness.control import refusal, units
from harness.process import until
from harness.sycee import check_nothing, check_settled

from .test_chat import HELLO, ask, receipt_of

LARGE = 1_000_000  # more tokens than any balance here pays for


def test_401_for_a_key_nobody_has(sycee, consumer):
    before, reached = consumer.balance(), len(sycee.upstream())
    client = openai.OpenAI(api_key=consumer.key[:-1] + ("A" if consumer.key[-1] != "A" else "B"), base_url=sycee.base_url, max_retries=0)
    with pytest.raises(openai.AuthenticationError) as refused:
        client.chat.completions.create(model=sycee.models["chat"], messages=HELLO)
    assert refused.value.status_code == 401 and refused.value.code == "invalid_api_key"
    check_nothing(consumer, before)
    assert len(sycee.upstream()) == reached


def test_401_for_a_key_that_was_revoked(sycee, consumer):
    ask(consumer).parse()
    [key] = sycee.operator.get(f"/members/{consumer.member}/keys")["items"]
    sycee.operator.delete(f"/keys/{key['id']}", {"reason": "made by a test"})
    with pytest.raises(openai.AuthenticationError):
        ask(consumer)


def test_402_without_money_and_the_client_does_not_try_again(sycee):
    consumer, reached = sycee.consumer(0), len(sycee.upstream())
    before = consumer.balance()
    with pytest.raises(openai.APIStatusError) as refused:
        consumer.openai(max_retries=2).chat.completions.create(model=sycee.models["chat"], messages=HELLO, max_tokens=10)
    error = refused.value
    assert error.status_code == 402 and error.code == "insufficient_quota"
    assert error.response.headers["x-should-retry"] == "false" and "x-stainless-retry-count" in error.request.headers
    assert error.request.headers["x-stainless-retry-count"] == "0"
    check_nothing(consumer, before)
    assert len(sycee.upstream()) == reached


def test_402_for_one_request_above_the_whole_balance_names_what_would_fit(sycee):
    consumer = sycee.consumer(2_000_000)
    before = consumer.balance()
    with pytest.raises(openai.APIStatusError) as refused:
        ask(consumer, max_tokens=LARGE)
    assert refused.value.status_code == 402
    message = refused.value.body["message"]
    assert "max_tokens" in message
    [fits] = [int(number) for number in re.findall(r"\d+", message)]
    check_nothing(consumer, before)
    with pytest.raises(openai.APIStatusError):
        ask(consumer, max_tokens=fits + 1)
    raw = ask(consumer, max_tokens=fits)
    raw.parse()
    check_settled(consumer, before, receipt_of(raw))


def test_without_max_tokens_a_small_balance_still_buys_what_it_can(sycee):
    consumer = sycee.consumer(2_000_000)
    before = consumer.balance()
    sycee.behave(never_stops=True)
    raw = consumer.openai().chat.completions.with_raw_response.create(model=sycee.models["chat"], messages=HELLO)
    raw.parse()
    receipt = check_settled(consumer, before, receipt_of(raw))
    assert 0 < units(receipt["total"]) <= before["balance"]


@pytest.mark.parametrize("endpoint", ["chat", "embeddings"])
def test_404_for_a_model_nobody_offers(consumer, endpoint):
    before, client = consumer.balance(), consumer.openai()
    with pytest.raises(openai.NotFoundError) as refused:
        if endpoint == "chat":
            client.chat.completions.create(model="no-such-model", messages=HELLO)
        else:
            client.embeddings.create(model="no-such-model", input="x")
    assert refused.value.code == "model_not_found" and refused.value.response.headers["x-request-id"]
    check_nothing(consumer, before)


def hold_of_one(sycee):
    """What one request of `ask` holds, seen while the provider keeps it waiting."""
    probe = sycee.consumer(10**10)
    sycee.behave(gate_open=False)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: ask(probe).parse())
        held = until(lambda: probe.balance()["held"], 10, "a hold while the provider waits")
        sycee.behave(gate_open=True)
        running.result(20)
    return held


def test_429_while_running_requests_hold_the_money_and_the_client_gets_through_later(sycee):
    consumer = sycee.consumer(hold_of_one(sycee))
    before = consumer.balance()
    sycee.behave(gate_open=False)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: ask(consumer))
        until(lambda: consumer.balance()["held"], 10, "the first request's hold")
        with pytest.raises(openai.RateLimitError) as refused:
            ask(consumer)
        error = refused.value
        assert error.code == "in_flight_budget" and float(error.response.headers["retry-after"]) <= 120
        assert consumer.balance()["held"] == before["balance"], "the refused one holds nothing"
        sycee.behave(gate_open=True)
        raw = running.result(20)
    raw.parse()
    check_settled(consumer, before, receipt_of(raw))
    assert len(consumer.receipts()) == 1


def test_another_members_key_sees_nothing_of_an_account(sycee, consumer):
    raw = ask(consumer)
    raw.parse()
    stranger = sycee.consumer(0)
    for path in (f"/accounts/{consumer.account}", f"/accounts/{consumer.account}/statement", f"/receipts/{receipt_of(raw)}",
                 f"/receipts?account={consumer.account}", f"/members/{consumer.member}", f"/members/{consumer.member}/keys"):
        try:
            found = stranger.control.get(path)
        except Exception as error:
            assert error.status in (403, 404), (path, error)
        else:
            raise AssertionError(f"{path} answered a stranger: {found}")
    assert [account["id"] for account in stranger.control.get("/accounts")["items"]] == [stranger.account]
    with refusal(403):
        stranger.control.post(f"/accounts/{consumer.account}/deposits", {"amount": "1.000000000", "reason": "theft"})
