"""Which keys of a configuration name data, checkpoints and results, and where those lie in a job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from src.cloud.results import RunPlace
from src.common.errors import ConfigError, StorageError
from src.common.storage_url import parse_storage_url

_DATA = (
    "train_data_file_path",
    "eval_data_file_path",
    "test_data_file_path",
    "meta_data_file_path",
    "albert_data_dir",
    "eval_json_path",
    "test_json_path",
    "data_dir",
    "schema_dir",
    "eval_data_dir",
    "schema_file",
    "vocab_file_path",
    "spm_model_file",
)
_CHECKPOINTS = (
    "load_pretrain_checkpoint_path",
    "load_finetune_checkpoint_path",
    "load_checkpoint_path",
    "eval_ckpt",
    "export_ckpt_file",
)
_RESULTS = (
    "save_finetune_checkpoint_path",
    "save_checkpoint_path",
    "over_dump_path",
    "data_dump_path",
    "profiling_dump_path",
)
_SHOWN = 8


def input_paths(values: Any) -> dict[str, str]:
    """Return the keys of data and checkpoints whose relative paths begin in the folders of the job.

    Checkpoints are looked for among the data where ``checkpoint_url`` is not given.
    """
    checkpoints = values.load_path if values.checkpoint_url else values.data_path
    found = {}
    for keys, folder in ((_DATA, values.data_path), (_CHECKPOINTS, checkpoints)):
        for key in keys:
            if path := getattr(values, key, ""):
                found[key] = os.path.join(folder, path)
    return found


def check_inputs(values: Any, paths: dict[str, str]) -> None:
    """Raise ``ConfigError`` where a relative path names nothing of what was fetched."""
    for key, path in paths.items():
        # A TensorFlow checkpoint is named without its endings.
        if Path(path).exists() or os.path.isabs(getattr(values, key)) or Path(f"{path}.index").exists():
            continue
        folder = values.load_path if key in _CHECKPOINTS and values.checkpoint_url else values.data_path
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        there = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "") or "nothing"
        source = "checkpoint_url" if folder == values.load_path else "data_url"
        fix = f"the path is relative to {source}; fetched to {folder}: {there}"
        raise ConfigError(f"{getattr(values, key)} is not there", key, fix)


def result_paths(values: Any, description: str, *, exports: bool) -> dict[str, str]:
    """Return the keys of results with paths in ``output_path``.

    Args:
        values: The configuration.
        description: The name that a run gets whose directory is not given.
        exports: Whether the job is export.py, where ``run_dir`` is what it reads.

    Raises:
        ConfigError: One would lie elsewhere, and be lost at the end of the job.
    """
    given = {key: getattr(values, key, "") for key in _RESULTS}
    if exports:
        given["export_file_name"] = values.export_file_name
    else:
        given["run_dir"] = values.run_dir or description
    root = os.path.abspath(values.output_path)
    found = {}
    for key, path in given.items():
        if not path:
            continue
        found[key] = os.path.normpath(os.path.join(root, path))
        inside = found[key].startswith(f"{root}{os.sep}")
        if values.train_url and not inside:
            what = f"{path} lies outside of output_path, so it would not be sent to train_url"
            raise ConfigError(what, key, f"give a path relative to {values.output_path}")
    return found


def check_target(values: Any, run: RunPlace | None) -> None:
    """Refuse a folder for results where a file stands, before anything is fetched.

    Raises:
        StorageError: It is there.
    """
    url = parse_storage_url(values.train_url, "train_url")
    if not url.is_folder:
        return
    target = Path(os.path.abspath(url.child(run.folders[0]).path if run else url.path))
    there = next(path for path in (target, *target.parents) if path.exists())
    if not there.is_dir():
        what = "a file stands where a folder is needed"
        raise StorageError(what, str(there), "choose another folder for train_url, or move the file away")


def run_place(values: Any, results: dict[str, str]) -> RunPlace:
    """Return where the run of a training lies below ``output_path``."""
    root = os.path.abspath(values.output_path)
    run = os.path.relpath(results["run_dir"], root)
    folder = next((results[key] for key in _RESULTS[:2] if key in results), "")
    checkpoints = os.path.relpath(folder, root) if folder else f"{run}/checkpoints"
    elsewhere = () if checkpoints.startswith(f"{run}/") else (checkpoints,)
    return RunPlace((run, *elsewhere), checkpoints)
