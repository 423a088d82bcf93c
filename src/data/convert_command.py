"""The command that turns texts into fine-tune records: read and check everything, then write file after file."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError
from src.common.files import sha256_of, write_json_atomic
from src.data.convert import SplitStatistics, build_rows, encode_labels
from src.data.convert_options import parse_options
from src.data.convert_plan import ConversionTask, chosen_format, output_paths, read_task, refuse_existing
from src.data.convert_report import finished_line, progress, summary_lines
from src.data.examples import CLASSIFICATION, REGRESSION, ExampleSplit
from src.data.record_command import convert_or_inspect, tokenizer_of
from src.data.record_schema import RecordRow
from src.data.record_writer import write_records
from src.data.tokenization import Tokenizer

_META_DATA_TYPES = {CLASSIFICATION: "bert_classification", REGRESSION: "bert_regression"}
_META_DATA_SIZES = {"train": "train_data_size", "dev": "eval_data_size", "test": "test_data_size"}

# From this many rows on, MindSpore's writer takes more than a few seconds.
_MANY_ROWS = 20_000


@dataclass(frozen=True)
class _Prepared:
    """A split that only has to be written."""

    split: ExampleSplit
    rows: list[RecordRow]
    figures: SplitStatistics
    elapsed_s: float


def main(argv: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit status.

    Raises:
        AlbertError: An option, an input or an output is wrong.
    """
    inputs = "GLUE's folder is --input_dir, your own files --train_file"
    return convert_or_inspect(parse_options(argv), _convert, _inspect, inputs)


def _inspect(options: argparse.Namespace) -> list[str]:
    # Imported here: the converter does not need the reader.
    from src.data.inspect import inspect_file

    return inspect_file(options.input, _tokenizer(options), options.inspect)


def _convert(options: argparse.Namespace) -> None:
    """Read, check and tokenize all splits before the first file is written."""
    file_format = chosen_format(options)
    outputs = output_paths(options, file_format)
    task, splits = read_task(options)
    _check_meta_data(options, task)
    outputs = {split.name: _place_of(split, outputs) for split in splits}
    shards = max(options.shard_num, 1)
    refuse_existing(outputs.values(), file_format, shards, options.meta_data_file_path, options.overwrite)
    tokenizer = _tokenizer(options)
    labels = [encode_labels(split, task) for split in splits]
    prepared = [
        _prepare(split, numbers, task, tokenizer, options.max_seq_length)
        for split, numbers in zip(splits, labels, strict=True)
    ]
    for item in prepared:
        _write(item, outputs[item.split.name], task, file_format, tokenizer, options)
    if options.meta_data_file_path is not None:
        write_json_atomic(options.meta_data_file_path, _meta_data(task, prepared, options.max_seq_length))
    print("\n".join(summary_lines([(item.split, item.figures) for item in prepared])))


def _tokenizer(options: argparse.Namespace) -> Tokenizer:
    tokenizer = tokenizer_of(options)
    asked = options.tokenization
    if asked is not None and asked.lower() != tokenizer.fingerprint()["type"]:
        raise ConfigError(
            f"{asked} is asked for, but the file given is for {tokenizer.fingerprint()['type']}",
            "--tokenization",
            "SentencePiece needs --spm_model_file, WordPiece --vocab_path",
        )
    return tokenizer


def _place_of(split: ExampleSplit, outputs: Mapping[str, Path]) -> Path:
    if split.name not in outputs:
        raise ConfigError(f"no place for the {split.name} split", "--output_dir", "name a folder")
    return outputs[split.name]


def _prepare(
    split: ExampleSplit, labels: Any, task: ConversionTask, tokenizer: Tokenizer, max_seq_length: int
) -> _Prepared:
    started = time.monotonic()
    with progress(f"{task.name} {split.name}", len(split.examples)) as update:
        rows, figures = build_rows(split, labels, task, tokenizer, max_seq_length, update)
    return _Prepared(split, rows, figures, time.monotonic() - started)


def _write(
    item: _Prepared,
    path: Path,
    task: ConversionTask,
    file_format: str,
    tokenizer: Tokenizer,
    options: argparse.Namespace,
) -> None:
    started = time.monotonic()
    if len(item.rows) >= _MANY_ROWS:
        print(f"writing {path}: {len(item.rows)} rows", file=sys.stderr, flush=True)
    manifest = write_records(
        path,
        task.kind,
        file_format,
        item.rows,
        max_seq_length=options.max_seq_length,
        task_name=task.name,
        split=item.split.name,
        tokenizer=tokenizer.fingerprint(),
        labels=task.labels,
        has_labels=item.split.has_labels,
        settings=_settings(item),
        shard_num=max(options.shard_num, 1),
        overwrite=options.overwrite,
    )
    elapsed_s = item.elapsed_s + time.monotonic() - started
    print(finished_line(path, manifest.rows, elapsed_s, sum(file.bytes for file in manifest.files)), flush=True)


def _settings(item: _Prepared) -> dict[str, Any]:
    """Return what the manifest tells about the way from the text to the records; folders stay private."""
    figures, source = item.figures, item.split.source
    return {
        "source": {"file": source.name, "sha256": sha256_of(source)},
        "examples": figures.examples,
        "truncated": figures.truncated,
        "empty_texts": figures.empty_texts,
        "dropped_rows": len(item.split.dropped),
        "continued_rows": figures.continued_rows,
    }


def _check_meta_data(options: argparse.Namespace, task: ConversionTask) -> None:
    if options.meta_data_file_path is not None and task.kind not in _META_DATA_TYPES:
        raise ConfigError(f"it is not defined for {task.kind}", "--meta_data_file_path", "leave the option out")


def _meta_data(task: ConversionTask, prepared: Sequence[_Prepared], max_seq_length: int) -> dict[str, Any]:
    """Return the json that readers of the TF official models' files ask for."""
    content: dict[str, Any] = {"task_type": _META_DATA_TYPES[task.kind], "processor_type": task.name}
    content |= {"num_labels": len(task.labels)} if task.labels else {"label_type": "float"}
    content |= {_META_DATA_SIZES[item.split.name]: item.figures.rows for item in prepared}
    return {**content, "max_seq_length": max_seq_length}
