"""Fixtures every folder shares."""

import pytest

from harness.sycee import Sycee

CREDIT = 10**9

# Every switch of a simulated provider back to where it was, and as fast as it can: `null` takes a change back.
HONEST = {"first_token_ms": 0, "tokens_per_second": 0, **dict.fromkeys((
    "jitter", "capacity", "reply_tokens", "gate_open", "fail", "hang", "head_delay_ms", "stall_after_tokens", "cut_after_tokens",
    "error_after_tokens", "malformed_after_tokens", "error_as_content", "split_bytes", "never_stops", "ignores_cancel",
    "content_length_error", "reasoning_tokens", "tool_call", "usage"))}


@pytest.fixture(scope="session")
def demo():
    with Sycee() as running:
        yield running


@pytest.fixture
def sycee(demo):
    """The demo with every site honest and fast, before and after."""
    demo.behave(**HONEST)
    yield demo
    demo.behave(**HONEST)


@pytest.fixture
def consumer(sycee):
    """A consumer with ten credits."""
    return sycee.consumer(10 * CREDIT)
