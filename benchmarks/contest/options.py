"""Options of the contest, and whether what they name is there."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.contest.epoch_case import SHAPES
from benchmarks.contest.page import check_output
from benchmarks.machine import ROOT
from src.common.arguments import OneLineParser, given_path, whole_number
from src.common.errors import ConfigError, DataError

PROGRAM = "python -m benchmarks.contest"
NEEDS: dict[str, tuple[str, ...]] = {
    "train": (),
    "forward": (),
    "pretrain": (),
    "epoch": ("glue_dir", "spm_model_file"),
    "features": ("squad_json", "glue_dir", "spm_model_file"),
    "data": ("text_file", "spm_model_file"),
    "cold": (),
    "memory": (),
}
"""The benchmarks, in their order, and the options that each needs."""

_WITHOUT_PEER = ("data",)
_MOST = 1 << 20
_LARGEST_WORKERS = 64


def make_parser() -> OneLineParser:
    """Return the parser."""
    about = "Measure this project beside Hugging Face transformers on PyTorch, in turn, on the CPU."
    parser = OneLineParser(prog=PROGRAM, description=about)
    add, count = parser.add_argument, whole_number(1, _MOST)
    add("--peer_python", type=given_path, help="Python of the peer's environment (default: .venv-peers/bin/python)")
    names = ",".join(NEEDS)
    add("--only", type=_names, metavar="A,B", help=f"of {names} (default: all whose data are named)")
    add("--rounds", type=count, default=5, metavar="N", help="rounds in which both sides work in turn (default 5)")
    add("--steps", type=count, default=2, metavar="N", help="steps of a round (default 2)")
    add("--output", type=given_path, metavar="FILE", help="write a markdown page, too")
    add("--overwrite", action="store_true", help="replace the page if it is there")
    _add_data(parser)
    _add_epoch(parser)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data of epoch, features and data")
    add, count = group.add_argument, whole_number(1, _MOST)
    add("--glue_dir", type=given_path, metavar="DIR", help="GLUE folder, with SST-2/train.tsv and dev.tsv")
    add("--squad_json", type=given_path, metavar="FILE", help="SQuAD file, .gz or not")
    add("--text_file", type=given_path, metavar="FILE", help="text for pre-training data, .gz or not")
    add("--spm_model_file", type=given_path, metavar="FILE", help="SentencePiece model of an uncased network")
    add("--copies", type=count, default=10, metavar="N", help="data: copies of the text for the large run (default 10)")
    add("--workers", type=_workers, default="1,2,4", metavar="A,B", help="data: numbers of workers (default 1,2,4)")


def _add_epoch(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the network and the rows of epoch")
    add = group.add_argument
    add("--size", choices=tuple(SHAPES), default="base", help="size of the network (default base)")
    add("--layers", type=whole_number(1, 48), metavar="N", help="layers, if not those of the size")
    add("--rows", type=whole_number(64, _MOST), default=4000, metavar="N", help="rows to train on (default 4000)")
    add("--buckets", type=_lengths, default="16,32,64", metavar="A,B", help="our bucket_list (default 16,32,64)")


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in NEEDS:
            raise argparse.ArgumentTypeError(f"there is no benchmark {name!r}: choose of {', '.join(NEEDS)}")
    return names


def _workers(text: str) -> list[int]:
    return _numbers(text, _LARGEST_WORKERS)


def _lengths(text: str) -> list[int]:
    return _numbers(text, 128)


def _numbers(text: str, largest: int) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= largest for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers from 1 to {largest}")
    return list(dict.fromkeys(map(int, parts)))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; what they name is looked at by ``check``.

    Raises:
        ConfigError: An option is wrong, or one that a benchmark needs is missing.
    """
    options = make_parser().parse(argv)
    options.peer_python = options.peer_python or ROOT / ".venv-peers" / "bin" / "python"
    missing = {name: [f"--{key}" for key in keys if getattr(options, key) is None] for name, keys in NEEDS.items()}
    for name in options.only or ():
        if missing[name]:
            raise ConfigError(f"{name} needs {', '.join(missing[name])}", "--only", "say where the data are")
    options.left_out = {} if options.only else {name: keys for name, keys in missing.items() if keys}
    options.only = options.only or [name for name in NEEDS if name not in options.left_out]
    return options


def left_out_line(left_out: Mapping[str, Sequence[str]]) -> str:
    """Say which benchmarks did not run for want of data."""
    return "left out   " + "; ".join(f"{name} (needs {', '.join(keys)})" for name, keys in left_out.items())


def check(options: argparse.Namespace) -> None:
    """Look at what the options name, before anything is measured.

    Raises:
        ConfigError: The peer's environment is not there.
        DataError: Data are not there.
        OutputError: The page cannot be written.
    """
    if options.output is not None:
        check_output(options.output, options.overwrite)
    if set(options.only) - set(_WITHOUT_PEER) and not os.access(options.peer_python, os.X_OK):
        fix = "run make bench, which makes it, or name another by --peer_python"
        raise ConfigError("the peer's environment is not there", str(options.peer_python), fix)
    needed = {key for name in options.only for key in NEEDS[name]}
    for key in sorted(needed):
        path: Path = getattr(options, key)
        if not (path.is_dir() if key == "glue_dir" else path.is_file()):
            kind = "folder" if key == "glue_dir" else "file"
            raise DataError(f"there is no such {kind}", str(path), f"check --{key}")
    for name in ("train", "dev") if "glue_dir" in needed else ():
        file = options.glue_dir / "SST-2" / f"{name}.tsv"
        if not file.is_file():
            raise DataError("there is no such file", str(file), "--glue_dir is the folder that holds SST-2")
