"""Say what a set of weights covers of a network: the backbone must be whole, heads may be new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes, head_shapes, layer_of
from src.model.shape_hints import mismatch_reason

_SHOWN_NAMES = 4
HEADS = {
    "cls1": "masked tokens",
    "cls2": "sentence order",
    "dense_1": "classes",
    "dense1": "start and end of an answer",
    "start_logits": "start of an answer, by beam search",
    "end_logits": "end of an answer, by beam search",
    "answer_class": "whether there is an answer",
}
"""The known heads, by the beginning of their parameters' names, and what they tell."""


@dataclass(frozen=True)
class WrongShape:
    """A parameter that is there in another shape.

    Attributes:
        name: Canonical name.
        found: Its shape in the checkpoint.
        expected: Its shape in the network; ``None`` where any size will do.
    """

    name: str
    found: tuple[int, ...]
    expected: tuple[int | None, ...]


@dataclass(frozen=True)
class CoverageReport:
    """What a checkpoint gives to a network; all names but ``unexpected`` and ``state`` are canonical.

    Attributes:
        where: The checkpoint.
        backbone_size: Number of parameters of the backbone.
        loaded_backbone: Those that the checkpoint holds in the right shape.
        missing_backbone: Those that it lacks.
        loaded_heads: Parameters of heads that fit.
        missing_heads: Parameters that it lacks of heads that it has a part of, or that were asked for: they are new.
        wrong_shape: Parameters in another shape, of backbone and heads.
        unexpected: What is neither, by the names of the checkpoint or canonical ones.
        state: Number of moments and counters of an optimizer, which were passed over.
    """

    where: str
    backbone_size: int
    loaded_backbone: tuple[str, ...]
    missing_backbone: tuple[str, ...]
    loaded_heads: tuple[str, ...]
    missing_heads: tuple[str, ...]
    wrong_shape: tuple[WrongShape, ...]
    unexpected: tuple[str, ...] = ()
    state: int = 0

    @property
    def loaded(self) -> tuple[str, ...]:
        """Return all parameters that fit."""
        return self.loaded_backbone + self.loaded_heads

    @property
    def missing(self) -> tuple[str, ...]:
        """Return all parameters that are not there."""
        return self.missing_backbone + self.missing_heads

    def text(self) -> str:
        """Return the report for people, a line for each part that is not empty."""
        lines = [f"backbone: {len(self.loaded_backbone)} of {self.backbone_size} parameters from {self.where}"]
        if self.missing_backbone:
            lines.append(f"missing in the backbone: {_some(self.missing_backbone)}")
        for head, purpose in HEADS.items():
            loaded, missing = (_of_head(names, head) for names in (self.loaded_heads, self.missing_heads))
            if loaded or missing:
                parts = [f"loaded {_some(loaded)}"] * bool(loaded) + [f"new {_some(missing)}"] * bool(missing)
                lines.append(f"head {head} ({purpose}): {'; '.join(parts)}")
        lines.extend(
            f"other shape: {wrong.name} is {list(wrong.found)}, the network needs {_shape_text(wrong.expected)}"
            for wrong in self.wrong_shape
        )
        if self.unexpected:
            lines.append(f"not used, {len(self.unexpected)}: {_some(self.unexpected)}")
        if self.state:
            lines.append(f"passed over: {self.state} entries of an optimizer's state")
        return "\n".join(lines)

    def require_backbone(self) -> None:
        """Raise ``CheckpointError`` unless every parameter of the backbone is there in its shape."""
        problems = []
        if self.missing_backbone:
            count = f"{self.backbone_size - len(self.missing_backbone)} of {self.backbone_size}"
            problems.append(f"covers {count} of the backbone's parameters, missing: {_some(self.missing_backbone)}")
        wrong = [entry for entry in self.wrong_shape if not _is_head(entry.name)]
        if wrong:
            shown = "; ".join(
                f"{entry.name} is {list(entry.found)}, the network needs {_shape_text(entry.expected)}"
                for entry in wrong[:_SHOWN_NAMES]
            )
            shapes = {entry.name: (entry.found, tuple(size or 0 for size in entry.expected)) for entry in wrong}
            problems.append(f"{len(wrong)} of other shape: {shown}{mismatch_reason(shapes)}")
        foreign = tuple(name for name in self.unexpected if layer_of(name) is not None)
        if foreign:
            keys = "num_hidden_groups, inner_group_num or use_relative_positions"
            problems.append(f"layers that the network lacks ({keys} differ): {_some(foreign)}")
        if problems:
            raise CheckpointError("; ".join(problems), self.where, "give the configuration that belongs to the weights")


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def _is_head(name: str) -> bool:
    return name.split(".", 1)[0] in HEADS


def _of_head(names: tuple[str, ...], head: str) -> tuple[str, ...]:
    return tuple(name for name in names if name.split(".", 1)[0] == head)


def _fits(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(found) == len(expected) and all(
        size in (None, actual) for actual, size in zip(found, expected, strict=True)
    )


def coverage(
    weights: Mapping[str, np.ndarray],
    network: NetworkConfig,
    where: str,
    *,
    heads: Iterable[str] = (),
    unexpected: Iterable[str] = (),
    state: int = 0,
) -> CoverageReport:
    """Compare weights with the network that a configuration describes.

    Args:
        weights: Arrays by canonical name.
        network: The network.
        where: The checkpoint, for errors and the report.
        heads: Heads that the network has besides those that the weights have a part of; see ``HEADS``.
        unexpected: Names of the checkpoint that were not mapped.
        state: Number of an optimizer's entries that were passed over.
    """
    backbone = backbone_shapes(network)
    wanted_heads = {name.split(".", 1)[0] for name in weights if _is_head(name)} | set(heads)
    head_parts = {name: shape for name, shape in head_shapes(network).items() if name.split(".", 1)[0] in wanted_heads}
    wanted: dict[str, tuple[int | None, ...]] = {**backbone, **head_parts}
    fitting = {name for name, shape in wanted.items() if name in weights and _fits(weights[name].shape, shape)}
    return CoverageReport(
        where=where,
        backbone_size=len(backbone),
        loaded_backbone=tuple(name for name in backbone if name in fitting),
        missing_backbone=tuple(name for name in backbone if name not in weights),
        loaded_heads=tuple(name for name in head_parts if name in fitting),
        missing_heads=tuple(name for name in head_parts if name not in weights),
        wrong_shape=tuple(
            WrongShape(name, weights[name].shape, shape)
            for name, shape in wanted.items()
            if name in weights and name not in fitting
        ),
        unexpected=(*(name for name in weights if name not in wanted), *unexpected),
        state=state,
    )
