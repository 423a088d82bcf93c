"""The command that scores a file of predictions: ``python evaluate_squad.py --help``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common.arguments import OneLineParser, require_stdout
from src.common.errors import ConfigError, DataError, OutputError
from src.common.files import write_json_atomic
from src.data.squad import SquadFile, read_squad, version_of
from src.evaluate.squad_metrics import (
    QuestionScores,
    best_figures,
    best_threshold,
    score_predictions,
    v1_figures,
    v2_figures,
    without_answers,
)
from src.evaluate.squad_predictions import read_no_answer_odds, read_predictions, some_of
from src.evaluate.squad_report import figures_table, last_line

_DESCRIPTION = """\
Score predictions for a SQuAD file with the official metrics of v1.1 or v2.0.

The last line printed is {"exact_match": ..., "f1": ...}, from 0 to 100."""
_EXAMPLES = """\
examples:
  python evaluate_squad.py dev-v1.1.json predictions.json
  python evaluate_squad.py dev-v2.0.json predictions.json --na_prob_file null_odds.json --na_prob_thresh 0.0
"""
_VERSIONS = ("auto", "1.1", "2.0")
_OFFICIAL_THRESHOLD = 1.0


def main(argv: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit status.

    Raises:
        AlbertError: An option, an input or an output is wrong.
    """
    options = parse_options(argv)
    if options.output is None:
        require_stdout("give --output FILE")
    data = read_squad(options.data)
    version_2 = (version_of(data) if options.squad_version == "auto" else options.squad_version) == "2.0"
    if options.na_prob_file is not None and not version_2:
        raise ConfigError("v1.1 has no questions without an answer", "--na_prob_file", "leave it out")
    predictions = read_predictions(options.predictions)
    missing = _check_ids(data, predictions, options)
    odds = None if options.na_prob_file is None else _odds_of(data, predictions, options)
    scores = score_predictions(data, predictions, version_2=version_2)
    report, table = _v2_result(scores, odds, options) if version_2 else _v1_result(scores)
    report["missing_predictions"] = missing
    if options.output is not None:
        write_json_atomic(options.output, report)
    print(table)
    print(last_line(report["exact" if version_2 else "exact_match"], report["f1"]))
    return 0


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command.

    Raises:
        ConfigError: An option is unknown, missing, or its value wrong, or has no effect.
        OutputError: The output would replace an input.
    """
    parser = OneLineParser(
        prog="evaluate_squad.py",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="SQuAD file with gold answers, .json or .json.gz")
    add("predictions", type=Path, metavar="PREDICTIONS", help="texts by question id, .json or .json.gz")
    version = "rules of which SQuAD; auto (default): 2.0 where the file says so or has impossible questions"
    add("--squad_version", choices=_VERSIONS, default="auto", help=version)
    add("--na_prob_file", type=Path, metavar="FILE", help='v2.0: numbers by question id; higher means "no answer"')
    threshold = f'v2.0: a higher number than this gives "no answer" (default {_OFFICIAL_THRESHOLD}, for probabilities)'
    add("--na_prob_thresh", type=_finite, metavar="X", help=threshold)
    add("--allow_unknown", action="store_true", help="leave out predictions whose id is not in DATA")
    add("--output", type=Path, metavar="FILE", help="json file for all figures; an existing one is replaced")
    options = parser.parse(argv)
    _check_options(options)
    return options


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return number


def _check_options(options: argparse.Namespace) -> None:
    """Refuse an option that would have no effect, and an output that would replace an input."""
    if options.na_prob_file is None and options.na_prob_thresh is not None:
        raise ConfigError("it needs --na_prob_file", "--na_prob_thresh", "give the file, or leave the option out")
    inputs = [path.resolve() for path in (options.data, options.predictions, options.na_prob_file) if path is not None]
    if options.output is not None and options.output.resolve() in inputs:
        raise OutputError("the file is an input, too", str(options.output), "choose another --output")


def _check_ids(data: SquadFile, predictions: Mapping[str, str], options: argparse.Namespace) -> int:
    """Refuse predictions for other questions; tell of questions without a prediction and return their number.

    Raises:
        DataError: A prediction is for no question of the file, and that was not allowed.
    """
    wanted = {question.id for question in data.questions}
    unknown = [id_ for id_ in predictions if id_ not in wanted]
    if unknown and len(unknown) == len(predictions):
        raise DataError("no prediction is for a question of the data", str(options.predictions), "give the right files")
    if unknown and not options.allow_unknown:
        what = f"{len(unknown)} predictions are for no question of the data: {some_of(unknown)}"
        raise DataError(what, str(options.predictions), "give the right files, or --allow_unknown to leave them out")
    missing = [question.id for question in data.questions if question.id not in predictions]
    if missing:
        shown = some_of(missing)
        print(f"{len(missing)} questions have no prediction and count as wrong: {shown}", file=sys.stderr)
    return len(missing)


def _odds_of(data: SquadFile, predictions: Mapping[str, str], options: argparse.Namespace) -> np.ndarray:
    """Return the "no answer" numbers of all questions, float64 [Q]; 0 where there is no prediction.

    Raises:
        DataError: A question has a prediction and no number.
    """
    numbers = read_no_answer_odds(options.na_prob_file)
    missing = [question.id for question in data.questions if question.id in predictions and question.id not in numbers]
    if missing:
        what = f"{len(missing)} questions with a prediction have no number: {some_of(missing)}"
        raise DataError(what, str(options.na_prob_file), "give the file that belongs to the predictions")
    odds = np.array([numbers.get(question.id, 0.0) for question in data.questions], np.float64)
    if options.na_prob_thresh is None and (odds.min() < 0 or odds.max() > 1):
        print("some numbers are no probabilities: the threshold 1.0 may not fit, see --na_prob_thresh", file=sys.stderr)
    return odds


def _v1_result(scores: QuestionScores) -> tuple[dict[str, Any], str]:
    figures = v1_figures(scores)
    total = len(scores.exact)
    row = {"exact": figures["exact_match"], "f1": figures["f1"], "total": total}
    return {**figures, "total": total}, figures_table({"all": row})


def _v2_result(
    scores: QuestionScores, odds: np.ndarray | None, options: argparse.Namespace
) -> tuple[dict[str, Any], str]:
    """Return the report and the table; with odds the threshold is applied and the best ones are searched for.

    The best figures are a look at what the odds are worth, and no score: their thresholds know the gold answers.
    """
    if odds is None:
        figures = v2_figures(scores)
        return dict(figures), figures_table({"all": figures})
    threshold = _OFFICIAL_THRESHOLD if options.na_prob_thresh is None else options.na_prob_thresh
    figures = v2_figures(without_answers(scores, odds > threshold))
    lines = [figures_table({f"threshold {threshold:g}": figures})]
    for name, values in (("exact", scores.exact), ("f1", scores.f1)):
        best = best_threshold(scores, values, odds)
        place = f"{best.threshold:.6g}" if best.answers_any else "no answer to any question"
        lines.append(f"best {name} of a threshold tuned on these very questions: {best.percent:.3f}, at {place}")
    lines.append(f"the last line is that of the threshold {threshold:g}, which was not tuned")
    return {**figures, **best_figures(scores, odds), "na_prob_thresh": threshold}, "\n".join(lines)
