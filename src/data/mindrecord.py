"""Write and read MindRecord files; MindSpore is imported when that happens, not before.

Measured with MindSpore 2.10: the default header and page sizes make the smallest file 50 MB; a header that is too small
for the list of pages fails at the end of the writing; files keep their names (not their folder) inside, so that they
may be moved but not renamed; reading does not notice damage, or dies of it, so callers verify files first.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import AlbertError, DataError, OutputError
from src.data.record_schema import Column

_READ_ROWS = 1024
_SMALLEST_HEADER = 1 << 14
_SMALLEST_PAGE = 1 << 15
_LARGEST_PAGE = 1 << 28
# A page's entry in the header takes about 190 bytes, the schema and the rest below 2 KB.
_HEADER_BYTES_PER_PAGE = 256
_HEADER_BYTES_FIXED = 4096
_WISHED_PAGES = 256
_ROWS_PER_PAGE = 4
_FORBIDDEN_IN_NAME = frozenset("\\/:*?\"<>|`&;'")
# MindSpore refuses to write when less than about this much is free.
_FREE_BYTES_NEEDED = 10 << 20


def shard_names(name: str, shard_num: int) -> list[str]:
    """Return the names that MindSpore gives to the shards of MindRecord ``name``."""
    if shard_num == 1:
        return [name]
    digits = len(str(shard_num - 1))
    return [f"{name}{number:0{digits}d}" for number in range(shard_num)]


def _power_of_two(value: int) -> int:
    """Return the smallest power of two that is not below ``value``."""
    return 1 << max(value - 1, 0).bit_length()


def file_geometry(rows: int, max_seq_length: int) -> tuple[int, int]:
    """Return header and page size in bytes: small files stay small, the header has room for all pages.

    Args:
        rows: Records to be written.
        max_seq_length: Length to which they are padded.
    """
    # Widest case: four int64 columns, compressed to at most 8 bytes and 2 bits a value, 12 bytes of counts each.
    largest_row = 4 * (max_seq_length * 8 + max_seq_length // 4 + 32)
    # Ids below 2**31 take 4 bytes, masks, segments and labels 1, width codes a quarter.
    usual_row = max_seq_length * 8 + 128
    page = max(
        _SMALLEST_PAGE, _power_of_two(_ROWS_PER_PAGE * largest_row), _power_of_two(rows * usual_row // _WISHED_PAGES)
    )
    page = min(page, _LARGEST_PAGE)
    pages = rows * usual_row // (page - page // _ROWS_PER_PAGE) + 4
    header = _power_of_two(_HEADER_BYTES_FIXED + pages * _HEADER_BYTES_PER_PAGE)
    return max(_SMALLEST_HEADER, header), page


def check_name(path: Path) -> None:
    """Raise ``OutputError`` when MindSpore would refuse the file's name."""
    bad = sorted(set(path.name) & _FORBIDDEN_IN_NAME)
    if bad or path.name != path.name.strip():
        found = " ".join(bad) or "a space at its begin or end"
        raise OutputError(f"the name of a MindRecord must not contain {found}", str(path), "choose another name")


def _message(error: Exception) -> str:
    """Return what MindSpore says, without its banner and C++ positions."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    return (told or [line for line in lines if line] or [type(error).__name__])[0]


def _write_error(error: Exception, path: Path) -> OutputError:
    """Return the clear error for a failure of MindSpore's writer."""
    message = _message(error)
    if "disk" in message or shutil.disk_usage(path.parent).free < _FREE_BYTES_NEEDED:
        return OutputError("no space left on the device", str(path), "free some space or choose another place")
    return OutputError(f"MindSpore cannot write the file: {message}", str(path), "choose another place")


def write_mindrecord(
    path: Path,
    columns: Sequence[Column],
    chunks: Iterator[Mapping[str, np.ndarray]],
    geometry: tuple[int, int],
    shard_num: int = 1,
) -> list[Path]:
    """Write a new MindRecord of one or several shards.

    Args:
        path: Its name; must not exist. Shards get a number behind the name.
        columns: The schema.
        chunks: Columns of some rows each, [B, length].
        geometry: Header and page size in bytes, see ``file_geometry``.
        shard_num: Number of shards. Several are given all rows at once, because MindSpore deals each batch of rows out
            over the shards, and the rows shall come back in their order: this takes memory.

    Returns:
        All files, in reading order, each shard followed by its index file.

    Raises:
        OutputError: MindSpore cannot write (no space, no permission, ...).
    """
    from mindspore.mindrecord import FileWriter

    check_name(path)
    try:
        writer = FileWriter(str(path), shard_num=shard_num, overwrite=False)
        writer.set_header_size(geometry[0])
        writer.set_page_size(geometry[1])
        writer.add_schema({column.name: {"type": column.dtype, "shape": [-1]} for column in columns}, path.name)
        together: list[dict[str, np.ndarray]] = []
        for chunk in chunks:
            names = list(chunk)
            rows = [dict(zip(names, values, strict=True)) for values in zip(*chunk.values(), strict=True)]
            if shard_num == 1:
                writer.write_raw_data(rows)
            else:
                together += rows
        if together:
            writer.write_raw_data(together)
        writer.commit()
    except (AlbertError, OSError):
        raise
    except Exception as error:  # MindSpore raises RuntimeError, its own classes and others
        raise _write_error(error, path) from error
    return [path.with_name(name + suffix) for name in shard_names(path.name, shard_num) for suffix in ("", ".db")]


def read_mindrecord(files: Sequence[Path], names: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """Yield the columns ``names`` of a MindRecord in file order, some rows at a time.

    Args:
        files: The shards that were written together; MindSpore finds them all through the first. They must be
            verified: damage ends the process.
        names: The columns to read.

    Yields:
        Column name to [B, length] (or [B] for a scalar column), of the stored dtype.

    Raises:
        DataError: MindSpore cannot read the file, or its rows are of different lengths.
    """
    from mindspore import dataset as msd

    try:
        dataset: Any = msd.MindDataset(str(files[0]), columns_list=list(names), shuffle=False, num_parallel_workers=1)
        dataset = dataset.batch(_READ_ROWS, drop_remainder=False, num_parallel_workers=1)
        yield from dataset.create_dict_iterator(num_epochs=1, output_numpy=True)
    except AlbertError:
        raise
    except Exception as error:  # as in write_mindrecord
        raise DataError(
            f"MindSpore cannot read the file: {_message(error)}", str(files[0]), "write it again"
        ) from error
