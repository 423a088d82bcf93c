"""Folders and files of HF transformers' ALBERT, in and out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.errors import CheckpointError
from src.model.names import canonical_of_huggingface
from src.weights.config_files import NetworkFile, network_from_huggingface, read_json_object
from src.weights.huggingface_tokenizer import TokenizerFiles, find_tokenizer
from src.weights.safe_pickle import read_torch_file
from src.weights.safetensors_source import SafetensorsFile

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
# In the order in which HF looks for them.
_WEIGHT_FILES = (WEIGHTS_FILE, "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_INDEX_SUFFIX = ".index.json"
_TORCH_SUFFIXES = (".bin", ".pt", ".pth")
_TABLE = "albert_embedding_lookup.embedding_table"
OUTPUT_BIAS = "cls1.output_bias"
# HF writes the tied table and the bias of the MLM head a second time, under these names.
_TIED = {"predictions.decoder.weight": _TABLE, "predictions.decoder.bias": OUTPUT_BIAS}
# No weights: the numbers 0, 1, 2, ... and zeros that older versions saved.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
WITHOUT_POOLER = ("AlbertForMaskedLM", "AlbertForTokenClassification", "AlbertForQuestionAnswering")
"""HF's networks that have no pooler, since nothing of theirs needs it."""
_POOLER = ("dense.weight", "dense.bias")

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class HuggingFaceWeights:
    """What was read.

    Attributes:
        weights: Arrays by canonical name, float32.
        config: What ``config.json`` says of the network; ``None`` where there is no such file.
        tokenizer: The tokenizer's files; ``None`` where there are none.
        unexpected: Names of HF that have no counterpart here.
        notices: What the user should know, a sentence each.
        files: The files of weights.
    """

    weights: Weights
    config: NetworkFile | None
    tokenizer: TokenizerFiles | None
    unexpected: tuple[str, ...]
    notices: tuple[str, ...]
    files: tuple[Path, ...]


def read_huggingface(path: Path) -> HuggingFaceWeights:
    """Read a folder, or one file of weights with what stands beside it.

    Args:
        path: A folder with ``config.json`` and weights, a ``.safetensors`` file, a ``.bin`` file or an index of shards.

    Raises:
        CheckpointError: Files are missing or damaged, or are no ALBERT's.
    """
    main = _weights_file(path)
    files = _shards(main) if main.name.endswith(_INDEX_SUFFIX) else (main,)
    config_path = main.parent / CONFIG_FILE
    config = None
    if config_path.is_file():
        config = network_from_huggingface(read_json_object(config_path), str(config_path))
    entries: Weights = {}
    for file in files:
        for name, values in _read_file(file).items():
            if name in entries:
                raise CheckpointError(f"{name} is in two of the files", str(file), "download the folder again")
            entries[name] = values
    weights, unexpected = _canonical_weights(entries, str(main))
    notices = [] if config is None else list(config.notices)
    notices.extend(_complete_pooler(weights, config))
    return HuggingFaceWeights(weights, config, find_tokenizer(main.parent), unexpected, tuple(notices), files)


def _weights_file(path: Path) -> Path:
    if not path.is_dir():
        if not path.exists():
            raise CheckpointError("there is no such file or folder", str(path), "check the path")
        if path.suffix in (".safetensors", *_TORCH_SUFFIXES) or path.name.endswith(_INDEX_SUFFIX):
            return path
        raise CheckpointError("this is no file of HF transformers", str(path), "give its folder")
    for name in _WEIGHT_FILES:
        if (path / name).is_file():
            return path / name
    what = f"the folder holds none of {', '.join(_WEIGHT_FILES)}"
    raise CheckpointError(what, str(path), "give the folder that save_pretrained wrote")


