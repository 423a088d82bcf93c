"""A parser of command lines that says what is wrong in one line, as every other error of this project; its values."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from src.common.errors import ConfigError, OutputError


class OneLineParser(argparse.ArgumentParser):
    """A parser that raises ``ConfigError`` with a suggestion instead of printing its usage and leaving.

    Options cannot be abbreviated: a new option would change what an abbreviation means.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        """Raise the message of argparse as our error."""
        raise ConfigError(message, fix=f"see {self.prog} --help")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the options.

        Raises:
            ConfigError: An option is unknown, missing, or its value wrong.
        """
        options, unknown = self.parse_known_args(argv)
        if unknown:
            name = unknown[0].split("=", 1)[0]
            kind = "option" if name.startswith("-") else "argument"
            chosen = self._chosen(options)
            close = difflib.get_close_matches(name, [*_options_of(self), *_options_of(chosen)], n=1)
            fix = f"did you mean {close[0]}?" if close else f"see {chosen.prog} --help"
            raise ConfigError(f"unknown {kind} {name}", fix=fix)
        return options

    def _chosen(self, options: argparse.Namespace) -> argparse.ArgumentParser:
        """Return the parser of the subcommand that was given; without subcommands this one."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                found: argparse.ArgumentParser = action.choices[getattr(options, action.dest)]
                return found
        return self


def _options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the options of a parser."""
    for action in parser._actions:
        yield from action.option_strings


def given_path(text: str) -> Path:
    """Read a path; an empty one would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def true_or_false(text: str) -> bool:
    """Read a boolean as launchers write it: true, false, 1, 0, in any case."""
    value = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return value


def read_count(text: str) -> int:
    """Read a whole number from 0 on."""
    if not (text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a count")
    return int(text)


def whole_number(smallest: int, largest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds, both of which it tells."""

    def read(text: str) -> int:
        value = int(text) if text.isdecimal() and len(text) <= len(str(largest)) else -1
        if not smallest <= value <= largest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {smallest} to {largest}")
        return value

    return read


def add_flag(parser: Any, name: str, default: bool | None, text: str) -> None:
    """Add an option that is true or false."""
    parser.add_argument(name, type=true_or_false, default=default, metavar="true|false", help=text)


def require_stdout(fix: str) -> None:
    """Raise ``OutputError`` where stdout is closed and the answers of a command would go there.

    Args:
        fix: What to do.
    """
    if sys.stdout is None:
        raise OutputError("stdout is closed, and the answers would go there", fix=fix)
