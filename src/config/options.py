"""The schema as a flat list of options, from which command line, help, error messages and documentation are made."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from src.config.sections import Section
from src.config.task_config import TaskConfig
from src.config.value_types import Unavailable

GROUP_ORDER = (
    "Task",
    "Data",
    "Vocabulary",
    "Training",
    "Evaluation",
    "Checkpoints",
    "Run directory and log",
    "Network",
    "Optimizer",
    "Gradients and loss scale",
    "Device and processes",
    "Precision and diagnostics",
    "Export",
    "ModelArts",
)


@dataclasses.dataclass(frozen=True)
class Option:
    """One key that takes a value.

    Attributes:
        path: The key's path, for example ``("optimizer_cfg", "Lamb", "learning_rate")``.
        values: What it takes, for example ``N`` or ``true|false``.
        is_flag: Whether it is true or false, so that the command line may leave the value out.
        default: The schema's default.
        description: One line of help.
        group: Heading in help and documentation.
        unavailable: Why only the default is accepted; ``None`` for a key that works.
    """

    path: tuple[str, ...]
    values: str
    is_flag: bool
    default: Any
    description: str
    group: str
    unavailable: str | None

    @property
    def name(self) -> str:
        """Return the dotted name."""
        return ".".join(self.path)


def list_options(schema: type[TaskConfig]) -> dict[tuple[str, ...], Option]:
    """Return every option of a task by path, in the order of the groups."""
    options: list[Option] = []
    for name, info in schema.model_fields.items():
        options += _options_of(info, (name,), _group_of(schema, name), info.get_default(call_default_factory=True))
    options.sort(key=lambda option: GROUP_ORDER.index(option.group))
    return {option.path: option for option in options}


def section_paths(options: dict[tuple[str, ...], Option]) -> set[tuple[str, ...]]:
    """Return the paths that hold keys and take no value of their own."""
    return {path[:length] for path in options for length in range(1, len(path))}


def suggest(name: str, options: dict[tuple[str, ...], Option]) -> str:
    """Return a did-you-mean for a dotted name, or an empty string.

    A nested key named without its section (``hidden_size``) is found too.
    """
    names = {option.name: option.name for option in options.values()}
    leaves: dict[str, list[str]] = {}
    for option in options.values():
        leaves.setdefault(option.path[-1], []).append(option.name)
    last = name.rsplit(".", 1)[-1]
    if last in leaves:
        return "did you mean " + " or ".join(leaves[last]) + "?"
    lower = {key.lower(): key for key in names}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    if close:
        return f"did you mean {lower[close[0]]}?"
    close = difflib.get_close_matches(last, leaves, n=1, cutoff=0.8)
    return "did you mean " + " or ".join(leaves[close[0]]) + "?" if close else ""


def _options_of(info: FieldInfo, path: tuple[str, ...], group: str, default: Any) -> list[Option]:
    annotation = info.annotation
    if isinstance(annotation, type) and issubclass(annotation, Section):
        nested: list[Option] = []
        for name, inner in annotation.model_fields.items():
            nested += _options_of(inner, (*path, name), group, getattr(default, name))
        return nested
    unavailable = next((mark.reason for mark in info.metadata if isinstance(mark, Unavailable)), None)
    kind = _without_none(annotation)
    return [
        Option(
            path,
            _values_of(kind),
            kind is bool,
            None if default is PydanticUndefined else default,
            info.description or "",
            group,
            unavailable,
        )
    ]


def _group_of(schema: type[TaskConfig], name: str) -> str:
    """Return the group of the class that first declared the key; whole sections name theirs by what they hold."""
    if name.endswith("_net_cfg"):
        return "Network"
    if name == "optimizer_cfg":
        return "Optimizer"
    declaring = [parent for parent in schema.__mro__ if name in inspect.get_annotations(parent)]
    return str(declaring[-1].__dict__["group"])


def _without_none(annotation: Any) -> Any:
    """Strip ``Annotated`` and ``| None``."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _without_none(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _values_of(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(str(choice) for choice in get_args(kind) if choice != "")
    if get_origin(kind) in (tuple, list):
        return "LIST"
    return {bool: "true|false", int: "N", float: "Q", str: "TEXT"}[kind]
