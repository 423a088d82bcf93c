"""Read a yaml file together with the line of every key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from src.common.errors import ConfigError
from src.config.layers import KeyPath, Layer, Setting

_MAX_DEPTH = 4


def read_yaml_layer(path: Path) -> tuple[Layer, list[ConfigError]]:
    """Read one yaml file.

    Returns:
        The settings by key path, and the errors found inside the file (duplicate keys, keys that are no text).

    Raises:
        ConfigError: The file cannot be read, is not UTF-8, is empty, or is not a yaml mapping.
    """
    text = _read_text(path)
    errors: list[ConfigError] = []
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise ConfigError("the file is empty", str(path), "give it the keys that should differ from the defaults")
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError("expected lines of the form 'key: value'", f"{path}:{root.start_mark.line + 1}")
        settings = dict(_walk(loader, root, (), str(path), errors))
    except yaml.YAMLError as error:
        raise _syntax_error(error, path) from error
    return settings, errors


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError("no such file", str(path), "paths are relative to the current folder") from error
    except OSError as error:
        raise ConfigError(f"cannot read: {error.strerror or error}", str(path), "give a yaml file") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8 text", f"{path}:{line}", "save the file as UTF-8") from error


def _syntax_error(error: yaml.YAMLError, path: Path) -> ConfigError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    context = getattr(error, "context", None)
    detail = f"{problem} ({context})" if context else problem
    return ConfigError(f"not valid yaml: {detail}", where, "correct the file there")


def _walk(
    loader: yaml.SafeLoader, node: yaml.MappingNode, parents: KeyPath, path: str, errors: list[ConfigError]
) -> Iterator[tuple[KeyPath, Setting]]:
    """Yield the settings of a mapping; an empty section (a name with nothing below it) has no settings."""
    first_lines: dict[Any, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        where = f"{path}:{line}"
        if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key_node.value, str):
            errors.append(ConfigError("a key must be a word", where))
            continue
        key = key_node.value
        key_path = (*parents, key)
        if key in first_lines:
            errors.append(
                ConfigError(f"{'.'.join(key_path)} is given twice", where, f"remove this or line {first_lines[key]}")
            )
            continue
        first_lines[key] = line
        if not isinstance(value_node, yaml.MappingNode):
            # A list keeps its structure; a section inside a list is no value of any key and fails its type.
            yield key_path, Setting(loader.construct_document(value_node), where)
        elif len(key_path) >= _MAX_DEPTH:
            errors.append(ConfigError(f"{'.'.join(key_path)} is nested too deeply", where))
        else:
            yield from _walk(loader, value_node, key_path, path, errors)
