"""The real engine of the tests: llama.cpp on the tiny model, and a proxy before it that lies about usage."""

import http.client
import json
import subprocess
import sys
import threading
from urllib.parse import urlsplit

from .http1 import Server
from .process import ROOT, Process

MODEL = ROOT / "target/tests/sycee-test.gguf"
MODES = ("pass", "strip", "triple", "zero")


def model_file():
    """The model, made when absent or older than the program that makes it."""
    maker = ROOT / "tests/engine/make_model.py"
    if not MODEL.exists() or MODEL.stat().st_mtime < maker.stat().st_mtime:
        MODEL.parent.mkdir(parents=True, exist_ok=True)
        part = MODEL.with_suffix(".part")
        subprocess.run([sys.executable, maker, part], check=True, timeout=60)
        part.rename(MODEL)
    return MODEL


def start_engine(*arguments):
    """(process, url) of a llama.cpp server on the test model."""
    process = Process([sys.executable, str(ROOT / "tests/engine/serve_engine.py"), str(model_file()), *arguments])
    return process, process.line("ready ", 30)


def tampered(usage, mode):
    if mode == "triple":
        return {name: value * 3 for name, value in usage.items() if isinstance(value, int)}
    if mode == "zero":
        return {name: 0 for name, value in usage.items() if isinstance(value, int)}
    return usage


class TamperingProxy:
    """Stands between Sycee and the engine. Remembers the engine's true usage, then strips, triples or zeroes it.

    `truth` maps the last message of a request to (prompt tokens, completion tokens, finish reason). The proxy always
    asks the engine for usage, so the truth does not depend on what Sycee asked.
    """

    def __init__(self, engine_url):
        self.engine = urlsplit(engine_url).netloc
        self.mode = "pass"
        self.truth = {}
        self.asked_usage = []
        self._lock = threading.Lock()
        self.server = Server(self._handle)
        self.url = self.server.url

    def close(self):
        self.server.close()

    async def _handle(self, request, reply):
        import asyncio

        body = request.json()
        if body and body.get("stream"):
            self.asked_usage.append(bool((body.get("stream_options") or {}).get("include_usage")))
            body["stream_options"] = {"include_usage": True}
        answer = await asyncio.to_thread(self._forward, request, body)
        if not (body and body.get("stream")):
            await reply.json(self._whole(body, answer), answer["status"])
            return
        await reply.start_events()
        for event in self._events(body, answer):
            await reply.event(event)
        await reply.end()

    def _forward(self, request, body):
        connection = http.client.HTTPConnection(self.engine, timeout=60)
        payload = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        connection.request(request.method, request.path, payload, {"content-type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return {"status": response.status, "text": text}

    def _learn(self, body, usage, finish):
        key = body["messages"][-1]["content"]
        with self._lock:
            self.truth[key] = (usage["prompt_tokens"], usage["completion_tokens"], finish)

    def _whole(self, body, answer):
        value = json.loads(answer["text"])
        if usage := value.get("usage"):
            if "messages" in body:
                self._learn(body, usage, value["choices"][0]["finish_reason"])
            value["usage"] = tampered(usage, self.mode)
            if self.mode == "strip":
                del value["usage"]
        value.pop("timings", None)  # the same numbers under another name
        return value

    def _events(self, body, answer):
        finish = None
        for line in answer["text"].splitlines():
            data = line.removeprefix("data: ")
            if data == line or data == "[DONE]":
                if data == "[DONE]":
                    yield data
                continue
            value = json.loads(data)
            value.pop("timings", None)
            if value.get("choices"):
                finish = value["choices"][0].get("finish_reason") or finish
            if usage := value.get("usage"):
                self._learn(body, usage, finish)
                if self.mode == "strip":
                    continue
                value["usage"] = tampered(usage, self.mode)
            yield value
