"""The key of an encrypted model: read from a file or the environment, and never shown, logged or stored."""

from __future__ import annotations

import os
from pathlib import Path

from src.common.errors import ConfigError

ENVIRONMENT = "env:"
_SIZES = (16, 24, 32)
# SM4 has no other.
_SM4_SIZE = 16
# More is no key, and is not read.
_LARGEST_FILE = 1024


def read_key(source: Path | str) -> bytes:
    """Return the key that a file or a variable of the environment holds as 32, 48 or 64 hexadecimal digits.

    Args:
        source: Path of the file, or ``env:NAME``.

    Raises:
        ConfigError: There is none, or it is no key. The message does not hold what was read.
    """
    name = str(source)
    if name.startswith(ENVIRONMENT):
        text = os.environ.get(name.removeprefix(ENVIRONMENT), "")
        if not text:
            raise ConfigError("the environment has no such variable, or it is empty", name, "export it")
    else:
        text = _text_of(Path(source))
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) not in _SIZES:
        fix = "give 32, 48 or 64 hexadecimal digits, for example from: openssl rand -hex 32"
        raise ConfigError("this is no key", name, fix)
    return key


def _text_of(path: Path) -> str:
    """Return the content of a small file."""
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST_FILE).decode("ascii", errors="replace")
    except OSError as error:
        fix = "give the path of the file that holds the key, or env:NAME for a variable of the environment"
        raise ConfigError(f"cannot read the key: {error.strerror or error}", str(path), fix) from error


def check_key(key: bytes | None, encryption: str, where: str) -> None:
    """Refuse a key for a model that is not encrypted, and none for one that is.

    Args:
        key: The key, ``None`` for none.
        encryption: How the model is encrypted; empty when it is not.
        where: The model.

    Raises:
        ConfigError: They do not go together.
    """
    if encryption and key is None:
        raise ConfigError(f"the model is encrypted ({encryption})", where, "give the file that holds its key")
    if key is not None and not encryption:
        raise ConfigError("the model is not encrypted", where, "leave the key out")


def check_mode(key: bytes, mode: str) -> None:
    """Raise ``ConfigError`` for a key that is too long for an encryption."""
    if mode == "SM4-CBC" and len(key) != _SM4_SIZE:
        what = f"SM4-CBC takes a key of {_SM4_SIZE} bytes, and this one has {len(key)}"
        raise ConfigError(what, "enc_mode", "give a key of 32 hexadecimal digits")
