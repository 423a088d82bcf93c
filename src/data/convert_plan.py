"""Decide from the options which files are read, in which form, and which files are written."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import ConfigError, OutputError
from src.data.conll import read_conll
from src.data.delimited import Columns, read_delimited
from src.data.examples import (
    CLASSIFICATION,
    REGRESSION,
    SPLITS,
    TOKEN_CLASSIFICATION,
    ExampleSplit,
    infer_labels,
    infer_tags,
)
from src.data.glue import GLUE_TASKS, GlueTask, find_split_files, find_task, read_glue_split
from src.data.record_writer import existing_outputs

RECORD_SUFFIXES = {"mindrecord": ".mindrecord", "tfrecord": ".tfrecord"}
_FORM_OF_SUFFIX = {
    **dict.fromkeys((".tf_record", ".tfrecord", ".tfrecords"), "tfrecord"),
    ".mindrecord": "mindrecord",
}
_SPLIT_FLAGS = {"train": "do_train", "dev": "do_eval", "test": "do_pred"}
_OUTPUT_PATHS = {
    "train": "train_data_output_path",
    "dev": "eval_data_output_path",
    "test": "test_data_output_path",
}
_TABLE_OPTIONS = (
    "text_a_column",
    "text_b_column",
    "label_column",
    "test_text_a_column",
    "test_text_b_column",
    "header",
)
_CONLL_OPTIONS = ("word_column", "tag_column")


@dataclass(frozen=True)
class ConversionTask:
    """What the examples mean.

    Attributes:
        name: Name in the manifest: GLUE's own spelling, or the user's.
        kind: ``classification``, ``regression`` or ``token_classification``.
        labels: Classes or tags in the order of their ids; empty for scores.
        bounds: Smallest and largest score; ``None`` where any number is right.
        label_fix: What to do about an unknown label.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    bounds: tuple[float, float] | None
    label_fix: str


def read_task(options: argparse.Namespace) -> tuple[ConversionTask, list[ExampleSplit]]:
    """Read every split that is asked for.

    Raises:
        ConfigError: Options are missing or contradict each other.
        DataError: A file is wrong.
    """
    if not options.task_name:
        raise ConfigError("the task has no name", "--task_name", "name a GLUE task, or give your own data a name")
    if Path(options.task_name).name != options.task_name or options.task_name.startswith("."):
        raise ConfigError(f"{options.task_name!r} cannot begin a file name", "--task_name", "leave out path separators")
    own = {split: path for split in SPLITS if (path := getattr(options, f"{split}_file")) is not None}
    glue = find_task(options.task_name)
    return _read_glue(options, glue, own) if glue else _read_own(options, own)


def output_paths(options: argparse.Namespace, file_format: str) -> dict[str, Path]:
    """Return the output file of every split that has a place: ``<output_dir>/<task>_<split>.mindrecord``.

    The task is written in lower case as the user spelled it (``mismnli`` and ``MNLI-mm`` keep their names).

    Raises:
        ConfigError: No output is given, or one file is named twice.
    """
    paths = {split: path for split, name in _OUTPUT_PATHS.items() if (path := getattr(options, name)) is not None}
    if options.output_dir is not None:
        stem = options.task_name.lower()
        suffix = RECORD_SUFFIXES[file_format]
        paths = {split: options.output_dir / f"{stem}_{split}{suffix}" for split in SPLITS} | paths
    if not paths:
        raise ConfigError("no place for the output", "--output_dir", "name a folder")
    if len(set(paths.values())) < len(paths):
        raise ConfigError("two splits would be written to one file", "--train_data_output_path", "name them apart")
    return paths


def chosen_format(options: argparse.Namespace) -> str:
    """Return ``mindrecord`` or ``tfrecord``: what is asked for, else what the suffix of an output path says."""
    given = [path for name in _OUTPUT_PATHS.values() if (path := getattr(options, name)) is not None]
    return format_of(options.file_format, given)


def format_of(file_format: str | None, paths: Iterable[Path]) -> str:
    """Return the form that is asked for, else what the suffixes of the named outputs say, else ``mindrecord``.

    Raises:
        ConfigError: A name says another form than the one that is asked for.
    """
    forms = {path: _FORM_OF_SUFFIX.get(path.suffix) for path in paths}
    for path, form in forms.items():
        if file_format and form and form != file_format:
            what = f"{path} has the name of a {form} file"
            raise ConfigError(what, "--file_format", f"say {form}, or choose another name")
    return file_format or ("tfrecord" if "tfrecord" in forms.values() else "mindrecord")


def refuse_existing(
    paths: Iterable[Path], file_format: str, shards: int, meta_data: Path | None, overwrite: bool
) -> None:
    """Raise ``OutputError`` when an output exists that may not be replaced, before any work is done."""
    for path in paths:
        existing = existing_outputs(path, file_format, shards)
        if existing and not overwrite:
            raise _exists_already(existing[0])
    if meta_data is not None and meta_data.exists() and not overwrite:
        raise _exists_already(meta_data)


def _exists_already(path: Path) -> OutputError:
    return OutputError("the output exists already", str(path), "say --overwrite true, or choose another place")


