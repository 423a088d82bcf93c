"""The files of a run directory by name: what a run writes, and so what may be removed when another takes its place."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from src.common.errors import OutputError
from src.common.files import output_error
from src.common.log import LOG_NAME
from src.common.run_lock import LOCK_NAME

CONFIG_NAME = "config.yaml"
ENVIRONMENT_NAME = "environment.json"
METRICS_NAME = "metrics.jsonl"

# What a run writes, by folder, as regular expressions of whole names: only these files are removed by ``overwrite``.
_RUN_FILES: Mapping[str, tuple[str, ...]] = {
    "": (
        r"(config(\.\d+)?\.yaml|environment\.\d+\.json)",
        f"({re.escape(LOG_NAME)}|{re.escape(METRICS_NAME)})",
        r"((loss|metric)\.png|profile\.(txt|json))",
    ),
    "checkpoints": (r".+-\d+_\d+(-\d+)?(\.state)?\.ckpt", r".+-best\.ckpt", r"manifest\.json"),
    "eval": (r".+\.json",),
    "tensorboard": (r"events\.out\.tfevents\..+",),
    "predictions": (
        r"predictions\.(jsonl|tsv|conll)",
        r"(CoLA|SST-2|MRPC|STS-B|QQP|MNLI-m|MNLI-mm|QNLI|RTE|WNLI|AX)\.tsv",
    ),
    "predictions/*": (r"(predictions|nbest_predictions|null_odds|metrics|errors)\.json",),
    "assets": (r"task\.json", r".+\.model", r"vocab.*\.txt"),
    "over_dump/rank_*": (r"step_\d+(-\d+)?\.json", r"step_\d+(-\d+)?_\w+\.npy"),
    "data_dump/rank_*": (r"config\.json", r"index\.(txt|csv)"),
    "data_dump/rank_*/update_*": (r".+\.npy",),
}
RUN_FOLDERS = frozenset(name.partition("/")[0] for name in _RUN_FILES if name)
# Left beside any file of a run that is killed in the middle of writing it.
_TEMPORARY = r"\.{}\.[^.]+\.tmp"
_TEMPORARY_MARK = _TEMPORARY.format(re.escape(ENVIRONMENT_NAME))


def _is_run_file(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a run wrote the file of this name, or the beginning of it under a temporary name."""
    forms = [form for pattern in patterns for form in (pattern, _TEMPORARY.format(pattern))]
    return any(re.fullmatch(form, name) for form in (*forms, _TEMPORARY_MARK))


def is_run_path(path: str) -> bool:
    """Tell whether a run writes a file of this path, relative to its directory and with slashes."""
    folder, _, name = path.rpartition("/")
    depth = folder.count("/")
    return path == ENVIRONMENT_NAME or any(
        fnmatchcase(folder, place) and place.count("/") == depth and _is_run_file(name, patterns)
        for place, patterns in _RUN_FILES.items()
    )


def holds_nothing(path: Path) -> bool:
    """Tell whether a directory is missing or holds nothing but what a start that failed at once leaves.

    Raises:
        OutputError: ``path`` is no directory or cannot be read.
    """
    try:
        names = [entry.name for entry in path.iterdir()]
    except FileNotFoundError:
        return True
    except NotADirectoryError as error:
        raise OutputError("a file stands where the run directory should be", str(path), "choose another") from error
    except OSError as error:
        raise output_error(error, path) from error
    return all(name == LOCK_NAME or re.fullmatch(_TEMPORARY_MARK, name) for name in names)


def _folders_of(path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the folders of a run that exist, inner ones first, with the patterns of the files that it writes there."""
    for name, patterns in sorted(_RUN_FILES.items(), reverse=True):
        for folder in sorted(path.glob(name)) if name else [path]:
            if folder.is_dir():
                yield folder, patterns


def remove_run_files(path: Path) -> None:
    """Remove what a run wrote; ``environment.json`` goes last, so that an interrupted removal can be repeated."""
    try:
        for folder, patterns in _folders_of(path):
            for entry in folder.iterdir():
                if _is_run_file(entry.name, patterns) and not entry.is_dir():
                    entry.unlink()
            if folder != path and not folder.is_symlink():
                # Fails where other files remain: they are not ours, so their folder stays.
                with contextlib.suppress(OSError):
                    folder.rmdir()
        (path / ENVIRONMENT_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(error, path) from error
