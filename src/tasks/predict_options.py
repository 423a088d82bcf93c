"""The command line of ``predict.py`` and what can be checked of it before MindSpore is loaded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from src.common.arguments import OneLineParser
from src.common.errors import ConfigError, DataError, OutputError

CLASSIFY = "classify"
FILL_MASK = "fill-mask"

_DESCRIPTION = """\
Predict on raw text with a run of this project.

  classify   label (or score) of texts and pairs of texts, with a fine-tuned run (run_classifier.py)
  fill-mask  words that fit in the places of [MASK], with a pre-training run (run_pretrain.py)
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
_END = "Without texts and with a terminal it asks for one text after the other.\n"


def make_parser() -> OneLineParser:
    """Return the command line of ``predict.py``."""
    parser = OneLineParser(
        prog="predict.py",
        description=_DESCRIPTION,
        epilog=f"examples:\n{_CLASSIFY_EXAMPLES}{_FILL_MASK_EXAMPLES}{_END}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar=f"{CLASSIFY}|{FILL_MASK}")
    _add_classify(commands)
    _add_fill_mask(commands)
    return parser


def _add_classify(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    classify = commands.add_parser(
        CLASSIFY,
        help="label (or score) of texts and pairs of texts",
        epilog=f"examples:\n{_CLASSIFY_EXAMPLES}{_END}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(classify, "run_classifier.py", "texts to classify", "; a TAB parts the two texts of a pair")
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
    _add_common(fill_mask, "run_pretrain.py", "texts with one [MASK] or more", "")
    fill_mask.add_argument("--top_k", type=int, default=5, help="tokens for each mask (default: 5)")
    fill_mask.add_argument("--json", action="store_true", help="answers as JSON lines, one for each text")


def _add_common(parser: OneLineParser, trainer: str, texts: str, more_of_input: str) -> None:
    """Add the options that both commands have."""
    add = parser.add_argument
    add("text", nargs="*", help=f"{texts}; none reads --input, a pipe, or asks on the terminal")
    add("--run_dir", required=True, type=Path, help=f"run directory of {trainer}")
    add("--checkpoint", type=Path, help="weights to use; default: the best of the run, else the newest")
    add("--input", type=Path, help=f"UTF-8 file, one text a line{more_of_input}")
    add("--output", type=Path, help="file for the answers, written as a whole; default: stdout")
    add("--batch_size", type=int, default=32, help="texts per batch (default: 32)")
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
    second = options.text_b if options.command == CLASSIFY else None
    if second is not None and len(options.text) != 1:
        what = f"--text_b goes with exactly one text, not {len(options.text)}"
        raise ConfigError(what, "--text_b", "give one text, or pairs with a TAB between by --input")
    if options.text and options.input:
        raise ConfigError("texts and --input exclude each other", "--input", "leave one of them out")
    for name in ("batch_size", "top_k"):
        value = getattr(options, name, 1)
        if value < 1:
            raise ConfigError(f"must be at least 1, not {value}", f"--{name}", "give 1 or more")
    if any(not text.strip() for text in (*options.text, *([] if second is None else [second]))):
        raise ConfigError("a text is empty", "text", "give a text")
    if sys.stdin is None and not (options.text or options.input):
        raise ConfigError("no text is given and stdin is closed", "text", "give a text, --input or a pipe")
    if options.input and (not options.input.exists() or options.input.is_dir()):
        raise DataError("no such file", str(options.input), "check the path")
    if options.output and options.output.is_dir():
        raise OutputError("a folder stands where the answers should go", str(options.output), "name a file")
