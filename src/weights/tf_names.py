"""Names of the variables in TensorFlow checkpoints of ALBERT, in both directions.

Layouts: Google's own code (google-research/albert ``modeling.py``, ``run_pretraining.py``, ``run_classifier.py``,
``run_squad_v1.py``, ``run_squad_v2.py``), the same code run under TensorFlow 2, the encoder of TensorFlow's model
garden, and the first version of brightmart's albert_zh.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from src.common.errors import CheckpointError
from src.weights.google_names import brightmart, google_layer_norms, google_without_layer_norms, map_own_layer_norms
from src.weights.name_rules import NameTable, Rule
from src.weights.tf2_names import VARIABLE_MARK, WEIGHTS_MARK, model_garden_rules, model_garden_table

_SHOWN_NAMES = 4
_HUB_PREFIX = "module/"
# Moments of the optimizers of Google's, brightmart's and TensorFlow's code, and what a training keeps besides.
_STATE = re.compile(
    r"/(?:adam_[mv]|lamb_[mv]|Adam(?:_1)?|LAMB(?:_1)?|Momentum|[mv])$|\.OPTIMIZER_SLOT"
    r"|^(?:global_step|beta[12]_power|loss_scale|good_steps|bad_steps|_CHECKPOINTABLE_OBJECT_GRAPH)$"
    r"|^(?:optimizer|save_counter|step|global_step|epoch)/"
)

FOLDED_TABLE = "bert/embeddings/word_embeddings_2"
"""brightmart's second factor of the token table; it has no name here, see ``tf_names_to_weights.py``."""


class Layout(Enum):
    """How the variables of a TensorFlow checkpoint are named."""

    GOOGLE_TF1 = "Google's TensorFlow 1 layout"
    GOOGLE_OWN_LAYER_NORMS = "Google's code under TensorFlow 2, each layer with layer normalisations of its own"
    TF2_MODEL_GARDEN = "TensorFlow's model garden"
    TF2_MODEL_GARDEN_OBJECTS = "TensorFlow's model garden, saved as a tree of objects"
    BRIGHTMART = "brightmart's first Chinese layout"


@dataclass(frozen=True)
class NameMap:
    """What the variables of a checkpoint are.

    Attributes:
        layout: How they are named.
        found: What becomes of each variable that is a weight of ALBERT, by its name there.
        state: Moments of an optimizer, counters and bookkeeping, which are passed over.
        unexpected: What is none of these.
        copies: Parameters here that have no variable of their own, and the canonical name of the one that they equal.
    """

    layout: Layout
    found: Mapping[str, Rule]
    state: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)


def to_canonical(names: Iterable[str], where: str = "") -> NameMap:
    """Recognise the layout of a checkpoint and say what each variable is.

    Args:
        names: All names of the checkpoint.
        where: The checkpoint, for errors.

    Raises:
        CheckpointError: These are not the names of an ALBERT, or two variables are the same parameter.
    """
    names = tuple(names)
    state = tuple(name for name in names if _STATE.search(name))
    # TF-Hub's modules put a prefix in front of the encoder; the names behind it are Google's.
    plain = {name: name.removeprefix(_HUB_PREFIX) for name in names if not _STATE.search(name)}
    layout = _layout_of(plain.values(), where)
    copies: dict[str, str] = {}
    if layout is Layout.TF2_MODEL_GARDEN_OBJECTS:
        rules = model_garden_rules(plain.values())
    elif layout is Layout.GOOGLE_OWN_LAYER_NORMS:
        rules, copies = map_own_layer_norms(plain.values())
    else:
        pairs = ((name, table.to_canonical(name)) for name in plain.values() for table in _tables(layout))
        rules = {name: rule for name, rule in pairs if rule is not None}
    found = {name: rules[short] for name, short in plain.items() if short in rules}
    _check_unique(found, where)
    known = set(found) | ({FOLDED_TABLE} if layout is Layout.BRIGHTMART else set())
    unexpected = tuple(name for name in plain if name not in known)
    return NameMap(layout, found, state, unexpected, copies)


def _tables(layout: Layout) -> tuple[NameTable, ...]:
    """Return the tables of a layout that has any."""
    if layout is Layout.BRIGHTMART:
        return (brightmart(),)
    if layout is Layout.TF2_MODEL_GARDEN:
        return (model_garden_table(),)
    return (google_layer_norms(), google_without_layer_norms())


def _layout_of(names: Iterable[str], where: str) -> Layout:
    """Return the layout, from the names that only one of them has."""
    names = tuple(names)
    if any(WEIGHTS_MARK in name for name in names):
        return Layout.TF2_MODEL_GARDEN_OBJECTS
    if VARIABLE_MARK in names:
        return Layout.TF2_MODEL_GARDEN
    if FOLDED_TABLE in names or any(name.startswith("bert/encoder/layer_shared") for name in names):
        return Layout.BRIGHTMART
    if any("/layer_normalization" in name and name.startswith("bert/") for name in names):
        return Layout.GOOGLE_OWN_LAYER_NORMS
    if any(name.startswith(("bert/encoder/transformer/group_", "bert/encoder/embedding_hidden")) for name in names):
        return Layout.GOOGLE_TF1
    shown = ", ".join(names[:_SHOWN_NAMES]) or "no variables but an optimizer's"
    if any(name.startswith("bert/encoder/layer_") for name in names):
        raise CheckpointError(
            "these are the weights of a BERT or of an ALBERT whose layers are not shared", where, "give an ALBERT's"
        )
    raise CheckpointError(f"these are not the variables of an ALBERT: {shown}", where, "give an ALBERT's checkpoint")


def _check_unique(found: Mapping[str, Rule], where: str) -> None:
    """Raise ``CheckpointError`` when two variables are the same parameter."""
    sources: dict[str, str] = {}
    for name, rule in found.items():
        if rule.canonical in sources:
            what = f"{sources[rule.canonical]} and {name} are the same parameter, {rule.canonical}"
            raise CheckpointError(what, where, "save one of them")
        sources[rule.canonical] = name


def from_canonical(names: Iterable[str], layout: Layout) -> dict[str, tuple[str, bool]]:
    """Return (variable, whether it is transposed) for every parameter by canonical name.

    Args:
        names: Canonical names of all parameters to write; without the projection behind the embeddings where the
            sizes are the same, since TensorFlow's codes have none then.
        layout: How the variables are to be named.

    Raises:
        CheckpointError: A parameter has no name in this layout, or the layout is read only.
    """
    names = tuple(names)
    if layout not in (Layout.GOOGLE_TF1, Layout.TF2_MODEL_GARDEN):
        fix = "write Google's TensorFlow 1 layout or the model garden's"
        raise CheckpointError(f"nothing is written in {layout.value}", "", fix)
    pairs = ((name, table.from_canonical(name)) for name in names for table in _tables(layout))
    written = {name: source for name, source in pairs if source is not None}
    lacking = [name for name in names if name not in written]
    if lacking:
        shown = ", ".join(lacking[:_SHOWN_NAMES]) + (" and more" if len(lacking) > _SHOWN_NAMES else "")
        raise CheckpointError(f"{layout.value} has no name for {shown}", "", "choose another format")
    return written
