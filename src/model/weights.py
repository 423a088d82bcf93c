"""Load checkpoints into a network and say exactly what was loaded and what was not.

MindSpore's own loader matches by name and only logs what it did not find, so that a wrong file leaves a network
with random weights. Here a backbone that is not covered completely is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.model.albert_model import AlbertModel
from src.model.names import backbone_shapes, canonical_name, is_training_state, layer_of
from src.model.shape_hints import mismatch_reason

_SHOWN_NAMES = 4
# Begins the end of a file saved with ``crc_check``: the mark and ten bytes of checksum.
_CHECKSUM_MARK = b"crc_num"
_CHECKSUM_BYTES = len(_CHECKSUM_MARK) + 10
_FORMATS = {".ckpt": "ckpt", ".safetensors": "safetensors"}


@dataclass(frozen=True)
class CoverageReport:
    """What a checkpoint gave to a network; names are canonical (see ``src/model/names.py``).

    Attributes:
        path: The checkpoint.
        loaded: Parameters that now hold the checkpoint's values.
        missing: Parameters of the network that keep the values they had: a new head.
        unexpected: Weights of the checkpoint that the network has no use for: another task's head.
        wrong_shape: Head parameters that both have, in different shapes; they are also in ``missing``.
        optimizer_entries: Number of moments and counters that were passed over.
    """

    path: Path
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_shape: tuple[str, ...]
    optimizer_entries: int

    def summary(self) -> str:
        """Return one line for the log."""
        parts = [f"loaded {len(self.loaded)} parameters from {self.path}"]
        for label, names in (("new", self.missing), ("not used", self.unexpected)):
            if names:
                parts.append(f"{label}: {_some(names)}")
        return "; ".join(parts)


def _some(names: tuple[str, ...]) -> str:
    """Return the first names and how many more there are."""
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Return all entries of a ``.ckpt`` or ``.safetensors`` file by the names they have there.

    Raises:
        CheckpointError: The file is missing, empty, damaged, or of another kind.
    """
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "no such checkpoint"
        raise CheckpointError(what, str(path), "give the path of a .ckpt or .safetensors file")
    if path.suffix not in _FORMATS:
        raise CheckpointError(
            f"unknown kind of checkpoint {path.suffix!r}", str(path), "give a .ckpt or .safetensors file"
        )
    if not _checksum_is_right(path):
        raise CheckpointError("the file is damaged: its checksum differs", str(path), "copy or download it again")
    damaged = "the file is empty, cut off or not a checkpoint"
    try:
        stored = ms.load_checkpoint(str(path), format=_FORMATS[path.suffix])
        entries = {name: parameter.asnumpy() for name, parameter in stored.items()}
    except Exception as error:  # The parsers raise whatever the damage leads to.
        raise CheckpointError(damaged, str(path), "copy or download it again") from error
    if not entries:
        raise CheckpointError(damaged, str(path), "copy or download it again")
    return entries


def _checksum_is_right(path: Path) -> bool:
    """Compare a file with the checksum that ``mindspore.save_checkpoint`` appends with ``crc_check``, if it is there.

    MindSpore's own check logs an error about missing permissions for a damaged file.
    """
    size = path.stat().st_size - _CHECKSUM_BYTES
    if size < 0 or path.suffix != ".ckpt":
        return True
    with path.open("rb") as stream:
        stream.seek(size)
        mark = stream.read(_CHECKSUM_BYTES)
        if not mark.startswith(_CHECKSUM_MARK):
            return True
        stream.seek(0)
        checksum = 0
        while size > 0:
            chunk = stream.read(min(size, 1 << 20))
            checksum = zlib.crc32(chunk, checksum)
            size -= len(chunk)
    return checksum == int.from_bytes(mark[len(_CHECKSUM_MARK) :], "big")


