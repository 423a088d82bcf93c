"""Read json files that people may have edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src.common.errors import AlbertError


def read_object(
    path: Path, error: type[AlbertError], access: str, content: str, absent: AlbertError | None = None
) -> dict[str, Any]:
    """Return the object that a json file holds.

    Args:
        path: The file.
        error: What to raise.
        access: What to do where the file cannot be read.
        content: What to do where it holds something else.
        absent: What to raise where there is no such file; ``None`` makes it a file that cannot be read.

    Raises:
        AlbertError: Of the given class: the file cannot be read, is no JSON, or holds no object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        if absent is not None and isinstance(failure, FileNotFoundError):
            raise absent from failure
        raise error(f"cannot read: {failure.strerror or failure}", str(path), access) from failure
    except (ValueError, RecursionError) as failure:
        raise error("the file is no JSON", str(path), content) from failure
    if not isinstance(found, dict):
        raise error("the file holds no JSON object", str(path), content)
    return found
