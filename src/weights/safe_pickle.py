"""Read PyTorch's ``.bin`` and ``.pt`` files of weights without running what is inside.

Such a file is a pickle, a small program that may call any function. Here it may call three: the one that makes a tensor
from a storage, the one that makes a parameter of a tensor, and the one that makes an ordered dictionary; each is
replaced by a few lines of this module. Whatever else it asks for ends the reading.

Both forms of PyTorch's ``serialization.py`` are read: the zip archive (since 1.6) and the five pickles before it.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from src.common.errors import CheckpointError
from src.weights.safetensors_source import from_bfloat16

_FIX = "save the weights as .safetensors, with the program that wrote this file"
_STREAM_START = [0x1950A86A20F9469CFC6C, 1001]
_LARGEST_PICKLE = 64 << 20
_STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip


class _RefusedError(Exception):
    """The file is no plain file of weights."""


# Tuples: a pickle can set the attributes of other objects, and these have been checked.
class _Storage(NamedTuple):
    """A place of data: its key, type and number of elements."""

    key: str
    kind: str
    size: int


class _Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Named(dict[Any, Any]):
    """Stands for an ordered dictionary; what a pickle wants to hang onto it is dropped."""

    def __setstate__(self, state: object) -> None:
        """Take no state."""


def _make_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: object) -> _Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(type(number) is int and number >= 0 for number in numbers):
        raise _RefusedError("a tensor is damaged")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if len(shape) > 8 or (math.prod(shape) > 0 and last >= storage.size) or math.prod(shape) > storage.size:
        raise _RefusedError("a tensor reaches behind its storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _make_parameter(tensor: Any, *_: object) -> Any:
    return tensor


class _Call:
    """One of the functions that a pickle may call; nothing can be set on it."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __setattr__(self, name: str, value: object) -> None:
        raise _RefusedError("the file changes functions")

    def __call__(self, *arguments: Any) -> Any:
        """Run the function; a pickle calls with positional arguments only."""
        return self._function(*arguments)


class _Reader(pickle.Unpickler):
    """An unpickler that finds the few names of a file of weights and no other."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of what a pickle asks for.

        Raises:
            _RefusedError: It asks for anything else.
        """
        calls: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): _Named,
            ("torch._utils", "_rebuild_tensor_v2"): _make_tensor,
            ("torch._utils", "_rebuild_parameter"): _make_parameter,
        }
        if (module, name) in calls:
            return _Call(calls[module, name])
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return name
        raise _RefusedError(f"the file wants to run {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that a pickle points at: ("storage", type, key, device, count, ...)."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or pid[1] not in _STORAGES:
            raise _RefusedError("a storage is damaged")
        if len(pid) > 5 and pid[5] is not None:
            raise _RefusedError("a storage is a view of another one")
        key, count = pid[2], pid[4]
        if not isinstance(key, str) or type(count) is not int or count < 0:
            raise _RefusedError("a storage is damaged")
        return _Storage(key, pid[1], count)


def _materialize(tensor: _Tensor, data: bytes) -> np.ndarray:
    """Return a tensor as an array; float16, bfloat16 and float64 become float32."""
    dtype = np.dtype(_STORAGES[tensor.storage.kind])
    if len(data) != tensor.storage.size * dtype.itemsize:
        raise _RefusedError("the data of a storage are cut off")
    flat = np.frombuffer(data, dtype)[tensor.offset :]
    strides = tuple(stride * dtype.itemsize for stride in tensor.strides)
    values = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)
    if tensor.storage.kind == "BFloat16Storage":
        return from_bfloat16(values)
    return values.astype(np.float32) if dtype.kind == "f" else values.copy()


def _tensors(content: Any) -> dict[str, _Tensor]:
    """Return the tensors of a dictionary of weights; what is no tensor in it is passed over."""
    if not isinstance(content, dict):
        raise _RefusedError("the file is no dictionary of tensors")
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, _Tensor)}


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        # PyTorch compresses nothing; a packed file could unpack to any size.
        packed = any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist())
        if packed or len(pickles) != 1 or archive.getinfo(pickles[0]).file_size > _LARGEST_PICKLE:
            raise _RefusedError("the file is no PyTorch file of weights")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise _RefusedError("the numbers are stored big-endian")
        tensors = _tensors(_Reader(io.BytesIO(archive.read(pickles[0]))).load())
        return {
            name: _materialize(tensor, archive.read(f"{folder}data/{tensor.storage.key}"))
            for name, tensor in tensors.items()
        }


def _read_stream(stream: BinaryIO, size: int) -> dict[str, np.ndarray]:
    if [_Reader(stream).load(), _Reader(stream).load()] != _STREAM_START:
        raise _RefusedError("the file is no PyTorch file of weights")
    system = _Reader(stream).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _RefusedError("the numbers are stored big-endian")
    tensors = _tensors(_Reader(stream).load())
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    data: dict[str, bytes] = {}
    for key in _Reader(stream).load():
        if key not in storages:
            raise _RefusedError("a storage belongs to no tensor")
        count = int.from_bytes(stream.read(8), "little")
        if count != storages[key].size or count > size:
            raise _RefusedError("the data of a storage are cut off")
        data[key] = stream.read(count * np.dtype(_STORAGES[storages[key].kind]).itemsize)
    return {name: _materialize(tensor, data[tensor.storage.key]) for name, tensor in tensors.items()}


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a PyTorch file of weights by name; floating-point ones as float32.

    Raises:
        CheckpointError: The file is missing, damaged, or holds more than tensors.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_archive(path)
        with path.open("rb") as stream:
            return _read_stream(stream, path.stat().st_size)
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror or error}", str(path), "check the path") from error
    except _RefusedError as error:
        raise CheckpointError(f"not read: {error}; nothing of the file was run", str(path), _FIX) from error
    except Exception as error:  # A damaged pickle or archive raises whatever the damage leads to.
        raise CheckpointError("the file is empty, cut off or damaged", str(path), _FIX) from error
