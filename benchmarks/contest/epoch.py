"""One epoch of fine-tuning on SST-2 and its evaluation, each side in a new process every round."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.contest.commands import run_timed
from benchmarks.contest.epoch_case import OUR_DEV, OUR_TRAIN, PEER_ROWS, EpochCase
from benchmarks.contest.page import Page
from benchmarks.contest.process import figures_of
from benchmarks.contest.runner import COLUMNS, Outcome
from src.common.errors import DataError, DeviceError
from src.data.table import read_table

_MODULES = ("benchmarks.contest.ours_epoch", "benchmarks.contest.peer_epoch")
_BATCH_SIZE, _MAX_LENGTH = 32, 128
_TARGET = 0.8
_DEV_TSV, _TRAIN_TSV = "dev.tsv", "train.tsv"


@dataclass(frozen=True)
class Part:
    """A row of the table.

    Attributes:
        name: Its name.
        target: Largest ratio that is aimed at.
    """

    name: str
    target: float | None = None


def report(options: argparse.Namespace, page: Page) -> dict[str, str]:
    """Measure; return versions. A round takes minutes, so there are half as many as of other benchmarks."""
    rounds = max(1, options.rounds // 2)
    page.section(
        "epoch",
        f"One epoch on {options.rows:,} rows of SST-2 and evaluation of its dev set, {options.size}"
        f"{f' with {options.layers} layers' if options.layers else ''}, batches of {_BATCH_SIZE}, at most "
        f"{_MAX_LENGTH} tokens, dropout 0.1 in the encoder, random start weights; ours with buckets "
        f"{', '.join(map(str, options.buckets))}, the peer padded to the longest row of each batch. Tokenized before "
        f"on both sides. Seconds: median (least - most) of {rounds} new processes each.",
    )
    page.head(COLUMNS)
    with tempfile.TemporaryDirectory(prefix="albert-epoch-") as folder:
        prepare(options.glue_dir / "SST-2", options.spm_model_file, options.rows, Path(folder))
        case = EpochCase(folder, options.size, options.layers, _BATCH_SIZE, _MAX_LENGTH, tuple(options.buckets))
        ours, peers, versions = measure(case, sys.executable, options.peer_python, rounds)
    for outcome in outcomes(ours, peers, versions):
        page.row(outcome.cells())
    return versions


def prepare(source: Path, spm_model_file: Path, rows: int, folder: Path) -> None:
    """Make records of the first rows of the train split and of the dev split, and the same rows for the peer.

    Args:
        source: GLUE's folder of SST-2.
        spm_model_file: SentencePiece model.
        rows: Rows of the train split.
        folder: Where everything goes.

    Raises:
        DataError: The train split is too short.
        DeviceError: The converter failed.
    """
    with open(source / _TRAIN_TSV, encoding="utf-8", newline="") as file:
        lines = list(itertools.islice(file, rows + 1))
    if len(lines) <= rows:
        what = f"it has {max(len(lines) - 1, 0)} rows, {rows} are asked for"
        raise DataError(what, str(source / _TRAIN_TSV), "lower --rows")
    (folder / _TRAIN_TSV).write_text("".join(lines), encoding="utf-8", newline="")
    names = {"task_name": "SST-2", "train_file": folder / _TRAIN_TSV, "dev_file": source / _DEV_TSV}
    names |= {"output_dir": folder, "spm_model_file": spm_model_file, "max_seq_length": _MAX_LENGTH}
    words = [word for key, value in names.items() for word in (f"--{key}", str(value))]
    run_timed(["create_finetuning_data.py", *words, "--file_format", "tfrecord"])
    content: dict[str, np.ndarray] = {}
    for split, name in (("train", OUR_TRAIN), ("dev", OUR_DEV)):
        table = read_table(folder / name)
        content |= {f"{split}_ids": table.token_ids, f"{split}_offsets": table.offsets}
        content[f"{split}_labels"] = np.asarray(table.label_ids)
    np.savez(folder / PEER_ROWS, **content)


def measure(
    case: EpochCase, ours: Path | str, peer: Path | str, rounds: int
) -> tuple[list[dict[str, float]], list[dict[str, float]], dict[str, str]]:
    """Let both sides work in turn; return the figures of each round and all versions.

    Raises:
        DeviceError: A side failed, or they evaluated different numbers of rows.
    """
    own: list[dict[str, float]] = []
    others: list[dict[str, float]] = []
    versions: dict[str, str] = {}
    for _ in range(rounds):
        for found, python, module in zip((own, others), (ours, peer), _MODULES, strict=True):
            figures, used = figures_of(python, module, case)
            found.append(figures)
            versions |= used
    counted = {figures["rows"] for figures in own + others}
    if len(counted) > 1:
        raise DeviceError(f"the sides evaluated different numbers of rows: {sorted(counted)}", "benchmarks.contest")
    return own, others, versions


def outcomes(
    ours: Sequence[dict[str, float]], peers: Sequence[dict[str, float]], versions: dict[str, str]
) -> list[Outcome]:
    """Return the rows of the table."""

    def taken(side: Sequence[dict[str, float]], *keys: str) -> tuple[float, ...]:
        return tuple(sum(figures[key] for key in keys) for figures in side)

    parts = {Part("training"): ["train_s"], Part("evaluation"): ["evaluate_s"]}
    parts[Part("both", _TARGET)] = both = ["train_s", "evaluate_s"]
    found = [Outcome(part, taken(ours, *keys), taken(peers, *keys), versions) for part, keys in parts.items()]
    compiled = tuple(figures["compile_s"] for figures in ours)
    warm = tuple(whole - cold for whole, cold in zip(taken(ours, *both), compiled, strict=True))
    name = f"both, without the {median(compiled):.1f} s in which our graphs compile"
    return [*found, Outcome(Part(name), warm, taken(peers, *both), versions)]
