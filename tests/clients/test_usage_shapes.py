"""Every shape in which a provider may word its usage, over real sockets: each token is billed once, in its bucket.

The cases of the OpenAI protocol come from the API's own documents and from issue threads of other gateways; the provider
has no public tokenizer here, so its believable report is the bill, and an unbelievable one is not.
"""

import pytest

from harness.provider import ScriptedProvider, chunk, completion, embeddings, events
from harness.sycee import Sycee, check_settled

CREDIT = 10**9
SPOKEN = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Four "}), chunk({"content": "small words here"})]
PROMPT = [{"role": "user", "content": "How many tokens was that? " * 60}]


def plain(usage, text="Four small words here"):
    async def script(_, reply):
        await reply.json(completion(text, usage))
    return script


def usage(prompt, completion_tokens, total=None, **details):
    named = {"cached": ("prompt_tokens_details", "cached_tokens"), "reasoning": ("completion_tokens_details", "reasoning_tokens")}
    extra = {named[name][0]: {named[name][1]: count} for name, count in details.items()}
    return {"prompt_tokens": prompt, "completion_tokens": completion_tokens,
            "total_tokens": prompt + completion_tokens if total is None else total, **extra}


FINISH = chunk({}, "stop")
LONGER = "Four small words here, and some more so that fifty tokens are possible."  # no text has more tokens than bytes
CASES = {
    "plain": (plain(usage(100, 20)), {"input_uncached": 100, "output_visible": 20}),
    "cached inside prompt": (plain(usage(1000, 10, cached=800)), {"input_uncached": 200, "cache_read": 800, "output_visible": 10}),
    "reasoning inside completion": (plain(usage(50, 300, reasoning=250), LONGER), {"input_uncached": 50, "output_visible": 50, "output_reasoning": 250}),
    "reasoning outside completion": (plain(usage(50, 50, total=350, reasoning=250), LONGER), {"input_uncached": 50, "output_visible": 50, "output_reasoning": 250}),
    "details that are null": (plain({**usage(100, 20), "prompt_tokens_details": None, "completion_tokens_details": None}), {"input_uncached": 100, "output_visible": 20}),
    "in a chunk of its own": (events([*SPOKEN, FINISH, chunk(usage=usage(9, 4))]), {"input_uncached": 9, "output_visible": 4}),
    "in the finish chunk": (events([*SPOKEN, chunk({}, "stop", usage=usage(9, 4))]), {"input_uncached": 9, "output_visible": 4}),
    "in a chunk that also has choices": (events([*SPOKEN, FINISH, chunk({}, usage=usage(9, 4))]), {"input_uncached": 9, "output_visible": 4}),
    "repeated in every chunk": (events([chunk({"content": "a "}, usage=usage(9, 1)), chunk({"content": "b "}, usage=usage(9, 2)), chunk({"content": "c"}, "stop", usage=usage(9, 3))]),
                                {"input_uncached": 9, "output_visible": 3}),
    "inside the first choice": (events([*SPOKEN, {**FINISH, "choices": [{**FINISH["choices"][0], "usage": usage(9, 4)}]}]), {"input_uncached": 9, "output_visible": 4}),
}
UNBELIEVABLE = {
    "no usage at all": plain(None),
    "no usage in a stream": events([*SPOKEN, FINISH]),
    "negative": plain({"prompt_tokens": -5, "completion_tokens": -20}),
    "no number of 64 bits": plain(usage(2**64 + 9, 2**64 + 4)),
    "words for numbers": plain({"prompt_tokens": "many", "completion_tokens": "more"}),
    "fractions": plain({"prompt_tokens": 9.5, "completion_tokens": 4.5}),
}


@pytest.fixture(scope="module")
def provider():
    with ScriptedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def upstream(provider):
    with Sycee("--upstream", provider.url, "--key-env", "SYCEE_TEST_UPSTREAM_KEY", env={"SYCEE_TEST_UPSTREAM_KEY": "sk-of-the-provider"}) as running:
        yield running


def settled(upstream, provider, script, **options):
    consumer = upstream.consumer(100 * CREDIT)
    before = consumer.balance()
    provider.script = script
    raw = consumer.openai().chat.completions.with_raw_response.create(
        model=upstream.models["chat"], messages=PROMPT, **{"max_tokens": 2000, **options})
    if options.get("stream"):
        list(raw.parse())
    return check_settled(consumer, before, raw.headers["x-sycee-receipt"])


def non_zero(buckets):
    return {name: count for name, count in buckets.items() if count}


@pytest.mark.parametrize("name", CASES)
def test_a_believable_report_is_billed_bucket_by_bucket(upstream, provider, name):
    script, expect = CASES[name]
    receipt = settled(upstream, provider, script, stream=script.__qualname__.startswith("events"))
    assert non_zero(receipt["buckets"]) == expect


@pytest.mark.parametrize("name", UNBELIEVABLE)
def test_an_absent_or_absurd_report_is_replaced_by_the_own_count(upstream, provider, name):
    script = UNBELIEVABLE[name]
    receipt = settled(upstream, provider, script, stream=script.__qualname__.startswith("events"))
    words = len(PROMPT[0]["content"].split())
    assert words <= receipt["buckets"]["input_uncached"] <= 2 * words, "what the prompt really is, about a token a word"
    assert 4 <= receipt["buckets"]["output_visible"] <= 8, "four small words"


def test_a_hundred_thousand_for_two_is_a_dispute_and_bills_the_own_count(upstream, provider):
    receipt = settled(upstream, provider, plain(usage(9, 100_000), "Hi!"), max_tokens=50)
    assert receipt["buckets"]["output_visible"] <= len("Hi!") + 1 and receipt["dispute"]


def test_embeddings_have_only_a_prompt(upstream, provider):
    async def script(request, reply):
        await reply.json(embeddings(1, {"prompt_tokens": 12, "total_tokens": 12}, request.json().get("encoding_format") == "base64"))
    consumer = upstream.consumer(CREDIT)
    before = consumer.balance()
    provider.script = script
    raw = consumer.openai().embeddings.with_raw_response.create(model=upstream.models["embedding"], input="twelve tokens of text " * 3)
    assert raw.parse().data[0].embedding == [1.0, 2.0]
    assert non_zero(check_settled(consumer, before, raw.headers["x-sycee-receipt"])["buckets"]) == {"input_uncached": 12}


def test_the_provider_is_always_asked_for_usage_and_gets_its_own_key(upstream, provider):
    settled(upstream, provider, events([*SPOKEN, FINISH, chunk(usage=usage(9, 4))]), stream=True)
    request = provider.requests[-1]
    assert request.json()["stream_options"]["include_usage"] is True
    assert request.headers["authorization"] == "Bearer sk-of-the-provider", "the caller's key stays here"


def test_fields_the_gateway_does_not_know_reach_the_provider_untouched(upstream, provider):
    marker = {"deeply": [1, {"nested": "值", "exact": 0.1}]}
    settled(upstream, provider, plain(usage(9, 4)), extra_body={"x_unknown_field": marker}, temperature=0.25)
    body = provider.requests[-1].json()
    assert body["x_unknown_field"] == marker and body["temperature"] == 0.25 and body["messages"] == PROMPT


def test_what_the_provider_says_a_request_cost_changes_nothing(upstream, provider):
    """Complaint: cost and upstream cost summed."""
    bare = settled(upstream, provider, plain(usage(100, 20)))
    costly = settled(upstream, provider, plain({**usage(100, 20), "cost": 9.99, "cost_details": {"upstream_inference_cost": 5.0}}))
    assert costly["total"] == bare["total"] and costly["buckets"] == bare["buckets"]
