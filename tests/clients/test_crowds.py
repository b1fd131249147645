"""More connections than there is room for: the rest is turned away, and those who are in are served."""

import http.client
import json
import resource
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

from harness.process import until
from harness.sycee import Sycee

OPEN_FILES = 256
ROOM = (OPEN_FILES - 64) // 2


@contextmanager
def few_open_files():
    """What is started meanwhile may open this many files."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def is_turned_away(client):
    """Whether a connection that says nothing has been answered; one that is in hears nothing."""
    client.settimeout(0.2)
    try:
        return b"too_many_connections" in client.recv(4096)
    except TimeoutError:
        return False


def test_a_crowd_takes_no_more_connections_than_there_are_files_for():
    with few_open_files():
        running = Sycee()
    with running as sycee:
        consumer, where = sycee.consumer(10**10), urlsplit(sycee.base_url)
        one = http.client.HTTPConnection(where.hostname, where.port, timeout=30)

        def ask():
            body = {"model": sycee.models["chat"], "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
            one.request("POST", f"{where.path}/chat/completions", json.dumps(body), {"authorization": f"Bearer {consumer.key}", "content-type": "application/json"})
            answer = one.getresponse()
            return answer.status, answer.read()

        assert ask()[0] == 200
        crowd = [socket.create_connection((where.hostname, where.port)) for _ in range(ROOM + 20)]
        turned_away = sum(is_turned_away(client) for client in crowd[ROOM:])
        assert turned_away == len(crowd) - ROOM, "all that came when it was full"
        status, answer = ask()
        assert status == 200, answer
        for client in crowd:
            client.close()
        until(lambda: consumer.openai().models.list().data, 10, "room again")
        assert consumer.idle()["balance"] < 10**10
    assert sycee.process.said().count("room for") == 1
