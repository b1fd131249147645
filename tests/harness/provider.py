"""An OpenAI-compatible provider that answers exactly what a test tells it to."""

import asyncio

from .http1 import Server

CHAT, EMBEDDING = "scripted-chat", "scripted-embedding"


class ScriptedProvider:
    """Serves two models. `script(request, reply)`, a coroutine, answers each POST; every request is remembered."""

    def __init__(self, script=None):
        self.script = script or say("Hi!")
        self.requests = []
        self.server = Server(self._handle)
        self.url = f"{self.server.url}/v1"

    async def _handle(self, request, reply):
        if request.method == "GET":
            models = [{"id": name, "object": "model", "created": 1, "owned_by": "tests"} for name in (CHAT, EMBEDDING)]
            await reply.json({"object": "list", "data": models})
            return
        self.requests.append(request)
        await self.script(request, reply)

    def close(self):
        self.server.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def completion(text, usage, finish="stop"):
    value = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": CHAT,
             "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}]}
    return value if usage is None else {**value, "usage": usage}


def chunk(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": CHAT, "choices": choices, **more}


def embeddings(count, usage, base64=True):
    vector = "AACAPwAAAEA=" if base64 else [1.0, 2.0]
    return {"object": "list", "model": EMBEDDING, "usage": usage,
            "data": [{"object": "embedding", "index": at, "embedding": vector} for at in range(count)]}


def say(text, usage=None, **headers):
    """Answers plainly, or in a stream of single characters with the usage in a chunk of its own."""
    async def script(request, reply):
        body = request.json()
        if "input" in body:
            count = len(body["input"]) if isinstance(body["input"], list) else 1
            await reply.json(embeddings(count, usage, body.get("encoding_format") == "base64"))
        elif body.get("stream"):
            await events([chunk({"role": "assistant", "content": ""}), *(chunk({"content": letter}) for letter in text),
                          chunk({}, "stop"), *([chunk(usage=usage)] if usage else [])])(request, reply)
        else:
            await reply.json(completion(text, usage), headers=headers)
    return script


async def pace(seconds):
    """A provider takes its time; whoever reads from it has to wait."""
    if seconds:
        await asyncio.sleep(seconds)


def events(values, pause_s=0.0, done=True, silence_s=0.0):
    """Streams these chunks as they are, with a pause after each, and a silence before the end."""
    async def script(_, reply):
        await reply.start_events()
        for value in values:
            await reply.event(value)
            await pace(pause_s)
        await pace(silence_s)
        if done:
            await reply.event("[DONE]")
        await reply.end()
    return script
