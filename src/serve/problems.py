"""What a client is told when its request is not answered."""

from __future__ import annotations

from typing import Any

from src.common.errors import AlbertError

# What all refusals say to do when the server cannot keep up.
LATER = "try again later"


class RequestError(Exception):
    """A request that gets no answer.

    Args:
        status: HTTP status.
        what: What is wrong.
        where: Part of the request.
        fix: What the client should do.
        index: Number of the input that is to blame, from 0.
        retry_after_s: Whole seconds after which another attempt makes sense.
        headers: More headers of the response.
        drains: Whether a body that still comes is read and thrown away once the client has the answer.
    """

    def __init__(
        self,
        status: int,
        what: str,
        where: str = "",
        fix: str = "",
        *,
        index: int | None = None,
        retry_after_s: int | None = None,
        headers: dict[str, str] | None = None,
        drains: bool = False,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.drains = drains
        self.content: dict[str, Any] = {"what": what, "where": where, "fix": fix}
        if index is not None:
            self.content["index"] = index
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)


def unanswerable(error: AlbertError, index: int) -> RequestError:
    """Return the problem with an input that the network cannot answer."""
    return RequestError(422, error.what, error.where or f"inputs[{index}]", error.fix, index=index)


def unexpected(index: int | None = None) -> RequestError:
    """Return the problem for a fault of ours: the log knows more, the client shall not."""
    where = "" if index is None else f"inputs[{index}]"
    return RequestError(
        500, "the server failed at this request", where, "tell its operator; the log knows more", index=index
    )
