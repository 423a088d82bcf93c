"""Read files of predictions and of "no answer" probabilities, with errors that name the question."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.data.json_file import parse_json, read_bytes

_FORM_FIX = 'give an object of texts by question id: {"56be4db0acb8001400a502ec": "Denver Broncos", ...}'
_MOST_NAMED = 5


def read_predictions(path: Path) -> dict[str, str]:
    """Return the text of each question id from a json file, which may be packed by gzip.

    Raises:
        DataError: The file is missing, damaged, no json, no object, holds an id twice, or a value that is no text.
    """
    content = _read_object(path)
    for id_, value in content.items():
        if not isinstance(value, str):
            fix = "give predictions.json, not nbest_predictions.json" if isinstance(value, list) else _FORM_FIX
            raise DataError(f"the prediction is {_shown(value)}, not a text", f"{path}: id {id_}", fix)
    return content


def read_no_answer_odds(path: Path) -> dict[str, float]:
    """Return the number of each question id from a json file; higher means "no answer".

    Raises:
        DataError: As ``read_predictions``; or a value is no finite number.
    """
    content = _read_object(path)
    for id_, value in content.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value)):
            fix = "give a number for each question id, as in null_odds.json"
            raise DataError(f"the value is {_shown(value)}, not a finite number", f"{path}: id {id_}", fix)
    return {id_: float(value) for id_, value in content.items()}


def some_of(ids: Iterable[str]) -> str:
    """Return the first ids and how many more there are, for a message."""
    names = list(ids)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _shown(value: Any) -> str:
    """Return a json value for a message, cut when long."""
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _read_object(path: Path) -> dict[str, Any]:
    content = parse_json(read_bytes(path, _FORM_FIX), path, _FORM_FIX, unique_keys=True)
    if not isinstance(content, dict):
        raise DataError("the file holds no json object", str(path), _FORM_FIX)
    return content
