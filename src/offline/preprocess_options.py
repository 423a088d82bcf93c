"""Options of ``preprocess.py``; the documented names of the model zoo's command, and more."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from src.common.arguments import OneLineParser, add_flag, read_count
from src.common.errors import ConfigError
from src.data.record_command import read_length
from src.offline.task_type import read_task_type

_DESCRIPTION = """Turn the rows of an evaluation into raw files, a batch in each, for a program that runs an exported
model without Python: ascend310_infer. postprocess.py scores what it answers.

examples:
  classifier:  --model export/sst2.mindir --task_type sst2 --eval_data_file_path data/sst-2_dev.mindrecord
  SQuAD:       --model export/squad.mindir --task_type squadv1 --eval_json_path dev-v1.1.json
  no model:    --task_type mnli --eval_data_file_path mnli_dev.mindrecord --eval_batch_size 8 --seq_length 128"""


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options.

    Raises:
        ConfigError: An option is unknown or its value wrong.
    """
    parser = OneLineParser(
        prog="preprocess.py", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_files(parser)
    _add_sizes(parser)
    _add_answers(parser)
    options = parser.parse(argv)
    options.task = read_task_type(options.task_type)
    if not (options.eval_data_file_path or options.eval_json_path or options.task.is_squad):
        raise no_data()
    return options


def no_data() -> ConfigError:
    """Return the error for a call that names nothing to make batches of."""
    return ConfigError("no data are given", "--eval_data_file_path", "name the record file, or --eval_json_path")


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--task_type",
        default="",
        metavar="NAME",
        help="a GLUE task (mnli, sst2, STS-B, ...), squadv1, squadv2, or your own; default: that of the model or data",
    )
    records = "records with labels; for SQuAD a file or folder that keeps its features (or the json itself)"
    add("--eval_data_file_path", default="", metavar="FILE", help=records)
    add("--eval_json_path", default="", metavar="FILE", help="SQuAD json file")
    out = "folder for the files (default ./preprocess_result)"
    add("--result_path", type=Path, default=Path("preprocess_result"), metavar="DIR", help=out)
    add_flag(parser, "--overwrite", False, "replace what an earlier preprocess.py wrote there (default false)")
    model = "the model, or the json beside it: says sizes, labels and vocabulary, and is checked against the data"
    add("--model", type=Path, metavar="FILE", help=model)
    add("--spm_model_file", default="", metavar="FILE", help="SentencePiece model (default: that of --model)")
    add("--vocab_file_path", default="", metavar="FILE", help="vocab.txt of WordPiece (default: that of --model)")
    add_flag(parser, "--do_lower_case", None, "whether text is lower-cased (default: as the model or data, else true)")


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--eval_batch_size",
        type=at_least_one,
        metavar="N",
        help="rows of a batch (default: the model's, else 1); the last one is filled up",
    )
    length = "tokens of a row (default: the model's, else that of the records, or 384 for SQuAD)"
    add("--seq_length", type=read_length, metavar="N", help=length)
    add("--num_class", type=at_least_one, metavar="N", help="classes, where neither model nor records name them")
    shuffle = "accepted; rows are written in the order of the data, which no score depends on"
    add_flag(parser, "--eval_data_shuffle", False, shuffle)


def _add_answers(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("SQuAD (default: as the model's evaluation, else as task_squad_config.yaml)")
    add = group.add_argument
    add("--max_query_length", type=at_least_one, metavar="N", help="most tokens of a question")
    add("--doc_stride", type=at_least_one, metavar="N", help="tokens from the begin of a window to that of the next")
    add("--n_best_size", type=at_least_one, metavar="N", help="answers listed for each question")
    add("--max_answer_length", type=at_least_one, metavar="N", help="most tokens of an answer")
    threshold = "v2.0: no answer where its odds are above"
    add("--null_score_diff_threshold", type=_finite, metavar="X", help=threshold)
    add("--squad_head", choices=("span", "beam"), help="head of the network")
    add("--start_n_top", type=at_least_one, metavar="N", help="head beam: starts that the network gives")
    add("--end_n_top", type=at_least_one, metavar="N", help="head beam: ends that it gives for each start")


def at_least_one(text: str) -> int:
    """Read a whole number from 1 on."""
    value = read_count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return number
