"""Read weights of any known format into one form, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from src.common.errors import CheckpointError
from src.common.interrupts import held_interrupts
from src.config.sections import NetworkConfig
from src.weights.config_files import NetworkFile
from src.weights.coverage import CoverageReport, coverage
from src.weights.huggingface import read_huggingface
from src.weights.huggingface_tokenizer import TokenizerFiles
from src.weights.input_format import InputFormat, recognise_input
from src.weights.network_file import (
    checked_network,
    derive_network,
    find_network_file,
    find_tokenizer_beside,
    read_network_file,
)
from src.weights.safetensors_source import SafetensorsFile
from src.weights.task_file import TaskFile, find_task_file, read_task_file, told_tokenizer
from src.weights.tf_bundle import open_bundle
from src.weights.tf_names_to_weights import read_tensorflow
from src.weights.zoo_names import read_zoo


@dataclass(frozen=True)
class InputWeights:
    """What was read.

    Attributes:
        path: The file that names the weights.
        format: Its format.
        weights: Arrays by canonical name, float32: the backbone and every complete head.
        network: The network's settings.
        coverage: What of the network the file holds.
        notices: What the user should know, a sentence each.
        files: Every file that was read, which the output must not take the place of.
        tokenizer: The tokenizer's files; ``None`` where there are none.
        labels: Names of the classes; none where they are unknown.
        architecture: HF's name of the network with its head; empty where it is unknown.
    """

    path: Path
    format: InputFormat
    weights: dict[str, np.ndarray]
    network: NetworkConfig
    coverage: CoverageReport
    notices: tuple[str, ...]
    files: tuple[Path, ...]
    tokenizer: TokenizerFiles | None
    labels: tuple[str, ...] = ()
    architecture: str = ""


@dataclass(frozen=True)
class _Content:
    """What a file holds, before its network is known."""

    path: Path
    weights: dict[str, np.ndarray]
    files: tuple[Path, ...]
    unexpected: tuple[str, ...] = ()
    state: int = 0
    notices: tuple[str, ...] = ()
    changes: Mapping[str, int] | None = None
    config: NetworkFile | None = None
    config_path: Path | None = None


def read_input(path: Path, wanted: InputFormat | None = None, config: Path | None = None) -> InputWeights:
    """Read weights, their network and their tokenizer.

    Args:
        path: File, folder or prefix; see ``recognise_input``.
        wanted: The format; ``None`` recognises it.
        config: The network's settings; ``None`` takes those beside the weights, or derives them.

    Raises:
        CheckpointError: Something is missing, damaged, or does not fit.
    """
    kind = wanted or recognise_input(path)
    content = _with_config(_read(kind, path), config)
    if content.config is None:
        raise TypeError("a configuration was found or derived")
    where = str(content.config_path or content.path)
    network = checked_network(content.config, content.changes or {}, where)
    report = coverage(content.weights, network, str(content.path), unexpected=content.unexpected, state=content.state)
    report.require_backbone()
    weights, left_out = _complete_parts(content.weights, report)
    task, tokenizer, beside = _belongings(content.path, kind)
    beside += () if content.config_path is None else (content.config_path,)
    return InputWeights(
        path=content.path,
        format=kind,
        weights=weights,
        network=network,
        coverage=report,
        notices=(*content.notices, *content.config.notices, *left_out),
        files=(*content.files, *beside),
        tokenizer=tokenizer,
        labels=content.config.labels or task.labels,
        architecture=content.config.architecture or task.architecture,
    )


def _belongings(path: Path, kind: InputFormat) -> tuple[TaskFile, TokenizerFiles | None, tuple[Path, ...]]:
    """Return what a file beside the weights says of them, their tokenizer, and the files of both."""
    tokenizer = find_tokenizer_beside(path)
    task_path = find_task_file(path) if kind is InputFormat.MINDSPORE else None
    task = TaskFile()
    if task_path is not None:
        task = read_task_file(task_path)
        lower = task.do_lower_case
        tokenizer = told_tokenizer(task_path) or (tokenizer and replace(tokenizer, do_lower_case=lower))
    files = (task_path, None if tokenizer is None else tokenizer.file)
    return task, tokenizer, tuple(file for file in files if file is not None)


def _read(kind: InputFormat, path: Path) -> _Content:
    """Return what a file of this format holds."""
    try:
        return _READERS[kind](path)
    except MemoryError as error:
        what = "the file asks for more memory than there is"
        raise CheckpointError(what, str(path), "copy or download it again, or use a larger machine") from error


def _with_config(content: _Content, given: Path | None) -> _Content:
    """Return the content with the network's settings: those given, those beside the weights, or derived ones."""
    if given is None and content.config is not None:
        return content
    path = given or find_network_file(content.path)
    if path is not None:
        return replace(content, config=read_network_file(path), config_path=path)
    shapes = {name: values.shape for name, values in content.weights.items()}
    return replace(content, config=derive_network(shapes, str(content.path)))


def _complete_parts(
    weights: Mapping[str, np.ndarray], report: CoverageReport
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the backbone and the heads that are whole, and a sentence for each head that is not."""
    bad = {name.split(".", 1)[0] for name in (*report.missing_heads, *(entry.name for entry in report.wrong_shape))}
    kept = {name: np.ascontiguousarray(weights[name], np.float32) for name in report.loaded_backbone}
    kept |= {
        name: np.ascontiguousarray(weights[name], np.float32)
        for name in report.loaded_heads
        if name.split(".", 1)[0] not in bad
    }
    return kept, tuple(f"the head {head} is incomplete or of another shape and was left out" for head in sorted(bad))


def _read_tensorflow(path: Path) -> _Content:
    source = open_bundle(path)
    read = read_tensorflow(source)
    files = (source.path, *sorted(source.path.parent.glob(f"{_escaped(source.prefix.name)}.data-*")))
    notice = f"the names are those of {read.names.layout.value}"
    return _Content(
        source.path,
        read.weights,
        files,
        read.names.unexpected,
        len(read.names.state),
        (notice, *read.notices),
        read.network_keys,
    )


def _escaped(name: str) -> str:
    """Return a name as a pattern that fits only itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _read_huggingface(path: Path) -> _Content:
    read = read_huggingface(path)
    config_path = read.files[0].parent / "config.json" if read.config is not None else None
    # Its notices come with the configuration.
    own = () if read.config is None else read.config.notices
    notices = tuple(notice for notice in read.notices if notice not in own)
    return _Content(
        read.files[0],
        read.weights,
        read.files,
        read.unexpected,
        0,
        notices,
        config=read.config,
        config_path=config_path,
    )


def _read_mindspore(path: Path) -> _Content:
    if path.suffix == ".safetensors":
        source = SafetensorsFile(path)
        entries = {name: source.read(name) for name in source.shapes()}
    else:
        with held_interrupts():
            from src.weights.ms_checkpoint import read_ms_checkpoint

        entries = read_ms_checkpoint(path)
    read = read_zoo(entries, str(path))
    return _Content(path, read.weights, (path,), (), len(read.state), read.notices)


_READERS = {
    InputFormat.TENSORFLOW: _read_tensorflow,
    InputFormat.HUGGINGFACE: _read_huggingface,
    InputFormat.MINDSPORE: _read_mindspore,
}
