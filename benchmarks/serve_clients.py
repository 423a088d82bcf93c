"""Clients of the server, good ones and bad ones, on raw connections: libraries do not misbehave on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Answers of one input alone and in a batch differ by rounding.
TOLERANCE = 1e-4
_PAUSE_S = 0.2
_PATH = "/v1/predict"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Reply = tuple[int, bytes]


@dataclass
class Figures:
    """What clients of a kind have seen.

    Attributes:
        kind: Name of the kind.
        seconds: Times of the requests that were answered as they should.
        seen: Number of replies by status; 0 stands for a connection that was closed.
        wrong: Replies that are not as they should be, in words.
    """

    kind: str
    seconds: list[float] = field(default_factory=list)
    seen: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """A server.

    Attributes:
        host: Its address.
        port: Its port.
        end: Moment at which clients begin no more requests, by ``time.monotonic``.
    """

    host: str
    port: int
    end: float = math.inf

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.end

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Streams]:
        """Give a connection that is closed at the end, whatever its state."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


def head(size: int, method: str = "POST", path: str = _PATH) -> bytes:
    """Return the head of a request with a JSON body of ``size`` bytes."""
    lines = (f"{method} {path} HTTP/1.1", "Host: server", "Content-Type: application/json", f"Content-Length: {size}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """Return status and body; status 0 when the connection is closed first."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(text.split(" ", 2)[1])
        size = next(
            int(line.partition(":")[2]) for line in text.split("\r\n") if line.lower().startswith("content-length:")
        )
        return status, await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, b""


async def exchange(streams: Streams, body: bytes, method: str = "POST", path: str = _PATH) -> Reply:
    """Send a request and return the reply."""
    reader, writer = streams
    with contextlib.suppress(ConnectionError):
        writer.write(head(len(body), method, path) + body)
        await writer.drain()
    return await read_reply(reader)


def body_of(inputs: Sequence[Mapping[str, object]]) -> bytes:
    """Return the body of a request for answers."""
    return json.dumps({"inputs": list(inputs)}).encode()


def alike(one: Any, other: Any) -> bool:
    """Tell whether two answers are equal but for rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


async def good_client(target: Target, requests: Sequence[tuple[bytes, Any]], figures: Figures) -> None:
    """Send requests one after the other over one connection, and compare each answer with the right one.

    Args:
        target: The server.
        requests: Bodies and the outputs that they must get.
        figures: Where the replies are noted.
    """
    async with target.connection() as streams:
        for body, expected in _around(requests):
            if target.over:
                return
            start = time.monotonic()
            status, content = await exchange(streams, body)
            figures.seen[status] += 1
            if status != 200:
                figures.wrong.append(f"status {status}: {content[:200].decode(errors='replace')}")
                if not status:
                    return
            elif not alike(json.loads(content)["outputs"], expected):
                figures.wrong.append(f"another answer than alone: {content[:200].decode(errors='replace')}")
            else:
                figures.seconds.append(time.monotonic() - start)


def _around(requests: Sequence[tuple[bytes, Any]]) -> Any:
    while True:
        yield from requests


async def bad_client(target: Target, body: bytes, expected: int, figures: Figures) -> None:
    """Send the same bad request again and again, each over a connection of its own."""
    while not target.over:
        start = time.monotonic()
        async with target.connection() as streams:
            status, _ = await exchange(streams, body)
        _note(figures, status, (expected,), start)
        await asyncio.sleep(_PAUSE_S)


async def slow_client(target: Target, data: bytes, at_once: int, figures: Figures) -> None:
    """Send a request byte by byte until the server has enough of it.

    Args:
        target: The server.
        data: The request.
        at_once: Bytes at its begin that come at once.
        figures: Where the reply is noted: 408, or a closed connection.
    """
    while not target.over:
        start = time.monotonic()
        async with target.connection() as (reader, writer):
            writer.write(data[:at_once])
            reply = asyncio.ensure_future(read_reply(reader))
            for place in range(at_once, len(data)):
                await asyncio.wait({reply}, timeout=_PAUSE_S)
                if reply.done():
                    break
                writer.write(data[place : place + 1])
            status, _ = await reply
        _note(figures, status, (0, 408), start)


async def leaving_client(target: Target, body: bytes, figures: Figures) -> None:
    """Ask and go away without waiting for the answer."""
    while not target.over:
        async with target.connection() as (_, writer):
            writer.write(head(len(body)) + body)
            await writer.drain()
        figures.seen[0] += 1
        await asyncio.sleep(_PAUSE_S)


def _note(figures: Figures, status: int, expected: tuple[int, ...], start: float) -> None:
    figures.seen[status] += 1
    if status in expected:
        figures.seconds.append(time.monotonic() - start)
    else:
        figures.wrong.append(f"status {status} in place of {' or '.join(map(str, expected))}")
