"""Read ``.safetensors`` files tensor by tensor, also those of type bfloat16, which NumPy lacks.

Form of the file (https://github.com/huggingface/safetensors): eight bytes with the length of the header, little-endian;
the header, a JSON object of ``{name: {dtype, shape, data_offsets}}``; the data without gaps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import CheckpointError
from src.common.json_files import json_value

_LENGTH_BYTES = 8
_LARGEST_HEADER = 100_000_000
_FIX = "copy or download it again"
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U8": "u1", "BOOL": "?",
}  # fmt: skip
_DTYPE_NAMES = {"BF16": "bfloat16"} | {name: np.dtype(code).name for name, code in _DTYPES.items() if name != "BF16"}


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Return float32 values from the 16 upper bits of each, given as uint16."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


class SafetensorsFile:
    """An opened ``.safetensors`` file.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file is missing, cut off or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            with path.open("rb") as stream:
                length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
                if not 2 <= length <= min(_LARGEST_HEADER, size - _LENGTH_BYTES):
                    raise CheckpointError("the file is cut off or no safetensors file", str(path), _FIX)
                header = json_value(stream.read(length).decode("utf-8"))
        except OSError as error:
            raise CheckpointError(f"cannot read: {error.strerror or error}", str(path), "check the path") from error
        except ValueError as error:
            raise CheckpointError("the header of the file is damaged", str(path), _FIX) from error
        self._start = _LENGTH_BYTES + length
        self._entries = self._checked(header, size - self._start)

    def _checked(self, header: Any, data_size: int) -> dict[str, tuple[str, tuple[int, ...], int]]:
        """Return (type, shape, offset) by name; the tensors must fill the data without a gap."""
        where = str(self.path)
        if not isinstance(header, dict):
            raise CheckpointError("the header of the file is damaged", where, _FIX)
        entries: dict[str, tuple[str, tuple[int, ...], int]] = {}
        parts: list[tuple[int, int]] = []
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            dtype, shape, begin, end = self._parsed(name, entry)
            entries[name] = (dtype, shape, begin)
            parts.append((begin, end))
        place = 0
        for begin, end in sorted(parts):
            if begin != place:
                raise CheckpointError("the header's offsets leave a gap or overlap", where, _FIX)
            place = end
        if place != data_size:
            raise CheckpointError(f"the data have {data_size} bytes, the header tells of {place}", where, _FIX)
        return entries

    def _parsed(self, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
        """Return type, shape, and where the data begin and end, of one entry of the header."""
        where = str(self.path)
        try:
            dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
                raise ValueError
        except (TypeError, KeyError, ValueError) as error:
            raise CheckpointError(f"the header's entry of {name!r} is damaged", where, _FIX) from error
        if dtype not in _DTYPES:
            raise CheckpointError(f"{name} is of type {dtype!r}", where, "convert it to float32 or float16 first")
        if end - begin != math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize:
            raise CheckpointError(f"the size of {name} does not fit its shape {shape}", where, _FIX)
        return dtype, shape, begin, end

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of every tensor, sorted by name."""
        return {name: shape for name, (_, shape, _) in sorted(self._entries.items())}

    def dtypes(self) -> Mapping[str, str]:
        """Return the dtype that every tensor has in the file, for example ``bfloat16``, sorted by name."""
        return {name: _DTYPE_NAMES[dtype] for name, (dtype, _, _) in sorted(self._entries.items())}

    def read(self, name: str) -> np.ndarray:
        """Return a tensor; float16, bfloat16 and float64 become float32, whole numbers stay what they are."""
        if name not in self._entries:
            raise CheckpointError(f"there is no tensor {name}", str(self.path), "see which names the file has")
        dtype, shape, offset = self._entries[name]
        count = math.prod(shape)
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._start + offset)
                values = np.fromfile(stream, _DTYPES[dtype], count)
        except OSError as error:
            raise CheckpointError(f"cannot read: {error.strerror or error}", str(self.path), "try again") from error
        if values.size != count:
            raise CheckpointError("the file was cut off while it was read", str(self.path), _FIX)
        if dtype == "BF16":
            values = from_bfloat16(values)
        return (values.astype(np.float32) if dtype in ("F64", "F16") else values).reshape(shape)
