"""Guard connections against clients that are slow, silent, or too many."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from src.serve.metrics import Metrics
from src.serve.settings import ServeSettings


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 where a client that begins a request must send it, and one that asks must take its answer.

    uvicorn limits the time between requests only. Here the head of a request, and a body that nobody reads because
    the answer is there already, must come within ``read_timeout_s``; so long an answer may lie unread, too. The body
    of a request that is read has its own limit, see ``src/serve/body.py``.
    """

    settings: ClassVar[ServeSettings]
    metrics: ClassVar[Metrics]

    _arrival: asyncio.TimerHandle | None = None
    _departure: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or refuse the connection."""
        super().connection_made(transport)
        if len(self.connections) > self.settings.max_connections:
            what = f"{self.settings.max_connections} connections are open already"
            self._refuse("connections", HTTPStatus.SERVICE_UNAVAILABLE, what, "try again later")
        else:
            self._arrival = self.loop.call_later(self.settings.read_timeout_s, self._on_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits."""
        self._cancel_arrival()
        self._cancel_departure()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come and look whether more must come soon."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Look whether the rest of the request must still come, and the answer still go."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_later()
        else:
            self._watch()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not take its answer."""
        super().pause_writing()
        self._abort_later()

    def resume_writing(self) -> None:
        """Note that the client takes its answer."""
        super().resume_writing()
        self._cancel_departure()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not its client has taken its last answer."""
        super().timeout_keep_alive_handler()
        self._abort_later()

    def shutdown(self) -> None:
        """Close the connection for the end of the server, also under a client that has begun a request."""
        self._cancel_arrival()
        super().shutdown()
        if self.transport.is_closing():
            self._abort_later()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse_body()
            return
        fix = "speak HTTP/1.1, with less than 16 KiB of headers"
        self._refuse("invalid", HTTPStatus.BAD_REQUEST, "this is no valid HTTP request", fix)

    def _refuse_body(self) -> None:
        """Refuse a body whose chunks are damaged, unless an answer is on its way."""
        if self.cycle.response_started:
            self.transport.close()
            return
        # Who waits for the body waits for nothing; its answer would come behind this one.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        fix = "send the size of each chunk in hexadecimal digits before it"
        self._refuse("invalid", HTTPStatus.BAD_REQUEST, "the chunks of the body are damaged", fix)

    def _watch(self) -> None:
        """Let the time run while a request is incomplete and nobody else waits for it."""
        answered = self.cycle is not None and self.cycle.response_complete
        head = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        rest = self.conn.their_state is h11.SEND_BODY and answered
        if not (head or rest):
            self._cancel_arrival()
        elif self._arrival is None:
            self._arrival = self.loop.call_later(self.settings.read_timeout_s, self._on_late)

    def _on_late(self) -> None:
        """Cut off a client whose request does not come."""
        self._arrival = None
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            what = f"the head of the request did not come within {self.settings.read_timeout_s:g} s"
            self._refuse("slow", HTTPStatus.REQUEST_TIMEOUT, what, "send it as a whole")
        else:
            self.metrics.refused("silent")
            self.transport.close()
            self._abort_later()

    def _refuse(self, reason: str, status: HTTPStatus, what: str, fix: str) -> None:
        """Answer without a request, and close."""
        self.metrics.refused(reason)
        body = json.dumps({"error": {"what": what, "where": "", "fix": fix}}).encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        retry = "Retry-After: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
        self.transport.write(f"{head}{retry}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()
        self._abort_later()

    def _abort_later(self) -> None:
        if self._departure is None:
            self._departure = self.loop.call_later(self.settings.read_timeout_s, self.transport.abort)

    def _cancel_arrival(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _cancel_departure(self) -> None:
        if self._departure is not None and not self.transport.is_closing():
            self._departure.cancel()
            self._departure = None


def guarded_protocol(settings: ServeSettings, metrics: Metrics) -> type[asyncio.Protocol]:
    """Return the protocol class with its limits, as uvicorn wants it."""
    content: dict[str, Any] = {"settings": settings, "metrics": metrics}
    return cast("type[asyncio.Protocol]", type("ServerProtocol", (GuardedProtocol,), content))