def _read_glue(
    options: argparse.Namespace, task: GlueTask, own: Mapping[str, Path]
) -> tuple[ConversionTask, list[ExampleSplit]]:
    _refuse_options(options, (*_TABLE_OPTIONS, *_CONLL_OPTIONS, "labels"), f"the GLUE task {task.name} fixes it")
    if options.task_kind not in (None, task.kind):
        raise ConfigError(f"the GLUE task {task.name} is {task.kind}", "--task_kind", "leave the option out")
    files = dict(own)
    where = ", ".join(str(path) for path in own.values())
    if options.input_dir is not None:
        files = find_split_files(task, options.input_dir) | files
        where = f"{options.input_dir}/{task.folders[0]} and {options.input_dir}"
    elif not own:
        raise ConfigError("no input is given", "--input_dir", "name the folder that holds the GLUE task's folder")
    names = {split: task.files.get(split, "") for split in SPLITS}
    chosen = _choose_splits(options, files, names, where)
    splits = [read_glue_split(task, split, path) for split, path in chosen.items()]
    fix = f"give the original files of {task.name}"
    return ConversionTask(task.name, task.kind, task.labels, task.bounds, fix), splits


def _read_own(options: argparse.Namespace, own: Mapping[str, Path]) -> tuple[ConversionTask, list[ExampleSplit]]:
    if not own:
        known = [task.name for task in GLUE_TASKS]
        lower = {name.lower(): name for name in known}
        close = difflib.get_close_matches(options.task_name.lower(), lower, n=1)
        meant = f"did you mean {lower[close[0]]}? " if close else ""
        fix = f"{meant}for your own data give --train_file, --dev_file or --test_file"
        raise ConfigError(f"{options.task_name!r} is none of GLUE's tasks ({', '.join(known)})", "--task_name", fix)
    if options.input_dir is not None:
        raise ConfigError("it is for GLUE tasks only", "--input_dir", "your own files are named one by one")
    kind = options.task_kind or CLASSIFICATION
    chosen = _choose_splits(options, own, {}, "the options --train_file, --dev_file, --test_file")
    if kind == TOKEN_CLASSIFICATION:
        _refuse_options(options, _TABLE_OPTIONS, "CoNLL files have --word_column and --tag_column")
        word, tag = options.word_column or "0", options.tag_column or "-1"
        splits = [read_conll(split, path, word, tag) for split, path in chosen.items()]
    else:
        _refuse_options(options, _CONLL_OPTIONS, "it is for --task_kind token_classification")
        splits = [read_delimited(split, path, _columns(options, split)) for split, path in chosen.items()]
    labels = _own_labels(options, kind, splits)
    fix = "correct it, or name all labels with --labels; if it is a header say --header true"
    return ConversionTask(options.task_name, kind, labels, None, fix), splits


def _own_labels(options: argparse.Namespace, kind: str, splits: list[ExampleSplit]) -> tuple[str, ...]:
    if kind == REGRESSION:
        _refuse_options(options, ("labels",), "a regression has scores, not labels")
        return ()
    if options.labels:
        return tuple(options.labels)
    train = next((split for split in splits if split.name == "train"), None)
    if train is None:
        raise ConfigError(
            "without a train split the labels are not known", "--labels", "name them in the order of training"
        )
    return infer_tags(train) if kind == TOKEN_CLASSIFICATION else infer_labels(train)


def _columns(options: argparse.Namespace, split: str) -> Columns:
    text_a, text_b = options.text_a_column, options.text_b_column
    if split == "test":
        text_a, text_b = options.test_text_a_column or text_a, options.test_text_b_column or text_b
    return Columns(text_a or "text_a", text_b, options.label_column or "label", options.header)


def _refuse_options(options: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise ConfigError(f"the option does not apply here: {why}", f"--{name}", "leave it out")


def _choose_splits(
    options: argparse.Namespace, files: Mapping[str, Path], names: Mapping[str, str], where: str
) -> dict[str, Path]:
    """Return the files of the splits to convert: those with ``--do_... true``, or all that are there."""
    flags = {split: getattr(options, name) for split, name in _SPLIT_FLAGS.items()}
    asked = [split for split in SPLITS if flags[split]]
    for split in asked:
        if split not in files:
            looked = f"{names[split]} in {where}" if names.get(split) else where
            raise ConfigError(f"there is no {split} file (looked for {looked})", f"--{_SPLIT_FLAGS[split]}", "add it")
    if asked:
        return {split: files[split] for split in asked}
    if all(flag is False for flag in flags.values()):
        raise ConfigError("all three splits are switched off", "--do_train, --do_eval, --do_pred", "leave one on")
    placed = {split for split, name in _OUTPUT_PATHS.items() if getattr(options, name) is not None}
    wanted = [
        split
        for split in SPLITS
        if split in files and flags[split] is not False and (options.output_dir is not None or split in placed)
    ]
    if not wanted:
        raise ConfigError(f"no file of any split was found in {where}", "--input_dir", "check the folder and --do_...")
    return {split: files[split] for split in wanted}
