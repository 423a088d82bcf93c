"""The limits within which the server works."""

from __future__ import annotations

from dataclasses import dataclass

WARM_UPS = ("all", "one", "none")


@dataclass(frozen=True)
class ServeSettings:
    """How the server listens, batches and refuses.

    Attributes:
        host: Address to listen on.
        port: Its port; 0 takes a free one.
        batch_size: Most rows that the network gets at a time.
        max_wait_ms: How long the first input of a batch waits for others, in ms.
        max_queue: Most inputs that wait for the network.
        max_inputs: Most inputs of a request.
        max_body_bytes: Most bytes of a request's body.
        max_characters: Most characters of an input, all its texts together.
        max_candidates: Most candidates for a mask, or answers to a question, that a request can ask for.
        timeout_s: How long a request waits for its answers, in s.
        read_timeout_s: How long a client may take for its head, for its body, and to take an answer, in s each.
        max_connections: Most open connections.
        warm_up: Shapes to compile before the first request, one of ``WARM_UPS``.
        access_log: Whether every request is a line in the log.
        full_errors: Whether unexpected errors are logged with their messages, which may hold texts of clients.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    batch_size: int = 16
    max_wait_ms: float = 5.0
    max_queue: int = 512
    max_inputs: int = 64
    max_body_bytes: int = 1 << 20
    max_characters: int = 20_000
    max_candidates: int = 20
    timeout_s: float = 60.0
    read_timeout_s: float = 10.0
    max_connections: int = 256
    warm_up: str = WARM_UPS[0]
    access_log: bool = True
    full_errors: bool = False
