"""A small HTTP/1.1 server on asyncio, with full control over when each byte leaves.

Test providers must be able to do what frameworks forbid: cut a body in the middle, answer nothing, hold a request until
told otherwise. A `Server` runs its own loop in a thread, so synchronous tests can use it.
"""

import asyncio
import json
import threading
from dataclasses import dataclass, field


@dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body) if self.body else None


class Gone(Exception):
    """The peer closed its end."""


@dataclass
class Reply:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    started: bool = False
    ended: bool = False
    keep_alive: bool = True
    sent: list = field(default_factory=list)

    async def _write(self, data):
        if self.writer.is_closing() or self.reader.at_eof():
            raise Gone
        self.writer.write(data)
        try:
            await self.writer.drain()
        except (ConnectionError, OSError) as error:
            raise Gone from error

    def _head(self, status, headers):
        lines = [f"HTTP/1.1 {status} x"] + [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def json(self, value, status=200, headers=None):
        body = json.dumps(value, ensure_ascii=False).encode()
        await self.raw(body, status, {"content-type": "application/json", **(headers or {})})

    async def raw(self, body, status=200, headers=None):
        self.started = self.ended = True
        await self._write(self._head(status, {**(headers or {}), "content-length": len(body)}) + body)

    async def start_events(self, headers=None):
        self.started = True
        await self._write(self._head(200, {"content-type": "text/event-stream", "cache-control": "no-cache",
                                           "transfer-encoding": "chunked", **(headers or {})}))

    async def event(self, value):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        data = f"data: {text}\n\n".encode()
        self.sent.append(text)
        await self._write(b"%x\r\n%s\r\n" % (len(data), data))

    async def bytes(self, data):
        """A piece of a chunked body as it is, for answers passed through."""
        if data:
            await self._write(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self):
        self.ended = True
        await self._write(b"0\r\n\r\n")

    def cut(self):
        """Breaks the connection with whatever was sent: what a crashing provider does."""
        self.ended, self.keep_alive = True, False
        self.writer.transport.abort()


async def read_request(reader):
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers = {}
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


class Server:
    """Serves `handle(request, reply)` on a free loopback port until closed."""

    def __init__(self, handle):
        self._handle = handle
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener = self.call(self._listen())
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self.failures = []

    async def _listen(self):
        return await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024, limit=1 << 24)

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def soon(self, function):
        self._loop.call_soon_threadsafe(function)

    async def _connection(self, reader, writer):
        try:
            while request := await read_request(reader):
                reply = Reply(reader, writer)
                await self._handle(request, reply)
                if not reply.keep_alive or not reply.ended:
                    break
        except (Gone, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # kept for the test that owns the server: a provider's bug must not look like a fault it plays
            self.failures.append(error)
        finally:
            writer.close()

    def close(self):
        async def stop():
            self._listener.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.call(stop())
        self.soon(self._loop.stop)
        self._thread.join(5)
        assert not self.failures, f"the test's own server failed: {self.failures}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
