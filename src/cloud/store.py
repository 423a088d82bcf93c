"""What every kind of storage can do, and which kind an address needs."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.storage_url import StorageUrl

Tick = Callable[[int], None]
"""Is told the bytes of every piece."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a storage.

    Attributes:
        name: Path below the storage's address.
        size: Bytes.
        mark: What changes with its content (ETag, time of change); empty where the storage has none to offer.
    """

    name: str
    size: int
    mark: str


class Store(ABC):
    """The files below one address."""

    def __init__(self, url: StorageUrl) -> None:
        self.url = url

    @abstractmethod
    def list_files(self, below: str = "") -> list[StoredFile]:
        """Return all files in the order of their names, with ``below`` only those of that folder.

        An address of a single file lists that file.

        Raises:
            StorageError: The storage cannot be reached or refuses.
        """

    @abstractmethod
    def fetch(self, file: StoredFile, target: Path, tick: Tick) -> None:
        """Write the content of a file to ``target``, which the caller has made and renames afterwards.

        Raises:
            StorageError: It cannot be had, is gone, or arrives damaged time and again.
        """

    @abstractmethod
    def put(self, source: Path, name: str, digest: str, tick: Tick) -> None:
        """Store a file as ``name``: as a whole or not at all.

        Args:
            source: The file, which does not change meanwhile.
            name: Its path below the address.
            digest: Its sha256, kept beside it where the storage can.
            tick: Is told the bytes.

        Raises:
            StorageError: It cannot be stored.
        """

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return the content of a small file, ``None`` where there is none."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Store a small file."""

    @abstractmethod
    def remove(self, names: Sequence[str]) -> None:
        """Remove files; those that are gone already are no error."""


def open_store(url: StorageUrl) -> Store:
    """Return the storage of an address: a folder, MoXing where the platform has it, else the S3 interface.

    Raises:
        StorageError: It cannot be used as this machine is set up.
    """
    # Each kind is loaded only where it is needed: boto3 alone takes the time of a small run.
    if url.is_folder:
        from src.cloud.folder_store import FolderStore

        return FolderStore(url)
    if importlib.util.find_spec("moxing") is not None:
        from src.cloud.moxing_store import MoxingStore

        return MoxingStore(url)
    from src.cloud.s3_client import open_s3

    return open_s3(url)
