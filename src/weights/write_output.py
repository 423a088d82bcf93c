"""Write weights in any of the formats into a folder, with what makes them usable beside them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.errors import ConfigError, OutputError
from src.common.files import atomic_path, output_error, write_json_atomic, write_text_atomic
from src.common.interrupts import held_interrupts
from src.config.sections import NetworkConfig
from src.weights.config_files import google_config
from src.weights.huggingface_export import write_huggingface
from src.weights.huggingface_tokenizer import SPM_MODEL, VOCABULARY, TokenizerFiles
from src.weights.input_format import OutputFormat
from src.weights.network_file import overlay_text
from src.weights.safetensors_writer import write_safetensors
from src.weights.saved_names import saved_name
from src.weights.task_file import SUFFIX, TaskFile
from src.weights.tf_bundle_paths import INDEX_SUFFIX, data_path, index_path
from src.weights.tf_bundle_writer import write_bundle
from src.weights.tf_names import Layout
from src.weights.tf_names_to_weights import tensors_for_tensorflow

HUGGINGFACE_NAMES = (
    "config.json", "model.safetensors", SPM_MODEL, VOCABULARY, "tokenizer_config.json", "special_tokens_map.json"
)  # fmt: skip
GOOGLE_CONFIG = "albert_config.json"


@dataclass(frozen=True)
class OutputPlace:
    """Where the output goes.

    Attributes:
        format: Its format.
        folder: The folder of the files.
        name: Name of the main file there, or what the names begin with; empty for a folder of HF transformers.
    """

    format: OutputFormat
    folder: Path
    name: str

    def own_files(self) -> tuple[Path, ...]:
        """Return the files of weights that will be written; none for a folder of HF transformers."""
        path = self.folder / self.name
        if self.format is OutputFormat.HUGGINGFACE:
            return ()
        if self.format is OutputFormat.TENSORFLOW:
            return self.folder / GOOGLE_CONFIG, data_path(path, 0, 1), index_path(path)
        return (path,)

    @property
    def overlay(self) -> Path | None:
        """Return the yaml beside a checkpoint; ``None`` for formats that have their own file of settings."""
        has_one = self.format in (OutputFormat.CKPT, OutputFormat.SAFETENSORS)
        return (self.folder / self.name).with_suffix(".yaml") if has_one else None

    @property
    def task_file(self) -> Path | None:
        """Return the file beside a checkpoint that says what belongs to it; ``None`` for the other formats."""
        return None if self.overlay is None else self.overlay.with_suffix(SUFFIX)


def output_place(text: str, kind: OutputFormat) -> OutputPlace:
    """Return where the output goes.

    Raises:
        ConfigError: The path does not go with the format.
    """
    path = Path(text)
    if kind is OutputFormat.HUGGINGFACE:
        if path.is_file():
            raise ConfigError(f"{text} is a file, and a folder is written", "--output", "choose another one")
        return OutputPlace(kind, path, "")
    if text.endswith("/") or not path.name or path.is_dir():
        raise ConfigError(f"{text!r} is a folder", "--output", "add the name of the file")
    if kind is OutputFormat.TENSORFLOW:
        return OutputPlace(kind, path.parent, path.name.removesuffix(INDEX_SUFFIX))
    if path.suffix != f".{kind.value}":
        raise ConfigError(f"{text!r} does not end in .{kind.value}", "--output", "MindSpore goes by the ending")
    return OutputPlace(kind, path.parent, path.name)


@dataclass(frozen=True)
class OutputContent:
    """What is written.

    Attributes:
        weights: Arrays by canonical name.
        network: The network.
        tokenizer: The tokenizer's files, which are copied.
        labels: Names of the classes, which TensorFlow's format does not hold.
        architecture: HF's class, where the heads do not decide it.
        layout: Names of a TensorFlow checkpoint.
        source: Where the weights come from, for the comment in the yaml.
        do_lower_case: Whether the tokenizer lower-cases text.
        tokenizer_name: Name of the tokenizer's file, also of one that is at its place already.
    """

    weights: Mapping[str, np.ndarray]
    network: NetworkConfig
    tokenizer: TokenizerFiles | None
    labels: tuple[str, ...]
    architecture: str
    layout: Layout
    source: str
    do_lower_case: bool = True
    tokenizer_name: str = ""

    def task_text(self) -> str:
        """Return the content of the file that says what belongs to the weights; empty where it is not needed."""
        return TaskFile(self.labels, self.architecture, self.do_lower_case, self.tokenizer_name).text()


@dataclass(frozen=True)
class StagedOutput:
    """What was written: the files, the weights last, where to read them, and what the user should know."""

    files: tuple[Path, ...]
    main: Path
    notices: tuple[str, ...] = ()
    architecture: str = ""


def write_output(folder: Path, place: OutputPlace, content: OutputContent) -> StagedOutput:
    """Write everything into ``folder``.

    Args:
        folder: An empty folder.
        place: The format and the names.
        content: What to write.

    Raises:
        CheckpointError: The format cannot hold the weights or the network.
        OutputError: The files cannot be written.
    """
    if place.format is OutputFormat.HUGGINGFACE:
        return _write_huggingface(folder / "folder", content)
    copies = _copied_tokenizer(folder, content.tokenizer)
    if place.format is OutputFormat.TENSORFLOW:
        return _write_tensorflow(folder, place.name, content, copies)
    main = folder / place.name
    entries = {saved_name(name): values for name, values in content.weights.items()}
    if place.format is OutputFormat.CKPT:
        with held_interrupts():
            from src.weights.ms_checkpoint import write_ms_checkpoint

        write_ms_checkpoint(main, entries)
    else:
        with atomic_path(main) as temporary:
            write_safetensors(temporary, entries)
    overlay = main.with_suffix(".yaml")
    notes = (f"Network of {place.name}, which was made from {content.source!a}.", "For --overlay.")
    write_text_atomic(overlay, overlay_text(content.network, notes))
    task: tuple[Path, ...] = ()
    if content.task_text():
        task = (main.with_suffix(SUFFIX),)
        write_text_atomic(task[0], content.task_text())
    return StagedOutput((*copies, overlay, *task, main), main)


def _copied_tokenizer(folder: Path, tokenizer: TokenizerFiles | None) -> tuple[Path, ...]:
    source = None if tokenizer is None else tokenizer.file
    if source is None:
        return ()
    try:
        shutil.copyfile(source, folder / source.name)
    except OSError as error:
        raise output_error(error, source) from error
    return (folder / source.name,)


def _write_tensorflow(folder: Path, name: str, content: OutputContent, copies: tuple[Path, ...]) -> StagedOutput:
    config = google_config(content.network)
    tensors = tensors_for_tensorflow(content.weights, content.layout, content.network.num_attention_heads)
    index, data = write_bundle(folder / name, tensors)
    write_json_atomic(folder / GOOGLE_CONFIG, config)
    return StagedOutput((*copies, folder / GOOGLE_CONFIG, data, index), index)


def _write_huggingface(folder: Path, content: OutputContent) -> StagedOutput:
    written = write_huggingface(
        folder,
        content.weights,
        content.network,
        tokenizer=content.tokenizer,
        labels=content.labels,
        architecture=content.architecture,
    )
    weights = folder / HUGGINGFACE_NAMES[1]
    if weights not in written.files:
        raise OutputError("the weights were not written", str(weights))
    others = tuple(path for path in written.files if path != weights)
    return StagedOutput((*others, weights), weights, written.notices, written.architecture)
