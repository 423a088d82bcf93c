"""Keys of a ModelArts job: where data come from, where results go, and the local folders between."""

from __future__ import annotations

import itertools
import os
from typing import ClassVar

from pydantic import Field

from src.common.errors import ConfigError
from src.common.storage_url import StorageUrl, parse_storage_url
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
    urls: dict[str, StorageUrl] = {}
    for key in _URLS:
        if text := getattr(values, key):
            try:
                url = urls[key] = parse_storage_url(text, key)
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
    return problems + _mixed(urls)


def _mixed(urls: dict[str, StorageUrl]) -> list[tuple[tuple[str, ...], str, str]]:
    """Return a problem where results would lie among the data, and be fetched as such by the next start."""
    problems: list[tuple[tuple[str, ...], str, str]] = []
    if "train_url" not in urls:
        return problems
    fix = "send results to a folder of their own"
    for key in ("data_url", "checkpoint_url"):
        if key not in urls:
            continue
        if _lies_in(urls["train_url"], urls[key]) and _lies_in(urls[key], urls["train_url"]):
            problems.append((("train_url", key), f"train_url is also {key}", fix))
        elif key == "data_url" and _lies_in(urls["train_url"], urls[key]):
            what = "train_url lies inside of data_url, so the next start would fetch the results as data"
            problems.append((("train_url", key), what, fix))
        elif key == "data_url" and _lies_in(urls[key], urls["train_url"]):
            what = "data_url lies inside of train_url, so results could take the place of data"
            problems.append((("train_url", key), what, fix))
    return problems


def _lies_in(inner: StorageUrl, outer: StorageUrl) -> bool:
    """Tell whether an address is another one or lies below it; s3:// and obs:// are two names of one storage."""
    if inner.is_folder != outer.is_folder or inner.bucket != outer.bucket:
        return False
    paths = [os.path.realpath(url.path) if url.is_folder else f"/{url.path}" for url in (inner, outer)]
    return os.path.commonpath(paths) == paths[1]


def dry_run_line(values: ModelArtsKeys) -> str:
    """Return the last line of a dry run; what a job has fetched stays, for the start that follows."""
    fetched = [
        folder
        for key, folder in (("data_url", values.data_path), ("checkpoint_url", values.load_path))
        if values.enable_modelarts and getattr(values, key)
    ]
    if not fetched:
        return "dry run: everything fits, nothing was written"
    return f"dry run: everything fits, nothing was sent or written but what was fetched to {' and '.join(fetched)}"


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
