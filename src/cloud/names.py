"""Names of objects and of entries of archives, checked before they become paths on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from src.common.errors import DataError

_DRIVE = re.compile(r"[A-Za-z]:")


def safe_name(name: str, where: str) -> str:
    """Return a relative path with single slashes.

    Args:
        name: As an archive or a listing gives it; a backslash separates as a slash does.
        where: What holds it, for messages.

    Raises:
        DataError: It would leave the folder that it is meant for.
    """
    text = name.replace("\\", "/")
    path = PurePosixPath(text)
    unsafe = path.is_absolute() or ".." in path.parts or _DRIVE.match(text) or "\0" in text or not path.parts
    if unsafe:
        raise DataError(f"the name {name!r} leads out of its folder", where, "pack or upload it with relative names")
    return str(path)


def clashing_names(names: Iterable[str]) -> tuple[str, str] | None:
    """Return a name that is a file and, in the second one, a folder; ``None`` where all fit on a disk together."""
    known = set(names)
    for name in sorted(known):
        for parent in PurePosixPath(name).parents:
            if str(parent) in known:
                return str(parent), name
    return None
