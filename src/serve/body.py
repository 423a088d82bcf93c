"""Read and check the body of a request."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from src.common.json_files import NoNumberError, RepeatedKeyError, TooDeepError, json_value
from src.serve.problems import RequestError
from src.serve.settings import ServeSettings

_FORM = '{"inputs": [{...}, ...]}'
_CLOSE = {"Connection": "close"}
# Many clients read no answer before they have sent all: so much more is read and thrown away.
DRAINED_BYTES = 4 << 20
# What a request may ask for beside its inputs, by command, and what it gets by default.
CANDIDATES = {"fill-mask": ("top_k", 5), "qa": ("top_n", 1)}


@dataclass(frozen=True)
class Query:
    """A request for answers.

    Attributes:
        records: The inputs.
        candidates: How many candidates for a mask, or answers to a question, it wants.
    """

    records: Sequence[Mapping[str, object]]
    candidates: int


async def read_body(request: Request, settings: ServeSettings) -> bytes:
    """Return the body.

    Raises:
        RequestError: It is too large (413), too slow (408), or of another type than plain JSON (415).
        ClientDisconnect: The client has gone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Forms of other web sites cannot send this type, so a browser does not work for them.
        fix = "send the header Content-Type: application/json"
        raise RequestError(415, "the body is not declared as JSON", "Content-Type", fix, headers=_CLOSE, drains=True)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        what, fix = "the body is declared as compressed", "send it as plain JSON, without Content-Encoding"
        raise RequestError(415, what, "Content-Encoding", fix, headers=_CLOSE, drains=True)
    most = settings.max_body_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most, drains=True)
    try:
        body = await asyncio.wait_for(_collect(request, most), settings.read_timeout_s)
    except (TimeoutError, asyncio.TimeoutError) as error:
        what = f"the body did not come within {settings.read_timeout_s:g} s"
        raise RequestError(408, what, "body", "send it faster, or less at a time", headers=_CLOSE) from error
    if body is None:
        raise _too_large(most, drains=False)
    return body


def _too_large(most: int, *, drains: bool) -> RequestError:
    what, fix = f"the body has more than {most} bytes", "send fewer inputs or shorter ones"
    return RequestError(413, what, "body", fix, headers=_CLOSE, drains=drains)


async def _collect(request: Request, most: int) -> bytes | None:
    """Return the body, ``None`` where it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            parts.append(part)
        else:
            parts.clear()
        if size > most + DRAINED_BYTES:
            return None
    return b"".join(parts) if size <= most else None


def parse_body(body: bytes, command: str, settings: ServeSettings) -> Query:
    """Return what a body asks for.

    Args:
        body: UTF-8 JSON ``{"inputs": [record, ...]}``, with ``top_k`` or ``top_n`` where the command knows it.
        command: What the model does.
        settings: Limits.

    Raises:
        RequestError: It is no such JSON (400), has too many inputs (413), or an input that is none or too long (422).
    """
    content = _object(body)
    name, default = CANDIDATES.get(command, ("", 1))
    known = ["inputs", *([name] if name else [])]
    for key in content:
        if key not in known:
            raise _unknown_key(key, command, known)
    records = content.get("inputs")
    if not isinstance(records, list) or not records:
        what = "there are no inputs" if records == [] or "inputs" not in content else "inputs is no list of records"
        raise RequestError(400, what, "inputs", f"send {_FORM}")
    if len(records) > settings.max_inputs:
        fix = f"send at most {settings.max_inputs} at a time"
        raise RequestError(413, f"there are {len(records)} inputs", "inputs", fix)
    for index, record in enumerate(records):
        _check_record(record, index, settings.max_characters)
    most = settings.max_candidates
    return Query(records, _count(content.get(name, min(default, most)), name, most))


def _unknown_key(key: str, command: str, known: Sequence[str]) -> RequestError:
    """Return the problem with a key of a request that the command does not know."""
    users = [name for name, (candidates, _) in CANDIDATES.items() if candidates == key]
    close = difflib.get_close_matches(key, known, n=1)
    if users:
        return RequestError(400, f"{key} is for {users[0]}, and this model is served as {command}", key, "leave it out")
    fix = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(known)}"
    return RequestError(400, "unknown key", key[:40], fix)


def _object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body."""
    fix = f"send {_FORM} in UTF-8"
    try:
        content = json_value(body.decode("utf-8-sig"), unique_keys=True, constants=False)
    except UnicodeDecodeError as error:
        raise RequestError(400, "the body is not UTF-8", f"byte {error.start}", fix) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RequestError(400, f"the body is not valid JSON: {error.msg}", where, fix) from error
    except RepeatedKeyError as error:
        what = f"the key {str(error)[:40]!r} is there twice"
        raise RequestError(400, what, "body", "send each key once") from error
    except NoNumberError as error:
        what, fix = f"the body is not valid JSON, which has no {error}", "leave it out, or send null"
        raise RequestError(400, what, "body", fix) from error
    except TooDeepError as error:
        what, fix = "lists or objects lie too deep in each other", "send inputs of texts and lists of words"
        raise RequestError(400, what, "body", fix) from error
    except ValueError as error:
        # All that is left: Python reads no more digits.
        what, fix = "a number has thousands of digits", "send numbers of fewer digits, or a long id as a text"
        raise RequestError(400, what, "body", fix) from error
    if not isinstance(content, dict):
        raise RequestError(400, "the body is no JSON object", "body", fix)
    return content


def _check_record(record: object, index: int, most: int) -> None:
    where = f"inputs[{index}]"
    if not isinstance(record, dict):
        raise RequestError(422, "the input is no object", where, 'send {"text": "..."}, for example', index=index)
    characters = sum(_characters(value) for value in record.values())
    if characters > most:
        fix = f"send at most {most}, parted into several inputs"
        raise RequestError(422, f"the input has {characters} characters", where, fix, index=index)


def _characters(value: object) -> int:
    """Return the characters of a text, or of all texts of a list."""
    if isinstance(value, str):
        return len(value)
    return sum(len(item) for item in value if isinstance(item, str)) if isinstance(value, list) else 0


def _count(value: object, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise RequestError(400, f"{name} is no whole number from 1 to {most}", name, "correct it, or leave it out")
    return value
