"""The command line made from the schema: its arguments and its help."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from src.common.errors import ConfigError
from src.config.layers import KeyPath, Layer, Setting, as_written
from src.config.options import Option

_CONTROL_FLAGS = ("print_config", "dry_run", "help")
_HELP_COLUMN = 46
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclasses.dataclass(frozen=True)
class CommandLine:
    """The arguments of a command, taken apart.

    Attributes:
        layer: Keys given as ``--key value``, not yet checked against the schema except for flags without a value.
        errors: Arguments that make no sense by themselves.
        config_path: The yaml file, or an empty string for the shipped one.
        overlays: Overlay files, in order.
        print_config: Whether to print the resolved configuration and stop.
        dry_run: Whether to build everything and to change nothing.
        show_help: Whether to print the help and stop.
    """

    layer: Layer
    errors: list[ConfigError]
    config_path: str = ""
    overlays: tuple[str, ...] = ()
    print_config: bool = False
    dry_run: bool = False
    show_help: bool = False


def parse_arguments(argv: Sequence[str], options: Mapping[KeyPath, Option]) -> CommandLine:
    """Take apart ``--key value``, ``--key=value``, dotted keys, and flags without a value.

    A value that begins with two dashes needs the form ``--key=value``. The last of repeated options counts, except
    ``--overlay``, whose files add up.
    """
    layer: Layer = {}
    errors: list[ConfigError] = []
    control: dict[str, Any] = {"config_path": "", "overlays": ()}
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("--") and word != "-h":
            errors.append(ConfigError("unexpected argument", word, "options are written --key value or --key=value"))
            continue
        name, equals, value = ("help", "", "") if word == "-h" else word[2:].partition("=")
        path = tuple(name.split("."))
        is_flag = name in _CONTROL_FLAGS or (path in options and options[path].is_flag)
        if not equals:
            if words and not words[0].startswith("--"):
                value = words.pop(0)
            elif is_flag:
                value = "true"
            else:
                errors.append(ConfigError("needs a value", word, "write --key value or --key=value"))
                continue
        if not _take_control(control, name, value, errors):
            layer[path] = Setting(value, f"--{name}")
    return CommandLine(
        layer,
        errors,
        control["config_path"],
        control["overlays"],
        control.get("print_config", False),
        control.get("dry_run", False),
        control.get("help", False),
    )


def _take_control(control: dict[str, Any], name: str, value: str, errors: list[ConfigError]) -> bool:
    """Keep an option that steers the loading itself; return whether it was one."""
    if name == "config_path":
        control["config_path"] = value
    elif name == "overlay":
        control["overlays"] += tuple(part for part in value.split(",") if part)
    elif name in _CONTROL_FLAGS:
        if value.lower() not in (*_TRUE, *_FALSE):
            what = f"expected true or false, got {value!r}"
            errors.append(ConfigError(what, f"--{name}", "choose one of the two"))
        control[name] = value.lower() in _TRUE
    else:
        return False
    return True


def help_text(program: str, options: Mapping[KeyPath, Option], current: Mapping[KeyPath, Any], source: str) -> str:
    """Return the help: every option by group, with what it takes and the value it has now.

    Args:
        program: Name of the entry script.
        options: The options of the task, in the order of their groups.
        current: Value of an option as the yaml files and the rest of the command line give it.
        source: The files that ``current`` comes from.
    """
    lines = [
        f"usage: {program} [--config_path FILE] [--overlay FILE[,FILE]] [--print_config] [--dry_run] [--KEY VALUE ...]",
        "",
        "Schema defaults < yaml file < overlays < command line. A key inside a section is written with dots, as in",
        "--albert_net_cfg.seq_length 128. In brackets: the value from " + source + ".",
        "",
        "Control:",
        _entry("config_path", "FILE", "yaml file, relative to the current folder"),
        _entry("overlay", "FILE[,FILE]", "yaml files that go over it, in order; may be repeated"),
        _entry("print_config", "", "print the resolved configuration and stop"),
        _entry("dry_run", "", "build everything, run one batch without an update, and stop"),
        _entry("help", "", "print this and stop"),
    ]
    group = ""
    for path, option in options.items():
        if option.group != group:
            group = option.group
            lines += ["", f"{group}:"]
        note = " (only this value in this version)" if option.unavailable else ""
        lines.append(_entry(option.name, option.values, f"{option.description} [{as_written(current[path])}]{note}"))
    return "\n".join(lines)


def _entry(name: str, values: str, description: str) -> str:
    width = max(80, shutil.get_terminal_size((120, 24)).columns)
    head = f"  --{name} {values}".rstrip()
    lines = textwrap.wrap(description, width - _HELP_COLUMN - 1)
    if len(head) < _HELP_COLUMN:
        lines[0] = f"{head:<{_HELP_COLUMN}} {lines[0]}"
        return "\n".join(lines[:1] + [f"{'':<{_HELP_COLUMN}} {line}" for line in lines[1:]])
    return "\n".join([head] + [f"{'':<{_HELP_COLUMN}} {line}" for line in lines])
