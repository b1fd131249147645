"""Embeddings and the list of models with the official Python client."""

import base64
import struct

import openai
import pytest

from harness.sycee import check_nothing, check_settled

TEXTS = ["一个词元从哪里来？", "Where does a token come from?", "🙂"]


def embed(consumer, **options):
    return consumer.openai().embeddings.with_raw_response.create(model=consumer.sycee.models["embedding"], input=TEXTS, **options)


def test_embeddings_as_the_client_asks_by_itself_and_their_bill(consumer):
    before = consumer.balance()
    raw = embed(consumer)  # the official client asks for base64 and decodes it
    answer = raw.parse()
    assert [item.index for item in answer.data] == [0, 1, 2] and all(len(item.embedding) > 3 for item in answer.data)
    receipt = check_settled(consumer, before, raw.headers["x-sycee-receipt"])
    assert receipt["buckets"]["input_uncached"] == answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    assert receipt["buckets"]["output_visible"] == 0 and receipt["endpoint"] == "embeddings"


def test_base64_and_floats_are_the_same_vectors(consumer):
    floats = embed(consumer, encoding_format="float").parse()
    packed = embed(consumer, encoding_format="base64").parse()
    for plain, coded in zip(floats.data, packed.data, strict=True):
        data = base64.b64decode(coded.embedding)
        assert struct.unpack(f"<{len(data) // 4}f", data) == pytest.approx(plain.embedding, rel=1e-6)


def test_models_are_listed_and_found_one_by_one_at_no_cost(consumer):
    before = consumer.balance()
    client = consumer.openai()
    names = [model.id for model in client.models.list()]
    assert set(consumer.sycee.models.values()) <= set(names) and len(names) == len(set(names))
    for name in names:
        assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("no-such-model")
    assert missing.value.code == "model_not_found"
    check_nothing(consumer, before)


@pytest.mark.parametrize("path", ["models", "chat/completions", "embeddings"])
def test_every_endpoint_needs_a_key(sycee, path):
    client = openai.OpenAI(api_key="sk-sycee-" + "A" * 43, base_url=sycee.base_url, max_retries=0)
    with pytest.raises(openai.AuthenticationError) as wrong:
        if path == "models":
            client.models.list()
        else:
            client.post(f"/{path}", body={"model": sycee.models["chat"], "messages": []}, cast_to=object)
    assert wrong.value.code == "invalid_api_key" and wrong.value.response.headers["x-request-id"]
