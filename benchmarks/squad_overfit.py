"""Learn a few questions of a SQuAD file by heart, with each head: whatever is wrong between json and score shows.

``python -m benchmarks.squad_overfit --json dev-v2.0.json --spm_model_file 30k-clean.model``

The questions are cut out of the file, converted to MindRecord, trained on from random weights and answered, each step
by the command that users run, with ``configs/squad_small.yaml`` cut to two layers. v1.1 takes questions with an answer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, machine_lines
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import ConfigError, DataError, TrainingError
from src.data.squad import SquadFile, SquadQuestion, read_squad

_WINDOWS = ("--max_seq_length", "128", "--max_query_length", "32", "--doc_stride", "64")
# Two layers learn some hundred questions as well as four, in half of the time.
_RECIPE = (
    *("--albert_net_cfg.num_hidden_layers", "2", "--epoch_num", "30"),
    *("--optimizer_cfg.AdamWeightDecay.learning_rate", "1e-3"),
)
# A passage gives so many questions of each kind: many passages teach more than many questions about one.
_OF_EACH_KIND = 2
_WIDTHS = (7, 5, 9, 12, 7, 7, 9)
_COLUMNS = ("version", "head", "questions", "unanswerable", "exact", "f1", "minutes")


@dataclass(frozen=True)
class Case:
    """A version of SQuAD and the head that learns it."""

    version: str
    head: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Options of ``run_squad_v1.py``."""
        return ("--version_2_with_negative", str(self.version == "2.0").lower(), "--squad_head", self.head)


CASES = (Case("1.1", "span"), Case("2.0", "span"), Case("2.0", "beam"))


def cut(data: SquadFile, version: str, questions: int, longest: int) -> dict[str, Any]:
    """Return the first questions of short passages in the form of SQuAD's json.

    Args:
        data: Where they come from.
        version: Of 2.0, every passage gives as many questions with an answer as without one.
        questions: Their number.
        longest: Most characters of a passage.

    Raises:
        DataError: The file has not so many.
    """
    paragraphs: list[dict[str, Any]] = []
    left = questions
    of_context: list[list[SquadQuestion]] = [[] for _ in data.contexts]
    for question in data.questions:
        of_context[question.context].append(question)
    for context, asked in zip(data.contexts, of_context, strict=True):
        kinds = [[question for question in asked if question.is_impossible is kind] for kind in (False, True)]
        chosen = kinds[0][:_OF_EACH_KIND] + (kinds[1][:_OF_EACH_KIND] if version == "2.0" else [])
        complete = kinds[0] and (kinds[1] or version == "1.1")
        if left and complete and len(context) <= longest:
            entries = [
                {
                    "id": question.id,
                    "question": question.question,
                    "answers": [{"text": a.text, "answer_start": a.start} for a in question.answers[:1]],
                    **({"is_impossible": question.is_impossible} if version == "2.0" else {}),
                }
                for question in chosen[:left]
            ]
            left -= len(entries)
            paragraphs.append({"context": context, "qas": entries})
    if left:
        raise DataError(f"there are only {questions - left} such questions", str(data.source), "ask for fewer")
    return {"version": f"v{version}", "data": [{"title": "a part", "paragraphs": paragraphs}]}


def learn(case: Case, content: dict[str, Any], options: argparse.Namespace, folder: Path) -> str:
    """Convert, train and answer; return the line of the table."""
    file = folder / f"part-v{case.version}.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    vocabulary = ("--spm_model_file", str(options.spm_model_file.resolve()))
    records = folder / f"{case.version}-{case.head}.mindrecord"
    _run("create_squad_data.py", "--train_file", file, "--train_feature_file", records, *vocabulary, *_WINDOWS)
    started = time.monotonic()
    where = ("--run_dir", folder / f"{case.version}-{case.head}", "--overlay", ROOT / "configs" / "squad_small.yaml")
    data = ("--train_data_file_path", records, "--eval_json_path", file, *vocabulary)
    flags = ("--do_train", "true", "--do_eval", "true", "--from_scratch", "true", "--eval_steps", "1000000")
    printed = _run("run_squad_v1.py", *where, *data, *flags, *case.keys, *_RECIPE, *options.more)
    score = json.loads(printed.splitlines()[-1])
    asked = [question for paragraph in content["data"][0]["paragraphs"] for question in paragraph["qas"]]
    impossible = sum(question.get("is_impossible", False) for question in asked)
    minutes = (time.monotonic() - started) / 60
    figures = (f"{score['exact_match']:.2f}", f"{score['f1']:.2f}", f"{minutes:.1f}")
    return table_line((case.version, case.head, str(len(asked)), str(impossible), *figures))


def _run(script: str, *arguments: object) -> str:
    """Run a command of the project and return what it prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"it ended with status {done.returncode}", script, last)
    return done.stdout


def table_line(cells: Sequence[str]) -> str:
    """Return a line of the table."""
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones. What follows ``--`` goes to ``run_squad_v1.py``."""
    words = list(argv)
    place = words.index("--") if "--" in words else len(words)
    parser = OneLineParser(prog="python -m benchmarks.squad_overfit", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--json", type=Path, required=True, metavar="FILE", help="SQuAD v2.0, .json or .json.gz")
    add("--spm_model_file", type=Path, required=True, metavar="FILE", help="SentencePiece model")
    add("--questions", type=int, default=200, metavar="N", help="questions of each case (default 200)")
    add("--longest", type=int, default=700, metavar="N", help="most characters of a passage (default 700)")
    options = parser.parse(words[:place])
    if options.questions < 1:
        raise ConfigError(f"must be at least 1, not {options.questions}", "--questions", "give 1 or more")
    options.more = words[place + 1 :]
    return options


def main(argv: Sequence[str]) -> int:
    """Run all cases and print the table.

    Raises:
        AlbertError: An option or the file is wrong, or a command failed.
    """
    options = parse(argv)
    data = read_squad(options.json)
    contents = {version: cut(data, version, options.questions, options.longest) for version in ("1.1", "2.0")}
    print("\n".join([*machine_lines(("mindspore", "numpy")), "", table_line(_COLUMNS)]), flush=True)
    with tempfile.TemporaryDirectory(prefix="albert-squad-") as folder:
        for case in CASES:
            print(learn(case, contents[case.version], options, Path(folder)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
