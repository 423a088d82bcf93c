"""Measure the making of SQuAD features beside Hugging Face's fast tokenizer, in turn in one process, on one core.

``python -m benchmarks.squad_features --eval_json dev-v1.1.json --spm_model_file 30k-clean.model``

The peer does what Hugging Face's ``run_qa.py`` does before it predicts. Its ``stride`` is the OVERLAP of two windows,
so it makes fewer windows than ours of the same settings; neither side pads. Reading the file is not measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.machine import load_text, machine_lines
from benchmarks.run_qa_windows import load_fast_tokenizer, make_windows, write_tokenizer_folder
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import ConfigError, DataError
from src.data.squad import SquadFile, read_squad
from src.data.squad_features import SquadSettings, build_features
from src.data.tokenization import load_tokenizer

# Makes windows of a file and returns their number.
Featurize = Callable[[SquadFile, SquadSettings], int]
_PACKAGES = ("numpy", "sentencepiece", "tokenizers", "transformers")
_SPECIAL_TOKENS = 3


@dataclass(frozen=True)
class Round:
    """What one featurization took and gave.

    Attributes:
        wall_s: Seconds from start to end.
        cpu_s: Processor seconds of this process.
        windows: Windows made.
    """

    wall_s: float
    cpu_s: float
    windows: int


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones."""
    parser = OneLineParser(prog="python -m benchmarks.squad_features", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--eval_json", type=Path, required=True, metavar="FILE", help="SQuAD file, .gz or not")
    add("--spm_model_file", type=Path, required=True, metavar="FILE", help="SentencePiece model of an uncased network")
    add("--max_seq_length", type=_count, default=384, metavar="N", help="tokens of a sequence (default 384)")
    add("--max_query_length", type=_count, default=64, metavar="N", help="tokens of a question (default 64)")
    add("--doc_stride", type=_count, default=128, metavar="N", help="tokens between windows (default 128)")
    add("--repeats", type=_count, default=5, metavar="N", help="measured rounds, behind one of warming up (default 5)")
    options = parser.parse(argv)
    # The peer refuses an overlap that leaves a window nothing new.
    least = options.max_query_length + _SPECIAL_TOKENS + options.doc_stride
    if options.max_seq_length <= least:
        what = f"max_seq_length {options.max_seq_length} is no more than question, special tokens and doc_stride"
        raise ConfigError(what, fix=f"set --max_seq_length above {least}")
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 14:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {1 << 14}")
    return int(text)


def our_featurize(model_file: Path) -> Featurize:
    """Return this project's way."""
    tokenizer = load_tokenizer(spm_model_file=model_file)
    return lambda data, settings: build_features(data, tokenizer, settings, training=False).rows


def peer_featurize(model_file: Path) -> Featurize:
    """Return Hugging Face's way: the fast ALBERT tokenizer made from the same model, on one core.

    Raises:
        ConfigError: transformers is not installed.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="albert-tokenizer-") as folder:
            tokenizer = load_fast_tokenizer(write_tokenizer_folder(model_file, Path(folder)), cores=1)
    except ImportError as error:
        fix = "pip install -r requirements-dev.txt"
        raise ConfigError(f"Hugging Face's tokenizer cannot be used: {error}", "transformers", fix) from error

    def featurize(data: SquadFile, settings: SquadSettings) -> int:
        questions = [(row.id, row.question) for row in data.questions]
        contexts = [data.contexts[row.context] for row in data.questions]
        return make_windows(tokenizer, questions, contexts, settings.max_seq_length, settings.doc_stride)

    return featurize


def measure(
    data: SquadFile, settings: SquadSettings, sides: dict[str, Featurize], repeats: int
) -> dict[str, list[Round]]:
    """Let both sides make the features in turn, the order changing every round; the first round is not kept."""
    rounds: dict[str, list[Round]] = {name: [] for name in sides}
    for number in range(repeats + 1):
        order = list(sides) if number % 2 else list(reversed(sides))
        for name in order:
            wall, cpu = time.perf_counter(), time.process_time()
            windows = sides[name](data, settings)
            taken = Round(time.perf_counter() - wall, time.process_time() - cpu, windows)
            if number:
                rounds[name].append(taken)
    return rounds


def result_lines(rounds: dict[str, list[Round]]) -> list[str]:
    """Return a line for each side and the ratio of the first to the second."""
    lines = [f"{'':22}{'windows':>9}  {'wall s: median (range)':>24}  {'processor s: median (range)':>28}"]
    for name, taken in rounds.items():
        wall, cpu = _spread([row.wall_s for row in taken]), _spread([row.cpu_s for row in taken])
        lines.append(f"{name:22}{taken[0].windows:>9,}  {wall:>24}  {cpu:>28}")
    ours, peer = rounds.values()
    wall_ratio = median(row.wall_s for row in ours) / median(row.wall_s for row in peer)
    cpu_ratio = median(row.cpu_s for row in ours) / median(row.cpu_s for row in peer)
    return [*lines, f"ratio {' / '.join(rounds)}: wall {wall_ratio:.2f}, processor {cpu_ratio:.2f} (below 1: faster)"]


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def main(argv: Sequence[str], peer: Callable[[Path], Featurize] = peer_featurize) -> int:
    """Measure and print.

    Args:
        argv: Options.
        peer: Makes the other side from the model.

    Raises:
        AlbertError: An option, the file or the model is wrong, or transformers is missing.
    """
    options = parse(argv)
    if not options.eval_json.is_file():
        raise DataError("there is no such SQuAD file", str(options.eval_json), "check --eval_json")
    data = read_squad(options.eval_json)
    sides = {"ours": our_featurize(options.spm_model_file), "HF fast tokenizer": peer(options.spm_model_file)}
    settings = SquadSettings(options.max_seq_length, options.max_query_length, options.doc_stride)
    print("\n".join(machine_lines(_PACKAGES)))
    cut = f"{settings.max_seq_length}/{settings.max_query_length}/{settings.doc_stride}"
    print(f"data       {data.source.name}, {len(data.contexts):,} passages, {len(data.questions):,} questions, {cut}")
    print("\n".join(result_lines(measure(data, settings, sides, options.repeats))), flush=True)
    print(f"load at the end: {load_text()}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
