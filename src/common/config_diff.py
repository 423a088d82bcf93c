"""Say in which settings two configurations differ, for a resumed run that should be the run it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ABSENT = "(absent)"


class ConfigDifference(NamedTuple):
    """One setting that differs.

    Attributes:
        key: Dotted key, for example ``optimizer_cfg.Lamb.learning_rate``.
        before: Stored value, or ``ABSENT``.
        now: Present value, or ``ABSENT``.
    """

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """Return the difference in one line."""
        return f"{self.key}: {self.before} -> {self.now}"


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted key; an empty mapping is a leaf."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            leaves |= _flatten(value, f"{name}.")
        else:
            leaves[name] = value
    return leaves


def _comparable(value: Any) -> Any:
    """Return a form in which equal settings are equal: PyYAML reads ``1e-5`` as text, and tuples become lists."""
    if isinstance(value, (list, tuple)):
        return [_comparable(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return value
    # True equals 1 in Python, but a switch and a number are different settings.
    return (type(value).__name__, value)


def diff_configs(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[ConfigDifference]:
    """Return the settings that differ, sorted by key.

    Args:
        before: Stored configuration, as read from its yaml.
        now: Present configuration, nested in the same way.
    """
    old, new = _flatten(before), _flatten(now)
    return [
        ConfigDifference(key, old.get(key, ABSENT), new.get(key, ABSENT))
        for key in sorted({*old, *new})
        if key not in old or key not in new or _comparable(old[key]) != _comparable(new[key])
    ]
