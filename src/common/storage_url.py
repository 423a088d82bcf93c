"""Addresses of stored files: ``s3://bucket/path``, ``obs://bucket/path``, ``file:///folder`` and plain folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from src.common.errors import ConfigError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
# What S3 and OBS take as the name of a bucket.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OBJECT_SCHEMES = ("s3", "obs")
_TAKEN = "give s3://BUCKET/PATH, obs://BUCKET/PATH or a folder"


@dataclass(frozen=True)
class StorageUrl:
    """Where files are stored.

    Attributes:
        scheme: ``s3``, ``obs`` or ``file``.
        bucket: Name of the bucket; empty for a folder.
        path: Path inside the bucket without slashes at its ends, or the path of the folder.
    """

    scheme: str
    bucket: str
    path: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.scheme == "file"

    def child(self, name: str) -> StorageUrl:
        """Return the address of ``name`` below this one."""
        path = f"{self.path.rstrip('/')}/{name}" if self.path else name
        return StorageUrl(self.scheme, self.bucket, path)

    def __str__(self) -> str:
        """Return it as a user writes it; it never holds keys, which are refused."""
        return self.path if self.is_folder else f"{self.scheme}://{self.bucket}/{self.path}".rstrip("/")


def parse_storage_url(text: str, key: str) -> StorageUrl:
    """Take an address apart.

    No message repeats the text before it is known to hold no keys.

    Args:
        text: The address.
        key: The configuration's key that holds it, for messages.

    Raises:
        ConfigError: It names no storage that can be used, or holds access keys.
    """
    found = _SCHEME.match(text)
    if found is None:
        if not text or "\0" in text:
            raise ConfigError("names no folder", key, _TAKEN)
        return StorageUrl("file", "", text)
    scheme, rest = found[1].lower(), text[found.end() :]
    head, at, _ = rest.partition("@")
    if at and (":" in head or "/" not in head):
        fix = "take them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        raise ConfigError("access keys in an address end up in logs", key, fix)
    if scheme not in (*_OBJECT_SCHEMES, "file"):
        raise ConfigError(f"{scheme}:// is no storage that is known here", key, _TAKEN)
    if "?" in rest or "#" in rest or any(ord(character) < 32 for character in rest):
        raise ConfigError(f"the {scheme}:// address holds '?', '#' or a control character", key, _TAKEN)
    if scheme == "file":
        return _folder(rest, key)
    bucket, _, path = rest.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(f"{bucket!r} is no name of a bucket", key, _TAKEN)
    parts = [part for part in path.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise ConfigError("the path holds '.' or '..'", key, "name the folder itself")
    return StorageUrl(scheme, bucket, "/".join(parts))


def _folder(rest: str, key: str) -> StorageUrl:
    """Return the folder of a ``file://`` address."""
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash:
        raise ConfigError("a file:// address needs an absolute path of this machine", key, "write file:///FOLDER")
    return StorageUrl("file", "", f"/{unquote(path)}")
