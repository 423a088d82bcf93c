"""Options of ``convert_tf_ckpt/convert.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.arguments import OneLineParser, read_count, true_or_false

PROGRAM = "convert.py"
_INPUTS = ("tensorflow", "huggingface", "mindspore")
_OUTPUTS = ("ckpt", "safetensors", "huggingface", "tensorflow")
_LARGEST_VOCABULARY = 10_000_000
_DESCRIPTION = """Convert the weights of an ALBERT between TensorFlow, Hugging Face and MindSpore.

examples:
  from Google:        --input albert_base/model.ckpt-best --output albert_base.ckpt
  from Hugging Face:  --input albert-base-v2/ --output albert_base_v2.ckpt
  to Hugging Face:    --input runs/sst-2/checkpoints/classifier-best.ckpt --output sst-2_hf/
  to TensorFlow:      --input albert_base.ckpt --output tf/model.ckpt-best

The formats are recognised: that of the input from its content, that of the output from its name (.ckpt, .safetensors,
a folder for Hugging Face, model.ckpt-... for TensorFlow)."""


@dataclass(frozen=True)
class ConvertOptions:
    """What the command line asks for; the fields are the options."""

    input: Path
    output: str
    input_format: str
    output_format: str
    config: Path | None
    vocab_size: int | None
    seed: int
    verify: str
    overwrite: bool
    tf_layout: str
    architecture: str


def parse_options(argv: Sequence[str]) -> ConvertOptions:
    """Return the options.

    Raises:
        ConfigError: An option is unknown, missing, or its value wrong.
    """
    parser = OneLineParser(prog=PROGRAM, description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--input", type=_path, required=True, metavar="PATH", help="file, folder, or prefix of a TensorFlow checkpoint")
    add("--output", type=_text, required=True, metavar="PATH", help="what to write")
    add("--input_format", default="", choices=_INPUTS, help="format of the input (default: recognised)")
    add("--output_format", default="", choices=_OUTPUTS, help="format of the output (default: from its name)")
    text = "albert_config.json, HF's config.json or a yaml of this project (default: looked for beside the input)"
    add("--config", type=_path, default=None, metavar="FILE", help=text)
    text = "resize the token table to N rows: the first are kept, new ones are random (default: leave it)"
    add("--vocab_size", type=_size, default=None, metavar="N", help=text)
    add("--seed", type=read_count, default=0, metavar="N", help="decides the new rows of the table (default 0)")
    text = (
        "compare the outputs with those of HF transformers: auto where it is installed and one side is a folder of it,"
        " true insists, false does not (default auto); the file is read back and compared in any case"
    )
    add("--verify", type=_verify_mode, default="auto", metavar="auto|true|false", help=text)
    add("--overwrite", type=true_or_false, default=False, metavar="true|false", help="replace output (default false)")
    text = "names in a TensorFlow checkpoint: Google's code or TensorFlow's model garden (default google)"
    add("--tf_layout", default="google", choices=("google", "model_garden"), help=text)
    text = "class of HF transformers for a head of classes, such as AlbertForTokenClassification (default: recognised)"
    add("--architecture", default="", metavar="NAME", help=text)
    return ConvertOptions(**vars(parser.parse(argv)))


def _text(text: str) -> str:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("the path is empty")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


def _size(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 9 else 0
    if not 1 <= value <= _LARGEST_VOCABULARY:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens from 1 to {_LARGEST_VOCABULARY}")
    return value


def _verify_mode(text: str) -> str:
    if text.lower() == "auto":
        return "auto"
    return str(true_or_false(text)).lower()
