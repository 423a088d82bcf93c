"""The command that turns text into pre-training records."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError, DataError, OutputError
from src.common.files import make_directory, write_json_atomic
from src.common.run_lock import RunLock
from src.data.file_set import publish
from src.data.manifest import describe_file
from src.data.pretraining.documents import Block, TextFormat, detect_format, read_blocks
from src.data.pretraining.encoding import SentenceEncoder
from src.data.pretraining.inspect import inspect_records
from src.data.pretraining.manifest import (
    SCHEMA_NAME,
    PretrainManifest,
    ShardFile,
    ShardInfo,
    describe_columns,
    find_manifests,
    read_pretrain_manifest,
    verify_shard_files,
)
from src.data.pretraining.options import PretrainDataOptions, check_options, input_names, parse_arguments
from src.data.pretraining.progress import Progress
from src.data.pretraining.records import schema_json
from src.data.pretraining.settings import InstanceSettings, needed_predictions
from src.data.pretraining.shard import ShardPlan
from src.data.pretraining.sources import find_text_files, size_of
from src.data.pretraining.statistics import PretrainStatistics
from src.data.pretraining.unfinished import UnfinishedRun
from src.data.pretraining.workers import make_shards
from src.data.tfrecord import TFRecordWriter, read_tfrecord
from src.data.tokenization import Tokenizer, load_tokenizer


def main(argv: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit status.

    Raises:
        AlbertError: An option, an input or an output is wrong.
    """
    arguments = parse_arguments(argv)
    tokenizer = load_tokenizer(arguments.vocab_file, arguments.spm_model_file, arguments.do_lower_case)
    if arguments.inspect is not None:
        for path in _record_files(input_names(arguments)):
            print("\n".join(inspect_records(path, tokenizer, arguments.inspect)))
        return 0
    options = check_options(arguments)
    # Only to refuse a segmenter that cannot work before anything else is done.
    SentenceEncoder(tokenizer, arguments.segmenter)
    _create(options, tokenizer)
    return 0


def _record_files(names: Sequence[str]) -> list[Path]:
    """Return the record files that names stand for; of a folder its first one."""
    files: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix in (".tfrecord", ".mindrecord"))
            if not inside:
                raise DataError("no record file in the folder", name, "name the files")
            path = inside[0]
        files.append(path)
    return files


def _create(options: PretrainDataOptions, tokenizer: Tokenizer) -> None:
    arguments = options.arguments
    run = UnfinishedRun(options.output_dir, arguments.name, arguments.shard_index, arguments.num_shards)
    files = _with_formats(find_text_files(options.inputs), arguments.input_format)
    decided = _decided(options, tokenizer, files)
    if _is_finished(run, decided, options):
        return
    _warn(options.settings, tokenizer, options)
    make_directory(options.output_dir)
    with _locked(options.output_dir, run):
        resumed = run.begin(decided, resume=arguments.resume, overwrite=arguments.overwrite)
        plan = ShardPlan(
            arguments.vocab_file,
            arguments.spm_model_file,
            arguments.do_lower_case,
            arguments.segmenter,
            options.settings,
            arguments.random_seed,
            arguments.write_token_boundary,
            arguments.file_format,
            arguments.name,
            run.folder,
        )
        progress = Progress(sum(size_of(path) for path, _ in files))
        shards = _shards(options, plan, run, files, progress, resumed)
        manifest = _finish(options, plan, run, shards, decided, tokenizer)
    _report(manifest, options, progress)
