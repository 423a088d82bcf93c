"""Options of the command that turns texts into fine-tune records.

The names are those of the model zoo's converter; the names of the TF official models' converter, which the Ascend
documents use, are accepted beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.common.arguments import OneLineParser, add_flag
from src.data.record_command import add_output_options, add_vocabulary_options, read_length
from src.data.record_schema import KINDS

PROGRAM = "create_finetuning_data.py"

_DESCRIPTION = """Turn labelled texts into MindRecord (or TFRecord) files for run_classifier.py, or show such a file.

examples:
  GLUE:       --task_name SST-2 --input_dir glue --output_dir data --spm_model_file 30k-clean.model
  own data:   --task_name reviews --train_file train.csv --dev_file dev.csv --text_a_column review
              --label_column stars --output_dir data --spm_model_file 30k-clean.model
  entities:   --task_name ner --task_kind token_classification --train_file train.conll --dev_file dev.conll
              --output_dir data --spm_model_file 30k-clean.model
  show:       --inspect 3 --input data/sst-2_dev.mindrecord --spm_model_file 30k-clean.model"""


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of two or more different labels, such as a,b,c")
    return names


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options.

    Raises:
        ConfigError: An option is unknown or its value wrong.
    """
    parser = OneLineParser(prog=PROGRAM, description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_common(parser)
    _add_own_data(parser)
    _add_tf_names(parser)
    return parser.parse(argv)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--task_name", "--classification_task_name", default="", metavar="NAME", help="GLUE task, or a name of your own"
    )
    add("--input_dir", "--input_data_dir", type=Path, metavar="DIR", help="GLUE folder: DIR/<TASK>/x.tsv or DIR/x.tsv")
    add("--output_dir", type=Path, metavar="DIR", help="where <task>_{train,dev,test}.mindrecord are written")
    add_vocabulary_options(parser)
    add(
        "--max_seq_length",
        type=read_length,
        default=128,
        metavar="N",
        help="length of a record, in tokens (default 128)",
    )
    which = "(default: every split whose file is there, unless another --do_... is true)"
    add_flag(parser, "--do_train", None, f"convert the train split {which}")
    add_flag(parser, "--do_eval", None, f"convert the dev split {which}")
    add_flag(parser, "--do_pred", None, f"convert the test split {which}")
    add_output_options(parser, files="files per split", replaced="existing output")


def _add_own_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("your own data (.tsv, .csv, .jsonl; CoNLL files for token_classification)")
    add = group.add_argument
    for split in ("train", "dev", "test"):
        add(f"--{split}_file", type=Path, metavar="FILE", help=f"file of the {split} split")
    kinds = "what the label is (default classification): a class, a number, or one tag a word"
    add("--task_kind", "--fine_tuning_task_type", choices=KINDS, help=kinds)
    add("--text_a_column", metavar="COLUMN", help="name or 0-based index of the text (default text_a)")
    add("--text_b_column", metavar="COLUMN", help="the second text of a pair (default: none)")
    add("--label_column", metavar="COLUMN", help="the label (default label); a test split may lack it")
    add("--test_text_a_column", metavar="COLUMN", help="as --text_a_column, where the test file differs")
    add("--test_text_b_column", metavar="COLUMN", help="as --text_b_column, where the test file differs")
    labels = "classes in the order of their ids (default: those that occur in the train split, sorted)"
    add("--labels", type=_names, metavar="A,B,C", help=labels)
    header = "whether the first row names the columns (default: yes, unless all columns are given as indices)"
    add_flag(group, "--header", None, header)
    add("--word_column", metavar="N", help="CoNLL: 0-based column of the word (default 0)")
    add("--tag_column", metavar="N", help="CoNLL: 0-based column of the tag (default -1, the last)")


def _add_tf_names(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("as the TF official models' converter")
    add = group.add_argument
    add(
        "--train_data_output_path", type=Path, metavar="FILE", help="name of the train file; .tf_record sets the format"
    )
    add("--eval_data_output_path", type=Path, metavar="FILE", help="name of the dev file")
    add("--test_data_output_path", type=Path, metavar="FILE", help="name of the test file")
    add("--meta_data_file_path", type=Path, metavar="FILE", help="also write the json that its readers ask for")
    kinds = "checked against the file that is given"
    add("--tokenization", choices=("SentencePiece", "WordPiece"), help=kinds)
