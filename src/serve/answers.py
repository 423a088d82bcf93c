"""The form of answers: as many candidates as were asked for, as JSON."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class JsonResponse(Response):
    """JSON in UTF-8, with a line break at its end for people with a terminal."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes; half characters, which UTF-8 does not know, stay the escapes as which they came."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "backslashreplace") + b"\n"


def trimmed(command: str, record: dict[str, Any], candidates: int) -> dict[str, Any]:
    """Return an answer with no more candidates for each mask, or answers to a question, than were asked for.

    The predictor gives as many as any request may ask for, so that requests can share a batch.
    """
    if command == "fill-mask":
        return record | {"masks": [found[:candidates] for found in record["masks"]]}
    if command == "qa":
        return record | {"answers": record["answers"][:candidates]}
    return record
