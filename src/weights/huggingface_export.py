"""Write a folder that HF transformers loads with ``from_pretrained``, without a network connection."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import CheckpointError, OutputError
from src.common.files import fsync_directory, make_directory, output_error, replace_durably, usual_mode
from src.config.sections import NetworkConfig
from src.model.names import huggingface_name
from src.weights.config_files import huggingface_config
from src.weights.coverage import coverage
from src.weights.huggingface import CONFIG_FILE, OUTPUT_BIAS, WEIGHTS_FILE, WITHOUT_POOLER, heads_of
from src.weights.huggingface_tokenizer import TokenizerFiles, check_vocabulary_size, tokenizer_contents
from src.weights.safetensors_writer import write_safetensors

# The head of multiple choice has one output, which its configuration does not count as a label.
_LABELLED = ("AlbertForSequenceClassification", "AlbertForTokenClassification")
_CLASSIFIERS = (*_LABELLED, "AlbertForMultipleChoice")
_BARE = "AlbertModel"
# The same values as predictions.bias. HF 4.46 writes one of the two, and reads zeros for both when this one is missing.
_SECOND_OUTPUT_BIAS = "predictions.decoder.bias"
_WHERE = "the weights to write"


@dataclass(frozen=True)
class WrittenFolder:
    """What was written.

    Attributes:
        architecture: HF's class of the network.
        files: The files.
        notices: What the user should know, a sentence each.
    """

    architecture: str
    files: tuple[Path, ...]
    notices: tuple[str, ...]


def write_huggingface(
    folder: Path,
    weights: Mapping[str, np.ndarray],
    network: NetworkConfig,
    *,
    tokenizer: TokenizerFiles | None = None,
    labels: Sequence[str] = (),
    architecture: str = "",
    problem_type: str | None = None,
) -> WrittenFolder:
    """Write ``config.json``, ``model.safetensors`` and the tokenizer's files, all of them or nothing.

    Args:
        folder: A new or empty folder.
        weights: Arrays by canonical name; the backbone must be whole.
        network: The network.
        tokenizer: The tokenizer; without it the folder has none.
        labels: Names of the classes in the order of their ids.
        architecture: HF's class; needed for a head of classes where it is not ``AlbertForSequenceClassification``.
        problem_type: HF's name of the task, for example ``regression``.

    Raises:
        CheckpointError: The weights do not fit the network, or HF's ALBERT cannot hold them.
        DataError: The tokenizer's file is damaged.
        OutputError: The folder is not empty, or cannot be written.
    """
    architecture = _architecture(weights, architecture)
    names = _names(weights, network, architecture)
    outputs = _outputs(weights, architecture, labels)
    contents, special_ids, notices = _tokenizer_parts(tokenizer, network)
    config = huggingface_config(
        network, architecture, special_ids=special_ids, labels=labels, num_labels=outputs, problem_type=problem_type
    )
    contents[CONFIG_FILE] = (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    tensors = {theirs: np.ascontiguousarray(weights[ours], np.float32) for ours, theirs in names.items()}
    if OUTPUT_BIAS in weights:
        tensors[_SECOND_OUTPUT_BIAS] = tensors[names[OUTPUT_BIAS]].copy()
    notices += _unused_heads(weights, architecture)
    return WrittenFolder(architecture, _write_folder(folder, contents, tensors), notices)


def _outputs(weights: Mapping[str, np.ndarray], architecture: str, labels: Sequence[str]) -> int | None:
    """Return the number of classes, ``None`` without any; raise ``CheckpointError`` unless each has its name."""
    outputs = len(weights["dense_1.bias"]) if architecture in _LABELLED else None
    if labels and outputs != len(labels):
        what = f"{len(labels)} names of classes, and {outputs or 'no'} outputs of a classifier"
        raise CheckpointError(what, "labels", "give a name for each output")
    return outputs


def _tokenizer_parts(
    tokenizer: TokenizerFiles | None, network: NetworkConfig
) -> tuple[dict[str, bytes], dict[str, int], tuple[str, ...]]:
    """Return the tokenizer's files by name, the ids of its special symbols by role, and notices."""
    if tokenizer is None:
        return {}, {}, ("no tokenizer was given: copy spiece.model or vocab.txt into the folder",)
    loaded = tokenizer.load()
    check_vocabulary_size(loaded, network.vocab_size, str(tokenizer.spm_model or tokenizer.vocabulary))
    special_ids = {"pad": loaded.pad_id, "cls": loaded.cls_id, "sep": loaded.sep_id}
    return tokenizer_contents(tokenizer, network.max_position_embeddings), special_ids, ()


