"""Unpack zip files that other people made: nothing leaves the folder, and half of one leaves nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from src.cloud.names import clashing_names, safe_name
from src.cloud.progress import shown_bytes
from src.common.errors import DataError, OutputError
from src.common.files import output_error, usual_mode

_CHUNK_BYTES = 1 << 20
_MOST_ENTRIES = 1_000_000
# What stays free on the disk for everything else.
_RESERVE_BYTES = 64 << 20
_SCRATCH = ".unpacking-"
_PACK = "pack it anew"


def unpack(archive: Path, folder: Path, tick: Callable[[int], None]) -> list[Path]:
    """Unpack a zip file into ``folder`` and return its files.

    Args:
        archive: The zip file.
        folder: Where its entries go; one that is there already must be the same.
        tick: Is told the bytes written.

    Raises:
        DataError: It is damaged or encrypted, or a name in it leads out of the folder.
        OutputError: It needs more space than there is, or would go over other files.
    """
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
    try:
        with zipfile.ZipFile(archive) as packed:
            names = _checked(packed, archive, folder)
            for info, name in names:
                _write(packed, info, scratch / name, tick)
        return _move(scratch, folder, [name for _, name in names], archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        # zipfile has NotImplementedError for a compression method that it does not know.
        raise DataError(f"the zip file is damaged: {error}", str(archive), _PACK) from error
    except OSError as error:
        raise output_error(error, folder) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def clean_leftovers(folder: Path) -> None:
    """Remove what an unpacking that was killed has left."""
    for path in folder.rglob(f"{_SCRATCH}*"):
        shutil.rmtree(path, ignore_errors=True)


def _checked(packed: zipfile.ZipFile, archive: Path, folder: Path) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return the files of an archive with their names, after every check that needs no content."""
    infos = packed.infolist()
    if len(infos) > _MOST_ENTRIES:
        raise DataError(f"the zip file has {len(infos):,} entries", str(archive), "pack fewer, larger files")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        where = f"{archive}: entry {info.filename!r}"
        name = safe_name(info.filename, str(archive))
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DataError("a link or a device is packed", where, "pack the files themselves (zip without -y)")
        if info.flag_bits & 1:
            raise DataError("the entry is encrypted", where, "pack without a password")
        if info.is_dir():
            continue
        if name in found:
            raise DataError("the name is there twice", where, _PACK)
        found[name] = info
    if clash := clashing_names(found):
        raise DataError(f"{clash[0]!r} is packed as a file too", f"{archive}: entry {clash[1]!r}", _PACK)
    needed, free = sum(info.file_size for info in found.values()), shutil.disk_usage(folder).free
    if needed > free - _RESERVE_BYTES:
        what = f"its files need {shown_bytes(needed)}, {shown_bytes(free)} are free"
        raise OutputError(what, str(archive), "choose a larger disk, or pack less")
    return [(info, name) for name, info in found.items()]


def _write(packed: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, tick: Callable[[int], None]) -> None:
    """Write one entry; its checksum is compared at its end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = info.file_size
    with packed.open(info) as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{info.filename!r} is larger than it says")
            writer.write(chunk)
            tick(len(chunk))
    target.chmod(usual_mode())


def _move(scratch: Path, folder: Path, names: list[str], archive: Path) -> list[Path]:
    """Put the files in their places, all of them after a look at what is there."""
    for name in names:
        there = folder / name
        blocked = next((path for path in there.parents if folder in path.parents and path.is_file()), None)
        if blocked is not None:
            what = f"entry {name!r} needs a folder where the file {blocked} stands"
            raise OutputError(what, str(archive), "leave the name out of the zip file, or the file out of the data")
        if there.exists() and not _same(there, scratch / name):
            what = f"it would go over {there}, which differs"
            raise OutputError(what, str(archive), "leave the name out of the zip file, or the file out of the data")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(scratch / name, folder / name)
    return [folder / name for name in names]


def _same(first: Path, second: Path) -> bool:
    """Tell whether two files have the same content."""
    if not first.is_file() or first.stat().st_size != second.stat().st_size:
        return False
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(path.open("rb")) for path in (first, second))
        while chunk := one.read(_CHUNK_BYTES):
            if chunk != other.read(_CHUNK_BYTES):
                return False
    return True