def _shards(index: Path) -> tuple[Path, ...]:
    """Return the files that an index names; all of them must be there and be in the same folder."""
    table = read_json_object(index).get("weight_map")
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise CheckpointError("the index has no weight_map", str(index), "download the folder again")
    names = sorted(set(table.values()))
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise CheckpointError(f"the index names a file in another folder: {outside[0]}", str(index), "mend the index")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        what = f"{len(missing)} of {len(names)} files that the index names are missing: {', '.join(missing[:4])}"
        raise CheckpointError(what, str(index), "download the folder again")
    return tuple(index.parent / name for name in names)


def _read_file(path: Path) -> Weights:
    if path.suffix in _TORCH_SUFFIXES:
        return read_torch_file(path)
    source = SafetensorsFile(path)
    return {name: source.read(name) for name in source.shapes()}


def _canonical_weights(entries: Mapping[str, np.ndarray], where: str) -> tuple[Weights, tuple[str, ...]]:
    """Return the weights by canonical name, and the names without a counterpart.

    Raises:
        CheckpointError: These are not an ALBERT's, two are the same, values are not finite, or tied ones differ.
    """
    weights: Weights = {}
    sources: dict[str, str] = {}
    unexpected: list[str] = []
    for name, values in entries.items():
        canonical = canonical_of_huggingface(name)
        if canonical is None:
            if name not in _TIED and not name.endswith(_BUFFERS):
                unexpected.append(name)
            continue
        if canonical in sources:
            what = f"{sources[canonical]} and {name} are the same parameter, {canonical}"
            raise CheckpointError(what, where, "save one of them")
        if not np.isfinite(values).all():
            raise CheckpointError(f"{name} holds values that are not finite", where, "take an earlier checkpoint")
        sources[canonical], weights[canonical] = name, np.ascontiguousarray(values, np.float32)
    if _TABLE not in weights:
        shown = ", ".join(list(entries)[:4]) or "nothing"
        raise CheckpointError(f"these are not the weights of an ALBERT: {shown}", where, "give an ALBERT's folder")
    _check_tied(weights, entries, where)
    return weights, tuple(unexpected)


def _check_tied(weights: Weights, entries: Mapping[str, np.ndarray], where: str) -> None:
    """Take the bias of the decoder where it is the only one, and raise where a tied value differs from its twin."""
    for name, canonical in _TIED.items():
        if name not in entries:
            continue
        values = np.ascontiguousarray(entries[name], np.float32)
        if not np.array_equal(weights.setdefault(canonical, values), values):
            what = f"{name} differs from {canonical}, and ALBERT has one for both"
            raise CheckpointError(what, where, "save a network with tied weights (tie_word_embeddings)")


def _complete_pooler(weights: Weights, config: NetworkFile | None) -> list[str]:
    """Give a pooler of zeros to the weights of a network that HF saves without one; nothing of it uses the pooler."""
    mapping = weights.get("albert_encoder.embedding_hidden_mapping_in.bias")
    if mapping is None or any(name in weights for name in _POOLER):
        return []
    architecture = config.architecture if config is not None else _architecture_of(weights)
    if architecture not in WITHOUT_POOLER:
        return []
    size = mapping.shape[0]
    weights["dense.weight"], weights["dense.bias"] = np.zeros((size, size), np.float32), np.zeros(size, np.float32)
    return [
        f"HF's {architecture} has no pooler: dense.weight and dense.bias are zeros. What it was trained for does not"
        " need them; do not fine-tune for classification from it"
    ]


def heads_of(names: Iterable[str]) -> set[str]:
    """Return the beginnings of the names of heads: ``cls1``, ``dense_1``, ...; the pooler is no head."""
    first = {name.split(".", 1)[0] for name in names}
    return {head for head in first if not head.startswith("albert_") and head != "dense"}


def _architecture_of(weights: Mapping[str, np.ndarray]) -> str:
    """Return HF's network for weights that lack a pooler, from the head that they have."""
    heads = heads_of(weights)
    by_head = {"cls1": WITHOUT_POOLER[0], "dense_1": WITHOUT_POOLER[1], "dense1": WITHOUT_POOLER[2]}
    return next((by_head[head] for head in sorted(heads & set(by_head))), "")
