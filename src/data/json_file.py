"""Read a json file, packed by gzip or not, with errors that name place and remedy."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.common.json_files import RepeatedKeyError, json_value
from src.data.tfrecord import is_gzip_header


def read_bytes(path: Path, fix: str) -> bytes:
    """Return the content of a file; raise ``DataError`` when it is missing, a folder, unreadable or empty."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("file not found", str(path), "check the path") from error
    except IsADirectoryError as error:
        raise DataError("a folder stands where a file is needed", str(path), "give the path of a file") from error
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror or error}", str(path), "check the path") from error
    if not content.strip():
        raise DataError("the file is empty", str(path), fix)
    return content


def parse_json(content: bytes, path: Path, fix: str, *, unique_keys: bool = False) -> Any:
    """Return the document of UTF-8 json, with or without a byte-order mark; gzip is told by the first bytes.

    Args:
        content: What the file holds.
        path: The file, for messages.
        fix: What kind of file is to be given.
        unique_keys: Refuse an object that holds a key twice, of which Python would keep the last.

    Raises:
        DataError: It is damaged, not UTF-8, or no json.
    """
    plain = _unpacked(content, path)
    try:
        return json_value(plain.decode("utf-8-sig"), unique_keys=unique_keys)
    except UnicodeDecodeError as error:
        line = plain.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8: byte 0x{plain[error.start]:02x}"
        raise DataError(what, f"{path}:{line}", "save the file in UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}, column {error.colno}"
        raise DataError(f"not valid json: {error.msg}", where, "mend the file, or fetch it again") from error
    except RepeatedKeyError as error:
        raise DataError(f"the key {error} is there twice", str(path), "give one value for each") from error
    except ValueError as error:
        # A number of thousands of digits, or brackets thousands deep.
        raise DataError(f"not valid json: {error}", str(path), fix) from error


def _unpacked(content: bytes, path: Path) -> bytes:
    if not is_gzip_header(content):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"the gzip data are damaged or cut off: {error}", str(path), "copy the file again") from error
