"""Tables of names that are read in both directions: one line for a layer, whatever the numbers of its groups.

A template holds ``{group}`` and ``{inner}`` where a name holds the numbers of a group and of a layer inside it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

_NUMBER = {"{group}": r"(?P<group>\d+)", "{inner}": r"(?P<inner>\d+)"}


@dataclass(frozen=True)
class Rule:
    """What becomes of one variable.

    Attributes:
        canonical: Its name here.
        transpose: Whether it is stored [in, out] and is [out, in] here.
    """

    canonical: str
    transpose: bool = False


@dataclass(frozen=True)
class Entry:
    """One line of a table: templates of a name on both sides."""

    source: str
    canonical: str
    transpose: bool = False


def dense(source: str, canonical: str) -> tuple[Entry, Entry]:
    """Return the lines of a dense layer, whose kernel is [in, out] in TensorFlow."""
    return Entry(f"{source}/kernel", f"{canonical}.weight", True), Entry(f"{source}/bias", f"{canonical}.bias")


def norm(source: str, canonical: str) -> tuple[Entry, Entry]:
    """Return the lines of a layer normalisation."""
    return Entry(f"{source}/gamma", f"{canonical}.gamma"), Entry(f"{source}/beta", f"{canonical}.beta")


def output(source: str, canonical: str) -> tuple[Entry, Entry]:
    """Return the lines of a head that Google's code writes as ``output_weights``, [out, in] already.

    Args:
        source: What stands in front of ``output_weights``, with its slash.
        canonical: The layer here.
    """
    return Entry(f"{source}output_weights", f"{canonical}.weight"), Entry(f"{source}output_bias", f"{canonical}.bias")


def _pattern(template: str) -> re.Pattern[str]:
    pattern = re.escape(template)
    for place, number in _NUMBER.items():
        pattern = pattern.replace(re.escape(place), number)
    return re.compile(f"^{pattern}$")


class NameTable:
    """A table of names, by rule, in both directions.

    Args:
        entries: The lines; no name may fit two of them.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple(entries)

    @functools.cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern[str], re.Pattern[str], Entry], ...]:
        return tuple((_pattern(entry.source), _pattern(entry.canonical), entry) for entry in self._entries)

    def to_canonical(self, source: str) -> Rule | None:
        """Return what becomes of a variable, ``None`` for one that the table does not know."""
        for pattern, _, entry in self._patterns:
            match = pattern.match(source)
            if match:
                return Rule(entry.canonical.format(**match.groupdict()), entry.transpose)
        return None

    def from_canonical(self, canonical: str) -> tuple[str, bool] | None:
        """Return a parameter's name on the other side and whether it is transposed, ``None`` where it has none."""
        for _, pattern, entry in self._patterns:
            match = pattern.match(canonical)
            if match:
                return entry.source.format(**match.groupdict()), entry.transpose
        return None
