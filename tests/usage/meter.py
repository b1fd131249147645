"""A meter as a member would build one: events by the official client, columns as the page on them says, and nothing of ours."""

import http.client
import json
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from harness.control import Control

TYPE = "dev.sycee.usage.v1"
EVENTS, EVENT, COLUMNS = "application/cloudevents-batch+json", "application/cloudevents+json", "application/vnd.sycee.usage+cbor"
BUCKETS = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "input_image",
           "output_visible", "output_reasoning", "output_audio", "output_image")
NOBODY = 2**32 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def now():
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Line:
    key: str
    offer: str
    usage: dict
    start: datetime = field(default_factory=now)
    duration_ms: int = 1500
    joules: float = 0.25
    consumer: str | None = None

    def data(self):
        consumer = {"consumer": self.consumer} if self.consumer else {}
        return {"key": self.key, "offer": self.offer, "usage": self.usage, "start": self.start.isoformat(),
                "duration_ms": self.duration_ms, "joules": self.joules, **consumer}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: dict

    @property
    def code(self):
        return self.body["error"]["code"]


class Meter:
    """A member that reports, under one name."""

    def __init__(self, sycee, key, source):
        self.control, self.source = Control(sycee.api_url, key), source
        self.key, self.sycee = key, sycee

    def send(self, media_type, body, chunked=False, key=None):
        """One report over a connection of its own; whatever the answer."""
        address = urlsplit(self.sycee.api_url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
        headers = {"content-type": media_type, "authorization": f"Bearer {key or self.key}"}
        try:
            connection.request("POST", "/api/v1/usage", body, headers, encode_chunked=chunked)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), json.loads(answer.read()))
        finally:
            connection.close()

    def report(self, media_type, first, lines):
        return self.send(media_type, {EVENTS: self.events, COLUMNS: self.columns}[media_type](first, lines))

    def told(self, media_type, first, lines):
        """What became of a report that is expected to be taken."""
        answer = self.report(media_type, first, lines)
        assert answer.status == 200, answer
        return answer.body

    def progress(self):
        [source] = [it for it in self.control.all("/usage/sources") if it["name"] == self.source]
        return source

    def events(self, first, lines):
        events = (CloudEvent({"type": TYPE, "source": self.source, "sequence": str(number)}, line.data()) for number, line in enumerate(lines, first))
        return b"[" + b",".join(JSONFormat().write(event) for event in events) + b"]"

    def columns(self, first, lines):
        """Milliseconds are cut off, and counted from the earliest start."""
        handles = self.handles(lines)
        milliseconds = [(line.start - EPOCH) // timedelta(milliseconds=1) for line in lines]
        base = min(milliseconds)
        present = [sum(1 << bit for bit, name in enumerate(BUCKETS) if line.usage.get(name)) for line in lines]
        tokens = [line.usage[name] for line in lines for name in BUCKETS if line.usage.get(name)]
        return b"\x84" + integer(int(self.progress()["id"].removeprefix("src_"), 16)) + integer(first) + integer(base * 10**6) + b"\x87" + b"".join(
            column(width, numbers) for width, numbers in (
                ("I", [handles.get(line.key, NOBODY) for line in lines]), ("I", [handles.get(line.offer, NOBODY) for line in lines]),
                ("I", [start - base for start in milliseconds]), ("I", [line.duration_ms for line in lines]),
                ("Q", [round(line.joules * 10**6) for line in lines]), ("H", present), ("I", tokens)))

    def handles(self, lines):
        asked = {"keys": sorted({line.key for line in lines}), "offers": sorted({line.offer for line in lines})}
        told = self.control.post("/usage/handles", asked)
        named = [pair for kind in asked for pair in zip(asked[kind], told[kind])]
        return {name: handle for name, handle in named if handle is not None}


def integer(number):
    """CBOR: as short as it can be, and from 2^64 on as the bytes of a big number."""
    if number < 2**64:
        return head(0, number)
    digits = number.to_bytes((number.bit_length() + 7) // 8)
    return b"\xc2" + head(2, len(digits)) + digits


def head(kind, number):
    if number < 24:
        return bytes([kind << 5 | number])
    more, size = next((more, 1 << more - 24) for more in range(24, 28) if number < 1 << (8 << more - 24))
    return bytes([kind << 5 | more]) + number.to_bytes(size)


def column(width, numbers):
    content = struct.pack(f"<{len(numbers)}{width}", *numbers)
    return head(2, len(content)) + content
