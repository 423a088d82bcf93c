"""Options of the command that trains a vocabulary."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.arguments import OneLineParser, true_or_false, whole_number
from src.data.vocabulary import SMALLEST_SAMPLE, SPECIAL_COUNT, VocabularySettings

_DESCRIPTION = """Train a SentencePiece vocabulary with the settings of ALBERT and write PREFIX.model and PREFIX.vocab.

example:
  --input 'corpus/*.txt' more/news.txt.gz --output_prefix vocab/30k --vocab_size 30000 --do_lower_case true"""

# SentencePiece counts in 32 bits.
_LARGEST_NUMBER = (1 << 31) - 1


@dataclass(frozen=True)
class VocabularyOptions:
    """What the command line asks for.

    Attributes:
        inputs: Files, folders and patterns of the text.
        output_prefix: Path of the output without its suffix.
        settings: What to train with.
        overwrite: Whether existing output is replaced.
    """

    inputs: list[str]
    output_prefix: Path
    settings: VocabularySettings
    overwrite: bool


def parse_options(argv: Sequence[str]) -> VocabularyOptions:
    """Return the options.

    Raises:
        ConfigError: An option is unknown, missing, or its value wrong.
    """
    parser = OneLineParser(
        prog="train_vocabulary.py", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = VocabularySettings()
    add = parser.add_argument
    text = "text files, folders or quoted patterns, as of create_pretraining_data.py; .gz is read too"
    add("--input", nargs="+", action="extend", required=True, metavar="FILE", help=text)
    add("--output_prefix", type=_prefix, required=True, metavar="PREFIX", help="path of the output without its suffix")
    size = f"number of pieces, special symbols included (default {defaults.vocab_size})"
    add(
        "--vocab_size",
        type=whole_number(SPECIAL_COUNT + 1, _LARGEST_NUMBER),
        default=defaults.vocab_size,
        metavar="N",
        help=size,
    )
    lower = "true: for an uncased model, false: for a cased one (default true)"
    add("--do_lower_case", type=true_or_false, default=defaults.do_lower_case, metavar="true|false", help=lower)
    sample = f"lines sampled from a larger text (default {defaults.input_sentence_size})"
    add(
        "--input_sentence_size",
        type=whole_number(SMALLEST_SAMPLE, _LARGEST_NUMBER),
        default=defaults.input_sentence_size,
        metavar="N",
        help=sample,
    )
    coverage = f"share of the text's characters that the pieces cover (default {defaults.character_coverage})"
    add("--character_coverage", type=_coverage, default=defaults.character_coverage, metavar="X", help=coverage)
    add("--overwrite", type=true_or_false, default=False, metavar="true|false", help="replace output (default false)")
    log = "show the log of SentencePiece (default false)"
    add("--verbose", type=true_or_false, default=False, metavar="true|false", help=log)
    options = parser.parse(argv)
    settings = VocabularySettings(
        vocab_size=options.vocab_size,
        do_lower_case=options.do_lower_case,
        input_sentence_size=options.input_sentence_size,
        character_coverage=options.character_coverage,
        verbose=options.verbose,
    )
    return VocabularyOptions(options.input, options.output_prefix, settings, options.overwrite)


def _coverage(text: str) -> float:
    """Read a share as SentencePiece takes it: from 0.98 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.98 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0.98 to 1")
    return value


def _prefix(text: str) -> Path:
    """Read the path of the output, which must have a last part."""
    path = Path(text)
    if not path.name or text.endswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} names a folder; add the name of the vocabulary")
    return path
