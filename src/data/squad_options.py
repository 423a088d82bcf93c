"""Options of the command that turns SQuAD files into records and features.

The names are those of the model zoo's converter; some of google-research/albert's and of the TF official models' are
accepted beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.common.arguments import OneLineParser, add_flag, read_count
from src.data.record_command import add_output_options, add_vocabulary_options, read_length

PROGRAM = "create_squad_data.py"

_DESCRIPTION = """Turn SQuAD json files (v1.1, v2.0; .json or .json.gz) into records to train run_squad_v1.py with and
features to evaluate it with, or show such a record file.

examples:
  train:      --train_file train-v1.1.json --output_dir data --spm_model_file 30k-clean.model
  both:       --train_file train-v2.0.json --eval_file dev-v2.0.json --output_dir data
              --spm_model_file 30k-clean.model
  show:       --inspect 3 --input data/squad_v1.1_train.mindrecord --spm_model_file 30k-clean.model"""


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options.

    Raises:
        ConfigError: An option is unknown or its value wrong.
    """
    parser = OneLineParser(prog=PROGRAM, description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_files(parser)
    _add_settings(parser)
    _add_old_names(parser)
    return parser.parse(argv)


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_file", "--squad_data_file", type=Path, metavar="FILE", help="questions with answers, to train with")
    add("--eval_file", "--predict_file", type=Path, metavar="FILE", help="questions to evaluate with")
    out = "where squad_v<version>_train.mindrecord and squad_v<version>_dev.features.npz are written"
    add("--output_dir", type=Path, metavar="DIR", help=out)
    train = "name of the record file in place of --output_dir's; .tf_record sets the format"
    add("--train_feature_file", "--train_data_output_path", type=Path, metavar="FILE", help=train)
    cache = "name of the file of evaluation features, or a folder for it"
    add("--eval_feature_file", "--predict_feature_left_file", type=Path, metavar="FILE", help=cache)
    add_output_options(parser, files="record files", replaced="existing records")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    add_vocabulary_options(parser)
    add = parser.add_argument
    add("--max_seq_length", type=read_length, default=384, metavar="N", help="most tokens of a record (default 384)")
    query = "most tokens of a question; the rest of it is left out (default 64)"
    add("--max_query_length", type=_at_least_one, default=64, metavar="N", help=query)
    stride = "tokens from the begin of a window to that of the next (default 128)"
    add("--doc_stride", type=_at_least_one, default=128, metavar="N", help=stride)


def _add_old_names(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("as the model zoo's converter")
    add = group.add_argument
    add("--task_name", type=_squad_name, metavar="NAME", help="not needed; a name that begins with squad")
    add_flag(group, "--do_train", None, "false: make no records of --train_file (default true)")


def _at_least_one(text: str) -> int:
    value = read_count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return value


def _squad_name(text: str) -> str:
    if not text.lower().startswith("squad"):
        raise argparse.ArgumentTypeError(f"{text!r} is not SQuAD; other tasks are for create_finetuning_data.py")
    return text
