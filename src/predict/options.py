"""The command line of ``predict.py`` and what can be checked of it before MindSpore is loaded."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from src.common.arguments import OneLineParser
from src.common.errors import ConfigError, DataError, OutputError

CLASSIFY = "classify"
FILL_MASK = "fill-mask"
QUESTIONS = "qa"

_DESCRIPTION = """\
Predict on raw text with a run of this project.

  classify   label (or score) of texts and pairs of texts, with a fine-tuned run (run_classifier.py)
  fill-mask  words that fit in the places of [MASK], with a pre-training run (run_pretrain.py)
  qa         answers to questions about a passage, with a run on SQuAD (run_squad_v1.py)
"""
_CLASSIFY_EXAMPLES = """\
  python predict.py classify --run_dir runs/sst2 "a gripping, funny film"
  python predict.py classify --run_dir runs/mrpc "first sentence" --text_b "second sentence"
  python predict.py classify --run_dir runs/sst2 --input texts.txt --output answers.jsonl --json
  cat texts.txt | python predict.py classify --run_dir runs/sst2
"""
_FILL_MASK_EXAMPLES = """\
  python predict.py fill-mask --run_dir runs/run_pretrain "The [MASK] was wonderful."
  python predict.py fill-mask --run_dir runs/run_pretrain --top_k 10 "A [MASK] of two [MASK]."
  python predict.py fill-mask --run_dir runs/run_pretrain --input texts.txt --output answers.jsonl --json
"""
_QUESTIONS_EXAMPLES = """\
  python predict.py qa --run_dir runs/squad --context "It rained in Rome." "Where did it rain?" "What did it do?"
  python predict.py qa --run_dir runs/squad --context_file passage.txt --top_n 3 "Who wrote it?"
  python predict.py qa --run_dir runs/squad --context_file passage.txt --input questions.txt
  python predict.py qa --run_dir runs/squad --input questions.jsonl --output answers.jsonl --json
"""
_QUESTIONS_DESCRIPTION = """\
Print for each question: answer, its probability, its place in the passage as start-end in characters (end exclusive),
and the question; parted by tabs. With --top_n above 1 a line for each answer, with its number in front.
A run on SQuAD v2.0 may find that the passage does not tell: (no answer).

