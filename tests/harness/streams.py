"""Many streams at once, read as bytes: what each client really received, and when, up to the last byte before a crash."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Received:
    """One stream as its client saw it."""

    status: int = 0
    receipt: str = ""
    tokens: list = field(default_factory=list)  # (monotonic seconds, tokens in this piece)
    done: bool = False

    def total(self, before=float("inf")):
        return sum(count for at, count in self.tokens if at < before)


async def read_stream(base_url, key, body, received, count):
    """Reads one streamed chat into `received` until it ends or the connection breaks; `count` gives the tokens of a text."""
    where = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 22)
    payload = json.dumps({**body, "stream": True}).encode()
    writer.write(f"POST {where.path}/chat/completions HTTP/1.1\r\nhost: {where.netloc}\r\nauthorization: Bearer {key}\r\n"
                 f"content-type: application/json\r\ncontent-length: {len(payload)}\r\nconnection: close\r\n\r\n".encode() + payload)
    try:
        received.status = int((await reader.readline()).split()[1])
        while (line := await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            if name.lower() == "x-sycee-receipt":
                received.receipt = value.strip()
        async for event in _events(reader):
            if event == "[DONE]":
                received.done = True
                break
            choices = json.loads(event).get("choices") or [{}]
            if text := (choices[0].get("delta") or {}).get("content"):
                received.tokens.append((time.monotonic(), count(text)))
    except (ConnectionError, asyncio.IncompleteReadError, IndexError):
        pass  # the other end died: what was received until then stands
    finally:
        writer.close()


async def _events(reader):
    """The data of each event of a chunked body; an incomplete one at the end was not received."""
    pending = b""
    while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
        pending += await reader.readexactly(size)
        await reader.readexactly(2)
        while (end := pending.find(b"\n\n")) >= 0:
            event, pending = pending[:end], pending[end + 2:]
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line[6:].decode()
