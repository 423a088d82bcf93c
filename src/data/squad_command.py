"""The command that turns SQuAD files into records and features: read and check everything, then write."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from src.common.errors import ConfigError, OutputError
from src.common.log import setup_logging
from src.data.convert_plan import RECORD_SUFFIXES, format_of, refuse_existing
from src.data.convert_report import finished_line, progress
from src.data.manifest import skipped_path
from src.data.record_command import convert_or_inspect, tokenizer_of
from src.data.squad import SquadFile, read_squad, version_of
from src.data.squad_cache import cache_key, cache_place, check_cache, features_of
from src.data.squad_features import SquadFeatures, SquadSettings, build_features, overlap_notice
from src.data.squad_options import parse_options
from src.data.squad_records import write_squad_records
from src.data.squad_report import SquadResult, summary_lines
from src.data.tokenization import Tokenizer

# From this many windows on, MindSpore's writer takes more than a few seconds.
_MANY_ROWS = 10_000


def main(argv: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit status.

    Raises:
        AlbertError: An option, an input or an output is wrong.
    """
    inputs = "the json files are --train_file and --eval_file"
    return convert_or_inspect(parse_options(argv), _convert, _inspect, inputs)


def _inspect(options: argparse.Namespace) -> list[str]:
    # Imported here: the converter does not need the reader.
    from src.data.squad_inspect import inspect_squad

    return inspect_squad(options.input, tokenizer_of(options), options.inspect)


def _convert(options: argparse.Namespace) -> None:
    """Read and check all files before the first is written."""
    setup_logging()
    settings = SquadSettings(options.max_seq_length, options.max_query_length, options.doc_stride)
    train, evaluation = _read(options)
    tokenizer = tokenizer_of(options)
    file_format = format_of(options.file_format, filter(None, [options.train_feature_file]))
    records = None if train is None else _record_path(options, train, file_format)
    cache = None if evaluation is None else _cache_path(options, evaluation, tokenizer, settings)
    _refuse_inputs(options, [path for path in (records, cache) if path is not None])
    if records is not None:
        refuse_existing([records], file_format, max(options.shard_num, 1), None, options.overwrite)
    results = []
    started = time.monotonic()
    # Made before anything is written: their making finds what is wrong.
    features = None if train is None else _training_features(train, tokenizer, settings)
    if evaluation is not None and cache is not None:
        results.append(_make_cache(cache, evaluation, tokenizer, settings))
    if train is not None and records is not None and features is not None:
        results.insert(0, _write_records(records, file_format, train, features, tokenizer, started, options))
    print("\n".join(summary_lines(results)))
    for name in sorted({overlap_notice(result.features) for result in results} - {""}):
        print(f"warning: {name}", file=sys.stderr)


def _refuse_inputs(options: argparse.Namespace, outputs: Sequence[Path]) -> None:
    """Refuse an output that is an input too, which ``--overwrite true`` would replace, or the other output."""
    names = ("train_file", "eval_file", "spm_model_file", "vocab_path")
    taken = {Path(value).resolve() for value in (getattr(options, name) for name in names) if value}
    for path in outputs:
        if path.resolve() in taken:
            raise OutputError("the file is an input or another output, too", str(path), "choose another name")
        taken.add(path.resolve())


def _read(options: argparse.Namespace) -> tuple[SquadFile | None, SquadFile | None]:
    """Return what is to be converted."""
    if options.do_train and options.train_file is None:
        raise ConfigError("there is nothing to make records of", "--do_train", "give --train_file")
    train = options.train_file if options.do_train is not False else None
    if train is None and options.eval_file is None:
        raise ConfigError("no input is given", "--train_file, --eval_file", "name a SQuAD json file")
    return (
        None if train is None else read_squad(train),
        None if options.eval_file is None else read_squad(options.eval_file),
    )


def _record_path(options: argparse.Namespace, data: SquadFile, file_format: str) -> Path:
    if options.train_feature_file is not None:
        return Path(options.train_feature_file)
    return _in_folder(options, f"squad_v{version_of(data)}_train{RECORD_SUFFIXES[file_format]}")


def _cache_path(options: argparse.Namespace, data: SquadFile, tokenizer: Tokenizer, settings: SquadSettings) -> Path:
    given = options.eval_feature_file or _in_folder(options, f"squad_v{version_of(data)}_dev.features.npz")
    place = cache_place(given, cache_key(data, tokenizer, settings))
    check_cache(place)
    return place


def _in_folder(options: argparse.Namespace, name: str) -> Path:
    if options.output_dir is None:
        raise ConfigError("no place for the output", "--output_dir", "name a folder")
    return Path(options.output_dir) / name


def _write_records(
    path: Path,
    file_format: str,
    data: SquadFile,
    features: SquadFeatures,
    tokenizer: Tokenizer,
    started: float,
    options: argparse.Namespace,
) -> SquadResult:
    if features.rows >= _MANY_ROWS:
        print(f"writing {path}: {features.rows} windows", file=sys.stderr, flush=True)
    manifest = write_squad_records(
        path,
        file_format,
        data,
        features,
        tokenizer=tokenizer.fingerprint(),
        shard_num=max(options.shard_num, 1),
        overwrite=options.overwrite,
    )
    size = sum(file.bytes for file in manifest.files)
    print(finished_line(path, manifest.rows, time.monotonic() - started, size), flush=True)
    return SquadResult("train", data, features, skipped_path(path) if features.skipped else None)


def _training_features(data: SquadFile, tokenizer: Tokenizer, settings: SquadSettings) -> SquadFeatures:
    with progress(f"train: {data.source.name}", len(data.questions), "question") as update:
        return build_features(data, tokenizer, settings, training=True, progress=update)


def _make_cache(path: Path, data: SquadFile, tokenizer: Tokenizer, settings: SquadSettings) -> SquadResult:
    started = time.monotonic()
    with progress(f"dev: {data.source.name}", len(data.questions), "question") as update:
        features = features_of(data, tokenizer, settings, path, update)
    print(finished_line(path, features.rows, time.monotonic() - started, path.stat().st_size), flush=True)
    return SquadResult("dev", data, features)