Without --context and --context_file, --input and a pipe hold JSON lines: {"question": "...", "context": "..."}, and
perhaps "id", which is given back by --json. Title, answers and is_impossible of SQuAD's records are passed over.
"""
_END = "Without texts and with a terminal it asks for one text after the other.\n"
_QUESTIONS_END = (
    "Without questions and with a terminal it asks for a passage, where none is given, and for questions.\n"
)


def make_parser() -> OneLineParser:
    """Return the command line of ``predict.py``."""
    parser = OneLineParser(
        prog="predict.py",
        description=_DESCRIPTION,
        epilog=f"examples:\n{_CLASSIFY_EXAMPLES}{_FILL_MASK_EXAMPLES}{_QUESTIONS_EXAMPLES}{_END}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar=f"{CLASSIFY}|{FILL_MASK}|{QUESTIONS}")
    _add_classify(commands)
    _add_fill_mask(commands)
    _add_questions(commands)
    return parser


def _add_classify(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    classify = commands.add_parser(
        CLASSIFY,
        help="label (or score) of texts and pairs of texts",
        epilog=f"examples:\n{_CLASSIFY_EXAMPLES}{_END}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(classify, "run_classifier.py", "text", "to classify", "; a TAB parts the two texts of a pair")
    classify.add_argument("--text_b", help="second text, for a task on pairs; goes with exactly one text")
    classify.add_argument("--json", action="store_true", help="answers as JSON lines, with all probabilities")


def _add_fill_mask(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    fill_mask = commands.add_parser(
        FILL_MASK,
        help="words that fit in the places of [MASK]",
        description=(
            "Print for each [MASK] the most probable tokens: number of the mask, token (one with the mark of its"
            " vocabulary for the begin or the inside of a word), probability, and the text with the token in its place."
        ),
        epilog=f"examples:\n{_FILL_MASK_EXAMPLES}{_END}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(fill_mask, "run_pretrain.py", "text", "with one [MASK] or more")
    fill_mask.add_argument("--top_k", type=int, default=5, help="tokens for each mask (default: 5)")
    fill_mask.add_argument("--json", action="store_true", help="answers as JSON lines, one for each text")


def _add_questions(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    questions = commands.add_parser(
        QUESTIONS,
        help="answers to questions about a passage",
        description=_QUESTIONS_DESCRIPTION,
        epilog=f"examples:\n{_QUESTIONS_EXAMPLES}{_QUESTIONS_END}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(questions, "run_squad_v1.py", "question", "about the passage", ", or one record a line", "windows")
    passage = questions.add_mutually_exclusive_group()
    passage.add_argument("--context", help="the passage; a long one is read in windows")
    passage.add_argument("--context_file", type=Path, help="UTF-8 file, all of it the passage")
    add = questions.add_argument
    add("--top_n", type=int, default=1, help="answers to each question (default: 1)")
    add("--null_threshold", type=float, help="SQuAD v2.0: no answer where null_odds is above it; default: the run's")
    add("--max_answer_length", type=int, help="most tokens of an answer; default: the run's")
    add("--json", action="store_true", help="answers as JSON lines, one for each question")


def _add_common(
    parser: OneLineParser, trainer: str, kind: str, which: str, more_of_input: str = "", rows: str = "texts"
) -> None:
    """Add the options that all commands have.

    Args:
        parser: Where to.
        trainer: What makes the runs.
        kind: What is given on the command line or on a line of a file.
        which: More about it.
        more_of_input: More about a line of a file.
        rows: What batches are made of.
    """
    add = parser.add_argument
    help_text = f"{kind}s {which}; none reads --input, a pipe, or asks on the terminal"
    add("text", nargs="*", metavar=kind, help=help_text)
    add("--run_dir", required=True, type=Path, help=f"run directory of {trainer}")
    add("--checkpoint", type=Path, help="weights to use; default: the best of the run, else the newest")
    add("--input", type=Path, help=f"UTF-8 file, one {kind} a line{more_of_input}")
    add("--output", type=Path, help="file for the answers, written as a whole; default: stdout")
    add("--batch_size", type=int, default=32, help=f"{rows} per batch (default: 32)")
    add("--spm_model_file", default="", help="SentencePiece model, for a run that holds no tokenizer")
    add("--vocab_file_path", default="", help="vocab.txt, for a run that holds no tokenizer")
    add("--device_target", default="CPU", choices=("CPU", "GPU", "Ascend"), help="device (default: CPU)")


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other.

    Raises:
        ConfigError: An option has a value that cannot be, or does not go with another one.
        DataError: There is no such file of texts.
        OutputError: A folder stands where the answers should go.
    """
    kind = "question" if options.command == QUESTIONS else "text"
    second = options.text_b if options.command == CLASSIFY else None
    if second is not None and len(options.text) != 1:
        what = f"--text_b goes with exactly one text, not {len(options.text)}"
        raise ConfigError(what, "--text_b", "give one text, or pairs with a TAB between by --input")
    if options.text and options.input:
        raise ConfigError(f"{kind}s and --input exclude each other", "--input", "leave one of them out")
    for name in ("batch_size", "top_k", "top_n", "max_answer_length"):
        value = getattr(options, name, None)
        if value is not None and value < 1:
            raise ConfigError(f"must be at least 1, not {value}", f"--{name}", "give 1 or more")
    if any(not text.strip() for text in (*options.text, *([] if second is None else [second]))):
        raise ConfigError(f"a {kind} is empty", kind, f"give a {kind}")
    if sys.stdin is None and not (options.text or options.input):
        raise ConfigError(f"no {kind} is given and stdin is closed", kind, f"give a {kind}, --input or a pipe")
    if options.command == QUESTIONS:
        _check_passage(options)
    for path in (options.input, getattr(options, "context_file", None)):
        if path and (not path.exists() or path.is_dir()):
            raise DataError("no such file", str(path), "check the path")
    if options.output:
        _check_output(options)


def _check_output(options: argparse.Namespace) -> None:
    """Refuse to write the answers over what is read."""
    output = options.output.resolve()
    if output.is_dir():
        raise OutputError("a folder stands where the answers should go", str(options.output), "name a file")
    names = ("input", "context_file", "checkpoint", "spm_model_file", "vocab_file_path")
    if output in {Path(value).resolve() for value in (getattr(options, name, None) for name in names) if value}:
        raise OutputError("the file is an input, too", str(options.output), "choose another --output")
    run = options.run_dir.resolve()
    if output.exists() and run in output.parents and output.parent != run / "predictions":
        raise OutputError("it is a file of the run", str(options.output), "choose another --output")


def _check_passage(options: argparse.Namespace) -> None:
    """Refuse questions without a passage, and a threshold that is no number."""
    if options.context is not None and not options.context.strip():
        raise ConfigError("the passage is empty", "--context", "give a text")
    if options.text and options.context is None and options.context_file is None:
        fix = "give --context or --context_file, or both texts as JSON lines by --input"
        raise ConfigError("there is no passage to the questions", "--context", fix)
    if options.null_threshold is not None and math.isnan(options.null_threshold):
        raise ConfigError("nan is no threshold", "--null_threshold", "give a number")
