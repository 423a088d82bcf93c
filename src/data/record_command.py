"""What the two commands that make fine-tune records share: common options, the tokenizer, and showing records."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from src.common.arguments import add_flag, read_count
from src.common.errors import ConfigError
from src.common.interrupts import interrupted_by_sigterm
from src.data.tokenization import Tokenizer, load_tokenizer

# Rows are padded in memory; a longer one is a slip of the finger.
_LONGEST = 1 << 15


def read_length(text: str) -> int:
    """Read the length of a record."""
    value = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 3 <= value <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length of at least 3 and at most {_LONGEST} tokens")
    return value


def add_vocabulary_options(parser: argparse.ArgumentParser) -> None:
    """Add the files of the tokenizer."""
    add = parser.add_argument
    add("--spm_model_file", "--sp_model_file", default="", metavar="FILE", help="SentencePiece model (English ALBERT)")
    vocab = "vocab.txt of WordPiece (Chinese ALBERT); with a SentencePiece model it is not needed"
    add("--vocab_path", "--vocab_file_path", "--vocab_file", default="", metavar="FILE", help=vocab)
    add_flag(parser, "--do_lower_case", True, "lower the text's case and drop its accents (default true)")


def add_output_options(parser: argparse.ArgumentParser, *, files: str, replaced: str) -> None:
    """Add the form of the records, and showing them.

    Args:
        parser: Gets the options.
        files: What ``--shard_num`` counts.
        replaced: What ``--overwrite`` replaces.
    """
    add = parser.add_argument
    add("--file_format", choices=("mindrecord", "tfrecord"), help="form of the records (default mindrecord)")
    shards = f"{files}: 0 and 1 both mean one (default 0)"
    add("--shard_num", type=read_count, default=0, metavar="N", help=shards)
    add_flag(parser, "--overwrite", False, f"replace {replaced} (default false: it is an error)")
    add("--inspect", type=read_count, metavar="N", help="show the first N records of --input, decoded, and end")
    add("--input", type=Path, metavar="FILE", help="the record file that --inspect shows")


def tokenizer_of(options: argparse.Namespace) -> Tokenizer:
    """Return the tokenizer that the options name."""
    return load_tokenizer(options.vocab_path, options.spm_model_file, options.do_lower_case)


def convert_or_inspect(
    options: argparse.Namespace,
    convert: Callable[[argparse.Namespace], None],
    inspect: Callable[[argparse.Namespace], list[str]],
    inputs: str,
) -> int:
    """Convert, or print what ``--inspect`` asks for; return the exit status.

    Args:
        options: The options.
        convert: Makes the records; SIGTERM ends it as Ctrl-C does.
        inspect: Returns lines on the records of ``--input``.
        inputs: Which options name what is converted, for who gives ``--input`` without ``--inspect``.

    Raises:
        ConfigError: ``--inspect`` and ``--input`` are not given together.
    """
    if options.inspect is not None:
        if options.input is None:
            raise ConfigError("no file is given", "--input", "name the record file that --inspect shows")
        print("\n".join(inspect(options)))
        return 0
    if options.input is not None:
        raise ConfigError("it is for --inspect", "--input", inputs)
    with interrupted_by_sigterm():
        convert(options)
    return 0
