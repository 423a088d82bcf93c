"""Keys of a ModelArts job: where data come from, where results go, and the local folders between."""

from __future__ import annotations

import itertools
import os
from typing import ClassVar

from pydantic import Field

from src.common.errors import ConfigError
from src.common.storage_url import parse_storage_url
from src.config.sections import Section

_URLS = ("data_url", "train_url", "checkpoint_url")
_FOLDERS = ("data_path", "output_path", "load_path")


class ModelArtsKeys(Section):
    """ModelArts."""

    group: ClassVar[str] = "ModelArts"

    enable_modelarts: bool = Field(
        False, description="fetch data and checkpoints from object storage and send results there; docs/modelarts.md"
    )
    data_url: str = Field(
        "",
        description="where the data lie: s3://BUCKET/PATH, obs://BUCKET/PATH or a folder; zip files are unpacked",
    )
    train_url: str = Field("", description="where results go while training and at its end; empty: nowhere")
    checkpoint_url: str = Field("", description="where checkpoints to start from lie")
    data_path: str = Field(
        "/cache/data", min_length=1, description="local folder for the data; relative paths of data begin here"
    )
    output_path: str = Field(
        "/cache/train", min_length=1, description="local folder for results; relative paths of results begin here"
    )
    load_path: str = Field(
        "/cache/checkpoint_path",
        min_length=1,
        description="local folder for checkpoints; their relative paths begin here",
    )


MODELARTS_KEYS: tuple[str, ...] = tuple(ModelArtsKeys.model_fields)


def modelarts_problems(values: ModelArtsKeys) -> list[tuple[tuple[str, ...], str, str]]:
    """Return what is wrong between these keys: the keys, what, and what to do; no text repeats an address."""
    problems: list[tuple[tuple[str, ...], str, str]] = []
    for key in _URLS:
        if text := getattr(values, key):
            try:
                url = parse_storage_url(text, key)
            except ConfigError as error:
                problems.append(((key,), f"{key}: {error.what}", error.fix))
                continue
            folder = _FOLDERS[_URLS.index(key)]
            if url.is_folder and _overlap(url.path, getattr(values, folder)):
                problems.append(((key, folder), f"{key} and {folder} overlap", "give each a folder of its own"))
    if not values.enable_modelarts:
        return problems + _useless(values)
    for keys in itertools.combinations(_FOLDERS, 2):
        if _overlap(getattr(values, keys[0]), getattr(values, keys[1])):
            problems.append((keys, f"{keys[0]} and {keys[1]} overlap", "give each a folder of its own"))
    for key in ("data_url", "checkpoint_url"):
        if values.train_url and getattr(values, key).rstrip("/") == values.train_url.rstrip("/"):
            problems.append((("train_url", key), f"train_url is also {key}", "send results to a folder of their own"))
    return problems


def _overlap(first: str, second: str) -> bool:
    """Tell whether one of two folders is or holds the other."""
    paths = [os.path.abspath(path) for path in (first, second)]
    return os.path.commonpath(paths) in paths


def _useless(values: ModelArtsKeys) -> list[tuple[tuple[str, ...], str, str]]:
    """Return a problem for each key that is given though nothing reads it."""
    fields = type(values).model_fields
    given = [key for key in (*_URLS, *_FOLDERS) if getattr(values, key) != fields[key].default]
    fixes = {"data_path": "data of your own goes to the *_file_path and data_dir keys"}
    usual = "set enable_modelarts to true, or leave it out"
    return [((key,), f"{key} has no effect without enable_modelarts", fixes.get(key, usual)) for key in given]
