"""Read text files of examples line by line, with errors that name the line."""

from __future__ import annotations

from pathlib import Path

from src.common.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file without its byte-order mark.

    Raises:
        DataError: The file is missing, unreadable, empty, not UTF-8, or holds a NUL byte.
    """
    content = _read_bytes(path).removeprefix(_BYTE_ORDER_MARK)
    if not content.strip():
        raise DataError("the file is empty", str(path), "give a file with at least one example")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"not UTF-8: byte 0x{content[error.start]:02x}", f"{path}:{line}", "save the file in UTF-8"
        ) from error
    position = text.find("\0")
    if position >= 0:
        line = text.count("\n", 0, position) + 1
        raise DataError("NUL byte in the text", f"{path}:{line}", "the file is damaged or not a text file")
    return text


def read_text_lines(path: Path) -> list[str]:
    r"""Return the lines of a UTF-8 file without their ends (``\n`` or ``\r\n``); blank lines at the end are left out.

    Only these two end a line: the other line separators of Unicode, which ``str.splitlines`` follows too, occur
    inside real sentences.

    Raises:
        DataError: As ``read_text``.
    """
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("file not found", str(path), "check the path") from error
    except IsADirectoryError as error:
        raise DataError("a folder stands where a file is needed", str(path), "give the path of a file") from error
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror or error}", str(path)) from error