def _weights_by_canonical_name(entries: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Drop optimizer state and wrappers' prefixes.

    Raises:
        CheckpointError: Two entries are the same parameter, values are not finite, or the names are another library's.
    """
    weights: dict[str, np.ndarray] = {}
    for name, values in entries.items():
        if is_training_state(name):
            continue
        if "albert_layer_groups" in name:
            fix = "convert it with convert_tf_ckpt/convert.py"
            raise CheckpointError("the names are those of HF transformers", str(path), fix)
        canonical = canonical_name(name)
        if canonical in weights:
            raise CheckpointError(f"{canonical} is there twice, under different prefixes", str(path))
        if not np.isfinite(values).all():
            raise CheckpointError(f"{name} holds values that are not finite", str(path), "take an earlier checkpoint")
        weights[canonical] = values
    return weights


def network_config(network: nn.Cell) -> NetworkConfig:
    """Return the shape of the backbone inside a network."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, AlbertModel):
            return cell.config
    raise TypeError("the network holds no AlbertModel")


def _problems(
    weights: Mapping[str, np.ndarray], wanted: Mapping[str, Parameter], required: set[str], what: str
) -> list[str]:
    """Return one sentence for each way in which a checkpoint does not fit."""
    problems = []
    missing = tuple(name for name in wanted if name in required and name not in weights)
    if missing:
        covered = len(required) - len(missing)
        scope = "the backbone's parameters" if what == "backbone" else "the network's parameters"
        problems.append(f"covers {covered} of {len(required)} of {scope}, missing: {_some(missing)}")
    wrong = [name for name in wanted if name in required and _differs(weights.get(name), wanted[name])]
    if wrong:
        shown = "; ".join(
            f"{name} is {weights[name].shape} there, {tuple(wanted[name].shape)} in the network"
            for name in wrong[:_SHOWN_NAMES]
        )
        more = f"; and {len(wrong) - _SHOWN_NAMES} more" if len(wrong) > _SHOWN_NAMES else ""
        shapes = {name: (weights[name].shape, tuple(wanted[name].shape)) for name in wrong}
        problems.append(f"{len(wrong)} of other shape: {shown}{more}{mismatch_reason(shapes)}")
    foreign = tuple(name for name in weights if layer_of(name) is not None and name not in wanted)
    if foreign:
        problems.append(
            f"{len(foreign)} layer parameters that the network lacks (num_hidden_groups, inner_group_num or"
            f" use_relative_positions differ): {_some(foreign)}"
        )
    return problems


def _differs(values: np.ndarray | None, parameter: Parameter) -> bool:
    return values is not None and values.shape != tuple(parameter.shape)


def load_weights(
    network: nn.Cell, path: Path, *, what: Literal["backbone", "present", "all"] = "backbone"
) -> CoverageReport:
    """Load a checkpoint into a network that contains an ``AlbertModel``.

    Accepts the parameter names of this project and of the model zoo, with or without the prefixes of wrapping
    cells, and passes over optimizer state.

    Args:
        network: The network; its parameters are changed only when everything required fits.
        path: A ``.ckpt`` or ``.safetensors`` file.
        what: ``backbone`` loads the backbone and leaves heads as they are (to begin fine-tuning);
            ``present`` requires the backbone and loads, of the heads, what the checkpoint holds in the same shape (to
            begin pre-training from weights);
            ``all`` requires and loads every parameter of the network (to evaluate or go on).

    Raises:
        CheckpointError: The file cannot be read, or does not cover what is required in the same shapes.
    """
    return load_entries(network, read_checkpoint(path), path, what=what)


def load_entries(
    network: nn.Cell, entries: Mapping[str, np.ndarray], path: Path, *, what: Literal["backbone", "present", "all"]
) -> CoverageReport:
    """Load what was read from a checkpoint, as ``load_weights`` does.

    Args:
        network: The network; its parameters are changed only when everything required fits.
        entries: Arrays by the names of this project's checkpoints.
        path: Where they come from, for messages.
        what: See ``load_weights``.

    Raises:
        CheckpointError: They do not cover what is required in the same shapes.
    """
    weights = _weights_by_canonical_name(entries, path)
    wanted = {
        canonical_name(parameter.name): parameter
        for parameter in network.get_parameters()
        if not is_training_state(parameter.name)
    }
    required = set(wanted) if what == "all" else set(backbone_shapes(network_config(network)))
    problems = _problems(weights, wanted, required, what)
    if problems:
        raise CheckpointError("; ".join(problems), str(path), "give a checkpoint of this network, or change the sizes")
    taken = set(required)
    if what == "present":
        taken |= {name for name in wanted if name in weights and not _differs(weights[name], wanted[name])}
    for name in taken:
        parameter = wanted[name]
        parameter.set_data(Tensor(weights[name], parameter.dtype))
    return CoverageReport(
        path=path,
        loaded=tuple(name for name in wanted if name in taken),
        missing=tuple(name for name in wanted if name not in taken),
        unexpected=tuple(name for name in weights if name not in wanted),
        wrong_shape=tuple(name for name in wanted if name not in taken and _differs(weights.get(name), wanted[name])),
        optimizer_entries=len(entries) - len(weights),
    )
