"""Keep the features of an evaluation file in a file of their own, so that they are made once.

The file is a numpy ``.npz`` whose first member is a header in JSON. It is never unpickled. Its key is a checksum over
everything that decides the features, so a stale file is noticed and made anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from src.common.errors import DataError, OutputError
from src.common.files import atomic_path
from src.common.json_files import json_value
from src.data.squad import SquadFile
from src.data.squad_features import SquadFeatures, SquadSettings, build_features
from src.data.tokenization import Tokenizer

_LOG = logging.getLogger(__name__)

# To be raised whenever the same file, vocabulary and settings give other features or another header than before.
_FORMAT_VERSION = 2
_HEADER = "squad_features_header"
# A zip file begins with 30 bytes of numbers, then the first member's name.
_ZIP_MAGIC, _NAME_AT = b"PK\x03\x04", 30
_HEAD_BYTES = _NAME_AT + len(_HEADER)
_PICKLE_MAGIC = b"\x80"
# What numpy and the zip reader raise for damaged files; checksums over all members are verified. zipfile raises
# NotImplementedError for a compression method that it does not know, as a damaged byte may name one.
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, NotImplementedError)
_NO_ARRAYS = ("settings", "skipped", "cut_questions")
_ARRAYS = tuple(field.name for field in dataclasses.fields(SquadFeatures) if field.name not in _NO_ARRAYS)

Progress: TypeAlias = Callable[[int], None]


def features_of(
    data: SquadFile,
    tokenizer: Tokenizer,
    settings: SquadSettings,
    cache: Path | None = None,
    progress: Progress = lambda questions: None,
) -> SquadFeatures:
    """Return the evaluation features of a file, from the cache where that holds them.

    Args:
        data: The questions.
        tokenizer: What makes the token ids.
        settings: How windows are cut.
        cache: File of the features, or a folder for one that is named by its key. ``None`` keeps none.
        progress: Called with the number of further questions that are done.

    Raises:
        DataError: The file given as cache is none.
        ConfigError: The settings leave no room for a passage.
        OutputError: The cache cannot be written.
    """
    key = cache_key(data, tokenizer, settings)
    place = None if cache is None else cache_place(cache, key)
    if place is not None:
        try:
            features = _load(place, key, settings)
        except _UnusableError as reason:
            _LOG.info("%s: %s; the features are made anew", place, reason)
        else:
            _LOG.info("%s: features of %s, %d windows", place, data.source.name, features.rows)
            return features
    features = build_features(data, tokenizer, settings, training=False, progress=progress)
    if place is not None:
        _save(place, key, features)
    return features


def cache_key(data: SquadFile, tokenizer: Tokenizer, settings: SquadSettings) -> str:
    """Return the checksum over everything that decides the features, hexadecimal."""
    # The name of the vocabulary's file decides nothing.
    made_with = {name: value for name, value in tokenizer.fingerprint().items() if name != "file"}
    content = [_FORMAT_VERSION, data.sha256, made_with, dataclasses.asdict(settings)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def cache_place(cache: Path, key: str) -> Path:
    """Return the file itself, or for a folder the file in it that is named by the key."""
    return cache / f"squad_features_{key[:16]}.npz" if cache.is_dir() else cache


def check_cache(place: Path) -> None:
    """Refuse a file that is no cache of features, damaged or not: it would be replaced.

    Raises:
        DataError: It is a pickle of the old code, or another file.
    """
    head = _head(place)
    # The file may end anywhere, where it was cut off.
    if _ZIP_MAGIC.startswith(head[: len(_ZIP_MAGIC)]) and _HEADER.encode().startswith(head[_NAME_AT:]):
        return
    if head.startswith(_PICKLE_MAGIC):
        what = "this is a pickle file of the old code; it is never opened, because opening one runs what it says"
        raise DataError(what, str(place), "name a file that is not there yet: the features are made anew in seconds")
    what = "the file is no cache of features, and would be replaced by one"
    raise DataError(what, str(place), "name another file, or one that is not there yet")


class _UnusableError(Exception):
    """The cache does not hold what is wanted."""


def _head(place: Path) -> bytes:
    try:
        with place.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", str(place), "check the path and its permissions") from error


def _load(place: Path, key: str, settings: SquadSettings) -> SquadFeatures:
    """Return the features of a cache; raise ``_UnusableError`` when it is missing, stale or damaged."""
    if not place.exists():
        raise _UnusableError("there is no cache yet")
    check_cache(place)
    try:
        with np.load(place, allow_pickle=False) as content:
            header = json_value(bytes(content[_HEADER]))
            if header["key"] != key:
                raise _UnusableError("the cache is of another json file, vocabulary or setting")
            arrays = {name: content[name] for name in _ARRAYS}
            cut_questions = int(header["cut_questions"])
            damaged = header["arrays"] != {name: _described(values) for name, values in arrays.items()}
    except _DAMAGE as error:
        raise _UnusableError(f"the cache is damaged ({type(error).__name__})") from error
    if damaged:
        raise _UnusableError("the cache is damaged (its arrays are not those of its header)")
    return SquadFeatures(settings=settings, skipped=(), cut_questions=cut_questions, **arrays)


def _described(values: np.ndarray) -> dict[str, Any]:
    return {"dtype": str(values.dtype), "shape": list(values.shape)}


def _save(place: Path, key: str, features: SquadFeatures) -> None:
    """Write a cache as a whole."""
    arrays = {name: getattr(features, name) for name in _ARRAYS}
    described = {name: _described(values) for name, values in arrays.items()}
    header = {"key": key, "cut_questions": features.cut_questions, "arrays": described}
    if place.is_dir():
        raise OutputError("a folder stands where the file is to be", str(place), "choose another name")
    with atomic_path(place) as temporary, temporary.open("wb") as stream:
        # The header comes first: check_cache knows the file by it.
        np.savez(stream, **{_HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays})
