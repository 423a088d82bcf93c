"""Read files of predictions and of "no answer" probabilities, with errors that name the question."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.data.tfrecord import is_gzip_header

_FORM_FIX = 'give an object of texts by question id: {"56be4db0acb8001400a502ec": "Denver Broncos", ...}'
_MOST_NAMED = 5


class _RepeatedKeyError(ValueError):
    """A key stands twice in an object."""


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
    try:
        content = json.loads(_read_bytes(path).decode("utf-8-sig"), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: byte 0x{error.object[error.start]:02x}", str(path), "save it in UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}, column {error.colno}"
        raise DataError(f"not valid json: {error.msg}", where, "mend the file, or write it again") from error
    except _RepeatedKeyError as error:
        raise DataError(f"the id {error} is there twice", str(path), "give one value for each question") from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or brackets thousands deep.
        raise DataError(f"not valid json: {error}", str(path), _FORM_FIX) from error
    if not isinstance(content, dict):
        raise DataError("the file holds no json object", str(path), _FORM_FIX)
    return content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _RepeatedKeyError(counts.most_common(1)[0][0])
    return content


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if is_gzip_header(content) else content
    except FileNotFoundError as error:
        raise DataError("file not found", str(path), "check the path") from error
    except IsADirectoryError as error:
        raise DataError("a folder stands where a file is needed", str(path), "give the path of a file") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"the gzip data are damaged or cut off: {error}", str(path), "copy the file again") from error
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror or error}", str(path), "check the path") from error
