"""Recognise the format of weights from what is there, and the format to write from the name of the output."""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path

from src.common.errors import CheckpointError, ConfigError
from src.model.names import canonical_name, canonical_of_huggingface
from src.weights.safetensors_source import SafetensorsFile
from src.weights.tf_bundle_paths import INDEX_SUFFIX, index_path
from src.weights.tf_table import is_table

_TABLE = "albert_embedding_lookup.embedding_table"
_HUGGINGFACE_FILES = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"
)  # fmt: skip
_TORCH_SUFFIXES = (".bin", ".pt", ".pth")
_TENSORFLOW_PART = re.compile(r"\.(data-\d+-of-\d+|meta)$")
_TENSORFLOW_PREFIX = re.compile(r"\.ckpt-[^./]+$")
_ZIP_MARK = b"PK\x03\x04"
_TAIL_BYTES = 8
_FORCE = "say it with --input_format"


class InputFormat(Enum):
    """What is read."""

    TENSORFLOW = "tensorflow"
    HUGGINGFACE = "huggingface"
    MINDSPORE = "mindspore"


class OutputFormat(Enum):
    """What is written."""

    CKPT = "ckpt"
    SAFETENSORS = "safetensors"
    HUGGINGFACE = "huggingface"
    TENSORFLOW = "tensorflow"


def recognise_input(path: Path) -> InputFormat:
    """Return the format of weights.

    Raises:
        CheckpointError: There is nothing, or nothing that is known, or two formats at once.
    """
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        return _of_prefix(path)
    if path.suffix == ".ckpt":
        return _of_ckpt(path)
    if path.suffix == INDEX_SUFFIX or path.name == "checkpoint" or _TENSORFLOW_PART.search(path.name):
        return InputFormat.TENSORFLOW
    if path.suffix in _TORCH_SUFFIXES or path.name.endswith(".index.json"):
        return InputFormat.HUGGINGFACE
    if path.suffix == ".safetensors":
        return _of_safetensors(path)
    if index_path(path).is_file():
        return InputFormat.TENSORFLOW
    raise CheckpointError("the kind of this file is not known from its name", str(path), _FORCE)


def _of_folder(path: Path) -> InputFormat:
    found = []
    if any((path / name).is_file() for name in _HUGGINGFACE_FILES):
        found.append(InputFormat.HUGGINGFACE)
    has_index = any(name[0] != "." and name.endswith(INDEX_SUFFIX) for name in os.listdir(path))
    if has_index or (not found and ((path / "checkpoint").is_file() or (path / "variables").is_dir())):
        found.append(InputFormat.TENSORFLOW)
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError("the folder holds weights of TensorFlow and of HF transformers", str(path), _FORCE)
    files = sorted(name for name in os.listdir(path) if name.endswith((".ckpt", ".safetensors", *_TORCH_SUFFIXES)))
    fix = f"name the file: {', '.join(files[:4])}" if files else "give the folder or file that holds them"
    raise CheckpointError("no weights of a known format are in this folder", str(path), fix)


def _of_prefix(path: Path) -> InputFormat:
    """Return TensorFlow for a prefix of files; its reader says what is missing of them."""
    folder = path.parent
    if folder.is_dir() and any(name.startswith(f"{path.name}.") for name in os.listdir(folder)):
        return InputFormat.TENSORFLOW
    raise CheckpointError("there is no such file, folder or TensorFlow checkpoint", str(path), "check the path")


def _of_ckpt(path: Path) -> InputFormat:
    """Tell MindSpore's ``.ckpt`` from those of others."""
    if index_path(path).is_file():
        what = f"this may be MindSpore's file or the prefix of {index_path(path).name}"
        raise CheckpointError(what, str(path), _FORCE)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_ZIP_MARK))
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL_BYTES))
            tail = stream.read(_TAIL_BYTES)
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror or error}", str(path), "check the path") from error
    if head == _ZIP_MARK:
        raise CheckpointError("this is a file of PyTorch", str(path), "rename it to .bin and give it again")
    return InputFormat.TENSORFLOW if is_table(tail) else InputFormat.MINDSPORE


def _of_safetensors(path: Path) -> InputFormat:
    """Tell this project's names from those of HF transformers."""
    names = list(SafetensorsFile(path).shapes())
    if any(canonical_name(name) == _TABLE for name in names):
        return InputFormat.MINDSPORE
    if any(canonical_of_huggingface(name) == _TABLE for name in names):
        return InputFormat.HUGGINGFACE
    shown = ", ".join(names[:4]) or "nothing"
    raise CheckpointError(f"these are not the weights of an ALBERT: {shown}", str(path), "give an ALBERT's file")


def recognise_output(text: str) -> OutputFormat:
    """Return the format to write.

    Raises:
        ConfigError: The name does not tell.
    """
    path = Path(text)
    if text.endswith("/") or path.is_dir():
        return OutputFormat.HUGGINGFACE
    if path.suffix in (".ckpt", ".safetensors"):
        return OutputFormat(path.suffix[1:])
    if path.suffix == INDEX_SUFFIX or _TENSORFLOW_PREFIX.search(path.name):
        return OutputFormat.TENSORFLOW
    if not path.suffix:
        return OutputFormat.HUGGINGFACE
    what = f"the name {text!r} does not tell what to write"
    fix = "end it in .ckpt, .safetensors, .ckpt-best (TensorFlow) or / (Hugging Face), or say it with --output_format"
    raise ConfigError(what, "--output", fix)
