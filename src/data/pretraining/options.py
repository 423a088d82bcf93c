"""Options of the command that makes pre-training records; the names are those of the reference."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.arguments import OneLineParser, true_or_false, whole_number
from src.common.errors import ConfigError
from src.data.pretraining.documents import TEXT_FORMATS
from src.data.pretraining.encoding import SEGMENTERS
from src.data.pretraining.settings import SHORTEST_SEQUENCE, InstanceSettings, needed_predictions

_DESCRIPTION = """Turn plain text into the records that pre-training reads, or show such records.

examples:
  --input 'corpus/*.txt.gz' --output_dir data --spm_model_file 30k-clean.model --max_seq_length 128
  --input wiki/ --input_format wikiextractor_json --output_dir data --vocab_file vocab.txt --segmenter jieba
  --inspect 2 --input data/pretrain-00000.tfrecord --spm_model_file 30k-clean.model"""

# So many megabytes of text, times the passes, are in a shard by default: that keeps a worker's memory below 200 MB.
_TEXT_MB_OF_SHARD = 40.0
_SMALLEST_BLOCK_MB, _LARGEST_DEFAULT_BLOCK_MB = 1.0, 16.0
_LARGEST_NUMBER = (1 << 31) - 1
_FORBIDDEN_IN_NAME = frozenset("\\/:*?\"<>|`&;'")


@dataclass(frozen=True)
class PretrainDataOptions:
    """What the command line asks for.

    Attributes:
        inputs: Files, folders and patterns.
        output_dir: Folder of the result.
        output_files: Names to deal the records to, in ``output_dir``; empty for one file a shard.
        block_bytes: Text of a shard.
        arguments: All other options as parsed.
        settings: How documents become instances.
    """

    inputs: list[str]
    output_dir: Path
    output_files: tuple[str, ...]
    block_bytes: int
    arguments: argparse.Namespace
    settings: InstanceSettings


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options as they stand on the command line.

    Raises:
        ConfigError: An option is unknown, missing, or its value wrong.
    """
    parser = OneLineParser(
        prog="create_pretraining_data.py",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(parser)
    _add_instances(parser)
    _add_running(parser)
    return parser.parse(argv)


def input_names(arguments: argparse.Namespace) -> list[str]:
    """Return the names given by ``--input`` and ``--input_file``; raise ``ConfigError`` when there is none."""
    names = list(arguments.input or [])
    names += [name for name in (arguments.input_file or "").split(",") if name]
    if not names:
        raise ConfigError("no text is given", "--input", "name files, folders or quoted patterns")
    return names


def check_options(arguments: argparse.Namespace) -> PretrainDataOptions:
    """Return the options after checks across them; raise ``ConfigError`` for what does not go together."""
    output_dir, output_files = _outputs(arguments)
    if arguments.shard_index >= arguments.num_shards:
        what = f"{arguments.shard_index} is not below --num_shards {arguments.num_shards}"
        raise ConfigError(what, "--shard_index", "machines are counted from 0")
    if arguments.resume and arguments.overwrite:
        raise ConfigError("--overwrite begins anew, --resume goes on", "--resume", "give one of them")
    bad = sorted(set(arguments.name) & _FORBIDDEN_IN_NAME)
    if bad or not arguments.name or arguments.name.startswith(".") or "-part-" in arguments.name:
        raise ConfigError(f"'{arguments.name}' cannot begin the names of files", "--name", "use letters and digits")
    length, share = arguments.max_seq_length, arguments.masked_lm_prob
    settings = InstanceSettings(
        max_seq_length=length,
        max_predictions_per_seq=arguments.max_predictions_per_seq or needed_predictions(length, share),
        masked_lm_prob=share,
        short_seq_prob=arguments.short_seq_prob,
        dupe_factor=arguments.dupe_factor,
        ngram=arguments.ngram,
        favor_shorter_ngram=arguments.favor_shorter_ngram,
        do_whole_word_mask=arguments.do_whole_word_mask,
        do_permutation=arguments.do_permutation,
        random_next_sentence=arguments.random_next_sentence,
    )
    block_bytes = _block_bytes(arguments.block_mb, settings.dupe_factor)
    return PretrainDataOptions(input_names(arguments), output_dir, output_files, block_bytes, arguments, settings)


def _outputs(arguments: argparse.Namespace) -> tuple[Path, tuple[str, ...]]:
    if arguments.output_file is None:
        if arguments.output_dir is None:
            raise ConfigError("no folder is given for the result", "--output_dir", "name one")
        return arguments.output_dir, ()
    paths = [Path(name) for name in arguments.output_file.split(",") if name]
    where = "--output_file"
    if arguments.output_dir is not None:
        raise ConfigError("it cannot be used together with --output_dir", where, "give one of them")
    if not paths or len({path.parent for path in paths}) > 1 or len({path.name for path in paths}) < len(paths):
        raise ConfigError("different names in one folder are needed", where, "or use --output_dir")
    if arguments.file_format == "mindrecord" or arguments.num_shards > 1:
        raise ConfigError("it is for TFRecord files of one machine", where, "use --output_dir")
    return paths[0].parent, tuple(path.name for path in paths)


def _block_bytes(megabytes: float | None, dupe_factor: int) -> int:
    if megabytes is None:
        megabytes = min(max(_TEXT_MB_OF_SHARD / dupe_factor, _SMALLEST_BLOCK_MB), _LARGEST_DEFAULT_BLOCK_MB)
    return max(int(megabytes * (1 << 20)), 1)


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--input", nargs="+", action="extend", metavar="FILE", help="files, folders or quoted patterns; .gz is read")
    add("--input_file", metavar="FILES", help="the same as one list parted by commas, as in the reference")
    form = "form of the text (default auto: judged for each file by its beginning)"
    add("--input_format", choices=("auto", *TEXT_FORMATS), default="auto", help=form)
    add("--output_dir", type=Path, metavar="DIR", help="folder of the result: <name>-00000.tfrecord, ...")
    files = "names of the result parted by commas, as in the reference: the records are dealt out to them"
    add("--output_file", metavar="FILES", help=files)
    add("--name", default="pretrain", metavar="NAME", help="begin of the names of files (default pretrain)")
    add("--file_format", choices=("tfrecord", "mindrecord"), default="tfrecord", help="default tfrecord")
    add("--spm_model_file", default="", metavar="FILE", help="SentencePiece model (English ALBERT)")
    add("--vocab_file", "--vocab_file_path", default="", metavar="FILE", help="vocab.txt of WordPiece (Chinese ALBERT)")
    _add_flag(parser, "--do_lower_case", True, "lower the text's case and drop its accents")
    words = "who finds the words of Chinese text: nobody, blanks in the text, or jieba (default none)"
    add("--segmenter", choices=SEGMENTERS, default="none", help=words)
    _add_flag(parser, "--write_token_boundary", False, "also write the reference's column token_boundary")


def _add_instances(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("records").add_argument
    defaults = InstanceSettings()
    length = f"tokens of a record (default {defaults.max_seq_length})"
    add(
        "--max_seq_length",
        type=whole_number(SHORTEST_SEQUENCE, 1 << 14),
        default=defaults.max_seq_length,
        metavar="N",
        help=length,
    )
    most = "most masked tokens of a record (default: masked_lm_prob of max_seq_length, rounded up)"
    add("--max_predictions_per_seq", type=whole_number(1, 1 << 14), metavar="N", help=most)
    share = f"share of the tokens that is masked (default {defaults.masked_lm_prob})"
    add("--masked_lm_prob", type=_share, default=defaults.masked_lm_prob, metavar="X", help=share)
    short = f"chance of a shorter target length (default {defaults.short_seq_prob})"
    add("--short_seq_prob", type=_share, default=defaults.short_seq_prob, metavar="X", help=short)
    passes = f"passes over the text, each with other cuts and masks (default {defaults.dupe_factor})"
    add("--dupe_factor", type=whole_number(1, _LARGEST_NUMBER), default=defaults.dupe_factor, metavar="N", help=passes)
    ngram = f"most words of a masked span (default {defaults.ngram})"
    add("--ngram", type=whole_number(1, 64), default=defaults.ngram, metavar="N", help=ngram)
    _add_flag(parser, "--favor_shorter_ngram", defaults.favor_shorter_ngram, "span of n words: chance ~ 1/n")
    _add_flag(parser, "--do_whole_word_mask", defaults.do_whole_word_mask, "mask all pieces of a word together")
    _add_flag(parser, "--do_permutation", defaults.do_permutation, "also exchange as many tokens, and predict them")
    negative = "negatives from other documents (BERT's task) instead of swapped segments"
    _add_flag(parser, "--random_next_sentence", defaults.random_next_sentence, negative)
    add(
        "--random_seed",
        type=whole_number(0, _LARGEST_NUMBER),
        default=12345,
        metavar="N",
        help="decides everything random (default 12345)",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    add = group.add_argument
    add(
        "--num_workers",
        type=whole_number(1, 1024),
        default=_processors(),
        metavar="N",
        help="processes (default: all cores)",
    )
    block = "megabytes of text that make a shard (default: 40 / dupe_factor, 1 to 16)"
    add("--block_mb", type=_megabytes, metavar="X", help=block)
    add(
        "--shard_index",
        type=whole_number(0, _LARGEST_NUMBER),
        default=0,
        metavar="N",
        help="number of this machine (default 0)",
    )
    add(
        "--num_shards",
        type=whole_number(1, _LARGEST_NUMBER),
        default=1,
        metavar="N",
        help="machines that share the work (default 1)",
    )
    _add_flag(group, "--resume", False, "go on with a run that was stopped")
    _add_flag(group, "--overwrite", False, "replace existing output")
    add(
        "--inspect",
        type=whole_number(0, _LARGEST_NUMBER),
        metavar="N",
        help="show the first N records of --input, decoded, and end",
    )


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _add_flag(parser: Any, name: str, default: bool, text: str) -> None:
    text = f"{text} (default {str(default).lower()})"
    parser.add_argument(name, type=true_or_false, default=default, metavar="true|false", help=text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return value


def _megabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of megabytes above 0, at most 4096")
    return value
