"""The command line of ``predict.py`` and what can be checked of it before MindSpore is loaded."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from src.common.arguments import OneLineParser, given_path, require_stdout
from src.common.errors import ConfigError, DataError, OutputError
from src.predict.help_texts import COMMANDS, DESCRIPTION, EXAMPLES_END, QUESTIONS_END, CommandHelp

CLASSIFY = "classify"
FILL_MASK = "fill-mask"
QUESTIONS = "qa"
NER = "ner"
ENCODE = "encode"
POOLINGS = ("mean", "cls", "pooler")
"""How the vectors of a text's tokens become one; the first is the default."""
_LARGEST_COUNT = 1 << 16
LINES, JSON_LINES = "lines", "jsonl"
AddCommands: TypeAlias = Callable[["argparse._SubParsersAction[OneLineParser]"], None]


def make_parser(add_more: AddCommands | None = None) -> OneLineParser:
    """Return the command line of ``predict.py``.

    Args:
        add_more: Adds commands of other packages.
    """
    examples = "".join(found.examples for found in COMMANDS.values())
    parser = OneLineParser(
        prog="predict.py",
        description=DESCRIPTION,
        epilog=f"examples:\n{examples}{EXAMPLES_END}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, found in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=found.summary,
            description=found.description,
            epilog=f"examples:\n{found.examples}{QUESTIONS_END if name == QUESTIONS else EXAMPLES_END}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_source(command, found.trainer)
        _add_texts(command, found)
        _add_own(command, name)
    if add_more is not None:
        add_more(commands)
    return parser


def add_source(parser: OneLineParser, trainer: str) -> None:
    """Add the options that say which network answers.

    Args:
        parser: Where to.
        trainer: What makes the runs, for the help.
    """
    source = parser.add_argument_group("the network")
    one = source.add_mutually_exclusive_group(required=True)
    one.add_argument("--run_dir", type=given_path, help=f"run directory of {trainer}")
    one.add_argument("--model", type=given_path, help="model exported by export.py, .mindir or .onnx, instead of a run")
    add = source.add_argument
    add("--checkpoint", type=given_path, help="weights of the run to use; default: the best, else the newest")
    add("--spm_model_file", default="", help="SentencePiece model, for a run that holds no tokenizer")
    add("--vocab_file_path", default="", help="vocab.txt, for a run that holds no tokenizer")
    add("--key_file", type=given_path, help="file that holds the key of an encrypted model, or env:NAME")
    add("--device_target", default="CPU", choices=("CPU", "GPU", "Ascend"), help="device (default: CPU)")


def _add_texts(parser: OneLineParser, found: CommandHelp) -> None:
    """Add where texts come from and where answers go to."""
    kind, add = found.kind, parser.add_argument
    help_text = f"{kind}s {found.which}; none reads --input, a pipe, or asks on the terminal"
    add("text", nargs="*", metavar=kind, help=help_text)
    add("--input", type=given_path, help=f"UTF-8 file, one {kind} a line{found.more_of_input}")
    help_text = (
        f"what a line of --input or a pipe is: {found.line_forms} (default: {JSON_LINES} for a file named .jsonl)"
    )
    add("--input_format", choices=(LINES, JSON_LINES), help=help_text)
    add(
        "--output",
        type=given_path,
        help=f"file for the answers, written as a whole; default: stdout{found.more_of_output}",
    )
    add("--json", action="store_true", help=f"answers as JSON lines, one for each {kind}")
    add("--batch_size", type=int, default=32, help=f"{found.rows} per batch (default: 32)")


def _add_own(parser: OneLineParser, name: str) -> None:
    """Add what one command alone has."""
    add = parser.add_argument
    if name == CLASSIFY:
        add("--text_b", help="second text, for a task on pairs; goes with exactly one text")
    elif name == FILL_MASK:
        add("--top_k", type=int, default=5, help="tokens for each mask (default: 5)")
    elif name == ENCODE:
        add("--text_b", help="second text, to be encoded with exactly one text as a pair")
        help_text = (
            f"vector of a text: mean of its tokens, the first token, or the tanh layer on it (default: {POOLINGS[0]})"
        )
        add("--pooling", choices=POOLINGS, default=POOLINGS[0], help=help_text)
    elif name == QUESTIONS:
        passage = parser.add_mutually_exclusive_group()
        passage.add_argument("--context", help="the passage; a long one is read in windows")
        passage.add_argument("--context_file", type=given_path, help="UTF-8 file, all of it the passage")
        add("--top_n", type=int, default=1, help="answers to each question (default: 1)")
        add_answer_limits(parser)


def add_answer_limits(parser: OneLineParser) -> None:
    """Add the options that change how questions are answered."""
    add = parser.add_argument
    add("--null_threshold", type=float, help="SQuAD v2.0: no answer where null_odds is above it; default: the run's")
    add("--max_answer_length", type=int, help="most tokens of an answer; default: the run's")


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other.

    Raises:
        ConfigError: An option has a value that cannot be, or does not go with another one.
        DataError: There is no such file of texts.
        OutputError: A folder stands where the answers should go, or stdout is closed.
    """
    kind = COMMANDS[options.command].kind
    check_source(options)
    second = getattr(options, "text_b", None)
    if second is not None and len(options.text) != 1:
        what = f"--text_b goes with exactly one text, not {len(options.text)}"
        raise ConfigError(what, "--text_b", "give one text, or pairs with a TAB between by --input")
    if options.text and options.input:
        raise ConfigError(f"{kind}s and --input exclude each other", "--input", "leave one of them out")
    if any(not text.strip() for text in (*options.text, *([] if second is None else [second]))):
        raise ConfigError(f"a {kind} is empty", kind, f"give a {kind}")
    if sys.stdin is None and not (options.text or options.input):
        raise ConfigError(f"no {kind} is given and stdin is closed", kind, f"give a {kind}, --input or a pipe")
    if options.command == QUESTIONS:
        _check_passage(options)
    for path in (options.input, getattr(options, "context_file", None)):
        if path and path.is_dir():
            raise DataError("this is a folder", str(path), "name a file in it")
        if path and not path.exists():
            raise DataError("no such file", str(path), "check the path")
    if options.output:
        _check_output(options)
    else:
        require_stdout("give --output FILE")


def check_source(options: argparse.Namespace) -> None:
    """Refuse numbers that cannot be, and options of a run where an exported model is given.

    Raises:
        ConfigError: Names the option.
    """
    for name in ("batch_size", "top_k", "top_n", "max_answer_length"):
        value = getattr(options, name, None)
        if value is not None and value < 1:
            raise ConfigError(f"must be at least 1, not {value}", f"--{name}", "give 1 or more")
        if value is not None and value > _LARGEST_COUNT:
            raise ConfigError(f"must be at most {_LARGEST_COUNT:,}, not {value}", f"--{name}", "give less")
    threshold = getattr(options, "null_threshold", None)
    if threshold is not None and math.isnan(threshold):
        raise ConfigError("nan is no threshold", "--null_threshold", "give a number")
    if options.model is None:
        if options.key_file is not None:
            raise ConfigError("only exported models are encrypted", "--key_file", "leave it out")
    elif options.checkpoint is not None:
        raise ConfigError("an exported model holds its weights", "--checkpoint", "leave it out, or give --run_dir")


def wants_json_lines(options: argparse.Namespace) -> bool:
    """Tell whether the lines of ``--input`` or a pipe are JSON."""
    if options.input_format is not None:
        return bool(options.input_format == JSON_LINES)
    return options.input is not None and options.input.suffix == ".jsonl"


def is_array(path: Path) -> bool:
    """Tell whether a file of answers is to be a NumPy array."""
    return path.suffix.lower() == ".npy"


def _check_output(options: argparse.Namespace) -> None:
    """Refuse to write the answers over what is read."""
    output = options.output.resolve()
    if is_array(options.output) and (options.command != ENCODE or options.json):
        what = (
            "--json writes no arrays"
            if options.json
            else f"{options.command} gives no vectors, which a .npy file holds"
        )
        raise ConfigError(what, f"--output {options.output}", "name a file that ends in .jsonl or .txt")
    if output.is_dir():
        raise OutputError("a folder stands where the answers should go", str(options.output), "name a file")
    names = ("input", "context_file", "checkpoint", "spm_model_file", "vocab_file_path", "model", "key_file")
    if output in {Path(value).resolve() for value in (getattr(options, name, None) for name in names) if value}:
        raise OutputError("the file is an input, too", str(options.output), "choose another --output")
    if not output.exists():
        return
    if options.run_dir is not None:
        run = options.run_dir.resolve()
        if run in output.parents and output.parent != run / "predictions":
            raise OutputError("it is a file of the run", str(options.output), "choose another --output")
    elif output in _files_of_model(options.model):
        raise OutputError("it is a file of the model", str(options.output), "choose another --output")


def _files_of_model(model: Path) -> set[Path]:
    """Return the files that export.py writes, as far as they are there."""
    folder, stem = model.resolve().parent, model.stem
    return {*folder.glob(f"{stem}.*"), *folder.joinpath(f"{stem}.assets").glob("*")}


def _check_passage(options: argparse.Namespace) -> None:
    """Refuse questions without a passage, and two passages to a question."""
    given = options.context is not None or options.context_file is not None
    if options.input_format is not None and given == (options.input_format == JSON_LINES):
        what = "the records bring their passages" if given else "lines are questions about a passage, and none is given"
        fix = "leave out --context and --context_file, or give --input_format lines"
        raise ConfigError(what, "--input_format", fix if given else "give --context or --context_file")
    if options.context is not None and not options.context.strip():
        raise ConfigError("the passage is empty", "--context", "give a text")
    if options.text and options.context is None and options.context_file is None:
        fix = "give --context or --context_file, or both texts as JSON lines by --input"
        raise ConfigError("there is no passage to the questions", "--context", fix)
