"""Operators of the network that a list can keep in float32 while ``compute_type`` is float16.

The lists have the form that CANN's mixed-precision lists have: ``{"black-list": {"to-add": [names]}}``. Names are those
of this network, or of TensorFlow's operators, which are translated.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError
from src.common.json_files import read_object

# What ``compute_type`` decides, with what it is; letters as in src/model/albert_model.py.
OPERATORS: dict[str, str] = {
    "embedding_hidden_mapping_in": "product that maps embeddings to the hidden size",
    "query_layer": "product that makes the queries",
    "key_layer": "product that makes the keys",
    "value_layer": "product that makes the values",
    "attention_scores": "product of queries and keys",
    "attention_context": "product of attention probabilities and values",
    "attention_output": "product behind the attention",
    "intermediate": "first product of the feed-forward layer",
    "output": "second product of the feed-forward layer",
    "masked_lm_scores": "product with the token table, of pre-training",
}
# What is float32 whatever ``compute_type`` says: a list may name it, and changes nothing.
ALWAYS_FLOAT32: dict[str, str] = {
    "embeddings": "lookups and sum of the embeddings",
    "layernorm": "every LayerNorm",
    "softmax": "softmax of the attention, log-softmax of the losses",
    "activation": "activation of the feed-forward layer",
    "residual": "sums with a residual",
    "pooler": "product and tanh on the first token",
    "heads": "heads of fine-tuning, sentence order and the transformation of masked tokens",
    "loss": "losses and figures",
    "gradients": "sums, norm and clipping of the gradients",
    "optimizer": "moments and update",
}
_PRODUCTS = tuple(OPERATORS)
_NOTHING: tuple[str, ...] = ()
# TensorFlow's and CANN's operators, with what does their work here; the first block is the published ops_info.json.
TENSORFLOW_OPERATORS: dict[str, tuple[str, ...]] = {
    "Add": ("residual", "embeddings"),
    "AddN": ("gradients",),
    "ApplyAdamD": ("optimizer",),
    "ArgMaxD": ("loss",),
    "ConfusionSoftmaxGrad": ("softmax",),
    "ConfusionTransposeD": _NOTHING,
    "DivNoNan": ("loss",),
    "Equal": ("loss",),
    "Gather": ("embeddings",),
    "L2Loss": ("gradients",),
    "LabelGotoEx": _NOTHING,
    "LabelSet": _NOTHING,
    "LabelSwitchByIndex": _NOTHING,
    "LayerNorm": ("layernorm",),
    "LayerNormBetaGammaBackpropV2": ("layernorm",),
    "LayerNormXBackpropV2": ("layernorm",),
    "Less": ("optimizer",),
    "LogSoftmaxGrad": ("softmax",),
    "LogSoftmaxV2": ("softmax",),
    "Minimum": ("gradients",),
    "Mul": ("activation", "optimizer"),
    "Muls": ("activation", "optimizer"),
    "Neg": ("loss",),
    "Pack": _NOTHING,
    "Pow": ("activation",),
    "RealDiv": ("loss", "optimizer"),
    "Recv": _NOTHING,
    "ReduceMeanD": ("loss", "layernorm"),
    "ReduceSumD": ("loss", "gradients"),
    "ScatterAdd": ("embeddings",),
    "SoftmaxV2": ("softmax",),
    "Square": ("gradients", "optimizer"),
    "StridedSliceD": _NOTHING,
    "StridedSliceGrad": _NOTHING,
    "TanhGrad": ("pooler",),
    "UnsortedSegmentSum": ("embeddings",),
    # Not in that list, and the ones with something to decide here.
    "MatMul": _PRODUCTS,
    "MatMulV2": _PRODUCTS,
    "BatchMatMul": ("attention_scores", "attention_context"),
    "BatchMatMulV2": ("attention_scores", "attention_context"),
    "BiasAdd": tuple(name for name in _PRODUCTS if name not in ("attention_scores", "attention_context")),
    "Gelu": ("activation",),
    "FastGelu": ("activation",),
    "Tanh": ("pooler",),
}
_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_LISTS = ("black-list", "white-list", "gray-list")
_EXAMPLE = '{"black-list": {"to-add": ["attention_scores"]}}'


def check_operator(name: str) -> str:
    """Return the name of an operator that ``compute_type`` decides.

    Raises:
        ValueError: There is none of this name; a similar one is suggested.
    """
    if name in OPERATORS:
        return name
    if name in ALWAYS_FLOAT32:
        raise ValueError(f"{name!r} is always float32; leave it out")
    raise ValueError(f"unknown operator {name!r}, {_suggestion(name, OPERATORS)}")


def mixlist_path(name: str) -> Path:
    """Return a list's path: relative to the current folder, or where it is not there to the project's folder."""
    here = Path(name)
    shipped = _PROJECT_ROOT / name
    return shipped if not here.exists() and shipped.exists() else here


def read_float32_operators(path: Path) -> tuple[str, ...]:
    """Return what a list keeps in float32, in the order of ``OPERATORS``.

    Raises:
        ConfigError: The file cannot be read, is no such list, or names what this network does not have.
    """
    wanted: set[str] = set()
    for name in _listed(_content(path), str(path)):
        if name in OPERATORS:
            wanted.add(name)
        elif name in TENSORFLOW_OPERATORS:
            wanted.update(TENSORFLOW_OPERATORS[name])
        elif name not in ALWAYS_FLOAT32:
            hint = _suggestion(name, [*OPERATORS, *ALWAYS_FLOAT32, *TENSORFLOW_OPERATORS])
            raise ConfigError(f"unknown operator {name!r}", str(path), hint)
    return tuple(name for name in OPERATORS if name in wanted)


def _content(path: Path) -> Mapping[str, Any]:
    """Return the object that a json file holds."""
    absent = ConfigError("no such file", str(path), "check mixlist_file, or leave use_mixlist out")
    return read_object(path, ConfigError, "check mixlist_file", f"write for example {_EXAMPLE}", absent)


def _listed(content: Mapping[str, Any], where: str) -> list[str]:
    """Return the names that are to be added to the black list; other lists must be empty."""
    names: list[str] = []
    for title, changes in content.items():
        if title not in _LISTS:
            raise ConfigError(f"unknown list {title!r}", where, f"write for example {_EXAMPLE}")
        if not isinstance(changes, dict):
            raise ConfigError(f"{title} holds no to-add or to-remove", where, f"write for example {_EXAMPLE}")
        for change, entries in changes.items():
            if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
                raise ConfigError(f"{title}.{change} is no list of names", where, f"write for example {_EXAMPLE}")
            if (title, change) == ("black-list", "to-add"):
                names += entries
            elif entries:
                what = f"{title}.{change} has no meaning here: only what stays float32 can be listed"
                raise ConfigError(what, where, "empty it, and write names into black-list.to-add")
    return names


def _suggestion(name: str, known: Iterable[str]) -> str:
    """Return a did-you-mean, or what there is."""
    lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return f"did you mean {lower[close[0]]}?" if close else f"there are {', '.join(OPERATORS)}"
