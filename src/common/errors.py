"""Errors of this project: each says what is wrong, where, and what to do.

Entry scripts turn them into one line on stderr and exit status 2 (see ``src/common/cli.py``), so a user's
mistake never ends in a traceback.
"""

from __future__ import annotations


class AlbertError(Exception):
    """Base of every error that a user can cause and can mend.

    Args:
        what: What is wrong, in one sentence without a full stop.
        where: File, line, key or record, for example ``train.tsv:17``; may be empty.
        fix: What the user should do, in one sentence; may be empty.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(self.__str__())

    def __str__(self) -> str:
        """Join the parts into the one line that is shown to the user."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} -> {self.fix}" if self.fix else text


class ConfigError(AlbertError):
    """A configuration file or command-line option is wrong."""


class DataError(AlbertError):
    """An input text, table, vocabulary or record file is wrong."""


class CheckpointError(AlbertError):
    """A checkpoint is damaged, incomplete, or does not fit the network."""


class OutputError(AlbertError):
    """An output cannot be written, or exists already and would be overwritten."""


class DeviceError(AlbertError):
    """The device asked for is not there, or a process of the group failed."""


class StorageError(AlbertError):
    """Object storage cannot be reached, refuses, or does not hold what is asked of it."""


class TrainingError(AlbertError):
    """Training cannot go on, for example because the loss is not finite."""
