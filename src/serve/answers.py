"""The form of answers: as many candidates as were asked for, as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class JsonResponse(Response):
    """JSON in UTF-8, with a line break at its end for people with a terminal."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes; half characters, which UTF-8 does not know, stay the escapes as which they came."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "backslashreplace") + b"\n"


class DrainingResponse(JsonResponse):
    """An answer to a request whose body nobody wants: at once, and before the connection is closed the body may come.

    A connection that is closed while the client still sends takes the answer away from it.

    Args:
        content: JSON.
        status: HTTP status.
        headers: Headers; they close the connection.
        most_bytes: As much of the body is read and thrown away.
        most_s: So long the body may take, in s.
    """

    def __init__(self, content: Any, status: int, headers: Mapping[str, str], most_bytes: int, most_s: float) -> None:
        super().__init__(content, status, headers)
        self._most_bytes = most_bytes
        self._most_s = most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(self._drain(receive), self._most_s)
        await send({"type": "http.response.body", "body": b""})

    async def _drain(self, receive: Receive) -> None:
        size, more = 0, True
        while more and size <= self._most_bytes:
            message = await receive()
            size += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)


def trimmed(command: str, record: dict[str, Any], candidates: int) -> dict[str, Any]:
    """Return an answer with no more candidates for each mask, or answers to a question, than were asked for.

    The predictor gives as many as any request may ask for, so that requests can share a batch.
    """
    if command == "fill-mask":
        return record | {"masks": [found[:candidates] for found in record["masks"]]}
    if command == "qa":
        return record | {"answers": record["answers"][:candidates]}
    return record
