"""The weights of TensorFlow's and HF transformers' checkpoints as a training takes them, converted while they are read.

Nothing is written, so there is nothing to keep up to date, and the folder may be read-only. Reading ALBERT base takes a
second, which a training spends once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.weights.config_files import NetworkFile
from src.weights.huggingface import read_huggingface
from src.weights.input_format import InputFormat, recognise_input
from src.weights.network_file import checked_network, find_network_file, read_network_file
from src.weights.saved_names import saved_name
from src.weights.tf_bundle import open_bundle
from src.weights.tf_names_to_weights import read_tensorflow

_OWN_SUFFIXES = (".ckpt", ".safetensors")
# Suffixes of single files that are never this project's.
_FOREIGN_SUFFIXES = (".index", ".bin", ".pt", ".pth")
# What decides which function a network computes; dropout and the length of sequences are a matter of the training.
_CHECKED = (
    "vocab_size", "embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size", "num_hidden_groups", "inner_group_num", "layer_norm_eps",
)  # fmt: skip
# Two names of the tanh form.
SAME_ACTIVATION = {"gelu_new": "gelu"}


@dataclass(frozen=True)
class StartWeights:
    """What was read.

    Attributes:
        path: The file that names the weights.
        entries: Arrays by the names of this project's checkpoints, float32.
        network: The network as the file beside the weights describes it; ``None`` where there is no such file.
        described_by: That file.
        notices: What the user should know, a sentence each.
    """

    path: Path
    entries: Mapping[str, np.ndarray]
    network: NetworkConfig | None
    described_by: Path | None
    notices: tuple[str, ...]

    def require_network(self, network: NetworkConfig) -> None:
        """Raise ``CheckpointError`` unless the weights were trained in this network.

        Shapes do not tell how often ALBERT's one layer is run, nor the number of its heads.
        """
        if self.network is None:
            return
        theirs, ours = self.network.model_dump(), network.model_dump()
        different = [f"{key} is {theirs[key]} there, {ours[key]} here" for key in _CHECKED if theirs[key] != ours[key]]
        activations = [SAME_ACTIVATION.get(keys["hidden_act"], keys["hidden_act"]) for keys in (theirs, ours)]
        if activations[0] != activations[1]:
            different.append(f"hidden_act is {theirs['hidden_act']} there, {ours['hidden_act']} here")
        if different:
            what = f"the weights are those of another network: {'; '.join(different)}"
            fix = "choose albert_network and its keys as in that file, or give other weights"
            raise CheckpointError(what, str(self.described_by), fix)


def foreign_format(path: Path) -> InputFormat | None:
    """Return the format of weights of other programs; ``None`` for this project's files and for what is not there.

    Raises:
        CheckpointError: A folder holds no weights of a known format, or those of two.
    """
    if path.is_file():
        is_foreign = path.suffix in _FOREIGN_SUFFIXES or path.name == "checkpoint" or path.suffix == ".safetensors"
        if not is_foreign:
            return None
    elif not path.is_dir() and not _has_parts(path):
        return None
    found = recognise_input(path)
    return None if found is InputFormat.MINDSPORE else found


def _has_parts(prefix: Path) -> bool:
    """Tell whether there are files that belong to the prefix of a TensorFlow checkpoint."""
    folder = prefix.parent
    starts = (f"{prefix.name}.index", f"{prefix.name}.data-")
    return bool(prefix.name) and folder.is_dir() and any(name.startswith(starts) for name in os.listdir(folder))


def read_start_weights(path: Path, kind: InputFormat) -> StartWeights:
    """Read the weights of another program.

    Args:
        path: Prefix, file or folder.
        kind: Its format, as ``foreign_format`` recognised it.

    Raises:
        CheckpointError: Something is missing, damaged, or no ALBERT's.
        ConfigError: A yaml beside the weights is damaged.
    """
    if kind is InputFormat.TENSORFLOW:
        source = open_bundle(path)
        read = read_tensorflow(source)
        described_by = find_network_file(source.path)
        file = None if described_by is None else read_network_file(described_by)
        return _start_weights(source.path, read.weights, file, described_by, read.notices, read.network_keys)
    folder = read_huggingface(path)
    described_by = folder.files[0].parent / "config.json" if folder.config is not None else None
    return _start_weights(folder.files[0], folder.weights, folder.config, described_by, folder.notices, {})


def _start_weights(
    path: Path,
    weights: Mapping[str, np.ndarray],
    file: NetworkFile | None,
    described_by: Path | None,
    notices: tuple[str, ...],
    changes: Mapping[str, int],
) -> StartWeights:
    network = None if file is None else checked_network(file, changes, str(described_by))
    entries = {saved_name(name): values for name, values in weights.items()}
    return StartWeights(path, entries, network, described_by, notices)