def _architecture(weights: Mapping[str, Any], wanted: str) -> str:
    """Return HF's class for the heads that there are.

    Raises:
        CheckpointError: The class that was asked for needs another head.
    """
    heads = heads_of(weights)
    possible = [*_CLASSIFIERS] if "dense_1" in heads else []
    possible += ["AlbertForQuestionAnswering"] if "dense1" in heads else []
    possible += ["AlbertForPreTraining"] if {"cls1", "cls2"} <= heads else []
    possible += ["AlbertForMaskedLM"] if "cls1" in heads else []
    possible.append(_BARE)
    if wanted and wanted not in possible:
        what = f"the weights have no head for {wanted}"
        raise CheckpointError(what, _WHERE, f"choose one of {', '.join(possible)}")
    return wanted or possible[0]


def _names(weights: Mapping[str, np.ndarray], network: NetworkConfig, architecture: str) -> dict[str, str]:
    """Return HF's name of every weight to write.

    Raises:
        CheckpointError: The weights do not fit the network, or one has no counterpart there.
    """
    report = coverage(weights, network, _WHERE)
    report.require_backbone()
    if report.wrong_shape or report.missing_heads:
        raise CheckpointError(f"a head does not fit the network: {report.text()}".replace("\n", "; "), _WHERE)
    left_out: tuple[str, ...] = ()
    # A pooler of zeros stands for one that HF's file did not have.
    if architecture in WITHOUT_POOLER and not (weights["dense.weight"].any() or weights["dense.bias"].any()):
        left_out = ("dense.weight", "dense.bias")
    try:
        names = {name: huggingface_name(name) for name in weights if name not in left_out}
    except KeyError as error:
        raise CheckpointError(f"HF's ALBERT has no place for {error.args[0]}", _WHERE, "write .ckpt") from error
    # HF writes a network without a head without the name of the backbone in front.
    if architecture == _BARE and not heads_of(weights):
        names = {ours: theirs.removeprefix("albert.") for ours, theirs in names.items()}
    return names


def _unused_heads(weights: Mapping[str, Any], architecture: str) -> tuple[str, ...]:
    used = {
        "AlbertForQuestionAnswering": {"dense1"},
        "AlbertForPreTraining": {"cls1", "cls2"},
        "AlbertForMaskedLM": {"cls1"},
        _BARE: set[str](),
    }.get(architecture, {"dense_1"})
    unused = sorted(heads_of(weights) - used)
    if not unused:
        return ()
    return (f"HF's {architecture} does not use {', '.join(unused)}; the file holds them all the same",)


def _write_folder(folder: Path, contents: Mapping[str, bytes], tensors: dict[str, np.ndarray]) -> tuple[Path, ...]:
    """Fill a folder under another name and rename it at the end."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError("the folder is there and not empty", str(folder), "choose another one")
    make_directory(folder.parent)
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        for name, content in contents.items():
            (temporary / f".{name}").write_bytes(content)
        # The metadata tell HF's loader that the layout is PyTorch's; without them it refuses the file.
        write_safetensors(temporary / f".{WEIGHTS_FILE}", tensors, metadata={"format": "pt"})
        for name in (*contents, WEIGHTS_FILE):
            # The library of safetensors makes files that only their owner may read, as mkdtemp does folders.
            (temporary / f".{name}").chmod(usual_mode())
            replace_durably(temporary / f".{name}", temporary / name)
        temporary.chmod(usual_mode(is_folder=True))
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
        fsync_directory(folder.parent)
    except OSError as error:
        raise output_error(error, folder) from error
    finally:
        if temporary is not None and temporary.exists():
            with contextlib.suppress(OSError):
                shutil.rmtree(temporary)
    return tuple(folder / name for name in (CONFIG_FILE, WEIGHTS_FILE, *(n for n in contents if n != CONFIG_FILE)))
