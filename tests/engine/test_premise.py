"""What the engine tests stand on, checked against the engine itself: its reports equal what its own tokenizer counts."""

import json
import urllib.request

import pytest

from engine.prompts import KINDS, conversations
from harness.engine import TamperingProxy, start_engine, tampered


@pytest.fixture(scope="module")
def engine():
    process, url = start_engine()
    yield url
    assert process.stop() is not None


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def rendered(messages):
    return "".join(f"<s>{m['role']}\n{m['content']}</s>\n" for m in messages) + "<s>assistant\n"


def count(engine, text):
    return len(json.loads(post(f"{engine}/tokenize", {"content": text, "parse_special": True}))["tokens"])


def test_the_engines_reports_are_what_its_tokenizer_counts(engine):
    counted = finishes = 0
    per_kind = dict.fromkeys(KINDS, 0)
    for kind, messages in conversations():
        body = {"model": "any", "messages": messages, "max_tokens": 24, "seed": counted}
        answer = json.loads(post(f"{engine}/v1/chat/completions", body))
        [choice], usage = answer["choices"], answer["usage"]
        stopped = choice["finish_reason"] == "stop"
        assert usage["prompt_tokens"] == count(engine, rendered(messages)), messages
        text = choice["message"]["content"]
        assert usage["completion_tokens"] == count(engine, text) + stopped, (messages, text)
        counted, finishes = counted + 1, finishes + stopped
        per_kind[kind] += 1
    assert counted == 200 and set(per_kind.values()) == {50}
    assert len({m[-1]["content"] for _, m in conversations()}) == 200, "each prompt is known by its last message"
    assert 20 <= finishes <= 180, f"both finish reasons must occur, {finishes} of 200 stopped by themselves"


@pytest.mark.parametrize("mode", ["pass", "strip", "triple", "zero"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_proxy_knows_the_truth_and_tells_the_lie(engine, mode, stream):
    proxy = TamperingProxy(engine)
    proxy.mode = mode
    content = f"{mode} {stream}"
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 6, "stream": stream}
    text = post(f"{proxy.url}/v1/chat/completions", body)
    proxy.close()
    prompt, completion, finish = proxy.truth[content]
    assert prompt > len(content) and 1 <= completion <= 6 and finish in ("stop", "length")
    told = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if "prompt_tokens" in line]
    if mode == "strip":
        assert "usage" not in text and "timings" not in text
    else:
        [value] = told
        expect = tampered({"prompt_tokens": prompt, "completion_tokens": completion}, mode)
        assert value["usage"]["prompt_tokens"] == expect["prompt_tokens"]
        assert value["usage"]["completion_tokens"] == expect["completion_tokens"]
    if stream:
        assert text.rstrip().endswith("[DONE]") and proxy.asked_usage == [False]
