"""Layers of the configuration: where each value was written, and how a later layer goes over an earlier one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from src.common.errors import ConfigError
from src.config.presets import DROPOUT_KEYS, SHAPE_KEYS

KeyPath = tuple[str, ...]

ANY_SECTION = "albert_net_cfg"
"""The section of whatever network is chosen."""
_SECTION_SUFFIX = "_net_cfg"
_CHOICE = "albert_network"
_DEFAULTS = {_CHOICE: "base", "albert_version": "v1"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One value as its source wrote it.

    Attributes:
        value: Text, number, boolean, ``None`` or a list; never a section.
        where: ``file:line`` or the option of the command line.
    """

    value: Any
    where: str


Layer = dict[KeyPath, Setting]


def with_chosen_section(layers: list[Layer], sections: Collection[str]) -> tuple[list[Layer], list[ConfigError]]:
    """Let ``albert_net_cfg`` stand for the section of the network that the layers choose.

    Fine-tuning has this one section, pre-training one for each size: a file that describes a network then fits both.

    Args:
        layers: The layers in their order.
        sections: Names of the task's sections of networks.

    Returns:
        The layers, and an error for each key that a layer gives under both names.
    """
    if ANY_SECTION in sections:
        return layers, []
    chosen = next((str(layer[_CHOICE,].value).lower() for layer in reversed(layers) if (_CHOICE,) in layer), "")
    section = f"{chosen}{_SECTION_SUFFIX}"
    section = section if section in sections else f"{_DEFAULTS[_CHOICE]}{_SECTION_SUFFIX}"
    renamed: list[Layer] = []
    errors: list[ConfigError] = []
    for layer in layers:
        renamed.append({path: setting for path, setting in layer.items() if path[0] != ANY_SECTION})
        for path, setting in layer.items():
            if path[0] != ANY_SECTION:
                continue
            own = (section, *path[1:])
            if own in layer:
                what = f"{'.'.join(path)} and {'.'.join(own)} are the same key"
                errors.append(ConfigError(what, setting.where, f"remove this or the one of {layer[own].where}"))
            renamed[-1].setdefault(own, setting)
    return renamed, errors


def merge_layers(layers: list[Layer]) -> tuple[Layer, list[str]]:
    """Lay every layer over the ones before it.

    A layer that chooses another ``albert_network`` or ``albert_version`` than the layers before it starts from the
    new preset: keys which the preset decides and which an earlier layer gave would otherwise silently undo the choice
    (a resolved ``config.yaml`` holds all of them).

    Returns:
        The merged layer, and a notice for each key that was dropped this way.
    """
    merged: Layer = {}
    notices: list[str] = []
    for layer in layers:
        for choice, owned in ((_CHOICE, SHAPE_KEYS + DROPOUT_KEYS), ("albert_version", DROPOUT_KEYS)):
            if _chooses_another(merged, layer, choice):
                notices += _drop_preset_keys(merged, owned, layer[choice,])
        merged.update(layer)
    return merged, notices


def _chooses_another(merged: Layer, layer: Layer, choice: str) -> bool:
    if (choice,) not in layer:
        return False
    new = str(layer[choice,].value).lower()
    old = str(merged[choice,].value).lower() if (choice,) in merged else _DEFAULTS[choice]
    return new not in (old, "custom")


def _drop_preset_keys(merged: Layer, owned: tuple[str, ...], choice: Setting) -> list[str]:
    notices = []
    for path in [path for path in merged if path[0].endswith(_SECTION_SUFFIX) and path[-1] in owned]:
        dropped = merged.pop(path)
        if dropped.value is not None:
            notices.append(
                f"{dropped.where}: {'.'.join(path)} {dropped.value} gives way to the preset, because {choice.where}"
                f" chooses {choice.value}"
            )
    return notices


def as_sections(layer: Layer) -> dict[str, Any]:
    """Return the values of a layer as nested dictionaries."""
    tree: dict[str, Any] = {}
    for path, setting in layer.items():
        section = tree
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = setting.value
    return tree


def as_written(value: Any) -> str:
    """Return a value as a yaml file would write it, for people to read."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(as_written(item) for item in value) + "]"
    if value is None:
        return "null"
    return str(value) if value != "" else '""'
